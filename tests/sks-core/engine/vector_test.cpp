#include <doctest/doctest.h>

#include "sks-core/base/byte_writer.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/mac.h"
#include "sks-core/engine/session_crypto.h"
#include "tests/sks-core/engine/device.h"
#include "tests/support/vectors.h"

// spec/sks-api.md chapter 10.
namespace sks::test {
namespace {

VectorBlock session_vectors() { return std::move(read_vectors("sks-api/session.vec").front()); }

crypto::PrivateKey p256(ByteView scalar) { return crypto::PrivateKey::from_ec_scalar(Curve::p256, scalar).value(); }

Bytes mac_of(const std::vector<VectorBlock>& macs, const std::string& method, long counter) {
  for (const VectorBlock& block : macs)
    if (block.text("Method") == method && block.number("Counter") == counter) return block.hex("Mac");
  FAIL("no such MAC");
  return {};
}

void touch_session_vectors(const VectorBlock& v) {
  for (const char* name : {"ServerScalar",
                           "ClientScalar",
                           "KmkScalar",
                           "KeyScalar",
                           "ClientSessionId",
                           "ServerSessionId",
                           "IssuerUri",
                           "ClientTime",
                           "SessionLifeTime",
                           "SessionKeyLimit",
                           "ServerCertificate",
                           "ServerSpki",
                           "ClientSpki",
                           "KmkSpki",
                           "KeySpki",
                           "Certificate",
                           "SharedSecret",
                           "KdfMessage",
                           "SessionKey",
                           "AttestationInput",
                           "Attestation",
                           "EncryptionKey",
                           "SessionKeyWithDeviceCertificate"})
    v.text(name);
}

}  // namespace

TEST_CASE("session key and session attestation: the formulas give the specification's values") {
  const VectorBlock v = session_vectors();
  const std::string client = v.text("ClientSessionId");
  const std::string server = v.text("ServerSessionId");
  const std::string issuer = v.text("IssuerUri");
  const crypto::PrivateKey server_key = p256(v.hex("ServerScalar"));
  const crypto::PrivateKey client_key = p256(v.hex("ClientScalar"));
  CHECK(server_key.public_key().spki() == v.hex("ServerSpki"));
  CHECK(client_key.public_key().spki() == v.hex("ClientSpki"));
  CHECK(p256(v.hex("KmkScalar")).public_key().spki() == v.hex("KmkSpki"));
  CHECK(p256(v.hex("KeyScalar")).public_key().spki() == v.hex("KeySpki"));
  const SecureBytes shared = client_key.agree(server_key.public_key()).value();
  CHECK(equal(shared.view(), v.hex("SharedSecret")));
  CHECK(equal(crypto::hmac_sha256(shared.view(), v.hex("KdfMessage")), v.hex("SessionKey")));

  const engine::SessionNames names{client, server, issuer, as_bytes("Anonymous")};
  CHECK(equal(engine::derive_session_key(shared.view(), names).view(), v.hex("SessionKey")));
  const Bytes certificate = v.hex("Certificate");
  const engine::SessionNames with_device{client, server, issuer, certificate};
  CHECK(equal(engine::derive_session_key(shared.view(), with_device).view(), v.hex("SessionKeyWithDeviceCertificate")));

  SessionRequest request;
  request.session_key_algorithm = kSks + "session.1";
  request.privacy_enabled = true;
  request.server_session_id = server;
  request.server_ephemeral_key = v.hex("ServerSpki");
  request.issuer_uri = issuer;
  request.key_management_key = v.hex("KmkSpki");
  request.client_time = static_cast<std::uint32_t>(v.number("ClientTime"));
  request.session_life_time = static_cast<std::uint16_t>(v.number("SessionLifeTime"));
  request.session_key_limit = static_cast<std::uint16_t>(v.number("SessionKeyLimit"));
  request.server_certificate = v.hex("ServerCertificate");
  const Bytes attested = engine::session_attestation_data(request, names, v.hex("ClientSpki"));
  CHECK(attested == v.hex("AttestationInput"));
  CHECK(equal(crypto::hmac_sha256(v.hex("SessionKey"), attested), v.hex("Attestation")));
  CHECK(equal(crypto::hmac_sha256(v.hex("SessionKey"), as_bytes("EncryptionKey")), v.hex("EncryptionKey")));
}

TEST_CASE("method MACs: the formula gives the specification's values for every method") {
  const VectorBlock session = session_vectors();
  touch_session_vectors(session);
  for (const VectorBlock& v : read_vectors("sks-api/macs.vec")) {
    const std::string method = v.text("Method");
    CAPTURE(method);
    const auto counter = static_cast<std::uint16_t>(v.number("Counter"));
    CHECK(equal(engine::method_mac(session.hex("SessionKey"), method, counter, v.hex("Data")), v.hex("Mac")));
  }
}

TEST_CASE("encrypted parameters: the specification's values decrypt") {
  const VectorBlock session = session_vectors();
  touch_session_vectors(session);
  for (const VectorBlock& v : read_vectors("sks-api/encrypted.vec")) {
    const Result<SecureBytes> plaintext = engine::decrypt_parameter(session.hex("SessionKey"), v.hex("Encrypted"));
    REQUIRE(plaintext);
    CHECK(equal(plaintext->view(), v.hex("Plaintext")));
  }
}

TEST_CASE("encrypted parameters: what cannot be decrypted fails as the specification says") {
  const Bytes key(32, 7);
  CHECK(status_of(engine::decrypt_parameter(key, Bytes(15))) == Status::internal);
  CHECK(status_of(engine::decrypt_parameter(key, Bytes(17))) == Status::crypto);
  CHECK(status_of(engine::decrypt_parameter(key, Bytes(32))) == Status::crypto);
  const Result<SecureBytes> iv_only = engine::decrypt_parameter(key, Bytes(16));
  REQUIRE(iv_only);
  CHECK(iv_only->empty());
}

TEST_CASE(
    "post-provisioning: session key, target references, MACs and authorizations have the specification's values") {
  const VectorBlock session = session_vectors();
  touch_session_vectors(session);
  const std::vector<VectorBlock> blocks = read_vectors("sks-api/post_provisioning.vec");
  const VectorBlock& v = blocks.front();
  const std::string client = v.text("ClientSessionId");
  const std::string server = v.text("ServerSessionId");
  const std::string issuer = session.text("IssuerUri");
  const SecureBytes key =
      engine::derive_session_key(session.hex("SharedSecret"), {client, server, issuer, as_bytes("Anonymous")});
  CHECK(equal(key.view(), v.hex("SessionKey")));
  const Bytes certificate = session.hex("Certificate");
  const auto reference = [&](ByteView device) { return crypto::hmac_sha256({key.view(), device}, certificate); };
  CHECK(equal(reference(as_bytes("Anonymous")), v.hex("TargetReference")));
  CHECK(equal(reference(certificate), v.hex("TargetReferenceWithDeviceCertificate")));
  const crypto::PublicKey kmk = crypto::PublicKey::from_spki(session.hex("KmkSpki")).value();
  const Bytes target = concat({as_bytes("TargetKeyReference"), v.hex("TargetReference")});
  CHECK(crypto::verify_signature(kmk, target, v.hex("Authorization")));
  const Bytes roll_over = concat({as_bytes("RollOverAuthorization"), v.hex("NewKmkSpki")});
  CHECK(crypto::verify_signature(kmk, roll_over, v.hex("RollOverAuthorization")));
  CHECK(p256(v.hex("NewKmkScalar")).public_key().spki() == v.hex("NewKmkSpki"));

  ByteWriter authorization;
  authorization.array(v.hex("Authorization"));
  CHECK(equal(engine::method_mac(key.view(), "postDeleteKey", 0, authorization.view()), v.hex("PostDeleteKeyMac")));
  CHECK(equal(engine::method_mac(key.view(), "postUnlockKey", 0, authorization.view()), v.hex("PostUnlockKeyMac")));
  const Bytes nonce(32, 0x11);
  ByteWriter close;
  close.text(client).text(server).text(issuer).array(nonce);
  CHECK(equal(engine::method_mac(key.view(), "closeProvisioningSession", 1, close.view()), v.hex("CloseMac")));
  ByteWriter attested;
  attested.array(nonce);
  CHECK(equal(engine::method_mac(key.view(), "DeviceAttestation", 2, attested.view()), v.hex("CloseAttestation")));
}

TEST_CASE("encodings: public keys and texts have the specification's bytes") {
  for (const VectorBlock& v : read_vectors("sks-api/public_keys.vec")) {
    const std::string type = v.text("Type");
    CAPTURE(type);
    const Result<crypto::PublicKey> key = crypto::PublicKey::from_spki(v.hex("Spki"));
    REQUIRE(key);
    CHECK(key->spki() == v.hex("Spki"));
  }
  for (const VectorBlock& v : read_vectors("sks-api/texts.vec")) {
    const std::string text = v.text("Text");
    CAPTURE(text);
    ByteWriter encoded;
    encoded.text(text);
    if (v.has("Encoded")) CHECK(equal(encoded.view(), v.hex("Encoded")));
    if (v.has("Raw")) CHECK(equal(as_bytes(text), v.hex("Raw")));
  }
}

namespace {

/// The vector files of the worked session.
struct WorkedVectors {
  VectorBlock session = session_vectors();
  std::vector<VectorBlock> macs = read_vectors("sks-api/macs.vec");
  std::vector<VectorBlock> encrypted = read_vectors("sks-api/encrypted.vec");

  WorkedVectors() {
    touch_session_vectors(session);
    for (const VectorBlock& block : macs)
      for (const char* const name : {"Method", "Counter", "Data", "Mac"}) block.text(name);
    for (const VectorBlock& block : encrypted) block.text("Plaintext"), block.text("Encrypted");
  }
  Bytes mac(const std::string& method, long counter) const { return mac_of(macs, method, counter); }
};

/// Version-0 PrivateKeyInfo (RFC 5208) of an ecPublicKey on prime256v1; ECPrivateKey (RFC 5915) with scalar and public
/// key, the 65 bytes at the end of the SPKI.
Bytes worked_pkcs8(const VectorBlock& v) {
  const Bytes spki = v.hex("KeySpki");
  return concat({from_hex("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420").value(),
                 v.hex("KeyScalar"), from_hex("a144034200").value(), ByteView(spki).last(65)});
}

CreatedSession open_worked_session(Device& device, const WorkedVectors& v) {
  device.random.queue(from_base64url(v.session.text("ClientSessionId")).value());
  device.keys.queue(p256(v.session.hex("ClientScalar")));
  device.keys.queue(crypto::PrivateKey::from_pkcs8(worked_pkcs8(v.session)).value());
  SessionRequest request;
  request.session_key_algorithm = kSks + "session.1";
  request.privacy_enabled = true;
  request.server_session_id = v.session.text("ServerSessionId");
  request.server_ephemeral_key = v.session.hex("ServerSpki");
  request.issuer_uri = v.session.text("IssuerUri");
  request.key_management_key = v.session.hex("KmkSpki");
  request.client_time = 1611905400;
  request.session_life_time = 10000;
  request.session_key_limit = 50;
  request.server_certificate = v.session.hex("ServerCertificate");
  return device.engine->create_provisioning_session(request).value();
}

CreatedKey create_worked_key(SecureKeyStore& store, ProvisioningHandle session, const WorkedVectors& v) {
  const PukPolicyHandle puk =
      store.create_puk_policy(session, {"PUK.1", v.encrypted.at(0).hex("Encrypted"), 0, 3, v.mac("createPUKPolicy", 0)})
          .value();
  const PinPolicyHandle pin =
      store.create_pin_policy(session, {"PIN.1", puk, false, true, 0, 3, 1, 0x06, 4, 8, 0, v.mac("createPINPolicy", 1)})
          .value();
  KeyEntryRequest key;
  key.id = "Key.1";
  key.key_entry_algorithm = kSks + "key.1";
  key.server_seed = from_hex("a0a1a2a3a4a5a6a7").value();
  key.pin_policy = pin;
  key.pin_value = SecureBytes::copy_of(v.encrypted.at(1).hex("Encrypted"));
  key.export_protection = 1;
  key.app_usage = 1;
  key.friendly_name = "Vector key";
  key.key_algorithm = kSks + "ec.nist.p256";
  key.endorsed_algorithms = {kEcdsaSha256};
  key.mac = v.mac("createKeyEntry", 2);
  return store.create_key_entry(session, key).value();
}

/// Certificate path and the two extensions; the counter is 7 afterwards.
void complete_worked_key(SecureKeyStore& store, KeyHandle key, const WorkedVectors& v) {
  REQUIRE(store.set_certificate_path(key, {v.session.hex("Certificate")}, v.mac("setCertificatePath", 4)));
  const Bytes bag = from_hex("0007436f756e74657201000130000644696769747300000138").value();
  REQUIRE(store.add_extension(key, {"urn:ietf:rfc:4226", 2, "", bag, v.mac("addExtension", 5)}));
  REQUIRE(store.add_extension(
      key, {"http://example.com/x", 1, "", v.encrypted.at(2).hex("Encrypted"), v.mac("addExtension", 6)}));
}

}  // namespace

TEST_CASE("Engine: the worked session replayed gives the specification's keys, MACs and attestations") {
  const WorkedVectors v;
  Device device;
  SecureKeyStore& store = *device.engine;
  const CreatedSession session = open_worked_session(device, v);
  CHECK(session.client_session_id == v.session.text("ClientSessionId"));
  CHECK(session.client_ephemeral_key == v.session.hex("ClientSpki"));
  CHECK(session.attestation == v.session.hex("Attestation"));
  const CreatedKey key = create_worked_key(store, session.handle, v);
  CHECK(key.public_key == v.session.hex("KeySpki"));
  CHECK(key.attestation == v.mac("DeviceAttestation", 3));
  complete_worked_key(store, key.handle, v);
  const Result<Bytes> closed =
      store.close_provisioning_session(session.handle, Bytes(32, 0x11), v.mac("closeProvisioningSession", 7));
  REQUIRE(closed);
  CHECK(*closed == v.mac("DeviceAttestation", 8));

  CHECK(try_to_sign(store, key.handle, with_pin("1563")) == std::nullopt);
  CHECK(store.get_key_attributes(key.handle)->extension_types ==
        std::vector<std::string>{"urn:ietf:rfc:4226", "http://example.com/x"});
  CHECK(
      equal(store.get_extension(key.handle, "http://example.com/x")->data.view(), v.encrypted.at(2).hex("Plaintext")));
  REQUIRE(store.set_property(key.handle, "urn:ietf:rfc:4226", "Counter", "17"));
  CHECK(equal(store.get_extension(key.handle, "urn:ietf:rfc:4226")->data.view(),
              from_hex("0007436f756e7465720100023137000644696769747300000138").value()));
}

TEST_CASE("Engine: the private key of the worked session is exported as PKCS#8 of the specification's scalar") {
  const WorkedVectors v;
  Device device;
  SecureKeyStore& store = *device.engine;
  const CreatedSession session = open_worked_session(device, v);
  const CreatedKey key = create_worked_key(store, session.handle, v);
  complete_worked_key(store, key.handle, v);
  REQUIRE(store.close_provisioning_session(session.handle, Bytes(32, 0x11), v.mac("closeProvisioningSession", 7)));
  const Result<SecureBytes> exported = store.export_key(key.handle, secret("1563"));
  REQUIRE(exported);
  CHECK(equal(exported->view(), worked_pkcs8(v.session)));
}

TEST_CASE("Engine: the worked session takes the specification's symmetric key at counter 7") {
  const WorkedVectors v;
  Device device;
  SecureKeyStore& store = *device.engine;
  const CreatedSession session = open_worked_session(device, v);
  const CreatedKey key = create_worked_key(store, session.handle, v);
  complete_worked_key(store, key.handle, v);
  CHECK(store.import_symmetric_key(key.handle, v.encrypted.at(3).hex("Encrypted"), v.mac("importSymmetricKey", 7)));
  // The key's only endorsed algorithm signs, which a symmetric key does not.
  const Bytes nonce(32, 0x11);
  ByteWriter data;
  data.text(session.client_session_id).text(v.session.text("ServerSessionId")).text(v.session.text("IssuerUri"));
  data.array(nonce);
  const crypto::Sha256Digest mac =
      engine::method_mac(v.session.hex("SessionKey"), "closeProvisioningSession", 8, data.view());
  CHECK(status_of(store.close_provisioning_session(session.handle, nonce, mac)) == Status::option);
}

}  // namespace sks::test
