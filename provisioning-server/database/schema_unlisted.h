#pragma once

namespace sks::issuer {

/// What revocation lists do not tell yet is found without a look at what they do: on_list is 0 for a credential that
/// has no entry, 1 for one that is on hold, 2 for one with an entry for good. Queries repeat the condition of the index
/// to the letter. Spec: provisioning-server/revocation/revocation_store.h
inline constexpr const char* kUnlistedSchema = R"sql(
ALTER TABLE credentials ADD COLUMN on_list {integer} NOT NULL DEFAULT 0;
UPDATE credentials SET on_list = 2 WHERE status IN ('revoked', 'removed', 'replaced') AND EXISTS
  (SELECT 1 FROM revocations WHERE revocations.fingerprint = credentials.fingerprint AND in_force = 1 AND reason <> 6);
UPDATE credentials SET on_list = 1 WHERE status = 'abandoned' AND EXISTS
  (SELECT 1 FROM revocations WHERE revocations.fingerprint = credentials.fingerprint AND in_force = 1);
CREATE INDEX credentials_unlisted ON credentials (not_after) WHERE
  (status IN ('revoked', 'removed', 'replaced') AND on_list < 2) OR (status = 'abandoned' AND on_list < 1);
)sql";

}  // namespace sks::issuer
