#include <doctest/doctest.h>

#include "sks-core/engine/session_crypto.h"
#include "sks-core/engine/store_state.h"
#include "tests/sks-core/engine/managed_keys.h"
#include "tests/support/vectors.h"

// spec/sks-api.md chapter 10.5: the second session of the worked example, call by call.
namespace sks::test {
namespace {

/// The worked example as far as this file uses it; vector_test.cpp uses the rest.
struct Vectors {
  VectorBlock session = std::move(read_vectors("sks-api/session.vec").front());
  VectorBlock post = std::move(read_vectors("sks-api/post_provisioning.vec").front());
  Vectors() {
    for (const char* const name : {"ServerScalar",
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
      session.text(name);
    for (const char* const name :
         {"ClientSessionId", "ServerSessionId", "SessionKey", "TargetReference", "TargetReferenceWithDeviceCertificate",
          "Authorization", "PostDeleteKeyMac", "PostUnlockKeyMac", "CloseMac", "CloseAttestation", "NewKmkScalar",
          "NewKmkSpki", "RollOverAuthorization"})
      post.text(name);
  }
};

crypto::PrivateKey p256(ByteView scalar) { return crypto::PrivateKey::from_ec_scalar(Curve::p256, scalar).value(); }

// The key of chapter 10.4 with the key management key of 10.2, under a PIN.
ManagedKey provision_worked_key(Device& device, const VectorBlock& v) {
  TestIssuer issuer(*device.engine);
  issuer.request.key_management_key = v.hex("KmkSpki");
  REQUIRE(issuer.open());
  const PinPolicyHandle policy = issuer.create_pin_policy(pin_policy_request()).value();
  device.keys.queue(p256(v.hex("KeyScalar")));
  const CreatedKey key = issuer.create_key_entry(key_request(policy, "1563")).value();
  CHECK(key.public_key == v.hex("KeySpki"));
  REQUIRE(issuer.set_certificate_path(key, "Key", {v.hex("Certificate")}));
  REQUIRE(issuer.close());
  return {key.handle, v.hex("Certificate")};
}

// The engine makes session ids of 32 characters, and that of the specification has 9: so the session is put into the
// store as createProvisioningSession would have left it.
ProvisioningHandle open_second_session(Device& device, const Vectors& vectors) {
  const VectorBlock& v = vectors.post;
  const std::string client = v.text("ClientSessionId");
  const std::string server = v.text("ServerSessionId");
  const std::string issuer = vectors.session.text("IssuerUri");
  const engine::SessionNames names{client, server, issuer, as_bytes("Anonymous")};
  const auto state = engine::StoreState::load(device.storage).value();
  engine::Change change(*state);
  engine::Session* const session = change.create<engine::Session>().value();
  session->privacy_enabled = true;
  session->client_session_id = client;
  session->server_session_id = server;
  session->issuer_uri = issuer;
  session->remaining_ops = 50;
  session->session_key = engine::share(engine::derive_session_key(vectors.session.hex("SharedSecret"), names));
  CHECK(equal(session->session_key->view(), v.hex("SessionKey")));
  const ProvisioningHandle handle = session->handle;
  REQUIRE(change.commit());
  device.restart();
  return handle;
}

}  // namespace

TEST_CASE("Engine: the worked second session replayed deletes or unlocks its target, with the specification's values") {
  for (const bool unlock : {false, true}) {
    CAPTURE(unlock);
    const Vectors vectors;
    const VectorBlock& v = vectors.post;
    Device device;
    const ManagedKey target = provision_worked_key(device, vectors.session);
    enter_wrong_pins(*device.engine, target.handle, 3);
    const ProvisioningHandle session = open_second_session(device, vectors);
    const TargetAuthorization request{target.handle, v.hex("Authorization"),
                                      v.hex(unlock ? "PostUnlockKeyMac" : "PostDeleteKeyMac")};
    const Result<void> posted =
        unlock ? device.engine->post_unlock_key(session, request) : device.engine->post_delete_key(session, request);
    REQUIRE(posted);
    const Result<Bytes> attestation =
        device.engine->close_provisioning_session(session, Bytes(32, 0x11), v.hex("CloseMac"));
    REQUIRE(attestation);
    CHECK(attestation.value() == v.hex("CloseAttestation"));
    CHECK(all_keys(*device.engine).size() == (unlock ? 1 : 0));
    if (unlock) CHECK(signs_as(*device.engine, target.handle, target.certificate, "1563"));
  }
}

TEST_CASE("Engine: the worked roll-over replaces the key management key") {
  const Vectors vectors;
  const VectorBlock& v = vectors.post;
  Device device;
  const ManagedKey target = provision_worked_key(device, vectors.session);
  const ProvisioningHandle owner = owner_of(*device.engine, target.handle);
  REQUIRE(device.engine->update_key_management_key(owner, v.hex("NewKmkSpki"), v.hex("RollOverAuthorization")));
  CHECK(device.engine->enumerate_provisioning_sessions({}, SessionState::closed).value()->key_management_key ==
        v.hex("NewKmkSpki"));
  const ProvisioningHandle session = open_second_session(device, vectors);
  CHECK(status_of(device.engine->post_delete_key(
            session, {target.handle, v.hex("Authorization"), v.hex("PostDeleteKeyMac")})) == Status::option);
}

TEST_CASE(
    "target key reference: has the specification's values in both modes, counts, and leaves the MAC counter alone") {
  const Vectors vectors;
  const Bytes certificate = vectors.session.hex("Certificate");
  engine::Session session;
  session.session_key = engine::share(SecureBytes::copy_of(vectors.post.hex("SessionKey")));
  session.remaining_ops = 2;
  const auto reference = [&](ByteView device) { return engine::next_target_reference(session, device, certificate); };
  CHECK(equal(reference(as_bytes("Anonymous")).value(), vectors.post.hex("TargetReference")));
  CHECK(equal(reference(certificate).value(), vectors.post.hex("TargetReferenceWithDeviceCertificate")));
  CHECK(status_of(reference(certificate)) == Status::option);
  CHECK(session.mac_sequence_counter == 0);
}

}  // namespace sks::test
