#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sks::issuer {

/// CRLReason of RFC 5280, 5.3.1: the numbers are those of the encoding.
enum class RevocationReason : std::uint8_t {
  unspecified = 0,
  key_compromise = 1,
  ca_compromise = 2,
  affiliation_changed = 3,
  superseded = 4,
  cessation_of_operation = 5,
  certificate_hold = 6,
  privilege_withdrawn = 9,
};

struct RevocationReasonRow {
  RevocationReason reason;
  std::string_view name;  ///< as RFC 5280 spells it
};
inline constexpr auto kRevocationReasons = std::to_array<RevocationReasonRow>({
    {RevocationReason::unspecified, "unspecified"},
    {RevocationReason::key_compromise, "keyCompromise"},
    {RevocationReason::ca_compromise, "cACompromise"},
    {RevocationReason::affiliation_changed, "affiliationChanged"},
    {RevocationReason::superseded, "superseded"},
    {RevocationReason::cessation_of_operation, "cessationOfOperation"},
    {RevocationReason::certificate_hold, "certificateHold"},
    {RevocationReason::privilege_withdrawn, "privilegeWithdrawn"},
});

constexpr std::string_view name_of(RevocationReason reason) {
  for (const RevocationReasonRow& row : kRevocationReasons)
    if (row.reason == reason) return row.name;
  return "unspecified";
}

constexpr std::optional<RevocationReason> find_revocation_reason(std::string_view name) {
  for (const RevocationReasonRow& row : kRevocationReasons)
    if (row.name == name) return row.reason;
  return std::nullopt;
}

}  // namespace sks::issuer
