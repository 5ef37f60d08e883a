#pragma once

namespace sks::issuer {

/// What the signatures of a credential's key are for. Few credentials have one, so it stands beside them.
inline constexpr const char* kSignatureProfilesSchema = R"sql(
CREATE TABLE signature_profiles (
  credential {text} PRIMARY KEY,
  uri {text} NOT NULL
) {clustered};
)sql";

}  // namespace sks::issuer
