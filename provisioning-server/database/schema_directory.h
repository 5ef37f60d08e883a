#pragma once

#include "provisioning-server/database/database.h"

namespace sks::issuer {

/// What lists, searches and statistics need. Spec: provisioning-server/directory/directory.h
inline constexpr const char* kDirectorySchema = R"sql(
ALTER TABLE tickets ADD COLUMN creator {text} NOT NULL DEFAULT '';
ALTER TABLE tickets ADD COLUMN data {text} NOT NULL DEFAULT '';
CREATE INDEX tickets_created ON tickets (created, digest);

ALTER TABLE sessions ADD COLUMN ended {integer} NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN result {text} NOT NULL DEFAULT '';
UPDATE sessions SET ended = expires, result = CASE phase WHEN 'done' THEN 'ok' ELSE 'unknown' END
  WHERE phase IN ('done', 'aborted');
CREATE INDEX sessions_created ON sessions (created, id);
CREATE INDEX sessions_ended ON sessions (ended, result) WHERE ended <> 0;
CREATE INDEX sessions_ticket ON sessions (ticket_digest);
CREATE INDEX sessions_device ON sessions (device_fingerprint, created, id) WHERE device_fingerprint <> '';

ALTER TABLE credentials ADD COLUMN created {integer} NOT NULL DEFAULT 0;
ALTER TABLE credentials ADD COLUMN serial {text} NOT NULL DEFAULT '';
ALTER TABLE credentials ADD COLUMN issuer {text} NOT NULL DEFAULT '';
ALTER TABLE credentials ADD COLUMN not_after {integer} NOT NULL DEFAULT 0;
UPDATE credentials SET created = issued;
UPDATE credentials SET created = (SELECT created FROM sessions WHERE sessions.id = credentials.server_session_id)
  WHERE created = 0;
CREATE INDEX credentials_created ON credentials (created, fingerprint);
CREATE INDEX credentials_issued ON credentials (issued) WHERE issued <> 0;
CREATE INDEX credentials_profile ON credentials (profile, created, fingerprint);
CREATE INDEX credentials_device ON credentials (device_fingerprint, created, fingerprint);
CREATE INDEX credentials_unusual ON credentials (status, created, fingerprint) WHERE status <> 'issued';
CREATE INDEX credentials_serial ON credentials (serial, fingerprint);
CREATE INDEX credentials_subject ON credentials (subject, fingerprint);
CREATE TABLE credential_words (
  word {text} NOT NULL,
  row_created {integer} NOT NULL,
  credential {text} NOT NULL,
  PRIMARY KEY (word, row_created, credential)
) {clustered};

CREATE TABLE devices (
  fingerprint {text} PRIMARY KEY,
  certificate {blob} NOT NULL,
  path {blob} NOT NULL,
  first_seen {integer} NOT NULL,
  last_seen {integer} NOT NULL
);
CREATE INDEX devices_seen ON devices (last_seen, fingerprint);
INSERT INTO devices (fingerprint, certificate, path, first_seen, last_seen)
  SELECT device_fingerprint, {empty}, {empty}, min(created), max(created) FROM sessions
  WHERE device_fingerprint <> '' GROUP BY device_fingerprint;
)sql";

/// What stands in certificates, for the credentials that are there already. Fails with storage.
Result<void> fill_directory(SqlTransaction& transaction);

}  // namespace sks::issuer
