#include "sks-core/engine/session_crypto.h"

#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/mac.h"

namespace sks::engine {
namespace {

constexpr std::string_view kAnonymousDevice = "Anonymous";
constexpr std::string_view kEncryptionKey = "EncryptionKey";
constexpr std::string_view kDeviceAttestation = "DeviceAttestation";

Result<void> take_op(Session& session) {
  if (session.remaining_ops == 0) return Error{Status::option, "sessionKeyLimit used up"};
  --session.remaining_ops;
  return {};
}

ByteWriter begin_with(const SessionNames& names) {
  ByteWriter out;
  out.text(names.client_session_id).text(names.server_session_id).text(names.issuer_uri).array(names.device_id);
  return out;
}

}  // namespace

ByteView device_id(const DeviceIdentity& identity, bool privacy_enabled) {
  return privacy_enabled ? as_bytes(kAnonymousDevice) : ByteView(identity.certificate_path().front());
}

SecureBytes derive_session_key(ByteView shared_secret, const SessionNames& names) {
  crypto::Sha256Digest key = crypto::hmac_sha256(shared_secret, begin_with(names).view());
  SecureBytes owned = SecureBytes::copy_of(key);
  cleanse(key);
  return owned;
}

Bytes session_attestation_data(const SessionRequest& request, const SessionNames& names,
                               ByteView client_ephemeral_key) {
  ByteWriter out = begin_with(names);
  out.text(request.session_key_algorithm).boolean(request.privacy_enabled);
  out.array(request.server_ephemeral_key).array(client_ephemeral_key).array(request.key_management_key);
  out.u32(request.client_time).u16(request.session_life_time).u16(request.session_key_limit);
  out.array(request.server_certificate);
  return out.take();
}

Result<SecureBytes> decrypt_parameter(ByteView session_key, ByteView encrypted) {
  if (encrypted.size() < crypto::kAesBlock)
    return Error{Status::internal, "an encrypted parameter is shorter than its IV"};
  crypto::Sha256Digest key = crypto::hmac_sha256(session_key, as_bytes(kEncryptionKey));
  Result<SecureBytes> plaintext =
      crypto::aes_256_cbc_decrypt(key, encrypted.first(crypto::kAesBlock), encrypted.subspan(crypto::kAesBlock));
  cleanse(key);
  return plaintext;
}

crypto::Sha256Digest method_mac(ByteView session_key, std::string_view method, std::uint16_t counter, ByteView data) {
  ByteWriter sequence;
  sequence.u16(counter);
  return crypto::hmac_sha256({session_key, as_bytes(method), sequence.view()}, data);
}

Result<crypto::Sha256Digest> next_mac(Session& session, std::string_view method, ByteView data) {
  SKS_TRY(take_op(session));
  return method_mac(session.session_key->view(), method, session.mac_sequence_counter++, data);
}

Result<Bytes> next_attestation(Session& session, ByteView data) {
  SKS_LET(const crypto::Sha256Digest attestation, next_mac(session, kDeviceAttestation, data));
  return to_bytes(attestation);
}

Result<SecureBytes> next_decryption(Session& session, ByteView encrypted) {
  SKS_TRY(take_op(session));
  return decrypt_parameter(session.session_key->view(), encrypted);
}

Result<crypto::Sha256Digest> next_target_reference(Session& session, ByteView device_id, ByteView certificate) {
  SKS_TRY(take_op(session));
  return crypto::hmac_sha256({session.session_key->view(), device_id}, certificate);
}

Result<void> compare_mac(const crypto::Sha256Digest& expected, ByteView received, std::string_view method) {
  if (!equal_constant_time(expected, received)) return Error{Status::mac, "MAC mismatch in " + std::string(method)};
  return {};
}

Result<void> check_mac(Session& session, std::string_view method, ByteView data, ByteView received) {
  SKS_LET(const crypto::Sha256Digest expected, next_mac(session, method, data));
  return compare_mac(expected, received, method);
}

}  // namespace sks::engine
