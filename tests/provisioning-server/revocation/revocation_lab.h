#pragma once

#include <string>
#include <utility>

#include "provisioning-server/audit/chained_audit_log.h"
#include "provisioning-server/revocation/revocation_routes.h"
#include "tests/provisioning-server/authority/authority_lab.h"
#include "tests/provisioning-server/test_databases.h"
#include "tests/support/fakes.h"

namespace sks::test {

/// An authority with a database of issued credentials, and the service that answers for it. The clock begins at the
/// time of the system, because OpenSSL compares answers with that.
class RevocationLab {
 public:
  explicit RevocationLab(const std::string& kind = "sqlite", const std::string& key = "ec.nist.p256");

  struct Issued {
    crypto::Certificate certificate;
    std::string fingerprint;
  };
  /// A credential on record with this status.
  Issued issue(const std::string& status = "issued", std::int64_t days = 30);
  /// A certificate of the authority that is not on record.
  crypto::Certificate certify(std::int64_t days = 30);

  issuer::AuditEntry audit(const std::string& action) const;
  void advance(std::int64_t seconds) { clock.set(clock.now() + seconds); }
  /// Status of the list, then its bytes.
  issuer::Response get(const std::string& path);
  issuer::Response post_ocsp(const Bytes& request);
  /// What `openssl verify -crl_check` says under the list that is out now.
  std::string verify(const Issued& issued);
  /// What `openssl ocsp` says about an answer: "good", "revoked", ... ; `options` stand behind -issuer CA -cert LEAF.
  std::string ask(const crypto::Certificate& certificate, const std::string& options = "");
  Bytes request(const crypto::Certificate& certificate, const std::string& options = "");
  std::string judge(const crypto::Certificate& certificate, const std::string& response, const std::string& options);

  TempDir folder;
  FakeClock clock{system_clock().now()};
  TestDatabase database;
  issuer::ChainedAuditLog audit_log;
  std::shared_ptr<const crypto::KeySigner> signer;
  crypto::Certificate ca;
  std::string id;
  issuer::RevocationConfig config;
  issuer::RevocationStore store;
  std::vector<issuer::AuthorityKey> authorities;
  issuer::RevocationService service;

 private:
  int count_ = 0;
};

}  // namespace sks::test
