#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "provisioning-server/authority/live_authority.h"
#include "provisioning-server/revocation/revocation_config.h"
#include "provisioning-server/revocation/revocation_store.h"
#include "sks-core/base/random.h"

namespace sks::issuer {

/// The authorities whose certificates are about, the one in use first.
using AuthorityKeys = std::function<std::vector<AuthorityKey>()>;

/// Makes the revocation lists, away from the requests: whatever is revoked within one interval comes with one list.
class CrlPublisher {
 public:
  /// `store` must outlive it.
  CrlPublisher(RevocationStore& store, AuthorityKeys authorities, const RevocationConfig& config, const Clock& clock,
               const Random& random);
  ~CrlPublisher();
  CrlPublisher(const CrlPublisher&) = delete;
  CrlPublisher& operator=(const CrlPublisher&) = delete;

  /// Publishes now and then in a thread of its own, until this object goes.
  void start();

  /// Makes each list that is due: there is none, something was revoked or resumed and the interval has passed, a
  /// third of its life is left, or it comes from the future. Returns how many. Fails with storage, or as the
  /// authority's key does.
  Result<std::size_t> publish_due();

 private:
  bool is_due(const std::optional<StoredCrl>& latest, bool has_changes) const;
  Result<bool> publish_when_due(const AuthorityKey& authority, bool is_in_use);
  Result<bool> publish(const AuthorityKey& authority, const std::string& id);
  void run();

  RevocationStore& store_;
  AuthorityKeys authorities_;
  RevocationConfig config_;
  const Clock& clock_;
  const Random& random_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace sks::issuer
