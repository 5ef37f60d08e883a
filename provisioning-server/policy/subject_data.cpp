#include "provisioning-server/policy/subject_data.h"

#include <algorithm>

#include "keygen2/json_reader.h"
#include "keygen2/json_writer.h"
#include "sks-core/base/byte_reader.h"

namespace sks::issuer {

bool is_data_name(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  return !name.empty() && name.size() <= 64 && name.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool is_data_value(std::string_view value) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return !value.empty() && value.size() <= 1000 && is_utf8(value) && std::ranges::none_of(value, is_control);
}

Result<SubjectData> parse_subject_data(std::string_view json) {
  if (json.empty()) return SubjectData{};
  auto document = keygen2::JsonDocument::parse(json, kMaxSubjectData);
  if (!document) return Error{Status::option, "the data is not a JSON object: " + document.error().detail};
  keygen2::JsonReader root = document->root();
  SubjectData data;
  for (const std::string& name : root.member_names()) {
    if (!is_data_name(name))
      return Error{Status::option, "a name in the data has 1 to 64 characters: letters, digits, '-', '_' and '.'"};
    data[name] = root.text(name);
  }
  if (const auto end = document->finish(); !end) return Error{Status::option, "the data: " + end.error().detail};
  for (const auto& [name, value] : data)
    if (!is_data_value(value))
      return Error{Status::option, "\"" + name + "\" in the data must be 1 to 1000 bytes without control characters"};
  return data;
}

std::string subject_data_text(const SubjectData& data) {
  if (data.empty()) return {};
  keygen2::JsonWriter out;
  for (const auto& [name, value] : data) out.text(name, value);
  return out.finish();
}

}  // namespace sks::issuer
