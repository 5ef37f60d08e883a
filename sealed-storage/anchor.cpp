#include "sealed-storage/anchor.h"

#include <algorithm>
#include <array>

#include "sealed-storage/file_anchor.h"
#include "sealed-storage/tpm2/counter.h"

namespace sks::sealed {
namespace {

constexpr auto kKinds = std::to_array<AnchorKind>({
    {1, "file", true, create_file_anchor, open_file_anchor},
    {2, "tpm2", false, create_tpm_counter, open_tpm_counter},
});

constexpr std::string_view kNone = "none";

}  // namespace

std::span<const AnchorKind> anchor_kinds() { return kKinds; }

const AnchorKind* find_anchor_kind(std::uint64_t number) {
  const auto found = std::ranges::find(kKinds, number, &AnchorKind::number);
  return found == kKinds.end() ? nullptr : &*found;
}

Result<AnchorChoice> parse_anchor(std::string_view text) {
  if (text == kNone) return AnchorChoice{};
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const std::string place(colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1));
  const auto kind = std::ranges::find(kKinds, name, &AnchorKind::name);
  if (kind == kKinds.end()) return Error{Status::option, "there is no anchor '" + std::string(name) + "'"};
  if (kind->takes_place && place.empty())
    return Error{Status::option,
                 "the anchor '" + std::string(name) + "' needs a place: " + std::string(name) + ":PATH"};
  if (!kind->takes_place && colon != std::string_view::npos)
    return Error{Status::option, "the anchor '" + std::string(name) + "' takes no place"};
  return AnchorChoice{&*kind, place};
}

std::string to_string(const AnchorChoice& choice) {
  if (choice.kind == nullptr) return std::string(kNone);
  return std::string(choice.kind->name) + (choice.place.empty() ? "" : ":" + choice.place);
}

}  // namespace sks::sealed
