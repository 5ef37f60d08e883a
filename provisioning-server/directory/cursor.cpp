#include "provisioning-server/directory/cursor.h"

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {

std::string make_cursor(const std::vector<std::string>& values) {
  std::string cursor;
  for (const std::string& value : values) {
    if (!cursor.empty()) cursor += '.';
    cursor += to_base64url(as_bytes(value)) + '~';
  }
  return cursor;
}

Result<std::vector<std::string>> parse_cursor(const std::string& cursor, std::size_t count) {
  const Error malformed(Status::option, "this is no cursor of that list");
  std::vector<std::string> values;
  std::string_view rest = cursor;
  while (!rest.empty()) {
    const std::size_t end = rest.find('~');
    if (end == std::string_view::npos) return malformed;
    const Result<Bytes> value = from_base64url(rest.substr(0, end));
    if (!value) return malformed;
    values.push_back(sks::to_string(*value));
    // A database would not take it for a text.
    if (!is_utf8(values.back()) || values.back().find('\0') != std::string::npos) return malformed;
    rest.remove_prefix(end + 1);
    if (!rest.empty() && rest.front() != '.') return malformed;
    if (!rest.empty()) rest.remove_prefix(1);
  }
  if (values.size() != count) return malformed;
  return values;
}

}  // namespace sks::issuer
