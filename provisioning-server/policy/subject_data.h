#pragma once

#include <map>
#include <string>
#include <string_view>

#include "sks-core/base/result.h"

namespace sks::issuer {

/// What is known about the subject of a ticket: texts by name, such as "cn", "email", "employee_id".
using SubjectData = std::map<std::string, std::string, std::less<>>;

inline constexpr std::size_t kMaxSubjectData = 16 * 1024;

/// 1 to 64 characters: letters, digits, '-', '_', '.'.
bool is_data_name(std::string_view name);
/// 1 to 1000 bytes of UTF-8 without control characters.
bool is_data_value(std::string_view value);

/// A JSON object of such names and texts, at most kMaxSubjectData bytes; an empty text is an empty object. Fails with
/// option.
Result<SubjectData> parse_subject_data(std::string_view json);
/// The JSON of it; empty for none.
std::string subject_data_text(const SubjectData& data);

}  // namespace sks::issuer
