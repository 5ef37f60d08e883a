#include "tests/key-user-api/cli/provisioner.h"

#include <doctest/doctest.h>

#include "sks-core/base/byte_writer.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/mac.h"
#include "sks-core/crypto/x509.h"

namespace sks::test {
namespace {

const std::string kAlgorithmPrefix = "https://webpki.github.io/sks/algorithm#";

template <class T>
T value_of(Result<T> result) {
  if (!result) FAIL("the key store refused: " << result.error().detail);
  return std::move(result).value();
}

crypto::PrivateKey new_ec_key() {
  return value_of(crypto::PrivateKey::generate(*find_algorithm(kAlgorithmPrefix + "ec.nist.p256")));
}

Bytes to_vector(const crypto::Sha256Digest& digest) { return {digest.begin(), digest.end()}; }

}  // namespace

Provisioner::Provisioner(SecureKeyStore& store, Session session) : store_(store), session_(std::move(session)) {
  const crypto::PrivateKey ephemeral = new_ec_key();
  SessionRequest request;
  request.session_key_algorithm = kAlgorithmPrefix + "session.1";
  request.privacy_enabled = true;
  request.server_session_id = session_.server_session_id;
  request.server_ephemeral_key = ephemeral.public_key().spki();
  request.issuer_uri = session_.issuer_uri;
  request.client_time = session_.client_time;
  request.session_life_time = session_.life_time;
  request.session_key_limit = 100;
  const CreatedSession created = value_of(store_.create_provisioning_session(request));
  client_session_id_ = created.client_session_id;
  handle_ = created.handle;
  const SecureBytes shared =
      value_of(ephemeral.agree(value_of(crypto::PublicKey::from_spki(created.client_ephemeral_key))));
  ByteWriter data;
  data.text(client_session_id_).text(session_.server_session_id).text(session_.issuer_uri).text("Anonymous");
  session_key_ = to_vector(crypto::hmac_sha256(shared.view(), data.view()));
}

Bytes Provisioner::mac(std::string_view method, ByteView data) {
  ByteWriter counter;
  counter.u16(counter_++);
  return to_vector(crypto::hmac_sha256({session_key_, as_bytes(method), counter.view()}, data));
}

KeyHandle Provisioner::create_key(const Key& key, PinPolicyHandle policy, Bytes& public_key) {
  KeyEntryRequest request;
  request.id = key.id;
  request.key_entry_algorithm = kAlgorithmPrefix + "key.1";
  if (!key.pin.empty()) {
    request.pin_policy = policy;
    request.pin_value = SecureBytes::copy_of(as_bytes(key.pin));
  }
  request.delete_protection = key.delete_protection;
  request.app_usage = key.app_usage;
  request.friendly_name = key.friendly_name;
  request.key_algorithm = kAlgorithmPrefix + key.key_algorithm;
  ByteWriter data;
  data.text(request.id).text(request.key_entry_algorithm).array({}).text(key.pin.empty() ? "" : "PIN").text("");
  data.boolean(false).boolean(false).u8(0).u8(0).u8(request.delete_protection).u8(request.app_usage);
  data.text(request.friendly_name).text(request.key_algorithm).array({});
  request.mac = mac("createKeyEntry", data.view());
  ++counter_;  // the attestation
  const CreatedKey created = value_of(store_.create_key_entry(handle_, request));
  public_key = created.public_key;
  return created.handle;
}

Bytes Provisioner::certify(const Key& key, ByteView public_key, KeyHandle handle) {
  const crypto::PrivateKey authority = new_ec_key();
  const auto dn = [](std::string_view text) { return value_of(crypto::parse_dn(text)); };
  const crypto::Certificate root = value_of(crypto::issue_certificate(
      {crypto::CertificateKind::ca, dn("CN=Test authority"), 1700000000, 1900000000, {}, {}, {}},
      authority.public_key(), nullptr, authority));
  const crypto::Certificate leaf = value_of(crypto::issue_certificate(
      {crypto::CertificateKind::tls_client, dn(key.subject), 1700000000, 1900000000, {}, {}, {}},
      value_of(crypto::PublicKey::from_spki(public_key)), &root, authority));
  ByteWriter data;
  data.array(public_key).text(key.id).array(leaf.der());
  const auto set = store_.set_certificate_path(handle, {leaf.der()}, mac("setCertificatePath", data.view()));
  if (!set) FAIL("the key store refused: " << set.error().detail);
  return leaf.der();
}

std::vector<Bytes> Provisioner::provision(const std::vector<Key>& keys, std::uint16_t retry_limit,
                                          const std::string& puk) {
  PukPolicyRequest puk_policy{"PUK", {}, 0, 3, {}};
  PukPolicyHandle puk_handle;
  if (!puk.empty()) {
    const Bytes iv = system_random().bytes(16);
    const crypto::Sha256Digest key = crypto::hmac_sha256(session_key_, as_bytes("EncryptionKey"));
    puk_policy.encrypted_puk = concat({iv, crypto::aes_256_cbc_encrypt(key, iv, as_bytes(puk))});
    ByteWriter data;
    data.text(puk_policy.id).array(puk_policy.encrypted_puk).u8(0).u16(3);
    puk_policy.mac = mac("createPUKPolicy", data.view());
    puk_handle = value_of(store_.create_puk_policy(handle_, puk_policy));
  }
  PinPolicyHandle pin_handle;
  bool with_pin = false;
  for (const Key& key : keys) with_pin = with_pin || !key.pin.empty();
  if (with_pin) {
    PinPolicyRequest policy{"PIN", puk_handle, true, true, 0, retry_limit, 1, 0, 4, 8, 0, {}};
    ByteWriter data;
    data.text(policy.id).text(puk.empty() ? "" : "PUK").boolean(true).boolean(true);
    data.u8(0).u16(retry_limit).u8(1).u8(0).u16(4).u16(8).u8(0);
    policy.mac = mac("createPINPolicy", data.view());
    pin_handle = value_of(store_.create_pin_policy(handle_, policy));
  }
  std::vector<Bytes> certificates;
  for (const Key& key : keys) {
    Bytes public_key;
    const KeyHandle handle = create_key(key, pin_handle, public_key);
    certificates.push_back(certify(key, public_key, handle));
  }
  ByteWriter data;
  data.text(client_session_id_).text(session_.server_session_id).text(session_.issuer_uri).array(as_bytes("nonce"));
  value_of(store_.close_provisioning_session(handle_, as_bytes("nonce"), mac("closeProvisioningSession", data.view())));
  return certificates;
}

}  // namespace sks::test
