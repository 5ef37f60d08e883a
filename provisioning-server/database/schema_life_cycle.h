#pragma once

namespace sks::issuer {

/// What happens to credentials after they were issued. Spec: docs/issuers/life-cycle.md
inline constexpr const char* kLifeCycleSchema = R"sql(
ALTER TABLE tickets ADD COLUMN operation {text} NOT NULL DEFAULT '';
ALTER TABLE tickets ADD COLUMN target {text} NOT NULL DEFAULT '';
ALTER TABLE tickets ADD COLUMN target_device {text} NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN operation {text} NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN target {text} NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN target_device {text} NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN kmk_generation {integer} NOT NULL DEFAULT 1;
ALTER TABLE operations ADD COLUMN kmk_generation {integer} NOT NULL DEFAULT 1;
CREATE INDEX operations_fingerprint ON operations (fingerprint);
ALTER TABLE credentials ADD COLUMN kmk_generation {integer} NOT NULL DEFAULT 1;
ALTER TABLE credentials ADD COLUMN key_suspended {integer} NOT NULL DEFAULT 0;
ALTER TABLE credentials ADD COLUMN replaces {text} NOT NULL DEFAULT '';
ALTER TABLE credentials ADD COLUMN clones {text} NOT NULL DEFAULT '';
CREATE INDEX credentials_replaces ON credentials (replaces) WHERE replaces <> '';
CREATE INDEX credentials_clones ON credentials (clones) WHERE clones <> '';
CREATE TABLE key_management_keys (
  generation {integer} PRIMARY KEY,
  public_key {blob} NOT NULL,
  since {integer} NOT NULL
);
CREATE TABLE puk_showings (
  session {text} PRIMARY KEY,
  credential {text} NOT NULL,
  time {integer} NOT NULL,
  actor {text} NOT NULL
);
)sql";

}  // namespace sks::issuer
