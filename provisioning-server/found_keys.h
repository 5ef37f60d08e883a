#pragma once

#include <string>
#include <vector>

#include "keygen2/issuer_session.h"
#include "provisioning-server/certificate_authority.h"
#include "provisioning-server/policy.h"
#include "provisioning-server/repository.h"

namespace sks::issuer {

/// What a session does about the keys that its lookups have found, by the rules of its profile.
///
/// Nothing vouches for what a client says it holds. So every key is compared with the records: its credential, its
/// device, the session that owns it and the filter of its lookup. That a client says everything, nothing can ensure.
class FoundKeys {
 public:
  FoundKeys(Repository& repository, const CertificateAuthority& authority, const Session& session,
            const Profile& profile)
      : repository_(repository), authority_(authority), session_(session), profile_(profile) {}

  /// Fails with not_allowed when the key is not one that the records know, on this device and in that session, or when
  /// its lookup does not ask for it; with storage.
  Result<void> recognize(const keygen2::FoundKey& key);

  /// For keys that have been recognized. Fails with not_allowed when a lookup refuses the session for one of them, or
  /// when there are more than kMaxKeyOperations to operate on.
  Result<keygen2::Management> manage(const std::vector<keygen2::FoundKey>& found);

  bool refused() const { return refused_; }  ///< a lookup has refused the session
  std::vector<KeyOperation> take_operations() { return std::move(operations_); }

 private:
  Result<Credential> find(const keygen2::FoundKey& key);
  Result<void> check_filter(const keygen2::FoundKey& key, const Credential& credential) const;
  Result<void> decide(const keygen2::FoundKey& key, const Credential& credential, keygen2::Management& management);

  Repository& repository_;
  const CertificateAuthority& authority_;
  const Session& session_;
  const Profile& profile_;
  std::vector<KeyOperation> operations_;
  bool refused_ = false;
};

}  // namespace sks::issuer
