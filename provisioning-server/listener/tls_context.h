#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "provisioning-server/issuer.h"

namespace sks::issuer {

struct TlsSettings {
  TlsIdentity identity;
  std::vector<crypto::Certificate> client_authorities;  ///< whose certificates a client may show
  SecureBytes ticket_secret;  ///< the same for all processes that resume each other's sessions
};

/// TLS 1.2 or later; a certificate of the client is asked for and not required.
///
/// Sessions of TLS 1.3 can be resumed for up to two hours, with tickets under keys that change every hour and that
/// every process derives from `ticket_secret` and the time. A ticket holds the client's certificate, whose key the
/// client has proven in the first handshake; see peer_certificate(). TLS 1.2 is not resumed: its tickets hold what
/// decrypts the session, and no key here is forgotten by all processes at one time. Fails with option.
Result<std::shared_ptr<boost::asio::ssl::context>> make_tls_context(const TlsSettings& settings);

/// The certificate whose key the peer has proven, in this connection or in the one that this one resumes.
struct PeerCertificate {
  Bytes der;  ///< empty without one
  /// Whether it chains to one of the authorities and is within its dates at this moment: the verdict of the first
  /// handshake of a resumed session may be old.
  bool trusted = false;
};
PeerCertificate peer_certificate(SSL* ssl);

}  // namespace sks::issuer
