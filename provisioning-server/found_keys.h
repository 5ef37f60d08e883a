#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "keygen2/issuer_session.h"
#include "keygen2/search_filter.h"
#include "provisioning-server/authority/certificate_authority.h"
#include "provisioning-server/key_manager.h"
#include "provisioning-server/policy.h"
#include "provisioning-server/refusal.h"
#include "provisioning-server/repository.h"

namespace sks::issuer {

/// What a session does about the keys that its lookups have found, by the rules of its profile, or by the order of its
/// ticket.
///
/// Nothing vouches for what a client says it holds. So every key is compared with the records: its credential, its
/// device, the session that owns it, and the filters of the profile's lookups, of which the first that matches decides,
/// whichever one the client has named. That a client says everything, nothing can ensure; and that a key is locked, or
/// of a grouping, is what it says.
class FoundKeys {
 public:
  FoundKeys(Repository& repository, const CertificateAuthority& authority, const KeyManager& keys,
            const Session& session, const Profile& profile)
      : repository_(repository),
        authority_(authority),
        keys_(keys),
        session_(session),
        profile_(profile),
        generations_{session.kmk_generation, session.order.kind ? 1 : profile.lookups.size()} {}

  /// Fails with not_allowed when the key is not one that the records know, on this device and in that session, or when
  /// neither its lookup nor one before it asks for it; with storage.
  Result<void> recognize(const keygen2::FoundKey& key);

  /// For keys that have been recognized. Fails with not_allowed when a lookup refuses the session for one of them, when
  /// what was ordered is not there or not possible any more, or when there are too many to operate on.
  Result<keygen2::Management> manage(const std::vector<keygen2::FoundKey>& found);

  const std::optional<Refusal>& refusal() const { return refusal_; }  ///< why manage() has failed, where it is special
  std::vector<KeyOperation> take_operations() { return std::move(operations_); }

 private:
  struct Recognized {
    Credential credential;
    std::size_t lookup;           ///< the one that decides
    std::int64_t kmk_generation;  ///< the one under which it was found
  };

  Result<Credential> find(const keygen2::FoundKey& key);
  Result<void> compile_filters();
  /// What filters look at: the path that the client shows, whose end entity is on record. The authority joins it where
  /// it has issued the key, so that no key gets past a lookup by leaving it out.
  Result<std::vector<Bytes>> path_of(const keygen2::FoundKey& key) const;
  Result<std::size_t> deciding_lookup(const keygen2::FoundKey& key, const Credential& credential);
  Result<void> decide(const keygen2::FoundKey& key, const Recognized& recognized);
  Result<void> decide_ordered(const keygen2::FoundKey& key, const Recognized& recognized,
                              const std::vector<Credential>& targets);
  Result<void> operate(const keygen2::FoundKey& key, const Recognized& recognized, KeyOperation::Kind kind);
  Error refuse(Refusal why, const std::string& sentence);

  Repository& repository_;
  const CertificateAuthority& authority_;
  const KeyManager& keys_;
  const Session& session_;
  const Profile& profile_;
  const LookupGenerations generations_;
  std::vector<std::optional<keygen2::FilterMatcher>> filters_;  ///< of the lookups; none: every key
  keygen2::MatchBudget budget_;
  std::map<std::string, Recognized> recognized_;  ///< by fingerprint
  std::vector<KeyOperation> operations_;
  keygen2::Management management_;
  std::map<std::string, keygen2::KeySpec> new_keys_;  ///< by the fingerprint of what they are for
  std::set<std::string> settled_;                     ///< fingerprints of targets of the order that were found
  std::optional<Refusal> refusal_;
};

}  // namespace sks::issuer
