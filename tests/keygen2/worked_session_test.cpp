#include <doctest/doctest.h>

#include "attestation/verifier.h"
#include "keygen2/enumerations.h"
#include "keygen2/jsf_signature.h"
#include "keygen2/mac_data.h"
#include "keygen2/messages.h"
#include "keygen2/time.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/private_key.h"
#include "tests/keygen2/json_edit.h"
#include "tests/support/fakes.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vectors.h"

// The worked session of keygen2.md, Appendix C.
namespace {

using namespace sks;
using namespace sks::keygen2;
namespace edit = sks::test::json_edit;

std::string message(const std::string& file) {
  return test::read_file(test::source_file("tests/vectors/keygen2/" + file));
}

Bytes base64url(const std::string& text) {
  const Result<Bytes> decoded = from_base64url(text);
  REQUIRE(decoded);
  return *decoded;
}

template <class T>
Outcome<T> decode(const std::string& text) {
  Outcome<IncomingMessage> incoming = IncomingMessage::parse(text, kMaxMessageToClient);
  if (!incoming) return incoming.error();
  REQUIRE(incoming->type() == T::kType);
  return incoming->decode<T>();
}

template <class T>
T decoded(const std::string& text) {
  Outcome<T> result = decode<T>(text);
  if (!result) FAIL(result.error().detail);
  return std::move(result).value();
}

class WorkedSession {
 public:
  WorkedSession() {
    for (const test::VectorBlock& block : test::read_vectors("keygen2/c1-keys.vec")) {
      Result<crypto::PrivateKey> key = crypto::PrivateKey::from_ec_scalar(Curve::p256, block.hex("Scalar"));
      REQUIRE(key);
      CHECK(to_hex(crypto::sha256(key->public_key().spki())) == block.text("SpkiSha256"));
      keys_.emplace(block.text("Key"), std::move(key).value());
    }
    const std::vector<test::VectorBlock> blocks = test::read_vectors("keygen2/c2-session.vec");
    issuer_uri = blocks.front().text("IssuerUri");
    session_key = SecureBytes::copy_of(blocks.front().hex("SessionKey"));
    expected_encryption_key = blocks.front().text("EncryptionKey");
  }

  const crypto::PrivateKey& key(const std::string& name) const { return keys_.at(name); }

  std::string issuer_uri;
  SecureBytes session_key;
  std::string expected_encryption_key;

 private:
  std::map<std::string, crypto::PrivateKey> keys_;
};

/// The property bag of Appendix C.4 as the key store gets it.
Bytes worked_bag() {
  Extension bag;
  bag.sub_type = kPropertyBag;
  bag.properties = {{"Counter", "0", true}, {"Digits", "8", false}};
  return extension_content(bag);
}

/// The data of each counter, built out of the messages.
std::map<int, Bytes> all_data(const WorkedSession& session) {
  std::map<int, Bytes> data;
  const auto request = decoded<KeyCreationRequest>(message("07-KeyCreationRequest.json"));
  const auto response = decoded<KeyCreationResponse>(message("08-KeyCreationResponse.json"));
  const std::string finalization = message("09-ProvisioningFinalizationRequest.json");
  const auto bytes = [&](const std::string& pointer) { return base64url(edit::get(finalization, pointer)); };

  struct Collector {
    std::map<int, Bytes>& data;
    const KeyCreationRequest& request;
    const KeyCreationResponse& response;
    int counter = 0;
    std::size_t keys = 0;

    Outcome<void> puk(const PukPolicySpecifier& puk) {
      data[counter++] = puk_policy_data(puk);
      return {};
    }
    Outcome<void> pin(const PinPolicySpecifier& pin, const PukPolicySpecifier* puk) {
      data[counter++] = pin_policy_data(pin, puk);
      return {};
    }
    Outcome<void> key(const KeyEntrySpecifier& key, const PinPolicySpecifier* pin) {
      data[counter++] = key_entry_data(key, pin, request.key_entry_algorithm);
      data[counter++] = attestation::key_attestation_data(response.keys.at(keys++).public_key->spki(), key.mac);
      return {};
    }
  } collector{data, request, response};
  REQUIRE(walk(request, collector));

  const std::string first = "/issuedCredentials/0";
  const std::string second = "/issuedCredentials/1";
  const Bytes first_certificate = bytes(first + "/certificatePath/0");
  const Bytes second_certificate = bytes(second + "/certificatePath/0");
  const auto extension = [&](const std::string& kind, std::uint8_t sub_type, std::string_view qualifier,
                             const Bytes& content) {
    return extension_data(first_certificate, edit::get(finalization, first + kind + "/0/type"), sub_type, qualifier,
                          content);
  };
  data[6] = certificate_path_data(response.keys[0].public_key->spki(), "Key.1", {first_certificate});
  data[7] = extension("/extensions", 0, "", bytes(first + "/extensions/0/extensionData"));
  data[8] = extension("/encryptedExtensions", 1, "", bytes(first + "/encryptedExtensions/0/extensionData"));
  data[9] = extension("/propertyBags", 2, "", worked_bag());
  data[10] = extension("/logotypes", 3, "image/png", bytes(first + "/logotypes/0/extensionData"));
  data[11] = certificate_path_data(response.keys[1].public_key->spki(), "Key.2", {second_certificate});
  data[12] = imported_key_data(second_certificate, bytes(second + "/importSymmetricKey/encryptedKey"));
  data[13] = replacing_operation_data(second_certificate, bytes(second + "/updateKey/authorization"));
  data[14] = plain_operation_data(bytes("/unlockKeys/0/authorization"));
  data[15] = plain_operation_data(bytes("/deleteKeys/0/authorization"));
  const Bytes nonce = bytes("/sessionCloseData/nonce");
  data[16] = close_data(request.ids, session.issuer_uri, nonce);
  data[17] = attestation::close_attestation_data(nonce);
  return data;
}

}  // namespace

TEST_CASE("Worked session: session key and attestation are those of Appendix C.2") {
  const WorkedSession session;
  const std::vector<test::VectorBlock> blocks = test::read_vectors("keygen2/c2-values.vec");
  const test::VectorBlock& values = blocks.front();
  const auto request = decoded<ProvisioningInitializationRequest>(
      edit::without(message("03-ProvisioningInitializationRequest.json"), "/updatableKeyManagementKeys"));
  const auto response =
      decoded<ProvisioningInitializationResponse>(message("04-ProvisioningInitializationResponse.json"));
  CHECK(request.server_ephemeral_key->spki() == session.key("server ephemeral").public_key().spki());
  CHECK(response.client_ephemeral_key->spki() == session.key("client ephemeral").public_key().spki());
  CHECK(request.key_management_key->spki() == session.key("KMK").public_key().spki());
  CHECK(response.client_time == values.number("ClientTime"));
  CHECK_FALSE(response.device_path);

  const auto z = session.key("server ephemeral").agree(*response.client_ephemeral_key);
  REQUIRE(z);
  CHECK(to_hex(z->view()) == values.text("Z"));
  attestation::SessionClaims claims;
  claims.client_session_id = response.ids.client;
  claims.server_session_id = response.ids.server;
  claims.issuer_uri = session.issuer_uri;
  claims.session_key_algorithm = request.session_key_algorithm;
  claims.server_ephemeral_key = request.server_ephemeral_key->spki();
  claims.client_ephemeral_key = response.client_ephemeral_key->spki();
  claims.key_management_key = request.key_management_key->spki();
  claims.client_time = response.client_time;
  claims.session_life_time = request.session_life_time;
  claims.session_key_limit = request.session_key_limit;
  claims.server_certificate = base64url(values.text("ServerCertificate"));
  CHECK(to_hex(attestation::session_key_data(claims)) == values.text("KdfData"));
  const SecureBytes session_key = attestation::derive_session_key(z->view(), claims);
  CHECK(to_hex(session_key.view()) == to_hex(session.session_key.view()));
  const Bytes data = attestation::session_attestation_data(claims);
  CHECK(to_hex(ByteView(data).first(96)) == values.text("AttestationDataStart"));
  CHECK(static_cast<long>(data.size()) == values.number("AttestationDataSize"));
  CHECK(to_hex(crypto::sha256(data)) == values.text("AttestationDataSha256"));
  CHECK(attestation::verify_session(claims, session_key, response.attestation));
  CHECK(to_hex(encryption_key(session_key).view()) == session.expected_encryption_key);

  // 4.6 and 3.7: the discovery nonce, and the key management key's signature over the lookup.
  const Bytes ids = ByteWriter().text(response.ids.client).text(response.ids.server).take();
  CHECK(to_hex(crypto::sha256(ids)) == values.text("DiscoveryNonce"));
  const LookupSpecifier lookup =
      decoded<CredentialDiscoveryRequest>(message("05-CredentialDiscoveryRequest.json")).lookups.at(0);
  CHECK(lookup.signature.signed_text == values.text("LookupJcs"));
  CHECK(signed_text(lookup) == lookup.signature.signed_text);
  CHECK(lookup.signature.public_key->spki() == request.key_management_key->spki());
  CHECK(verify_jsf(lookup.signature));

  // 7.7, 7.10 and 8.7.
  CHECK(to_hex(roll_over_data(request.key_management_key->spki())) == values.text("RollOverData"));
  CHECK(to_hex(worked_bag()) == values.text("PropertyBag"));
  const std::string finalization = message("09-ProvisioningFinalizationRequest.json");
  const std::array<std::string, 3> targets{"/issuedCredentials/1/updateKey", "/unlockKeys/0", "/deleteKeys/0"};
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const std::string number = std::to_string(i);
    const Bytes certificate = base64url(values.text("Old" + number));
    CHECK(to_hex(crypto::sha256(certificate)) ==
          to_hex(base64url(edit::get(finalization, targets.at(i) + "/fingerPrint"))));
    const Bytes authorized = target_key_data(session_key, attestation::device_id(claims), certificate);
    CHECK(to_hex(authorized) == to_hex(as_bytes("TargetKeyReference")) + values.text("KeyIdOld" + number));
    CHECK(crypto::verify_signature(*request.key_management_key, authorized,
                                   base64url(edit::get(finalization, targets.at(i) + "/authorization"))));
  }
  const crypto::PublicKey& old = session.key("old KMK").public_key();
  CHECK(crypto::verify_signature(old, roll_over_data(request.key_management_key->spki()),
                                 base64url(edit::get(message("03-ProvisioningInitializationRequest.json"),
                                                     "/updatableKeyManagementKeys/0/authorization"))));
}

TEST_CASE("Worked session: every MAC of Appendix C.3 comes out of the messages") {
  const WorkedSession session;
  const std::map<int, Bytes> data = all_data(session);
  const std::vector<test::VectorBlock> rows = test::read_vectors("keygen2/c3-macs.vec");
  CHECK(rows.size() == 18);
  for (const test::VectorBlock& row : rows) {
    const auto counter = static_cast<std::uint16_t>(row.number("Counter"));
    const std::string element = row.text("Element");
    CAPTURE(element);
    const Bytes& own = data.at(counter);
    CHECK(static_cast<long>(own.size()) == row.number("Size"));
    CHECK(to_hex(crypto::sha256(own)) == row.text("Sha256"));
    if (row.has("Data")) CHECK(to_hex(own) == row.text("Data"));
    CHECK(to_base64url(attestation::method_mac(session.session_key, row.text("Method"), counter, own)) ==
          row.text("Mac"));
  }
}

TEST_CASE("Worked session: passphrases and keys are encrypted as in Appendix C.1") {
  const WorkedSession session;
  const SecureBytes key = encryption_key(session.session_key);
  CHECK(to_hex(key.view()) == session.expected_encryption_key);
  const std::string finalization = message("09-ProvisioningFinalizationRequest.json");
  struct Case {
    std::uint8_t iv;
    std::string plaintext;
    std::string expected;
  };
  std::string symmetric_key;
  for (char i = 0; i < 20; ++i) symmetric_key += i;
  const std::array<Case, 3> cases{{
      {0xA0, "01234567", edit::get(message("07-KeyCreationRequest.json"), "/pukPolicySpecifiers/0/encryptedPuk")},
      {0xA1, "secret", edit::get(finalization, "/issuedCredentials/0/encryptedExtensions/0/extensionData")},
      {0xA2, symmetric_key, edit::get(finalization, "/issuedCredentials/1/importSymmetricKey/encryptedKey")},
  }};
  for (const Case& c : cases) {
    test::ScriptedRandom random;
    random.queue(Bytes(crypto::kAesBlock, c.iv));
    CHECK(to_base64url(encrypt(key, as_bytes(c.plaintext), random)) == c.expected);
  }
}

namespace {

/// What a message says is what was read from it: it comes out again.
template <class T>
T round_trip(const std::string& file) {
  const std::string text = message(file);
  T result = decoded<T>(text);
  CHECK(edit::same(result.encode(), text));
  return result;
}

}  // namespace

TEST_CASE("Worked session: every message decodes to what it says, and is written the same") {
  const auto invocation = round_trip<InvocationRequest>("01-InvocationRequest.json");
  CHECK(invocation.server_session_id == "S-20190408-0001");
  CHECK(invocation.privacy_enabled);
  CHECK(invocation.capability_queries.size() == 2);
  const auto capabilities = round_trip<InvocationResponse>("02-InvocationResponse.json").capabilities;
  REQUIRE(capabilities.size() == 2);
  CHECK(capabilities[0].form == CapabilityForm::image_attributes);
  CHECK(capabilities[0].image.mime_type == "image/png");
  CHECK(capabilities[0].image.width == 200);
  CHECK(capabilities[0].image.height == 120);
  CHECK(capabilities[1].form == CapabilityForm::supported);

  const auto initialization =
      round_trip<ProvisioningInitializationRequest>("03-ProvisioningInitializationRequest.json");
  REQUIRE(initialization.updatable_keys.size() == 1);
  CHECK(initialization.updatable_keys[0].authorization.size() == 64);
  CHECK(initialization.updatable_keys[0].older.empty());
  // Of clientTime the instant is read, and not the zone.
  CHECK(
      decoded<ProvisioningInitializationResponse>(message("04-ProvisioningInitializationResponse.json")).client_time ==
      1554741216);

  const auto discovery = round_trip<CredentialDiscoveryRequest>("05-CredentialDiscoveryRequest.json");
  REQUIRE(discovery.lookups.size() == 1);
  CHECK(discovery.lookups[0].filter->subject_reg_ex == "CN=old[0-9]");
  const auto found = round_trip<CredentialDiscoveryResponse>("06-CredentialDiscoveryResponse.json");
  REQUIRE(found.results.size() == 1);
  REQUIRE(found.results[0].matches.size() == 3);
  CHECK_FALSE(found.results[0].matches[0].locked);
  CHECK(found.results[0].matches[1].locked);
  CHECK(found.results[0].matches[2].owner == SessionIds{"S-old", "C-old"});

  const auto creation = round_trip<KeyCreationRequest>("07-KeyCreationRequest.json");
  REQUIRE(creation.puk_policies.size() == 1);
  CHECK(creation.puk_policies[0].pin_policies[0].pattern_restrictions == 0x06);
  CHECK(creation.puk_policies[0].pin_policies[0].keys[0].friendly_name == "Nyckel \xC3\x85");
  CHECK(creation.keys.at(0).server_seed == Bytes{1, 2, 3});
  round_trip<KeyCreationResponse>("08-KeyCreationResponse.json");

  const auto finalization = round_trip<ProvisioningFinalizationRequest>("09-ProvisioningFinalizationRequest.json");
  REQUIRE(finalization.credentials.size() == 2);
  const std::vector<Extension>& extensions = finalization.credentials[0].extensions;
  REQUIRE(extensions.size() == 4);
  for (std::uint8_t kind = 0; kind < 4; ++kind) CHECK(extensions[kind].sub_type == kind);
  CHECK(extensions[3].mime_type == "image/png");
  CHECK(extension_content(extensions[2]) == worked_bag());
  CHECK(finalization.credentials[1].symmetric_key);
  CHECK(finalization.credentials[1].update_key->owner == SessionIds{"S-old", "C-old"});
  CHECK(finalization.unlock_keys.size() == 1);
  CHECK(finalization.delete_keys.size() == 1);
  CHECK_FALSE(finalization.uses_key_suspension());
  CHECK(round_trip<ProvisioningFinalizationResponse>("10-ProvisioningFinalizationResponse.json").attestation.size() ==
        32);
}
