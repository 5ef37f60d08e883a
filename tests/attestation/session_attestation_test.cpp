#include <doctest/doctest.h>

#include "attestation/verifier.h"
#include "tests/attestation/certificates.h"
#include "tests/support/vectors.h"

/// Session attestations in both modes; those with a device certificate were signed by openssl.
namespace sks::attestation {
namespace {

/// The session of tests/vectors/attestation/session.py.
SessionClaims e2es_claims(const std::string& device) {
  SessionClaims claims;
  claims.client_session_id = "C-E2ES-0123456789ABCDEFGHIJKLMNO";
  claims.server_session_id = "S-E2ES-1";
  claims.issuer_uri = "https://issuer.example.com/sks";
  claims.device_certificate = test::certificate(device);
  claims.session_key_algorithm = "https://webpki.github.io/sks/algorithm#session.1";
  for (const test::VectorBlock& block : test::read_vectors("sks-api/session.vec")) {
    claims.server_ephemeral_key = block.hex("ServerSpki");
    claims.client_ephemeral_key = block.hex("ClientSpki");
    for (const char* name : {"ServerScalar",    "ClientScalar",      "KmkScalar",
                             "KeyScalar",       "ClientSessionId",   "ServerSessionId",
                             "IssuerUri",       "ClientTime",        "SessionLifeTime",
                             "SessionKeyLimit", "ServerCertificate", "KmkSpki",
                             "KeySpki",         "Certificate",       "SharedSecret",
                             "KdfMessage",      "SessionKey",        "AttestationInput",
                             "Attestation",     "EncryptionKey",     "SessionKeyWithDeviceCertificate"}) {
      block.text(name);
    }
  }
  claims.client_time = 1611905400;
  claims.session_life_time = 10000;
  claims.session_key_limit = 50;
  claims.server_certificate = {1, 2, 3};
  return claims;
}

const SecureBytes& unused_key() {
  static const SecureBytes key = SecureBytes::copy_of(Bytes(32, 5));
  return key;
}

Bytes flipped(Bytes bytes, std::size_t bit) {
  bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
  return bytes;
}

void check_refused(const Result<void>& verified) {
  REQUIRE_FALSE(verified);
  const bool expected = verified.error().status == Status::crypto || verified.error().status == Status::option;
  CHECK_MESSAGE(expected, verified.error().detail);
}

TEST_CASE("E2ES: attestations that openssl signed verify, and with one bit changed do not") {
  for (const test::VectorBlock& block : test::read_vectors("attestation/e2es.vec")) {
    CAPTURE(block.text("Device"));
    const SessionClaims claims = e2es_claims(block.text("Device"));
    CHECK(to_hex(crypto::sha256(session_attestation_data(claims))) == block.text("DataSha256"));
    const Bytes attestation = block.hex("Attestation");
    REQUIRE(verify_session(claims, unused_key(), attestation));
    for (std::size_t bit = 0; bit < attestation.size() * 8; ++bit) {
      CAPTURE(bit);
      check_refused(verify_session(claims, unused_key(), flipped(attestation, bit)));
    }
    if (block.has("AttestationDer")) {
      const Result<void> der = verify_session(claims, unused_key(), block.hex("AttestationDer"));
      REQUIRE_FALSE(der);
      CHECK(der.error().status == Status::crypto);
    }
  }
}

TEST_CASE("E2ES: attestations of a wrong length are refused as malformed") {
  for (const test::VectorBlock& block : test::read_vectors("attestation/e2es.vec")) {
    const SessionClaims claims = e2es_claims(block.text("Device"));
    const Bytes attestation = block.hex("Attestation");
    for (const char* unused : {"DataSha256", "AttestationDer"}) {
      if (block.has(unused)) block.text(unused);
    }
    Bytes longer = attestation;
    longer.push_back(0);
    Bytes zero_r = attestation;
    std::fill_n(zero_r.begin(), zero_r.size() / 2, std::uint8_t{0});
    for (const Bytes& wrong : {Bytes(), longer, Bytes(attestation.begin(), attestation.end() - 1)}) {
      const Result<void> verified = verify_session(claims, unused_key(), wrong);
      REQUIRE_FALSE(verified);
      CHECK(verified.error().status == Status::crypto);
    }
    check_refused(verify_session(claims, unused_key(), zero_r));
  }
}

using Change = void (*)(SessionClaims&);

struct NamedChange {
  const char* name;
  Change change;
};

/// Each field that an attestation covers, changed a little.
constexpr NamedChange kChanges[] = {
    {"clientSessionId", [](SessionClaims& c) { c.client_session_id.back() = 'X'; }},
    {"serverSessionId", [](SessionClaims& c) { c.server_session_id.back() = 'X'; }},
    {"issuerUri", [](SessionClaims& c) { c.issuer_uri += "/"; }},
    {"bytes moved between two texts",
     [](SessionClaims& c) {
       c.server_session_id += c.issuer_uri.front();
       c.issuer_uri.erase(0, 1);
     }},
    {"sessionKeyAlgorithm", [](SessionClaims& c) { c.session_key_algorithm.back() = '2'; }},
    {"serverEphemeralKey", [](SessionClaims& c) { c.server_ephemeral_key.back() ^= 1; }},
    {"clientEphemeralKey", [](SessionClaims& c) { c.client_ephemeral_key.back() ^= 1; }},
    {"ephemeral keys exchanged", [](SessionClaims& c) { std::swap(c.server_ephemeral_key, c.client_ephemeral_key); }},
    {"keyManagementKey", [](SessionClaims& c) { c.key_management_key = c.server_ephemeral_key; }},
    {"clientTime", [](SessionClaims& c) { c.client_time += 1; }},
    {"sessionLifeTime", [](SessionClaims& c) { c.session_life_time ^= 1; }},
    {"sessionKeyLimit", [](SessionClaims& c) { c.session_key_limit ^= 1; }},
    {"serverCertificate", [](SessionClaims& c) { c.server_certificate.pop_back(); }},
};

TEST_CASE("E2ES: no claim can be changed behind an attestation") {
  for (const test::VectorBlock& block : test::read_vectors("attestation/e2es.vec")) {
    for (const char* unused : {"DataSha256", "AttestationDer"}) {
      if (block.has(unused)) block.text(unused);
    }
    const Bytes attestation = block.hex("Attestation");
    for (const NamedChange& c : kChanges) {
      CAPTURE(c.name);
      SessionClaims claims = e2es_claims(block.text("Device"));
      c.change(claims);
      check_refused(verify_session(claims, unused_key(), attestation));
    }
    SessionClaims another_device = e2es_claims(block.text("Device") == "lone" ? "ec384_device" : "lone");
    check_refused(verify_session(another_device, unused_key(), attestation));
    SessionClaims anonymous = e2es_claims(block.text("Device"));
    anonymous.device_certificate.clear();
    check_refused(verify_session(anonymous, unused_key(), attestation));
  }
}

TEST_CASE("E2ES: a device certificate that does not decode, or cannot attest, is refused") {
  SessionClaims claims = e2es_claims("lone");
  claims.device_certificate = Bytes(100, 0x30);
  check_refused(verify_session(claims, unused_key(), Bytes(64, 1)));
  claims = e2es_claims("ed25519");
  check_refused(verify_session(claims, unused_key(), Bytes(64, 1)));
}

TEST_CASE("PEP: the attestation is a MAC that no change survives") {
  // The session of session.py without its device, with openssl's HMAC under 32 times 05.
  SessionClaims claims = e2es_claims("lone");
  claims.device_certificate.clear();
  const SecureBytes other_key = SecureBytes::copy_of(Bytes(32, 6));
  const Bytes attestation = from_hex(test::read_vectors("attestation/pep.vec").front().text("Attestation")).value();
  REQUIRE(verify_session(claims, unused_key(), attestation));
  check_refused(verify_session(claims, other_key, attestation));
  check_refused(verify_session(claims, unused_key(), {}));
  check_refused(verify_session(claims, unused_key(), ByteView(attestation).first(31)));
  for (std::size_t bit = 0; bit < attestation.size() * 8; ++bit) {
    check_refused(verify_session(claims, unused_key(), flipped(attestation, bit)));
  }
  for (const NamedChange& c : kChanges) {
    CAPTURE(c.name);
    SessionClaims changed = claims;
    c.change(changed);
    check_refused(verify_session(changed, unused_key(), attestation));
  }
  SessionClaims with_device = e2es_claims("lone");
  check_refused(verify_session(with_device, unused_key(), attestation));
}

}  // namespace
}  // namespace sks::attestation
