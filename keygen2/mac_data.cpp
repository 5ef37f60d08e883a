#include "keygen2/mac_data.h"

#include "keygen2/enumerations.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/mac.h"

namespace sks::keygen2 {
namespace {

constexpr std::string_view kEncryptionKeyLabel = "EncryptionKey";
constexpr std::string_view kTargetKeyLabel = "TargetKeyReference";
constexpr std::string_view kRollOverLabel = "RollOverAuthorization";

}  // namespace

Bytes puk_policy_data(const PukPolicySpecifier& puk) {
  return ByteWriter().text(puk.id).array(puk.encrypted_puk).u8(puk.format).u16(puk.retry_limit).take();
}

Bytes pin_policy_data(const PinPolicySpecifier& pin, const PukPolicySpecifier* puk) {
  return ByteWriter()
      .text(pin.id)
      .text(puk == nullptr ? std::string_view() : std::string_view(puk->id))
      .boolean(pin.user_defined())
      .boolean(pin.user_modifiable)
      .u8(pin.format)
      .u16(pin.retry_limit)
      .u8(pin.grouping)
      .u8(pin.pattern_restrictions)
      .u16(pin.min_length)
      .u16(pin.max_length)
      .u8(pin.input_method)
      .take();
}

Bytes key_entry_data(const KeyEntrySpecifier& key, const PinPolicySpecifier* pin,
                     std::string_view key_entry_algorithm) {
  ByteWriter out;
  out.text(key.id)
      .text(key_entry_algorithm)
      .array(key.server_seed)
      .text(pin == nullptr ? std::string_view() : std::string_view(pin->id))
      .array(key.encrypted_pin ? ByteView(*key.encrypted_pin) : ByteView())
      .boolean(key.device_pin_protection)
      .boolean(key.enable_pin_caching)
      .u8(key.biometric_protection)
      .u8(key.export_protection)
      .u8(key.delete_protection)
      .u8(key.app_usage)
      .text(key.friendly_name)
      .text(key.key_algorithm)
      .array(key.key_parameters);
  for (const std::string& algorithm : key.endorsed_algorithms) out.text(algorithm);
  return out.take();
}

Bytes certificate_path_data(ByteView public_key_spki, std::string_view id, const std::vector<Bytes>& path) {
  ByteWriter out;
  out.array(public_key_spki).text(id);
  for (const Bytes& certificate : path) out.array(certificate);
  return out.take();
}

Bytes imported_key_data(ByteView end_entity, ByteView encrypted_key) {
  return ByteWriter().array(end_entity).array(encrypted_key).take();
}

Bytes extension_data(ByteView end_entity, std::string_view type, std::uint8_t sub_type, std::string_view qualifier,
                     ByteView data) {
  return ByteWriter().array(end_entity).text(type).u8(sub_type).text(qualifier).blob(data).take();
}

Bytes replacing_operation_data(ByteView end_entity, ByteView authorization) {
  return ByteWriter().array(end_entity).array(authorization).take();
}

Bytes plain_operation_data(ByteView authorization) { return ByteWriter().array(authorization).take(); }

Bytes close_data(const SessionIds& ids, std::string_view issuer_uri, ByteView nonce) {
  return ByteWriter().text(ids.client).text(ids.server).text(issuer_uri).array(nonce).take();
}

Bytes extension_content(const Extension& extension) {
  if (extension.sub_type != kPropertyBag) return extension.data;
  ByteWriter out;
  for (const Property& property : extension.properties)
    out.text(property.name).boolean(property.writable).text(property.value);
  return out.take();
}

Bytes target_key_data(const SecureBytes& session_key, ByteView device_id, ByteView target_certificate) {
  return concat({as_bytes(kTargetKeyLabel), crypto::hmac_sha256({session_key.view(), device_id}, target_certificate)});
}

Bytes roll_over_data(ByteView new_key_spki) { return concat({as_bytes(kRollOverLabel), new_key_spki}); }

SecureBytes encryption_key(const SecureBytes& session_key) {
  crypto::Sha256Digest digest = crypto::hmac_sha256(session_key.view(), as_bytes(kEncryptionKeyLabel));
  SecureBytes key = SecureBytes::copy_of(digest);
  cleanse(digest);
  return key;
}

Bytes encrypt(const SecureBytes& encryption_key, ByteView plaintext, const Random& random) {
  const Bytes iv = random.bytes(crypto::kAesBlock);
  return concat({iv, crypto::aes_256_cbc_encrypt(encryption_key.view(), iv, plaintext)});
}

}  // namespace sks::keygen2
