#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "keygen2/json_reader.h"
#include "keygen2/json_writer.h"

namespace sks::keygen2 {

/// searchFilter of a lookupSpecifier. Spec: keygen2.md 6.2.
struct SearchFilter {
  std::optional<Bytes> finger_print;
  std::optional<std::string> issuer_reg_ex;
  std::optional<std::string> serial_number;
  std::optional<std::string> subject_reg_ex;
  std::optional<std::string> email_reg_ex;
  std::vector<std::string> policy_rules;
  std::vector<std::string> key_usage_rules;
  std::vector<std::string> extended_key_usage_rules;
  std::optional<std::int64_t> issued_before;
  std::optional<std::int64_t> issued_after;
  std::optional<std::uint8_t> grouping;
  std::optional<std::uint8_t> app_usage;
};

SearchFilter read_search_filter(JsonReader& in);
void write_search_filter(JsonWriter& out, const SearchFilter& filter);

}  // namespace sks::keygen2
