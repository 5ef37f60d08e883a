#pragma once

#include <openssl/types.h>

#include "sks-core/base/bytes.h"

namespace sks::cli {

/// Has the handshake that follows leave the server's leaf certificate in `leaf`, byte for byte as it is received;
/// nothing when the server sends none. `leaf` has to outlive the connection. TLS 1.2 and 1.3.
///
/// OpenSSL keeps certificates decoded, and encodes what surrounds the signed part anew for whoever asks for the bytes.
/// Spec: keygen2.md 9.1.
void keep_leaf(SSL* connection, Bytes& leaf);

}  // namespace sks::cli
