#pragma once

#include <cstddef>

/// What OpenSSL alone takes for the cryptography of the issuer's half of one session, by bare calls of its EVP
/// interface: the least that any issuer has to spend.
namespace sks::bench {

struct SessionCrypto {
  double keygen2_us = 0;  ///< one key of P-256 on an attested device: see session_crypto.cpp
  double tls_us = 0;      ///< key agreement of one TLS 1.3 handshake that resumes a session (X25519)
};

/// Mean CPU time of one session, over `seconds` of them.
SessionCrypto measure_session_crypto(double seconds);

}  // namespace sks::bench
