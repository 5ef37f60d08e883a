#include <algorithm>

#include "conformance/call_values.h"
#include "conformance/calls.h"
#include "conformance/comparison.h"
#include "conformance/replay_session.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/mac.h"

// What the calls of a provisioning session have to return, and what holds afterwards.
namespace sks::conformance {
namespace {

constexpr std::size_t kMaxId = 32;
constexpr std::uint32_t kMinCryptoData = 16384;
constexpr std::uint32_t kMinExtensionData = 65536;
constexpr std::uint32_t kDeviceTypeBits = 0x0F;
constexpr std::uint32_t kEncryptedExtension = 1;
constexpr std::uint32_t kDefaultExponent = 65537;
constexpr std::size_t kBitsOfByte = 8;

/// Spec: sks-api.md 2.1.
bool is_id(const std::string& text) {
  return !text.empty() && text.size() <= kMaxId &&
         std::ranges::all_of(text, [](char c) { return c >= 0x21 && c <= 0x7E; });
}

void expect_at_least(const Node& node, std::uint32_t least) {
  node.findings().count();
  if (node.number() < least)
    node.fail("is " + std::to_string(node.number()) + ", expected at least " + std::to_string(least));
}

void expect_length(const Node& node, std::size_t least, std::size_t most) {
  node.findings().count();
  const std::size_t length = node.optional_text().size();
  if (length < least || length > most)
    node.fail("has " + std::to_string(length) + " characters, expected " + std::to_string(least) + " to " +
              std::to_string(most));
}

Bytes without_leading_zeros(Bytes number) {
  number.erase(number.begin(), std::ranges::find_if(number, [](std::uint8_t byte) { return byte != 0; }));
  return number;
}

/// Spec: sks-api.md 6.5.
std::string kind_of(const crypto::PublicKey& key) {
  if (key.kind() == KeyKind::rsa)
    return "RSA of " + std::to_string(key.rsa_modulus_bytes() * kBitsOfByte) + " bits with exponent " +
           to_hex(key.rsa_exponent());
  const auto rows = all_algorithms();
  const auto row = std::ranges::find_if(rows, [&](const Algorithm& algorithm) {
    return algorithm.kind == key.kind() && (key.kind() != KeyKind::ec || algorithm.curve == key.curve());
  });
  return row == rows.end() ? "an unknown key" : std::string(row->uri);
}
std::string kind_asked_for(const Algorithm& algorithm, const Bytes& parameters) {
  if (algorithm.kind != KeyKind::rsa) return std::string(algorithm.uri);
  Bytes exponent = without_leading_zeros(parameters);
  if (exponent.empty()) exponent = {kDefaultExponent >> 16U, 0, kDefaultExponent & 0xFFU};
  return "RSA of " + std::to_string(algorithm.size) + " bits with exponent " + to_hex(exponent);
}

Json as_json(const Result<SecureBytes>& plaintext) { return plaintext ? Json(to_hex(plaintext->view())) : Json(); }

}  // namespace

void SessionReplay::judge_device(Turn& turn) {
  const Node out = live_out(turn);
  expect_json(turn.findings, out["apiLevel"].place(), recorded_out(turn)["apiLevel"].number(), turn.out["apiLevel"]);
  turn.findings.count();
  if (out["deviceType"].number() > kDeviceTypeBits) out["deviceType"].fail("uses bits that are reserved");
  expect_length(out["vendorName"], 1, 128);
  expect_length(out["vendorDescription"], 1, 1000);
  expect_at_least(out["cryptoDataSize"], kMinCryptoData);
  expect_at_least(out["extensionDataSize"], kMinExtensionData);
  std::vector<Bytes> path;
  for (const Node& certificate : out["certificatePath"].elements()) path.push_back(certificate.base64());
  turn.findings.count();
  if (const auto parsed = crypto::parse_path(path); !parsed)
    out["certificatePath"].fail("is no certificate path: " + parsed.error().detail);
  // A device may offer more than that of the recording.
  const Json& offered = turn.out["supportedAlgorithms"];
  for (const Node& algorithm : recorded_out(turn)["supportedAlgorithms"].elements()) {
    const Json uri = algorithm.text();
    const auto times = std::ranges::count(offered, uri);
    turn.findings.count();
    if (times != 1)
      out["supportedAlgorithms"].fail("holds " + shown(uri) + ' ' + std::to_string(times) + " times, expected once");
  }
}

void SessionReplay::judge_session(Turn& turn) {
  const Node out = live_out(turn);
  const std::string id = out["clientSessionId"].text();
  turn.findings.count();
  if (!is_id(id)) out["clientSessionId"].fail("is " + shown(id) + ", expected an id of 1 to 32 characters");
  turn.findings.count();
  if (!device_.session_ids.insert(id).second) out["clientSessionId"].fail("is that of an earlier session");
  handle_ = out["provisioningHandle"].number();
  turn.findings.count();
  if (handle_ == 0 || !device_.session_handles.insert(handle_).second)
    out["provisioningHandle"].fail("is " + std::to_string(handle_) + ", expected a new handle");
  anonymous_ = live_in(turn)["privacyEnabled"].boolean();
  device_.handles.sessions[recorded_out(turn)["provisioningHandle"].number()] = handle_;
  ModelSession& session = device_.model.sessions[handle_];
  session = {true, {{"clientSessionId", id}}};
  for (const char* const member : {"sessionKeyAlgorithm", "privacyEnabled", "keyManagementKey", "clientTime",
                                   "sessionLifeTime", "serverSessionId", "issuerUri"})
    session.info[member] = turn.in[member];
  const Values claims = claims_of_call(live_, turn.index, turn.findings);
  derive_session_key(turn, encode(format::kSessionKey, claims));
  judge_session_attestation(turn, encode(format::kSessionAttestation, claims));
}

/// Spec: keygen2.md 7.3.
void SessionReplay::derive_session_key(Turn& turn, const Input& covered) {
  const Node out = live_out(turn)["clientEphemeralKey"];
  const auto peer = crypto::PublicKey::from_spki(out.base64());
  turn.findings.count();
  auto z = peer ? ephemeral_->agree(*peer) : Result<SecureBytes>(peer.error());
  if (!z) {
    out.fail("is no key on the curve of serverEphemeralKey: " + z.error().detail);
    broken_ = true;
    return;
  }
  turn.findings.count();
  if (!device_.public_keys.insert(peer->spki()).second) out.fail("is an earlier key");
  session_key_ = SecureBytes::copy_of(crypto::hmac_sha256(z->view(), covered.bytes));
}

/// Spec: keygen2.md 7.4.
void SessionReplay::judge_session_attestation(Turn& turn, const Input& attested) {
  const Node out = live_out(turn)["attestation"];
  const Bytes found = out.hex();
  if (anonymous_) {
    const crypto::Sha256Digest expected = crypto::hmac_sha256(session_key_.view(), attested.bytes);
    expect_equal(turn.findings, "the session attestation", plain("attestation", to_bytes(expected), place(turn, "in")),
                 plain("attestation", found, out.place()));
    return;
  }
  const auto certificate = crypto::Certificate::from_der(device_id());
  const auto key = certificate ? certificate->public_key() : Result<crypto::PublicKey>(certificate.error());
  turn.findings.count();
  const Result<void> verified = key ? crypto::verify_signature(*key, attested.bytes, found) : Result<void>(key.error());
  if (!verified)
    out.fail("is " + shown(turn.out["attestation"]) + ", expected a signature of the device certificate's key over " +
             shown(to_hex(attested.bytes)) + ": " + verified.error().detail);
}

void SessionReplay::judge_puk_policy(Turn& turn) {
  const std::uint32_t made = live_out(turn).number();
  turn.findings.count();
  if (made == 0 || puks_.contains(made)) live_out(turn).fail("is " + shown(turn.out) + ", expected a new handle");
  puk_handles_[recorded_out(turn).number()] = made;
  puks_[made] = {turn.in, as_json(decrypt_recorded(recorded_in(turn)["pukValue"].hex()))};
}

void SessionReplay::judge_pin_policy(Turn& turn) {
  const std::uint32_t made = live_out(turn).number();
  turn.findings.count();
  if (made == 0 || pins_.contains(made)) live_out(turn).fail("is " + shown(turn.out) + ", expected a new handle");
  pin_handles_[recorded_out(turn).number()] = made;
  pins_[made] = {turn.in, handle(turn, "pukPolicyHandle")};
}

void SessionReplay::judge_key(Turn& turn) {
  const Node out = live_out(turn);
  const std::uint32_t made = out["keyHandle"].number();
  turn.findings.count();
  if (made == 0 || !device_.key_handles.insert(made).second)
    out["keyHandle"].fail("is " + std::to_string(made) + ", expected a new handle");
  device_.handles.keys[recorded_out(turn)["keyHandle"].number()] = made;
  judge_public_key(turn);
  judge_attestation(turn);

  ModelKey key;
  key.session = handle_;
  key.id = live_in(turn)["id"].text();
  key.public_key = out["publicKey"].base64();
  key.entry = turn.in;
  key.attributes = {{"symmetricKeyLength", 0},
                    {"certificatePath", Json::array()},
                    {"appUsage", turn.in["appUsage"]},
                    {"friendlyName", turn.in["friendlyName"]},
                    {"endorsedAlgorithms", turn.in["endorsedAlgorithms"]},
                    {"extensionTypes", Json::array()}};
  Json puk;
  if (const auto pin = pins_.find(handle(turn, "pinPolicyHandle")); pin != pins_.end()) {
    const bool preset = !pin->second.request.value("userDefined", true);
    const Node value = recorded_in(turn)["pinValue"];
    key.pin = preset ? as_json(decrypt_recorded(value.hex())) : turn.in["pinValue"];
    const auto policy = puks_.find(pin->second.puk);
    if (policy != puks_.end()) puk = policy->second.request;
    if (policy != puks_.end()) key.puk = policy->second.value;
    key.protection = protection_of(turn.in, pin->second.request, puk);
  } else {
    key.protection = protection_of(turn.in, Json(), Json());
  }
  made_[made] = std::move(key);
}

void SessionReplay::judge_public_key(Turn& turn) {
  const Node out = live_out(turn)["publicKey"];
  const auto key = crypto::PublicKey::from_spki(out.base64());
  turn.findings.count();
  if (!key) return out.fail("is no public key: " + key.error().detail);
  const Algorithm* const algorithm = find_algorithm(live_in(turn)["keyAlgorithm"].text());
  if (algorithm != nullptr) {
    const std::string expected = kind_asked_for(*algorithm, live_in(turn)["keyParameters"].optional_hex());
    turn.findings.count();
    if (kind_of(*key) != expected) out.fail("is " + kind_of(*key) + ", expected " + expected);
  }
  turn.findings.count();
  if (!device_.public_keys.insert(key->spki()).second) out.fail("is an earlier key");
}

/// The last of the protected values that the calls tell so far. Spec: keygen2.md 7.6.
void SessionReplay::judge_attestation(Turn& turn) {
  Findings elsewhere;
  const std::vector<Told> told = told_by_calls(live_, elsewhere);
  if (told.empty() || !told.back().format->attests()) return;
  const auto counter = static_cast<std::uint16_t>(told.size() - 1);
  const Bytes suffix{static_cast<std::uint8_t>(counter >> kBitsOfByte), static_cast<std::uint8_t>(counter)};
  const Bytes key = concat({session_key_.view(), as_bytes(told.back().format->method), suffix});
  const crypto::Sha256Digest expected = crypto::hmac_sha256(key, told.back().input.bytes);
  expect_equal(turn.findings,
               "the " + std::string(told.back().format->title()) + " (counter " + std::to_string(counter) + ')',
               plain("attestation", to_bytes(expected), place(turn, "in")), told.back().mac);
}

void SessionReplay::judge_key_handle(Turn& turn) {
  const auto expected = device_.handles.keys.find(recorded_out(turn).number());
  if (expected != device_.handles.keys.end())
    expect_json(turn.findings, live_out(turn).place(), expected->second, turn.out);
}

void SessionReplay::judge_certificate(Turn& turn) {
  judge_done(turn);
  if (ModelKey* const key = key_of(turn)) key->attributes["certificatePath"] = turn.in["certificatePath"];
}

void SessionReplay::judge_symmetric_import(Turn& turn) {
  judge_done(turn);
  ModelKey* const key = key_of(turn);
  auto plaintext = decrypt_recorded(recorded_in(turn)["encryptedKey"].hex());
  if (key == nullptr || !plaintext) return;
  key->attributes["symmetricKeyLength"] = plaintext->size();
  key->protection["keyBackup"] = kImported;
  key->symmetric_key = std::make_shared<const SecureBytes>(std::move(plaintext).value());
}

void SessionReplay::judge_private_import(Turn& turn) {
  judge_done(turn);
  if (ModelKey* const key = key_of(turn)) key->protection["keyBackup"] = kImported;
}

void SessionReplay::judge_extension(Turn& turn) {
  judge_done(turn);
  ModelKey* const key = key_of(turn);
  if (key == nullptr) return;
  Json data = turn.in["extensionData"];
  if (live_in(turn)["subType"].number() == kEncryptedExtension)
    data = as_json(decrypt_recorded(recorded_in(turn)["extensionData"].hex()));
  key->attributes["extensionTypes"].push_back(turn.in["type"]);
  key->extensions[live_in(turn)["type"].text()] = {
      {"subType", turn.in["subType"]}, {"qualifier", turn.in["qualifier"]}, {"extensionData", data}};
}

void SessionReplay::judge_delete(Turn& turn) {
  judge_done(turn);
  operations_.push_back({ModelOperation::Kind::remove, handle(turn, "targetKeyHandle")});
}
void SessionReplay::judge_unlock(Turn& turn) {
  judge_done(turn);
  operations_.push_back({ModelOperation::Kind::unlock, handle(turn, "targetKeyHandle")});
}
void SessionReplay::judge_update(Turn& turn) {
  judge_done(turn);
  operations_.push_back({ModelOperation::Kind::update, handle(turn, "targetKeyHandle"), handle(turn, "keyHandle")});
}
void SessionReplay::judge_clone(Turn& turn) {
  judge_done(turn);
  operations_.push_back({ModelOperation::Kind::clone, handle(turn, "targetKeyHandle"), handle(turn, "keyHandle")});
}

void SessionReplay::judge_close(Turn& turn) {
  judge_attestation(turn);
  device_.model.close(handle_, made_, operations_);
  handle_ = 0;
  inspect();
}

/// What the recording may not have asked for: every key of the session and every target, and what is enumerated.
void SessionReplay::inspect() {
  for (const auto& [handle, key] : made_) inspect_key(handle, key.id);
  for (const ModelOperation& operation : operations_)
    inspect_key(operation.target, "target " + std::to_string(operation.target));
  check_enumerations(device_, "after the close", results_[Subject::enumeration]);
}

void SessionReplay::inspect_key(std::uint32_t handle, const std::string& id) {
  const auto expected = device_.model.keys.find(handle);
  const auto ask = [&](const char* method, Json arguments, Subject subject, const Json& answer, const Place& at) {
    arguments["keyHandle"] = handle;
    const auto out = make_call(device_.store, method, Node(arguments, at, results_[subject]));
    if (out) expect_json(results_[subject], at, answer, *out);
  };
  const auto at = [&](const char* method) { return Place{"after the close", "/" + id, method}; };
  if (expected == device_.model.keys.end()) {
    const Json gone{{"error", static_cast<std::uint8_t>(Status::no_key)}};
    return ask("getKeyAttributes", Json::object(), Subject::management, gone, at("getKeyAttributes"));
  }
  const ModelKey& key = expected->second;
  ask("getKeyAttributes", Json::object(), Subject::attributes, key.attributes, at("getKeyAttributes"));
  ask("getKeyProtectionInfo", Json::object(), Subject::attributes, key.protection, at("getKeyProtectionInfo"));
  for (const auto& [type, content] : key.extensions)
    ask("getExtension", {{"type", type}}, Subject::extensions, content, at("getExtension"));
}

void SessionReplay::judge_abort(Turn& turn) {
  judge_done(turn);
  end_session();
}

void SessionReplay::judge_roll_over(Turn& turn) {
  judge_done(turn);
  const std::uint32_t session = handle(turn, "provisioningHandle");
  device_.model.sessions[session].info["keyManagementKey"] = turn.in["keyManagementKey"];
}

}  // namespace sks::conformance
