#include "provisioning-server/revocation_commands.h"

#include <functional>
#include <iostream>

#include "provisioning-server/issuer.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

constexpr const char* kOperator = "operator";

using Change =
    std::function<Result<RevocationOutcome>(RevocationStore&, const std::string& fingerprint, const AuditEntry&)>;

Result<void> change(const std::string& folder, const crypto::Sha256Digest& fingerprint, const std::string& action,
                    const std::string& done, const std::string& detail, const Change& run) {
  SKS_LET(const std::unique_ptr<Issuer> issuer, Issuer::open(folder));
  const std::string text = "credential " + to_hex(fingerprint);
  SKS_LET(const RevocationOutcome outcome,
          run(issuer->revocations(), to_hex(fingerprint),
              {system_clock().now(), kOperator, action, "", "", "ok", text + (detail.empty() ? "" : ' ' + detail)}));
  switch (outcome) {
    case RevocationOutcome::done:
      std::cout << text << ' ' << done << '\n';
      return {};
    case RevocationOutcome::unknown:
      return Error{Status::not_available, "there is no " + text};
    case RevocationOutcome::not_possible:
      return Error{Status::not_allowed, text + (action == "resume" ? " is not suspended" : " is not in force")};
  }
  return {};
}

}  // namespace

Result<void> revoke_credential(const std::string& folder, const crypto::Sha256Digest& fingerprint,
                               const std::string& reason) {
  const auto found = reason.empty() ? RevocationReason::unspecified : find_revocation_reason(reason);
  if (!found || *found == RevocationReason::certificate_hold) {
    std::string names;
    for (const RevocationReasonRow& row : kRevocationReasons)
      if (row.reason != RevocationReason::certificate_hold) names.append(names.empty() ? "" : ", ").append(row.name);
    return Error{Status::option, "--reason is one of " + names};
  }
  return change(folder, fingerprint, "revoke", "revoked", std::string(name_of(*found)),
                [&](RevocationStore& store, const std::string& print, const AuditEntry& audit) {
                  return store.revoke(print, *found, audit);
                });
}

Result<void> suspend_credential(const std::string& folder, const crypto::Sha256Digest& fingerprint) {
  return change(folder, fingerprint, "suspend", "suspended", "",
                [](RevocationStore& store, const std::string& print, const AuditEntry& audit) {
                  return store.suspend(print, audit);
                });
}

Result<void> resume_credential(const std::string& folder, const crypto::Sha256Digest& fingerprint) {
  return change(folder, fingerprint, "resume", "resumed", "",
                [](RevocationStore& store, const std::string& print, const AuditEntry& audit) {
                  return store.resume(print, audit);
                });
}

}  // namespace sks::issuer
