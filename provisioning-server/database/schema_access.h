#pragma once

namespace sks::issuer {

/// Who may use the administration, and what the overview counts. Spec: provisioning-server/access/account_store.h
inline constexpr const char* kAccessSchema = R"sql(
CREATE TABLE accounts (
  name {text} PRIMARY KEY,
  roles {text} NOT NULL,
  token_digest {text} NOT NULL,
  fingerprint {text} NOT NULL,
  created {integer} NOT NULL,
  expires {integer} NOT NULL,
  disabled {integer} NOT NULL
);
CREATE UNIQUE INDEX accounts_token ON accounts (token_digest) WHERE token_digest <> '';
CREATE UNIQUE INDEX accounts_certificate ON accounts (fingerprint) WHERE fingerprint <> '';
CREATE TABLE logins (
  digest {text} PRIMARY KEY,
  account {text} NOT NULL REFERENCES accounts (name),
  expires {integer} NOT NULL
);
CREATE INDEX logins_account ON logins (account);
CREATE INDEX logins_expires ON logins (expires);
CREATE INDEX tickets_unused ON tickets (expires) WHERE used = 0;
)sql";

}  // namespace sks::issuer
