#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sks-core/base/bytes.h"

namespace sks::attestation {

/// What a session attestation covers, and what the session key is derived from.
/// Spec: sks-api.md 3.1 and 3.2, keygen2.md 7.3 and 7.4.
struct SessionClaims {
  std::string client_session_id;
  std::string server_session_id;
  std::string issuer_uri;
  Bytes device_certificate;  ///< DER; empty = privacy enabled mode ("Anonymous")
  std::string session_key_algorithm;
  Bytes server_ephemeral_key;  ///< SPKI
  Bytes client_ephemeral_key;  ///< SPKI
  Bytes key_management_key;    ///< SPKI or empty
  std::uint32_t client_time = 0;
  std::uint16_t session_life_time = 0;
  std::uint16_t session_key_limit = 0;
  Bytes server_certificate;

  bool privacy_enabled() const { return device_certificate.empty(); }
};

/// The nine bytes "Anonymous", or the device certificate.
Bytes device_id(const SessionClaims& claims);

/// KDF input and attestation input, exactly as specified.
Bytes session_key_data(const SessionClaims& claims);
Bytes session_attestation_data(const SessionClaims& claims);

}  // namespace sks::attestation
