#pragma once

namespace sks::issuer {

/// What sessions need of the policy that they were started with, whatever becomes of its files.
inline constexpr const char* kPoliciesSchema = R"sql(
CREATE TABLE profiles (
  digest {text} PRIMARY KEY,
  name {text} NOT NULL,
  content {text} NOT NULL,
  first_used {integer} NOT NULL
);
CREATE TABLE profile_files (
  profile {text} NOT NULL REFERENCES profiles (digest),
  name {text} NOT NULL,
  content {blob} NOT NULL,
  PRIMARY KEY (profile, name)
);
ALTER TABLE sessions ADD COLUMN data {text} NOT NULL DEFAULT '';
)sql";

}  // namespace sks::issuer
