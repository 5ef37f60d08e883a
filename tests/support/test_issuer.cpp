#include "tests/support/test_issuer.h"

#include <doctest/doctest.h>

#include "sks-core/base/byte_writer.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/mac.h"
#include "sks-core/crypto/x509.h"

namespace sks::test {
namespace {

constexpr std::string_view kP256 = "https://webpki.github.io/sks/algorithm#ec.nist.p256";
constexpr std::int64_t kNotBefore = 1577836800;  // 2020
constexpr std::int64_t kNotAfter = 4102444800;   // 2100

crypto::Certificate issue(crypto::CertificateKind kind, const char* dn, const crypto::PublicKey& key,
                          const crypto::Certificate* issuer, const crypto::PrivateKey& issuer_key) {
  crypto::CertificateTemplate what{kind, crypto::parse_dn(dn).value(), kNotBefore, kNotAfter, {}, {}, {}};
  return crypto::issue_certificate(what, key, issuer, issuer_key).value();
}

}  // namespace

crypto::PrivateKey generate_key(std::string_view algorithm) {
  return crypto::PrivateKey::generate(*find_algorithm(algorithm)).value();
}

TestIdentity::TestIdentity(std::string_view key_algorithm) : key_(generate_key(key_algorithm)) {
  path_.push_back(issue(crypto::CertificateKind::device, "CN=Test device", key_.public_key(), nullptr, key_).der());
}

Bytes certify(ByteView spki) {
  static const crypto::PrivateKey ca_key = generate_key(kP256);
  static const crypto::Certificate ca =
      issue(crypto::CertificateKind::ca, "CN=Test CA", ca_key.public_key(), nullptr, ca_key);
  const crypto::PublicKey key = crypto::PublicKey::from_spki(spki).value();
  return issue(crypto::CertificateKind::tls_client, "CN=Somebody", key, &ca, ca_key).der();
}

Bytes roll_over_authorization(const crypto::PrivateKey& kmk, ByteView new_kmk) {
  return kmk.sign(concat({as_bytes("RollOverAuthorization"), new_kmk})).value();
}

TestIssuer::TestIssuer(SecureKeyStore& store) : TestIssuer(store, generate_key(kP256)) {}

TestIssuer::TestIssuer(SecureKeyStore& store, crypto::PrivateKey ephemeral)
    : store_(&store), ephemeral_(std::move(ephemeral)) {
  request.session_key_algorithm = "https://webpki.github.io/sks/algorithm#session.1";
  request.privacy_enabled = true;
  request.server_session_id = "S-1";
  request.server_ephemeral_key = ephemeral_.public_key().spki();
  request.issuer_uri = "https://issuer.example.com/sks";
  request.client_time = 1611905400;
  request.session_life_time = 10000;
  request.session_key_limit = 1000;
  request.server_certificate = {1, 2, 3};
}

Bytes TestIssuer::device_id() const {
  return request.privacy_enabled ? to_bytes(as_bytes("Anonymous")) : device_certificate_;
}

Bytes TestIssuer::names() const {
  ByteWriter out;
  out.text(created_.client_session_id).text(request.server_session_id).text(request.issuer_uri).array(device_id());
  return out.take();
}

Result<ProvisioningHandle> TestIssuer::open(ByteView device_certificate) {
  device_certificate_ = to_bytes(device_certificate);
  SKS_LET(created_, store_->create_provisioning_session(request));
  SKS_LET(const crypto::PublicKey client_key, crypto::PublicKey::from_spki(created_.client_ephemeral_key));
  SKS_LET(const SecureBytes shared, ephemeral_.agree(client_key));
  session_key_ = SecureBytes::copy_of(crypto::hmac_sha256(shared.view(), names()));
  counter_ = 0;
  return created_.handle;
}

bool TestIssuer::session_attestation_holds(const crypto::PublicKey* device_key) const {
  ByteWriter a;
  a.raw(names()).text(request.session_key_algorithm).boolean(request.privacy_enabled);
  a.array(request.server_ephemeral_key).array(created_.client_ephemeral_key).array(request.key_management_key);
  a.u32(request.client_time).u16(request.session_life_time).u16(request.session_key_limit);
  a.array(request.server_certificate);
  if (device_key != nullptr)
    return static_cast<bool>(crypto::verify_signature(*device_key, a.view(), created_.attestation));
  return equal(crypto::hmac_sha256(session_key_.view(), a.view()), created_.attestation);
}

Bytes TestIssuer::mac(std::string_view method, ByteView data) const {
  ByteWriter counter;
  counter.u16(counter_);
  return to_bytes(crypto::hmac_sha256({session_key_.view(), as_bytes(method), counter.view()}, data));
}

Bytes TestIssuer::take_mac(std::string_view method, ByteView data) {
  Bytes made = mac(method, data);
  ++counter_;
  return made;
}

Bytes TestIssuer::encrypt(ByteView plaintext) const {
  const crypto::Sha256Digest key = crypto::hmac_sha256(session_key_.view(), as_bytes("EncryptionKey"));
  const Bytes iv = system_random().bytes(crypto::kAesBlock);
  return concat({iv, crypto::aes_256_cbc_encrypt(key, iv, plaintext)});
}

Bytes TestIssuer::encrypt_unpadded(ByteView blocks) const {
  Bytes encrypted = encrypt(blocks);
  encrypted.resize(crypto::kAesBlock + blocks.size());
  return encrypted;
}

SecureBytes TestIssuer::encrypted_pin(std::string_view pin) const {
  return SecureBytes::copy_of(encrypt(as_bytes(pin)));
}

Result<PukPolicyHandle> TestIssuer::create_puk_policy(PukPolicyRequest puk) {
  ByteWriter data;
  data.text(puk.id).array(puk.encrypted_puk).u8(puk.format).u16(puk.retry_limit);
  if (puk.mac.empty()) puk.mac = take_mac("createPUKPolicy", data.view());
  SKS_LET(const PukPolicyHandle handle, store_->create_puk_policy(created_.handle, puk));
  puk_ids_[handle] = puk.id;
  return handle;
}

Result<PinPolicyHandle> TestIssuer::create_pin_policy(PinPolicyRequest pin) {
  ByteWriter data;
  data.text(pin.id).text(pin.puk_policy ? puk_ids_[pin.puk_policy] : "");
  data.boolean(pin.user_defined).boolean(pin.user_modifiable).u8(pin.format).u16(pin.retry_limit).u8(pin.grouping);
  data.u8(pin.pattern_restrictions).u16(pin.min_length).u16(pin.max_length).u8(pin.input_method);
  if (pin.mac.empty()) pin.mac = take_mac("createPINPolicy", data.view());
  SKS_LET(const PinPolicyHandle handle, store_->create_pin_policy(created_.handle, pin));
  pin_policies_[handle] = {pin.id, pin.user_defined};
  return handle;
}

Result<CreatedKey> TestIssuer::create_key_entry(KeyEntryRequest key) {
  const auto policy = pin_policies_.find(key.pin_policy);
  const bool has_policy = policy != pin_policies_.end();
  ByteWriter data;
  data.text(key.id).text(key.key_entry_algorithm).array(key.server_seed).text(has_policy ? policy->second.id : "");
  data.array(has_policy && !policy->second.user_defined ? key.pin_value.view() : ByteView());
  data.boolean(key.device_pin_protection).boolean(key.enable_pin_caching).u8(key.biometric_protection);
  data.u8(key.export_protection).u8(key.delete_protection).u8(key.app_usage).text(key.friendly_name);
  data.text(key.key_algorithm).array(key.key_parameters);
  for (const std::string& algorithm : key.endorsed_algorithms) data.text(algorithm);
  if (key.mac.empty()) key.mac = take_mac("createKeyEntry", data.view());
  SKS_LET(CreatedKey created, store_->create_key_entry(created_.handle, key));
  ByteWriter attested;
  attested.array(created.public_key).array(key.mac);
  CHECK(take_mac("DeviceAttestation", attested.view()) == created.attestation);
  return created;
}

Result<void> TestIssuer::set_certificate_path(const CreatedKey& key, const std::string& id,
                                              const std::vector<Bytes>& path) {
  ByteWriter data;
  data.array(key.public_key).text(id);
  for (const Bytes& certificate : path) data.array(certificate);
  SKS_TRY(store_->set_certificate_path(key.handle, path, take_mac("setCertificatePath", data.view())));
  end_entities_[key.handle] = path.front();
  return {};
}

Bytes TestIssuer::import_mac(std::string_view method, KeyHandle key, ByteView encrypted_key) {
  ByteWriter data;
  data.array(end_entity(key)).array(encrypted_key);
  return take_mac(method, data.view());
}

Result<void> TestIssuer::import_symmetric_key(KeyHandle key, ByteView encrypted_key, Bytes mac) {
  if (mac.empty()) mac = import_mac("importSymmetricKey", key, encrypted_key);
  return store_->import_symmetric_key(key, encrypted_key, mac);
}

Result<void> TestIssuer::import_private_key(KeyHandle key, ByteView encrypted_key, Bytes mac) {
  if (mac.empty()) mac = import_mac("importPrivateKey", key, encrypted_key);
  return store_->import_private_key(key, encrypted_key, mac);
}

Result<void> TestIssuer::add_extension(KeyHandle key, ExtensionRequest extension) {
  ByteWriter data;
  data.array(end_entity(key)).text(extension.type).u8(extension.sub_type).text(extension.qualifier);
  data.blob(extension.data);
  if (extension.mac.empty()) extension.mac = take_mac("addExtension", data.view());
  return store_->add_extension(key, extension);
}

Bytes TestIssuer::target_authorization(const crypto::PrivateKey& kmk, ByteView end_entity) const {
  const crypto::Sha256Digest h = crypto::hmac_sha256({session_key_.view(), device_id()}, end_entity);
  return kmk.sign(concat({as_bytes("TargetKeyReference"), h})).value();
}

// The methods about a new key have its certificate in front of the authorization.
void TestIssuer::fill_mac(std::string_view method, TargetAuthorization& target, ByteView new_end_entity) {
  if (!target.mac.empty()) return;
  ByteWriter data;
  if (!new_end_entity.empty()) data.array(new_end_entity);
  data.array(target.authorization);
  target.mac = take_mac(method, data.view());
}

Result<void> TestIssuer::post_delete_key(TargetAuthorization target) {
  fill_mac("postDeleteKey", target, {});
  return store_->post_delete_key(created_.handle, target);
}

Result<void> TestIssuer::post_unlock_key(TargetAuthorization target) {
  fill_mac("postUnlockKey", target, {});
  return store_->post_unlock_key(created_.handle, target);
}

Result<void> TestIssuer::post_update_key(KeyHandle key, TargetAuthorization target) {
  fill_mac("postUpdateKey", target, end_entity(key));
  return store_->post_update_key(key, target);
}

Result<void> TestIssuer::post_clone_key_protection(KeyHandle key, TargetAuthorization target) {
  fill_mac("postCloneKeyProtection", target, end_entity(key));
  return store_->post_clone_key_protection(key, target);
}

ActivationRequest TestIssuer::activation(std::string_view method, KeyHandle target, ByteView authorization, Bytes mac) {
  TargetAuthorization authorized{target, to_bytes(authorization), std::move(mac)};
  fill_mac(method, authorized, end_entity(target));
  return {created_.handle, target, SecureBytes::copy_of(authorization), std::move(authorized.mac)};
}

Result<std::uint8_t> TestIssuer::activate(KeyHandle target, ByteView authorization, Bytes mac) {
  return store_->activate(activation("activate", target, authorization, std::move(mac)));
}

Result<std::uint8_t> TestIssuer::deactivate(KeyHandle target, ByteView authorization, Bytes mac) {
  return store_->deactivate(activation("deactivate", target, authorization, std::move(mac)));
}

Result<void> TestIssuer::close(ByteView nonce) {
  ByteWriter data;
  data.text(created_.client_session_id).text(request.server_session_id).text(request.issuer_uri).array(nonce);
  SKS_LET(const Bytes attestation, store_->close_provisioning_session(
                                       created_.handle, nonce, take_mac("closeProvisioningSession", data.view())));
  ByteWriter attested;
  attested.array(nonce);
  CHECK(take_mac("DeviceAttestation", attested.view()) == attestation);
  return {};
}

Result<void> TestIssuer::close() { return close(Bytes(32, 0x11)); }

Result<CreatedKey> TestIssuer::create_certified_key(KeyEntryRequest key) {
  const std::string id = key.id;
  SKS_LET(CreatedKey created, create_key_entry(std::move(key)));
  SKS_TRY(set_certificate_path(created, id, {certify(created.public_key)}));
  return created;
}

}  // namespace sks::test
