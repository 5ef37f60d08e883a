#pragma once

#include "provisioning-server/http_route.h"
#include "provisioning-server/revocation/ocsp_responder.h"

namespace sks::issuer {

/// Revocation of a running server: the thread that makes lists, and the answers to the world.
class RevocationService {
 public:
  /// Both must outlive it.
  RevocationService(RevocationStore& store, AuthorityKeys authorities, const RevocationConfig& config,
                    const Clock& clock, const Random& random);

  CrlPublisher& publisher() { return publisher_; }
  OcspResponder& responder() { return responder_; }

  /// GET /crl/ID.crl, GET /ca/ID.cer, POST /ocsp, GET /ocsp/{request}: all that may be served over plain HTTP, too.
  /// The routes refer to this object.
  Routes routes();

 private:
  Response get_crl(const Request& request, const PathValues& values);
  Response get_authority(const PathValues& values);
  Response answer_ocsp(ByteView request);

  RevocationStore& store_;
  AuthorityKeys authorities_;
  RevocationConfig config_;
  const Clock& clock_;
  CrlPublisher publisher_;
  OcspResponder responder_;
  std::mutex mutex_;
  std::map<std::string, StoredCrl> lists_;  ///< the latest of each authority
};

}  // namespace sks::issuer
