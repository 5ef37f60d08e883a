#pragma once

#include "provisioning-server/database/database.h"

namespace sks::issuer {

/// Format: spec/issuer-audit.md.
inline constexpr const char* kAuditSchema = R"sql(
DROP INDEX audit_session;
ALTER TABLE audit RENAME TO audit_before_chains;
CREATE TABLE audit_chains (
  chain {text} PRIMARY KEY,
  node {text} NOT NULL,
  started {integer} NOT NULL,
  covered {integer} NOT NULL,
  closed {integer} NOT NULL
);
CREATE INDEX audit_chains_open ON audit_chains (node) WHERE closed = 0;
CREATE TABLE audit (
  chain {text} NOT NULL,
  number {integer} NOT NULL,
  time {integer} NOT NULL,
  actor {text} NOT NULL,
  action {text} NOT NULL,
  session {text} NOT NULL,
  policy {text} NOT NULL,
  result {text} NOT NULL,
  detail {text} NOT NULL,
  previous {blob} NOT NULL,
  hash {blob} NOT NULL,
  PRIMARY KEY (chain, number)
);
CREATE INDEX audit_time ON audit (time, chain, number);
CREATE INDEX audit_session ON audit (session) WHERE session <> '';
CREATE TABLE audit_checkpoints (
  node {text} NOT NULL,
  number {integer} NOT NULL,
  time {integer} NOT NULL,
  previous {blob} NOT NULL,
  heads {text} NOT NULL,
  signature {blob} NOT NULL,
  PRIMARY KEY (node, number)
);
)sql";

/// Puts the entries from before there were chains into one. Fails with storage.
Result<void> take_over_audit(SqlTransaction& transaction);

}  // namespace sks::issuer
