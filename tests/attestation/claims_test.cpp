#include "attestation/claims.h"

#include <doctest/doctest.h>

#include "attestation/verifier.h"
#include "sks-core/base/encoding.h"
#include "tests/support/vectors.h"

/// The worked sessions of sks-api.md 10.2 to 10.4 and of keygen2.md Appendix C.
namespace sks::attestation {
namespace {

using test::VectorBlock;

crypto::PrivateKey scalar(const Bytes& bytes) {
  Result<crypto::PrivateKey> key = crypto::PrivateKey::from_ec_scalar(Curve::p256, bytes);
  REQUIRE(key);
  return std::move(key).value();
}

SessionClaims common_claims(const VectorBlock& block) {
  SessionClaims claims;
  claims.client_session_id = block.text("ClientSessionId");
  claims.server_session_id = block.text("ServerSessionId");
  claims.issuer_uri = block.text("IssuerUri");
  claims.session_key_algorithm = "https://webpki.github.io/sks/algorithm#session.1";
  claims.client_time = static_cast<std::uint32_t>(block.number("ClientTime"));
  claims.session_life_time = static_cast<std::uint16_t>(block.number("SessionLifeTime"));
  claims.session_key_limit = static_cast<std::uint16_t>(block.number("SessionKeyLimit"));
  claims.server_certificate = block.hex("ServerCertificate");
  const crypto::PrivateKey server = scalar(block.hex("ServerScalar"));
  const crypto::PrivateKey client = scalar(block.hex("ClientScalar"));
  claims.server_ephemeral_key = server.public_key().spki();
  claims.client_ephemeral_key = client.public_key().spki();
  claims.key_management_key = scalar(block.hex("KmkScalar")).public_key().spki();

  const Result<SecureBytes> z = server.agree(client.public_key());
  REQUIRE(z);
  CHECK(to_hex(z->view()) == block.text("SharedSecret"));
  return claims;
}

TEST_CASE("session key and attestation are those of the worked session of sks-api.md") {
  for (const VectorBlock& block : test::read_vectors("sks-api/session.vec")) {
    SessionClaims claims = common_claims(block);
    CHECK(to_hex(claims.server_ephemeral_key) == block.text("ServerSpki"));
    CHECK(to_hex(claims.client_ephemeral_key) == block.text("ClientSpki"));
    CHECK(to_hex(claims.key_management_key) == block.text("KmkSpki"));
    CHECK(to_hex(session_key_data(claims)) == block.text("KdfMessage"));
    CHECK(to_hex(session_attestation_data(claims)) == block.text("AttestationInput"));
    const SecureBytes key = derive_session_key(block.hex("SharedSecret"), claims);
    CHECK(to_hex(key.view()) == block.text("SessionKey"));
    CHECK(verify_session(claims, key, block.hex("Attestation")));

    claims.device_certificate = block.hex("Certificate");
    CHECK(to_hex(derive_session_key(block.hex("SharedSecret"), claims).view()) ==
          block.text("SessionKeyWithDeviceCertificate"));
    for (const char* elsewhere : {"KeyScalar", "KeySpki", "EncryptionKey"}) block.text(elsewhere);
  }
}

TEST_CASE("session key and attestation are those of keygen2.md Appendix C") {
  for (const VectorBlock& block : test::read_vectors("attestation/keygen2_session.vec")) {
    const SessionClaims claims = common_claims(block);
    CHECK(to_hex(crypto::sha256(claims.server_ephemeral_key)) == block.text("ServerSpkiSha256"));
    CHECK(to_hex(crypto::sha256(claims.client_ephemeral_key)) == block.text("ClientSpkiSha256"));
    CHECK(to_hex(crypto::sha256(claims.key_management_key)) == block.text("KmkSpkiSha256"));
    CHECK(to_hex(session_key_data(claims)) == block.text("KdfData"));
    const Bytes data = session_attestation_data(claims);
    CHECK(data.size() == static_cast<std::size_t>(block.number("AttestationDataSize")));
    CHECK(to_hex(data).starts_with(block.text("AttestationDataStart")));
    CHECK(to_hex(crypto::sha256(data)) == block.text("AttestationDataSha256"));
    const SecureBytes key = derive_session_key(block.hex("SharedSecret"), claims);
    CHECK(to_hex(key.view()) == block.text("SessionKey"));
    CHECK(verify_session(claims, key, block.hex("Attestation")));
  }
}

SecureBytes session_key_of(const char* file) {
  SecureBytes key;
  for (const VectorBlock& block : test::read_vectors(file)) {
    key = SecureBytes::copy_of(block.hex("SessionKey"));
    for (const char* name : {"ServerScalar",
                             "ClientScalar",
                             "KmkScalar",
                             "ServerSpkiSha256",
                             "ClientSpkiSha256",
                             "KmkSpkiSha256",
                             "ClientSessionId",
                             "ServerSessionId",
                             "IssuerUri",
                             "ServerCertificate",
                             "ClientTime",
                             "SessionLifeTime",
                             "SessionKeyLimit",
                             "SharedSecret",
                             "KdfData",
                             "AttestationDataSize",
                             "AttestationDataSha256",
                             "AttestationDataStart",
                             "Attestation",
                             "KeyScalar",
                             "ServerSpki",
                             "ClientSpki",
                             "KmkSpki",
                             "KeySpki",
                             "Certificate",
                             "KdfMessage",
                             "AttestationInput",
                             "EncryptionKey",
                             "SessionKeyWithDeviceCertificate"}) {
      if (block.has(name)) block.text(name);
    }
  }
  return key;
}

void check_macs(const char* file, const SecureBytes& key) {
  bool saw_attestation = false;
  for (const VectorBlock& block : test::read_vectors(file)) {
    CAPTURE(block.text("Counter"));
    const auto counter = static_cast<std::uint16_t>(block.number("Counter"));
    const Bytes data = block.hex("Data");
    const Bytes mac = block.hex("Mac");
    CHECK(to_hex(method_mac(key, block.text("Method"), counter, data)) == to_hex(mac));
    const bool is_attestation = block.text("Method") == "DeviceAttestation";
    CHECK(static_cast<bool>(verify_device_attestation(key, counter, data, mac)) == is_attestation);
    saw_attestation = saw_attestation || is_attestation;
  }
  CHECK(saw_attestation);
}

TEST_CASE("method MACs and attestations are those of both specifications") {
  check_macs("sks-api/macs.vec", session_key_of("sks-api/session.vec"));
  check_macs("attestation/keygen2_macs.vec", session_key_of("attestation/keygen2_session.vec"));
}

TEST_CASE("what a key and a close attestation cover is the Data of keygen2.md Appendix C.3") {
  std::map<long, std::string> data;
  std::map<long, Bytes> macs;
  for (const VectorBlock& block : test::read_vectors("attestation/keygen2_macs.vec")) {
    data[block.number("Counter")] = block.text("Data");
    macs[block.number("Counter")] = block.hex("Mac");
    block.text("Method");
  }
  // Key.1 has the scalar 81..a0 (C.1); its createKeyEntry MAC has counter 2, its attestation counter 3.
  Bytes key_scalar;
  for (std::uint8_t byte = 0x81; byte <= 0xA0; ++byte) key_scalar.push_back(byte);
  CHECK(to_hex(key_attestation_data(scalar(key_scalar).public_key().spki(), macs.at(2))) == data.at(3));
  Bytes nonce;
  for (unsigned byte = 0xE0; byte <= 0xFF; ++byte) nonce.push_back(static_cast<std::uint8_t>(byte));
  CHECK(to_hex(close_attestation_data(nonce)) == data.at(17));
}

TEST_CASE("a device attestation with another counter, key, length or bit is refused") {
  const SecureBytes key = SecureBytes::copy_of(Bytes(32, 7));
  const SecureBytes other_key = SecureBytes::copy_of(Bytes(32, 8));
  const Bytes data = close_attestation_data(Bytes(32, 1));
  const crypto::Sha256Digest good = method_mac(key, "DeviceAttestation", 513, data);
  REQUIRE(verify_device_attestation(key, 513, data, good));
  CHECK_FALSE(verify_device_attestation(key, 512, data, good));
  CHECK_FALSE(verify_device_attestation(key, 258, data, good));  // the bytes of the counter the other way round
  CHECK_FALSE(verify_device_attestation(other_key, 513, data, good));
  CHECK_FALSE(verify_device_attestation(key, 513, close_attestation_data(Bytes(32, 2)), good));
  CHECK_FALSE(verify_device_attestation(key, 513, data, ByteView(good).first(31)));
  CHECK_FALSE(verify_device_attestation(key, 513, data, {}));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    crypto::Sha256Digest changed = good;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
    const Result<void> verified = verify_device_attestation(key, 513, data, changed);
    REQUIRE_FALSE(verified);
    CHECK(verified.error().status == Status::crypto);
  }
}

}  // namespace
}  // namespace sks::attestation
