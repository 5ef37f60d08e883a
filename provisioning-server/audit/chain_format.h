#pragma once

#include <string>
#include <vector>

#include "provisioning-server/audit/audit_log.h"
#include "sks-core/crypto/hash.h"
#include "sks-core/crypto/public_key.h"

/// What is hashed and signed. Spec: spec/issuer-audit.md
namespace sks::issuer {

using AuditHash = crypto::Sha256Digest;

/// A clock that goes back by so many seconds at most was corrected, as clocks are.
inline constexpr std::int64_t kClockCorrection = 60;

/// A chain of entries: those of one lane of one process, from its start on.
struct AuditChain {
  std::string id;
  std::string node;
  std::int64_t started = 0;
};

/// An entry at its place.
struct ChainedEntry {
  std::string chain;
  std::int64_t number = 0;  ///< from 1 on
  AuditEntry entry;
  Bytes previous;  ///< hash of the entry before it, or of the chain's start
  Bytes hash;
};

/// How long a chain was.
struct ChainHead {
  std::string chain;
  std::int64_t number = 0;
  Bytes hash;
};

struct Checkpoint {
  std::string node;
  std::int64_t number = 0;  ///< from 1 on, for each node
  std::int64_t time = 0;
  Bytes previous;                ///< hash of the node's checkpoint before it; zeros for the first one
  std::vector<ChainHead> heads;  ///< of the chains that have grown since then
  Bytes signature;
};

/// What the first entry of a chain follows.
AuditHash hash_of(const AuditChain& chain);
/// Of everything but `hash`.
AuditHash hash_of(const ChainedEntry& entry);
/// What a checkpoint signs.
Bytes bytes_of(const Checkpoint& checkpoint);
AuditHash hash_of(const Checkpoint& checkpoint);

bool is_signed_by(const Checkpoint& checkpoint, const crypto::PublicKey& key);

/// The heads as one text, one line each: chain, number and hash in hexadecimal with a space in between.
std::string heads_text(const std::vector<ChainHead>& heads);
/// Fails with option.
Result<std::vector<ChainHead>> parse_heads(std::string_view text);

}  // namespace sks::issuer
