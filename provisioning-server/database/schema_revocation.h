#pragma once

namespace sks::issuer {

/// Entries of revocation lists, and the latest list of each authority. Spec: provisioning-server/revocation/
/// revocation_store.h
inline constexpr const char* kRevocationSchema = R"sql(
CREATE TABLE revocations (
  fingerprint {text} PRIMARY KEY,
  authority {text} NOT NULL,
  entry {blob} NOT NULL,
  reason {integer} NOT NULL,
  time {integer} NOT NULL,
  expires {integer} NOT NULL,
  in_force {integer} NOT NULL,
  listed {integer} NOT NULL
);
CREATE INDEX revocations_unlisted ON revocations (authority) WHERE listed <= 0;
CREATE INDEX revocations_authority ON revocations (authority, expires);
CREATE TABLE crls (
  authority {text} PRIMARY KEY,
  number {integer} NOT NULL,
  this_update {integer} NOT NULL,
  next_update {integer} NOT NULL,
  content {blob} NOT NULL
);
)sql";

}  // namespace sks::issuer
