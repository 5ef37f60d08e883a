#pragma once

#include <optional>
#include <string>
#include <vector>

#include "provisioning-server/audit/audit_log.h"
#include "provisioning-server/database/database.h"
#include "provisioning-server/revocation/ocsp_response.h"
#include "sks-core/crypto/x509.h"

namespace sks::issuer {

/// done, unknown (there is no such credential), not_possible (its state does not allow it).
enum class RevocationOutcome : std::uint8_t { done, unknown, not_possible };

struct StoredCrl {
  std::int64_t number = 0;
  std::int64_t this_update = 0;
  std::int64_t next_update = 0;
  Bytes der;  ///< empty when it was not asked for
};

/// What the database knows about revocation: the same for every process. All fail with storage.
///
/// A revoked certificate has its entry of the list in table revocations, encoded once. `listed` tells which list holds
/// the latest state of a row: the number of that list, 0 for none yet, or a negative number while a process puts
/// together a list with it. `on_list` of a credential tells which entry it was given: 0 for none, 1 for a hold, 2 for
/// one for good.
class RevocationStore {
 public:
  /// Both must outlive it.
  RevocationStore(Database& database, AuditLog& audit) : database_(database), audit_(audit) {}

  /// From issued, suspended, pending or abandoned: whoever got a certificate has it, however the session ended.
  /// `audit.time` is when. Each writes its audit entry in the same transaction, when done.
  Result<RevocationOutcome> revoke(const std::string& fingerprint, RevocationReason reason, const AuditEntry& audit);
  /// From issued, until resumed or revoked.
  Result<RevocationOutcome> suspend(const std::string& fingerprint, const AuditEntry& audit);
  Result<RevocationOutcome> resume(const std::string& fingerprint, const AuditEntry& audit);

  /// The certificate with this serial number (see serial_text()) of the authority with this id (see authority_id()).
  /// Unknown also while its enrolment is not over. `now` stands in for a time that is not on record.
  Result<CertificateStatus> find_status(const std::string& serial, const std::string& authority, std::int64_t now);

  /// Gives entries to credentials that were abandoned, or were revoked, deleted or replaced without one or with that of
  /// a suspension, unless they have expired. Looks at no more than `limit`, and at none that has its entry; returns at
  /// how many.
  Result<std::size_t> adopt(std::int64_t limit, std::int64_t now);

  /// The latest list of an authority, with or without its bytes.
  enum class Part : bool { head, whole };
  Result<std::optional<StoredCrl>> find_crl(const std::string& authority, Part part);
  /// Whether the latest list does not tell everything.
  Result<bool> has_changes(const std::string& authority);

  /// Marks what has changed so far with `claim`, a negative number of the caller's own.
  Result<void> claim_changes(const std::string& authority, std::int64_t claim);
  /// The entries of all that are revoked or suspended now and whose certificates were valid at `since`.
  Result<Bytes> read_entries(const std::string& authority, std::int64_t since);
  /// Stores a list in the place of number `before` (0: the first one) and ends the claim. False: another process was
  /// first; what was claimed counts as changed. So may what is left of the claim when this fails.
  Result<bool> store_crl(const std::string& authority, std::int64_t before, const StoredCrl& crl, std::int64_t claim);

 private:
  Result<RevocationOutcome> change(const std::string& fingerprint, const AuditEntry& audit, std::string_view statement,
                                   const std::function<Result<void>(SqlTransaction&)>& then);
  Database& database_;
  AuditLog& audit_;
};

}  // namespace sks::issuer
