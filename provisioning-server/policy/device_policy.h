#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "provisioning-server/policy/device_rules.h"
#include "provisioning-server/refusal.h"
#include "sks-core/crypto/hash.h"

namespace sks::issuer {

struct DeviceDecision {
  std::optional<Refusal> refusal = {};  ///< none: accepted
  std::string sentence = {};            ///< why; also of what was let pass
  std::string authority = {};           ///< name of the device CA that decided; empty if none did
};

/// A file with revocation lists as it was read.
struct RevocationListFile {
  std::string authority;  ///< name of the device CA whose row names it
  std::string file;
  std::optional<Error> failure = {};  ///< not read: it counts as no list
  std::vector<attestation::RevocationList> lists = {};
  std::vector<std::string> unverified =
      {};  ///< issuers of lists that a CA of the row is said to have signed, and has not
};

/// Which devices an issuer accepts, as its files say at one time. Safe for several threads.
class DevicePolicy {
 public:
  /// One device CA with what its files hold.
  struct Authority {
    DeviceAuthorityRules rules;
    std::vector<crypto::Certificate> certificates;
    std::vector<RevocationListFile> lists;
  };

  static DevicePolicy accept_all();
  static DevicePolicy accept_registered(std::set<crypto::Sha256Digest> fingerprints);
  static DevicePolicy accept_by_authority(std::vector<Authority> authorities);

  /// Decides about the path of a device that wants the credentials of a profile (empty: whichever). A device that one
  /// CA accepts and the list of another one withdraws is refused.
  DeviceDecision decide(const crypto::CertificatePath& path, const std::string& profile, const Clock& clock) const;

  bool accepts_all() const { return all_; }
  const std::set<crypto::Sha256Digest>& fingerprints() const { return fingerprints_; }  ///< that are registered
  const std::vector<Authority>& authorities() const { return authorities_; }

 private:
  DeviceDecision decide_by(std::size_t index, const std::vector<crypto::Certificate>& path,
                           const std::vector<Bytes>& der, const std::string& profile, const Clock& clock) const;

  bool all_ = false;
  std::set<crypto::Sha256Digest> fingerprints_;
  std::vector<Authority> authorities_;
  std::vector<attestation::DevicePathVerifier> verifiers_;  ///< by the index of authorities_
};

}  // namespace sks::issuer
