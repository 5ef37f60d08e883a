#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "keygen2/json_reader.h"
#include "keygen2/json_writer.h"
#include "keygen2/regular_expression.h"

namespace sks::keygen2 {

/// searchFilter of a lookupSpecifier. Spec: keygen2.md 6.2.
struct SearchFilter {
  std::optional<Bytes> finger_print;                  ///< SHA-256 of a certificate
  std::optional<std::string> issuer_reg_ex;           ///< keygen2.md 6.3
  std::optional<std::string> serial_number;           ///< decimal
  std::optional<std::string> subject_reg_ex;          ///< keygen2.md 6.3
  std::optional<std::string> email_reg_ex;            ///< keygen2.md 6.3
  std::vector<std::string> policy_rules;              ///< keygen2.md 6.5; absent when empty
  std::vector<std::string> key_usage_rules;           ///< keygen2.md 6.5; absent when empty
  std::vector<std::string> extended_key_usage_rules;  ///< keygen2.md 6.5; absent when empty
  std::optional<std::int64_t> issued_before;          ///< seconds since 1970, inclusive
  std::optional<std::int64_t> issued_after;           ///< seconds since 1970, inclusive
  std::optional<std::uint8_t> grouping;               ///< position in kGroupings
  std::optional<std::uint8_t> app_usage;              ///< position in kAppUsages

  bool operator==(const SearchFilter&) const = default;
};

/// Reads the members of a searchFilter object and checks everything that FilterMatcher::compile checks. Failures of the
/// reader: json for a wrong type, an empty array or no member at all; value for a wrong length, base64url, number,
/// time, name, rule or regular expression; policy for a regular expression of more than 1000 characters.
SearchFilter read_search_filter(JsonReader& in);

/// Writes the members, in the order of the table. `filter` is as read_search_filter would accept it.
void write_search_filter(JsonWriter& out, const SearchFilter& filter);

/// What a key says about itself.
struct SearchedKey {
  const std::vector<Bytes>& certificate_path;  ///< DER, end entity first
  std::optional<std::uint8_t> grouping;        ///< none without a PIN policy; keys with the device's PIN have none
  std::uint8_t app_usage;
};

/// A search filter, ready to be applied to many keys.
class FilterMatcher {
 public:
  /// Fails with value or policy on what is wrong with a regular expression (RegularExpression::compile), then with
  /// value on a rule that breaks keygen2.md 6.5: no object identifier or name of a key usage, or given twice.
  static Outcome<FilterMatcher> compile(const SearchFilter& filter);

  /// Whether all members match; a key whose certificates do not decode matches nothing that asks for them. Fails with
  /// policy when a regular expression takes too many steps, or more than `budget` has left. Members that can be told
  /// without looking into certificates come first.
  Outcome<bool> matches(const SearchedKey& key, MatchBudget& budget) const;

 private:
  static constexpr std::size_t kRegularExpressions = 3;

  FilterMatcher() = default;

  SearchFilter filter_;
  std::array<std::optional<RegularExpression>, kRegularExpressions> expressions_;
};

}  // namespace sks::keygen2
