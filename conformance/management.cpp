#include <algorithm>
#include <array>
#include <set>

#include "conformance/checks.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/mac.h"
#include "sks-core/crypto/public_key.h"

// What key management keys sign: lookups, operations on target keys, and their own replacement.
namespace sks::conformance {
namespace {

constexpr std::string_view kTargetKeyLabel = "TargetKeyReference";
constexpr std::string_view kRollOverLabel = "RollOverAuthorization";

/// "keyManagementAuthorizations" of the recording.
struct Authorization {
  Node node;
  Bytes key;
  Bytes data;
  Bytes signature;
};

std::vector<Authorization> recorded_authorizations(const Session& session, Findings& findings) {
  std::vector<Authorization> list;
  for (const Node& node : secrets(session.recording, findings)["keyManagementAuthorizations"].elements())
    list.push_back({node, node["keyManagementKeySpki"].base64(), node["data"].hex(), node["signature"].hex()});
  return list;
}

/// The one that signs `data`, or else has this signature.
const Authorization* find_authorization(const std::vector<Authorization>& list, const Bytes& data,
                                        const Bytes& signature) {
  auto found = std::ranges::find(list, data, &Authorization::data);
  if (found == list.end()) found = std::ranges::find(list, signature, &Authorization::signature);
  return found == list.end() ? nullptr : &*found;
}

void expect_signature(const Node& at, ByteView spki, ByteView data, ByteView signature) {
  at.findings().count();
  const auto key = crypto::PublicKey::from_spki(spki);
  if (!key) return at.fail("belongs to a key that is unusable: " + key.error().detail);
  if (const auto verified = crypto::verify_signature(*key, data, signature); !verified)
    at.fail("does not verify: " + verified.error().detail);
}

/// RFC 8785 of an object with ASCII names and without numbers. Spec: keygen2.md 3.7.
std::string canonical(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// Names the members of a lookup that are not those that were signed.
void compare_lookup(Findings& findings, const Node& lookup, const Json& signed_object, const Authorization& recorded) {
  const std::string text = sks::to_string(recorded.data);
  const Json before = Json::parse(text, nullptr, false);
  Place place = lookup.place();
  if (!before.is_discarded()) {
    const Json changes = Json::diff(before, signed_object);
    if (!changes.empty()) place.path += changes.at(0).at("path").get<std::string>();
  }
  expect_equal(findings, "the signed form of the lookup", plain("lookup", recorded.data, recorded.node["data"].place()),
               plain("lookup", to_bytes(as_bytes(canonical(signed_object))), place));
}

void check_lookup(const Node& lookup, const Bytes& nonce, const std::vector<Authorization>& authorizations,
                  Findings& findings) {
  expect_equal(findings, "the nonce", plain("nonce", nonce, lookup.place()),
               plain("nonce", lookup["nonce"].base64url(), lookup["nonce"].place()));
  const Node value = lookup["signature"]["value"];
  const Bytes signature = value.base64url();
  const Bytes key = lookup["signature"]["publicKey"].public_key();
  if (!value.exists()) return;
  Json signed_object = lookup.json();
  signed_object["signature"].erase("value");
  const Bytes data = to_bytes(as_bytes(canonical(signed_object)));
  expect_signature(value, key, data, signature);
  const Authorization* const recorded = find_authorization(authorizations, data, signature);
  if (recorded == nullptr) return lookup.fail("was signed by none of the recorded authorizations");
  compare_lookup(findings, lookup, signed_object, *recorded);
  expect_equal(findings, "the signature of the lookup",
               plain("signature", recorded->signature, recorded->node["signature"].place()),
               plain("signature", signature, value.place()));
  expect_equal(findings, "the key management key of the lookup",
               plain("publicKey", recorded->key, recorded->node["keyManagementKeySpki"].place()),
               plain("publicKey", key, lookup["signature"]["publicKey"].place()));
}

struct Reference {
  Node target;         ///< in the message
  Node authorization;  ///< in the call
  Node target_handle;
  std::size_t call;
};

/// The target key references of the messages, each with the call that it became.
std::vector<Reference> find_references(const Session& session, Findings& findings) {
  struct Operation {
    std::string_view method;
    const char* member;
    bool of_credential;
  };
  static constexpr auto kOperations = std::to_array<Operation>({
      {"postCloneKeyProtection", "cloneKeyProtection", true},
      {"postUpdateKey", "updateKey", true},
      {"postUnlockKey", "unlockKeys", false},
      {"postDeleteKey", "deleteKeys", false},
  });
  const Recording& recording = session.recording;
  const Node request = message(recording, "ProvisioningFinalizationRequest", findings);
  std::vector<Reference> references;
  for (const Operation& operation : kOperations) {
    std::vector<Node> targets;
    if (operation.of_credential) {
      for (const Node& credential : request["issuedCredentials"].optional_elements())
        if (credential[operation.member].exists()) targets.push_back(credential[operation.member]);
    } else {
      targets = request[operation.member].optional_elements();
    }
    std::size_t next = 0;
    for (std::size_t i = 0; i < recording.calls.size() && next < targets.size(); ++i) {
      if (recording.calls[i].method != operation.method) continue;
      const Node in = call_arguments(recording, i, findings);
      references.push_back({targets[next++], in["authorization"], in["targetKeyHandle"], i});
    }
    for (; next < targets.size(); ++next) targets[next].fail("became no call of " + std::string(operation.method));
  }
  return references;
}

/// Whether the client saw the session that owns the target, under the key management key that authorizes: the one that
/// it had, or the one that it got in this session (7.10).
void check_owner(const Session& session, const Reference& reference, const Bytes& key, Findings& findings) {
  const std::string client = reference.target["clientSessionId"].text();
  std::optional<Node> owner_key;
  std::uint32_t owner = 0;
  for (std::size_t i = 0; i < reference.call; ++i) {
    const RecordedCall& call = session.recording.calls[i];
    const Node in = call_arguments(session.recording, i, findings);
    const Node out = call_result(session.recording, i, findings);
    if (call.method == "updateKeyManagementKey" && !call.failed() && in["provisioningHandle"].number() == owner)
      owner_key = in["keyManagementKey"];
    if (call.method != "enumerateProvisioningSessions" || !out.exists()) continue;
    if (out["clientSessionId"].text() != client) continue;
    owner_key = out["keyManagementKey"];
    owner = out["provisioningHandle"].number();
    findings.count();
    if (out["serverSessionId"].text() != reference.target["serverSessionId"].text())
      reference.target["serverSessionId"].fail("is not the one that belongs to the clientSessionId");
  }
  if (!owner_key) return reference.target["clientSessionId"].fail("belongs to no session that the client enumerated");
  findings.count();
  if (owner_key->optional_base64() != key)
    owner_key->fail("is not the key that authorizes " + to_string(reference.target.place()));
}

/// Whether the handle that was passed on belongs to the target's certificate.
void check_handle(const Session& session, const Reference& reference, const Bytes& finger_print, Findings& findings) {
  const std::uint32_t handle = reference.target_handle.number();
  bool seen = false;
  for (std::size_t i = 0; i < reference.call; ++i) {
    if (session.recording.calls[i].method != "getKeyAttributes") continue;
    if (call_arguments(session.recording, i, findings)["keyHandle"].number() != handle) continue;
    const std::vector<Node> path = call_result(session.recording, i, findings)["certificatePath"].elements();
    seen = seen || (!path.empty() && equal(crypto::sha256(path.front().base64()), finger_print));
  }
  findings.count();
  if (!seen) reference.target_handle.fail("is not the handle of the key with the finger print of the message");
}

void check_reference(const Session& session, const Reference& reference,
                     const std::vector<Authorization>& authorizations, Findings& findings) {
  const Node finger_print_node = reference.target["fingerPrint"];
  const Bytes finger_print = finger_print_node.base64url();
  check_handle(session, reference, finger_print, findings);
  for (const Node& known : secrets(session.recording, findings)["targetKeyReferences"].elements()) {
    const Bytes certificate = known["targetCertificate"].base64();
    if (!equal(crypto::sha256(certificate), finger_print)) continue;
    const crypto::Sha256Digest key_id =
        crypto::hmac_sha256({session.session_key.view(), known["deviceId"].base64()}, certificate);
    expect_equal(findings, "the id of the target key", plain("keyID", to_bytes(key_id), finger_print_node.place()),
                 plain("keyID", known["hmac"].hex(), known["hmac"].place()));
    const Bytes data = concat({as_bytes(kTargetKeyLabel), key_id});
    const Node in_message = reference.target["authorization"];
    const Bytes signature = in_message.base64url();
    const Authorization* const recorded = find_authorization(authorizations, data, signature);
    if (recorded == nullptr) return reference.target.fail("is authorized by none of the recorded authorizations");
    expect_signature(in_message, recorded->key, data, signature);
    expect_signature(reference.authorization, recorded->key, data, reference.authorization.hex());
    check_owner(session, reference, recorded->key, findings);
    return;
  }
  finger_print_node.fail("is that of none of the recorded target certificates");
}

/// Every older key signs the one that replaces it. Spec: keygen2.md 7.10.
void check_roll_over(const Node& newer, const Node& older_ones) {
  for (const Node& older : older_ones.optional_elements()) {
    const Bytes data = concat({as_bytes(kRollOverLabel), newer.public_key()});
    expect_signature(older["authorization"], older["publicKey"].public_key(), data, older["authorization"].base64url());
    check_roll_over(older["publicKey"], older["updatableKeyManagementKeys"]);
  }
}

}  // namespace

void check_lookups(const Session& session, Findings& findings) {
  const Node request = message(session.recording, "CredentialDiscoveryRequest", findings);
  const Node response = message(session.recording, "CredentialDiscoveryResponse", findings);
  if (!request.exists() || !response.exists()) return;
  const Node known = secrets(session.recording, findings);
  Values ids;
  for (const char* const name : {"clientSessionId", "serverSessionId"}) ids.text(name, known[name], known[name].text());
  const crypto::Sha256Digest nonce = crypto::sha256(encode(format::kLookupNonce, ids).bytes);
  const std::vector<Authorization> authorizations = recorded_authorizations(session, findings);
  std::set<std::string> open;
  for (const Node& lookup : request["lookupSpecifiers"].elements()) {
    check_lookup(lookup, to_bytes(nonce), authorizations, findings);
    if (!open.insert(lookup["id"].text()).second) lookup["id"].fail("occurs twice");
  }
  for (const Node& result : response["lookupResults"].elements()) {
    findings.count();
    if (open.erase(result["id"].text()) != 1) result["id"].fail("answers no lookup, or one that has been answered");
  }
  for (const std::string& id : open) response["lookupResults"].fail("does not answer \"" + id + '"');
}

void check_targets(const Session& session, Findings& findings) {
  const std::vector<Authorization> authorizations = recorded_authorizations(session, findings);
  if (!session.complete) return;
  for (const Reference& reference : find_references(session, findings))
    check_reference(session, reference, authorizations, findings);
}

void check_authorizations(const Session& session, Findings& findings) {
  const Node request = message(session.recording, "ProvisioningInitializationRequest", findings);
  check_roll_over(request["keyManagementKey"], request["updatableKeyManagementKeys"]);
  for (const Authorization& recorded : recorded_authorizations(session, findings))
    expect_signature(recorded.node["signature"], recorded.key, recorded.data, recorded.signature);
}

}  // namespace sks::conformance
