#pragma once

namespace sks::issuer {

/// Tickets, sessions and credentials. Phases and statuses are words, so that an operator can read the tables.
inline constexpr const char* kIssuanceSchema = R"sql(
CREATE TABLE tickets (
  digest {text} PRIMARY KEY,
  profile {text} NOT NULL,
  subject {text} NOT NULL,
  cookie_digest {text} NOT NULL,
  created {integer} NOT NULL,
  expires {integer} NOT NULL,
  used {integer} NOT NULL
);
CREATE TABLE sessions (
  id {text} PRIMARY KEY,
  cookie_digest {text} NOT NULL UNIQUE,
  ticket_digest {text} NOT NULL REFERENCES tickets (digest),
  profile {text} NOT NULL,
  profile_digest {text} NOT NULL,
  subject {text} NOT NULL,
  phase {text} NOT NULL,
  version {integer} NOT NULL,
  sealed_state {blob} NOT NULL,
  sealed_puk {blob} NOT NULL,
  last_request {text} NOT NULL,
  reply_kind {integer} NOT NULL,
  reply_text {text} NOT NULL,
  created {integer} NOT NULL,
  expires {integer} NOT NULL,
  client_session_id {text} NOT NULL,
  device_fingerprint {text} NOT NULL
);
CREATE UNIQUE INDEX sessions_client ON sessions (client_session_id) WHERE client_session_id <> '';
CREATE INDEX sessions_open ON sessions (expires) WHERE phase NOT IN ('done', 'aborted');
CREATE TABLE credentials (
  fingerprint {text} PRIMARY KEY,
  certificate {blob} NOT NULL,
  subject {text} NOT NULL,
  profile {text} NOT NULL,
  app_usage {text} NOT NULL,
  friendly_name {text} NOT NULL,
  public_key_digest {text} NOT NULL,
  server_session_id {text} NOT NULL REFERENCES sessions (id),
  client_session_id {text} NOT NULL,
  device_fingerprint {text} NOT NULL,
  key_management_key {blob} NOT NULL,
  privacy_enabled {integer} NOT NULL,
  status {text} NOT NULL,
  issued {integer} NOT NULL,
  revoked {integer} NOT NULL
);
CREATE UNIQUE INDEX credentials_key ON credentials (public_key_digest);
CREATE INDEX credentials_session ON credentials (server_session_id);
CREATE TABLE audit (
  id {integer} PRIMARY KEY,
  time {integer} NOT NULL,
  actor {text} NOT NULL,
  action {text} NOT NULL,
  session {text} NOT NULL,
  policy {text} NOT NULL,
  result {text} NOT NULL,
  detail {text} NOT NULL
);
CREATE INDEX audit_session ON audit (session);
)sql";

/// The session that a key belongs to changes with operations on keys of the same session. Spec: keygen2.md 7.11
inline constexpr const char* kOwnersSchema = R"sql(
ALTER TABLE credentials ADD COLUMN owner {text} NOT NULL DEFAULT '';
UPDATE credentials SET owner = server_session_id;
CREATE INDEX credentials_owner ON credentials (owner);
CREATE TABLE operations (
  session {text} NOT NULL REFERENCES sessions (id),
  fingerprint {text} NOT NULL REFERENCES credentials (fingerprint),
  operation {text} NOT NULL,
  owner {text} NOT NULL,
  PRIMARY KEY (session, fingerprint, operation)
);
)sql";

}  // namespace sks::issuer
