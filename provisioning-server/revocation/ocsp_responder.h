#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "provisioning-server/revocation/crl_publisher.h"

namespace sks::issuer {

/// Answers the question whether a certificate is in force (RFC 6960), from the database. Each process has a key of its
/// own for each authority, under a certificate that the authority has given it for some days: the authority's key is
/// asked once in a while, not for every answer. Safe for several threads.
class OcspResponder {
 public:
  /// `store` must outlive it.
  OcspResponder(RevocationStore& store, AuthorityKeys authorities, const RevocationConfig& config, const Clock& clock);
  ~OcspResponder();
  OcspResponder(const OcspResponder&) = delete;
  OcspResponder& operator=(const OcspResponder&) = delete;

  struct Answer {
    Bytes der;                 ///< an OCSPResponse in any case
    std::int64_t expires = 0;  ///< until when it may be kept; 0: not at all
    std::int64_t produced = 0;
  };
  /// A request that is no request: malformedRequest. One about other authorities only: unauthorized. When database or
  /// authority cannot be reached: tryLater.
  Answer answer(ByteView request);

 private:
  struct Delegate;
  struct Authority;
  Result<std::shared_ptr<const Delegate>> delegate_of(const AuthorityKey& authority, const std::string& id);
  Result<Answer> try_answer(const OcspRequest& request);

  RevocationStore& store_;
  AuthorityKeys authorities_;
  RevocationConfig config_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Delegate>> delegates_;  ///< by the id of the authority
  std::map<std::string, Answer> answers_;                             ///< by the digest of the request
};

}  // namespace sks::issuer
