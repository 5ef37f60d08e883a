#pragma once

#include "sks-core/engine/records.h"

/// The constructions of sks-api.md chapter 3 on the side of the SKS.
namespace sks::engine {

/// DeviceID: the device certificate, or "Anonymous" when privacy is enabled. Spec: 1.1.
ByteView device_id(const DeviceIdentity& identity, bool privacy_enabled);

/// What the session key and the session attestation begin with. Spec: 3.1.
struct SessionNames {
  std::string_view client_session_id;
  std::string_view server_session_id;
  std::string_view issuer_uri;
  ByteView device_id;
};
SecureBytes derive_session_key(ByteView shared_secret, const SessionNames& names);

/// A of chapter 3.2.
Bytes session_attestation_data(const SessionRequest& request, const SessionNames& names, ByteView client_ephemeral_key);

/// Chapter 3.3: fails with internal below 16 bytes, with crypto on bad lengths and padding.
Result<SecureBytes> decrypt_parameter(ByteView session_key, ByteView encrypted);

/// Chapter 3.4.
crypto::Sha256Digest method_mac(ByteView session_key, std::string_view method, std::uint16_t counter, ByteView data);

/// The operations below are counted: each fails with option when sessionKeyLimit is used up. What they count is part of
/// `session` and becomes durable with the change it belongs to. Spec: 3.7.

/// The MAC that `method` must carry now.
Result<crypto::Sha256Digest> next_mac(Session& session, std::string_view method, ByteView data);
/// Chapter 3.5.
Result<Bytes> next_attestation(Session& session, ByteView data);
Result<SecureBytes> next_decryption(Session& session, ByteView encrypted);
/// H of chapter 3.6 for the key of `certificate`. Leaves macSequenceCounter alone.
Result<crypto::Sha256Digest> next_target_reference(Session& session, ByteView device_id, ByteView certificate);

/// Fails with mac.
Result<void> compare_mac(const crypto::Sha256Digest& expected, ByteView received, std::string_view method);
/// next_mac() and compare_mac() at once, for the methods where nothing happens in between.
Result<void> check_mac(Session& session, std::string_view method, ByteView data, ByteView received);

}  // namespace sks::engine
