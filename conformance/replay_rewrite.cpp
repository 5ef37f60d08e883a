#include <algorithm>

#include "conformance/call_values.h"
#include "conformance/key_use.h"
#include "conformance/replay_session.h"
#include "sks-core/base/encoding.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/mac.h"

// What becomes of the arguments of a recorded call: everything that depends on keys, handles and random values.
namespace sks::conformance {
namespace {

constexpr std::string_view kEncryptionKey = "EncryptionKey";
constexpr std::string_view kTargetKeyLabel = "TargetKeyReference";
constexpr std::string_view kRollOverLabel = "RollOverAuthorization";
constexpr std::string_view kAnonymous = "Anonymous";
constexpr std::string_view kP256 = "https://webpki.github.io/sks/algorithm#ec.nist.p256";
constexpr std::size_t kNonce = 32;
constexpr std::uint32_t kEncryptedExtension = 1;

/// A new key on the curve of another one.
Result<crypto::PrivateKey> key_like(const crypto::PublicKey& other) {
  const auto rows = all_algorithms();
  const auto row = std::ranges::find_if(rows, [&](const Algorithm& algorithm) {
    return algorithm.category == Category::key_generation && algorithm.kind == other.kind() &&
           (other.kind() != KeyKind::ec || algorithm.curve == other.curve());
  });
  if (row == rows.end() || other.kind() == KeyKind::rsa) return Error{Status::option, "no key for agreements"};
  return crypto::PrivateKey::generate(*row);
}

}  // namespace

std::span<const SessionReplay::Rewrite> SessionReplay::rewrites() {
  using Self = SessionReplay;
  static constexpr auto kRewrites = std::to_array<Rewrite>({
      {"", "provisioningHandle", &Self::live_session},
      {"", "keyHandle", &Self::live_key},
      {"", "targetKeyHandle", &Self::live_key},
      {"", "pukPolicyHandle", &Self::live_policy},
      {"", "pinPolicyHandle", &Self::live_policy},
      {"createProvisioningSession", "serverEphemeralKey", &Self::fresh_ephemeral_key},
      {"createProvisioningSession", "keyManagementKey", &Self::own_management_key},
      {"createPukPolicy", "pukValue", &Self::encrypt_again},
      {"createKeyEntry", "pinValue", &Self::encrypt_preset_pin},
      {"setCertificatePath", "certificatePath", &Self::certify},
      {"importSymmetricKey", "encryptedKey", &Self::encrypt_again},
      {"importPrivateKey", "encryptedKey", &Self::encrypt_again},
      {"addExtension", "extensionData", &Self::encrypt_extension},
      {"postDeleteKey", "authorization", &Self::authorize_operation},
      {"postUnlockKey", "authorization", &Self::authorize_operation},
      {"postUpdateKey", "authorization", &Self::authorize_operation},
      {"postCloneKeyProtection", "authorization", &Self::authorize_operation},
      {"closeProvisioningSession", "nonce", &Self::fresh_nonce},
      {"updateKeyManagementKey", "keyManagementKey", &Self::own_management_key},
      {"updateKeyManagementKey", "authorization", &Self::authorize_roll_over},
      {"asymmetricKeyDecrypt", "data", &Self::encrypt_for_key},
      {"keyAgreement", "publicKey", &Self::fresh_peer_key},
  });
  return kRewrites;
}

bool SessionReplay::rewrite(Turn& turn) {
  const std::string& method = recorded(turn).method;
  return std::ranges::all_of(rewrites(), [&](const Rewrite& row) {
    const bool concerns = (row.method.empty() || row.method == method) && turn.in.contains(row.argument);
    return !concerns || (this->*row.run)(turn, row.argument);
  });
}

bool SessionReplay::live_session(Turn& turn, const char* argument) {
  const std::uint32_t then = recorded_in(turn)[argument].number();
  if (then == 0) return true;
  const auto now = device_.handles.sessions.find(then);
  if (now == device_.handles.sessions.end()) return false;
  turn.in[argument] = now->second;
  return true;
}

bool SessionReplay::live_key(Turn& turn, const char* argument) {
  const std::uint32_t then = recorded_in(turn)[argument].number();
  if (then == 0) return true;
  const auto now = device_.handles.keys.find(then);
  if (now != device_.handles.keys.end()) {
    turn.in[argument] = now->second;
    return true;
  }
  if (std::string_view(argument) == "targetKeyHandle")
    give_up("manages key " + std::to_string(then) + ", which no recording before it has made");
  return false;
}

bool SessionReplay::live_policy(Turn& turn, const char* argument) {
  const std::uint32_t then = recorded_in(turn)[argument].number();
  if (then == 0) return true;
  const auto& handles = std::string_view(argument) == "pinPolicyHandle" ? pin_handles_ : puk_handles_;
  const auto now = handles.find(then);
  if (now == handles.end()) {
    recorded_in(turn)[argument].fail("is the handle of nothing that the session made");
    return false;
  }
  turn.in[argument] = now->second;
  return true;
}

bool SessionReplay::fresh_ephemeral_key(Turn& turn, const char* argument) {
  const Node then = recorded_in(turn)[argument];
  const auto peer = crypto::PublicKey::from_spki(then.base64());
  auto key = peer ? key_like(*peer) : Result<crypto::PrivateKey>(peer.error());
  if (!key) {
    then.fail("is unusable: " + key.error().detail);
    return false;
  }
  turn.in[argument] = to_base64(key->public_key().spki());
  ephemeral_.emplace(std::move(key).value());
  return true;
}

bool SessionReplay::fresh_nonce(Turn& turn, const char* argument) {
  turn.in[argument] = to_hex(system_random().bytes(kNonce));
  return true;
}

/// The key itself where the recording holds its private half, otherwise always the same other one.
bool SessionReplay::own_management_key(Turn& turn, const char* argument) {
  const Bytes then = recorded_in(turn)[argument].optional_base64();
  if (then.empty()) return true;
  if (!device_.management_keys.contains(then)) {
    auto key = crypto::PrivateKey::generate(*find_algorithm(kP256));
    for (const Node& known : secrets(recording_, turn.findings)["keyManagementKeys"].optional_elements())
      if (known["publicKeySpki"].base64() == then)
        key = crypto::PrivateKey::from_pkcs8(known["privateKeyPkcs8"].base64());
    if (!key) {
      recorded_in(turn)[argument].fail("has an unusable private key: " + key.error().detail);
      return false;
    }
    device_.management_keys[then] = std::make_shared<const crypto::PrivateKey>(std::move(key).value());
  }
  turn.in[argument] = to_base64(device_.management_keys[then]->public_key().spki());
  return true;
}

Result<SecureBytes> SessionReplay::decrypt_recorded(ByteView wrapped) const {
  if (wrapped.size() < crypto::kAesBlock) return Error{Status::crypto, "it is too short"};
  const crypto::Sha256Digest key = crypto::hmac_sha256(session_.session_key.view(), as_bytes(kEncryptionKey));
  return crypto::aes_256_cbc_decrypt(key, wrapped.first(crypto::kAesBlock), wrapped.subspan(crypto::kAesBlock));
}

Bytes SessionReplay::encrypt(ByteView plaintext) const {
  const crypto::Sha256Digest key = crypto::hmac_sha256(session_key_.view(), as_bytes(kEncryptionKey));
  const Bytes iv = system_random().bytes(crypto::kAesBlock);
  return concat({iv, crypto::aes_256_cbc_encrypt(key, iv, plaintext)});
}

bool SessionReplay::encrypt_again(Turn& turn, const char* argument) {
  const Node then = recorded_in(turn)[argument];
  const auto plaintext = decrypt_recorded(then.hex());
  if (!plaintext) {
    then.fail("does not decrypt: " + plaintext.error().detail);
    return false;
  }
  turn.in[argument] = to_hex(encrypt(plaintext->view()));
  return true;
}

bool SessionReplay::encrypt_preset_pin(Turn& turn, const char* argument) {
  const auto policy = pins_.find(handle(turn, "pinPolicyHandle"));
  const bool preset = policy != pins_.end() && !policy->second.request.value("userDefined", true);
  return !preset || encrypt_again(turn, argument);
}

bool SessionReplay::encrypt_extension(Turn& turn, const char* argument) {
  return recorded_in(turn)["subType"].number() != kEncryptedExtension || encrypt_again(turn, argument);
}

/// The certificate of an imported key certifies that one, and every other certificate the key that was generated.
bool SessionReplay::certify(Turn& turn, const char* argument) {
  const Node then = recorded_in(turn)[argument];
  std::vector<Bytes> path;
  for (const Node& certificate : then.elements()) path.push_back(certificate.base64());
  const ModelKey* const key = key_of(turn);
  if (key == nullptr || path.empty()) {
    then.fail(path.empty() ? "is empty" : "is for a key that the session did not make");
    return false;
  }
  const auto certificate = crypto::Certificate::from_der(path.front());
  auto certified = certificate ? certificate->public_key() : Result<crypto::PublicKey>(certificate.error());
  const std::uint32_t recorded_key = recorded_in(turn)["keyHandle"].number();
  for (std::size_t i = 0; certified && i < turn.index; ++i) {
    if (recording_.calls[i].method != "createKeyEntry" || recording_.calls[i].failed()) continue;
    const Node out = call_result(recording_, i, turn.findings);
    if (out["keyHandle"].number() == recorded_key && out["publicKey"].base64() == certified->spki())
      certified = crypto::PublicKey::from_spki(key->public_key);
  }
  auto issued =
      certified ? device_.authority.certify_like(path, *certified) : Result<std::vector<Bytes>>(certified.error());
  if (!issued) {
    then.fail("cannot be issued again: " + issued.error().detail);
    return false;
  }
  turn.in[argument] = to_json_value(*issued, Form::base64);
  return true;
}

Bytes SessionReplay::device_id() const {
  if (anonymous_) return to_bytes(as_bytes(kAnonymous));
  Findings unheard;
  const auto info = find_call(live_, "getDeviceInfo");
  const std::vector<Node> path = call_result(live_, *info, unheard)["certificatePath"].optional_elements();
  return path.empty() ? Bytes() : path.front().base64();
}

const crypto::PrivateKey* SessionReplay::management_key_of(std::uint32_t session) const {
  const auto owner = device_.model.sessions.find(session);
  if (owner == device_.model.sessions.end()) return nullptr;
  const Json spki = owner->second.info.value("keyManagementKey", Json());
  for (const auto& [then, key] : device_.management_keys)
    if (spki == to_base64(key->public_key().spki())) return key.get();
  return nullptr;
}

/// Spec: keygen2.md 7.7.
bool SessionReplay::authorize_operation(Turn& turn, const char* argument) {
  const auto target = device_.model.keys.find(handle(turn, "targetKeyHandle"));
  const bool known = target != device_.model.keys.end();
  const crypto::PrivateKey* const key = known ? management_key_of(target->second.session) : nullptr;
  const Json path = key == nullptr ? Json::array() : target->second.attributes.value("certificatePath", Json::array());
  if (path.empty()) {
    recorded_in(turn)["targetKeyHandle"].fail("belongs to a session without key management key");
    return false;
  }
  const Bytes end_entity = Node(path.front(), place(turn, "in"), turn.findings).base64();
  const crypto::Sha256Digest id = crypto::hmac_sha256({session_key_.view(), device_id()}, end_entity);
  Bytes data = concat({as_bytes(kTargetKeyLabel), id});
  if (turn.tampering == Tampering::authorization) data.back() ^= 1U;
  const auto signature = key->sign(data);
  if (signature) turn.in[argument] = to_hex(*signature);
  return static_cast<bool>(signature);
}

/// Spec: keygen2.md 7.10.
bool SessionReplay::authorize_roll_over(Turn& turn, const char* argument) {
  const crypto::PrivateKey* const key = management_key_of(handle(turn, "provisioningHandle"));
  if (key == nullptr) {
    recorded_in(turn)["provisioningHandle"].fail("is the handle of a session without key management key");
    return false;
  }
  const Bytes spki = live_in(turn)["keyManagementKey"].base64();
  const auto signature = key->sign(concat({as_bytes(kRollOverLabel), spki}));
  if (signature) turn.in[argument] = to_hex(*signature);
  return static_cast<bool>(signature);
}

/// A recorded decryption of a key that was generated then cannot be repeated, but its result can.
bool SessionReplay::encrypt_for_key(Turn& turn, const char* argument) {
  if (recorded(turn).failed()) return true;
  const auto key = certified_key(turn);
  const Algorithm* const algorithm = find_algorithm(recorded_in(turn)["algorithm"].text());
  if (!key || algorithm == nullptr) return false;
  const Bytes parameters = recorded_in(turn)["parameters"].optional_hex();
  const auto data = encrypt_for(*key, {*algorithm, parameters}, recorded_out(turn).hex());
  if (data) turn.in[argument] = to_hex(*data);
  return static_cast<bool>(data);
}

bool SessionReplay::fresh_peer_key(Turn& turn, const char* argument) {
  if (recorded(turn).failed()) return true;
  const Node then = recorded_in(turn)[argument];
  const auto peer = crypto::PublicKey::from_spki(then.base64());
  auto key = peer ? key_like(*peer) : Result<crypto::PrivateKey>(peer.error());
  if (!key) {
    then.fail("is unusable: " + key.error().detail);
    return false;
  }
  turn.in[argument] = to_base64(key->public_key().spki());
  peer_.emplace(std::move(key).value());
  return true;
}

}  // namespace sks::conformance
