#include "sealed-storage/tpm2/pcr_selection.h"

#include <charconv>

namespace sks::sealed {

Result<PcrSelection> parse_pcrs(std::string_view list) {
  PcrSelection selection = 0;
  while (true) {
    const std::string_view item = list.substr(0, list.find(','));
    unsigned number = kPcrCount;
    const char* const end = item.data() + item.size();
    const auto [stop, failure] = std::from_chars(item.data(), end, number);
    if (item.empty() || failure != std::errc() || stop != end || number >= kPcrCount || item != std::to_string(number))
      return Error{Status::option, "PCRs are a list of numbers from 0 to 23, such as 0,2,7"};
    const PcrSelection bit = PcrSelection{1} << number;
    if ((selection & bit) != 0) return Error{Status::option, "PCR " + std::to_string(number) + " is named twice"};
    selection |= bit;
    if (item.size() == list.size()) return selection;
    list.remove_prefix(item.size() + 1);
  }
}

std::vector<unsigned> pcrs_of(PcrSelection selection) {
  std::vector<unsigned> numbers;
  for (unsigned number = 0; number < kPcrCount; ++number)
    if ((selection >> number & 1U) != 0) numbers.push_back(number);
  return numbers;
}

std::string pcr_names(PcrSelection selection) {
  const std::vector<unsigned> numbers = pcrs_of(selection);
  SKS_CHECK(!numbers.empty());
  std::string names = numbers.size() == 1 ? "PCR " : "PCRs ";
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i != 0) names += i + 1 == numbers.size() ? " and " : ", ";
    names += std::to_string(numbers[i]);
  }
  return names;
}

}  // namespace sks::sealed
