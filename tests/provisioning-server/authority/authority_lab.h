#pragma once

#include <string>

#include "sks-core/crypto/x509.h"

namespace sks::test {

inline constexpr std::int64_t kLabStart = 1700000000;  // 2023-11-14T22:13:20Z

crypto::PrivateKey new_key(const std::string& name = "ec.nist.p256");

/// A self-signed CA certificate for the key of `signer`.
crypto::Certificate ca_certificate(const crypto::Signer& signer);

/// What a command prints, errors included; "exit N" behind it when it fails.
std::string run(const std::string& command);

/// Whether `openssl verify` accepts a path: end entity first, the last one trusted. `options` stand before the files.
bool openssl_accepts(const std::vector<Bytes>& path, const std::string& options = "");

}  // namespace sks::test
