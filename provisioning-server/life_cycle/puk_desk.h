#pragma once

#include <string>

#include "provisioning-server/audit/audit_log.h"
#include "provisioning-server/database/database.h"
#include "provisioning-server/session_seal.h"

namespace sks::issuer {

/// once: refused when it was shown before, to whomever. again: whatever was before.
enum class PukShowing : std::uint8_t { once, again };

/// The PUK of the key of a credential: that of the session that made its PIN, which a key keeps that takes the place of
/// another one or shares its PIN. That it is shown is durable when this returns, in the transaction with `audit`; of
/// several who ask at the same time, one gets it. The detail of `audit` is written here.
///
/// Fails with not_available (no such credential, or none with a PUK), not_allowed (it was shown before; the sentence
/// says when and to whom), crypto (it was sealed under another KEK), or storage; then nothing is recorded.
Result<SecureBytes> show_puk(Database& database, AuditLog& audit, const SessionSeal& seal,
                             const std::string& fingerprint, PukShowing showing, const AuditEntry& entry);

}  // namespace sks::issuer
