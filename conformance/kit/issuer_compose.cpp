#include <algorithm>
#include <array>

#include "conformance/kit/issuer_messages.h"
#include "conformance/kit/issuer_role.h"
#include "conformance/kit/jwk.h"
#include "conformance/message_walk.h"
#include "keygen2/time.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/base/clock.h"
#include "sks-core/base/encoding.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/mac.h"

// What the issuer of the kit sends.
namespace sks::conformance {
namespace {

constexpr std::string_view kContext = "https://webpki.github.io/keygen2#20190318";
constexpr std::string_view kManagementKey = "KMK";
constexpr std::size_t kNonce = 32;
constexpr unsigned kSessionKeyLimit = 1000;
constexpr unsigned kSessionLifeTime = 3600;

void free_text(char* text) { OPENSSL_free(text); }

void put_absent(Json& object, const char* name, Json value) {
  if (!object.contains(name)) object[name] = std::move(value);
}

/// The elements of a member, none if it is no array.
std::vector<Json*> elements(Json& object, const char* name) {
  std::vector<Json*> list;
  if (!object.is_object() || !object.contains(name) || !object[name].is_array()) return list;
  for (Json& element : object[name])
    if (element.is_object()) list.push_back(&element);
  return list;
}

/// RFC 8785 of what a lookup signs: members sorted, no blanks. Spec: keygen2.md 5.5.
std::string canonical(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

Result<IssuerMemory> IssuerMemory::create(const Scenario& scenario, std::int64_t now) {
  IssuerMemory memory{Authority::create("Conformance credentials", now), {}, {}, {}, {}};
  std::map<std::string, std::string> wanted = scenario.keys;
  wanted.emplace(kManagementKey, "ec.nist.p256");
  for (const auto& [name, algorithm] : wanted) {
    SKS_LET(crypto::PrivateKey key, new_key(algorithm));
    memory.keys.emplace(name, std::move(key));
  }
  return memory;
}

const crypto::PrivateKey* IssuerMemory::find_key(const Json& jwk) const {
  const auto found =
      std::ranges::find_if(keys, [&](const auto& entry) { return to_jwk(entry.second.public_key()) == jwk; });
  return found == keys.end() ? nullptr : &found->second;
}

const Credential* IssuerMemory::find_credential(const std::string& name) const {
  const auto found = std::find_if(credentials.rbegin(), credentials.rend(),
                                  [&](const Credential& credential) { return credential.name == name; });
  return found == credentials.rend() ? nullptr : &*found;
}

IssuerRole::IssuerRole(IssuerMemory& memory, std::string issuer_uri, Bytes certificate)
    : memory_(memory),
      issuer_uri_(std::move(issuer_uri)),
      certificate_(std::move(certificate)),
      server_session_id_(random_id(system_random())) {
  add_placeholders();
}

void IssuerRole::add_placeholders() {
  add_plain_placeholders(placeholders_, [] { return system_clock().now(); });
  const auto encrypt = [this](ByteView clear) -> Result<Json> {
    const crypto::Sha256Digest key = crypto::hmac_sha256(session_key_.view(), as_bytes("EncryptionKey"));
    const Bytes iv = system_random().bytes(crypto::kAesBlock);
    return Json(to_base64url(concat({iv, crypto::aes_256_cbc_encrypt(key, iv, clear)})));
  };
  placeholders_.add("encrypt", [encrypt](const Json& argument) -> Result<Json> {
    SKS_LET(const std::string text, text_of(argument));
    return encrypt(as_bytes(text));
  });
  placeholders_.add("encrypt_hex", [encrypt](const Json& argument) -> Result<Json> {
    SKS_LET(const std::string text, text_of(argument));
    SKS_LET(const Bytes bytes, from_hex(text));
    return encrypt(bytes);
  });
  placeholders_.add("encrypt_key", [this, encrypt](const Json& argument) -> Result<Json> {
    SKS_LET(const std::string name, text_of(argument));
    const auto key = memory_.keys.find(name);
    if (key == memory_.keys.end()) return Error{Status::option, "no key of the name " + name};
    SKS_LET(const SecureBytes pkcs8, key->second.to_pkcs8());
    return encrypt(pkcs8.view());
  });
  placeholders_.add("key", [this](const Json& argument) -> Result<Json> {
    SKS_LET(const std::string name, text_of(argument));
    const auto key = memory_.keys.find(name);
    if (key == memory_.keys.end()) return Error{Status::option, "no key of the name " + name};
    return to_jwk(key->second.public_key());
  });
  add_credential_placeholders();
}

void IssuerRole::add_credential_placeholders() {
  const auto find_credential = [this](const Json& argument) -> Result<const Credential*> {
    SKS_LET(const std::string name, text_of(argument));
    const Credential* const found = memory_.find_credential(name);
    if (found == nullptr) return Error{Status::option, "no credential of the name " + name};
    return found;
  };
  placeholders_.add("fingerprint_of", [find_credential](const Json& argument) -> Result<Json> {
    SKS_LET(const Credential* const found, find_credential(argument));
    return Json(to_base64url(crypto::sha256(found->path.front())));
  });
  placeholders_.add("fingerprint_of_ca", [this](const Json&) -> Result<Json> {
    return Json(to_base64url(memory_.authority.certificate().fingerprint()));
  });
  placeholders_.add("not_before_of", [find_credential](const Json& argument) -> Result<Json> {
    SKS_LET(const Credential* const found, find_credential(argument));
    SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(found->path.front()));
    return Json(keygen2::format_utc_time(certificate.not_before()));
  });
  placeholders_.add("serial_number_of", [find_credential](const Json& argument) -> Result<Json> {
    SKS_LET(const Credential* const found, find_credential(argument));
    SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(found->path.front()));
    const ossl::BigNum number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.openssl()), nullptr));
    const ossl::Ptr<char, free_text> digits(BN_bn2dec(number.get()));
    return Json(std::string(digits.get()));
  });
}

void IssuerRole::fill_common(const Message& row, Json& message) {
  put_absent(message, "@context", kContext);
  put_absent(message, "@qualifier", row.request);
  put_absent(message, "serverSessionId", server_session_id_);
  if (row.has_client_session_id) put_absent(message, "clientSessionId", client_session_id_);
}

Result<std::string> IssuerRole::compose(const Step& step) {
  step_ = &step;
  if (!step.resend.empty()) {
    const auto earlier = memory_.sent.find(step.resend);
    if (earlier == memory_.sent.end()) return Error{Status::option, "no earlier message of the name " + step.resend};
    return earlier->second;
  }
  const Message* const row = find_message(step.send);
  if (row == nullptr) return Error{Status::option, "an issuer does not send " + step.send};
  Json message = step.message;
  fill_common(*row, message);
  // Twice: what the scenario gives may be needed to fill in the rest, and edits bring values of their own.
  SKS_LET(message, placeholders_.resolve(message));
  SKS_TRY((this->*row->fill)(message));
  SKS_TRY(apply(step.edits, message));
  SKS_LET(message, placeholders_.resolve(message));
  SKS_TRY((this->*row->complete)(message));
  sent_[step.send] = message;
  std::vector<Edit> tampers = step.tampers;
  for (Edit& tamper : tampers) {
    SKS_LET(tamper.argument, placeholders_.resolve(tamper.argument));
  }
  SKS_LET(const std::string text, to_text(tampers, std::move(message)));
  memory_.sent[step.send] = text;
  return text;
}

Result<void> IssuerRole::fill_invocation(Json& message) {
  put_absent(message, "action", "manage");
  return {};
}

Result<void> IssuerRole::complete_invocation(Json& message) {
  const bool given = message.contains("privacyEnabled") && message["privacyEnabled"].is_boolean();
  privacy_ = given && message["privacyEnabled"].get<bool>();
  if (message.contains("serverSessionId") && message["serverSessionId"].is_string())
    server_session_id_ = message["serverSessionId"].get<std::string>();
  return {};
}

Result<void> IssuerRole::fill_initialization(Json& message) {
  SKS_LET(ephemeral_, new_key("ec.nist.p256"));
  put_absent(message, "serverTime", keygen2::format_utc_time(system_clock().now()));
  put_absent(message, "sessionKeyAlgorithm", kSessionAlgorithm);
  put_absent(message, "sessionKeyLimit", kSessionKeyLimit);
  put_absent(message, "sessionLifeTime", kSessionLifeTime);
  put_absent(message, "serverEphemeralKey", to_jwk(ephemeral_->public_key()));
  put_absent(message, "keyManagementKey", to_jwk(memory_.keys.at(std::string(kManagementKey)).public_key()));
  return {};
}

namespace {

/// Signs for each older key that the newer one above it takes its place, with the older one or the signer that the
/// scenario names. Spec: keygen2.md 7.10.
Result<void> authorize_roll_over(const IssuerMemory& memory, const Json& newer, Json& object) {
  for (Json* const entry : elements(object, "updatableKeyManagementKeys")) {
    const crypto::PrivateKey* key = memory.find_key(entry->value("publicKey", Json()));
    if (entry->contains("signer")) {
      SKS_LET(const std::string signer, text_of((*entry)["signer"]));
      const auto other = memory.keys.find(signer);
      if (other == memory.keys.end()) return Error{Status::option, "no key of the name " + signer};
      key = &other->second;
      entry->erase("signer");
    }
    Findings unreadable;
    const Bytes spki = Node(newer, {}, unreadable).public_key();
    if (!entry->contains("authorization") && key != nullptr && unreadable.empty()) {
      SKS_LET(const Bytes signature, key->sign(concat({as_bytes("RollOverAuthorization"), spki})));
      (*entry)["authorization"] = to_base64url(signature);
    }
    SKS_TRY(authorize_roll_over(memory, entry->value("publicKey", Json()), *entry));
  }
  return {};
}

}  // namespace

Result<void> IssuerRole::complete_initialization(Json& message) {
  // A key that the scenario gave, to which the kit may have no private one.
  const Json jwk = message.value("serverEphemeralKey", Json());
  if (const crypto::PrivateKey* const own = memory_.find_key(jwk)) {
    SKS_LET(const SecureBytes pkcs8, own->to_pkcs8());
    SKS_LET(ephemeral_, crypto::PrivateKey::from_pkcs8(pkcs8.view()));
  }
  return authorize_roll_over(memory_, message.value("keyManagementKey", Json()), message);
}

Result<void> IssuerRole::fill_discovery(Json& message) {
  Findings none;
  const Json ids{{"clientSessionId", client_session_id_}, {"serverSessionId", server_session_id_}};
  const Node node(ids, {}, none);
  Values values;
  for (const char* const name : {"clientSessionId", "serverSessionId"})
    values.text(name, node[name], node[name].text());
  const crypto::Sha256Digest nonce = crypto::sha256(encode(format::kLookupNonce, values).bytes);
  std::size_t number = 0;
  for (Json* const lookup : elements(message, "lookupSpecifiers")) {
    put_absent(*lookup, "id", "Lookup." + std::to_string(++number));
    put_absent(*lookup, "nonce", to_base64url(nonce));
    const std::string signer = lookup->value("signer", std::string(kManagementKey));
    lookup->erase("signer");
    const auto key = memory_.keys.find(signer);
    if (key == memory_.keys.end()) return Error{Status::option, "no key of the name " + signer};
    const bool rsa = key->second.public_key().kind() == KeyKind::rsa;
    put_absent(*lookup, "signature",
               {{"algorithm", rsa ? "RS256" : "ES256"}, {"publicKey", to_jwk(key->second.public_key())}});
    put_absent((*lookup)["signature"], "signer", signer);
  }
  return {};
}

Result<void> IssuerRole::complete_discovery(Json& message) {
  for (Json* const lookup : elements(message, "lookupSpecifiers")) {
    if (!lookup->contains("signature") || !(*lookup)["signature"].is_object()) continue;
    Json& signature = (*lookup)["signature"];
    const auto key = memory_.keys.find(signature.value("signer", std::string(kManagementKey)));
    signature.erase("signer");
    if (signature.contains("value") || key == memory_.keys.end()) continue;
    SKS_LET(const Bytes value, key->second.sign(as_bytes(canonical(*lookup))));
    signature["value"] = to_base64url(value);
  }
  return {};
}

Result<void> IssuerRole::fill_creation(Json& message) {
  put_absent(message, "keyEntryAlgorithm", kKeyEntryAlgorithm);
  std::size_t puks = 0;
  std::size_t pins = 0;
  std::size_t keys = 0;
  const auto number_keys = [&](Json& object) {
    for (Json* const key : elements(object, "keyEntrySpecifiers"))
      put_absent(*key, "id", "Key." + std::to_string(++keys));
  };
  const auto number_pins = [&](Json& object) {
    for (Json* const pin : elements(object, "pinPolicySpecifiers")) {
      put_absent(*pin, "id", "PIN." + std::to_string(++pins));
      number_keys(*pin);
    }
  };
  for (Json* const puk : elements(message, "pukPolicySpecifiers")) {
    put_absent(*puk, "id", "PUK." + std::to_string(++puks));
    number_pins(*puk);
  }
  number_pins(message);
  number_keys(message);
  return {};
}

/// Gives each element of a message its MAC, unless the scenario has given one.
class IssuerRole::Protector final : public ElementVisitor {
 public:
  Protector(IssuerRole& role, Json& message) : role_(role), message_(message) {}

  void on_protected(const Format& format, const Values& values, const Node& mac) override {
    const Bytes computed = role_.mac(format.method, role_.counter_++, encode(format, values).bytes);
    if (!mac.exists()) message_[Json::json_pointer(mac.place().path)] = to_base64url(computed);
  }
  void on_key(const Node& specifier) override {
    role_.keys_.push_back({specifier["id"].text(), specifier["keyAlgorithm"].text(),
                           specifier["keyParameters"].optional_base64url(), specifier["mac"].base64url(),
                           role_.counter_++});
  }
  /// For an id that the scenario invented the key matters as little as the rest.
  std::optional<Node> find_public_key(const Node& id) override {
    Key* key = role_.find_generated(id.text());
    if (key == nullptr && !role_.keys_.empty()) key = &role_.keys_.front();
    if (key == nullptr) return std::nullopt;
    return Node(key->public_key, {}, id.findings());
  }

 private:
  IssuerRole& role_;
  Json& message_;
};

Result<void> IssuerRole::complete_creation(Json& message) {
  // What a hostile message holds need not be readable: its MACs are then over nothing.
  Findings unreadable;
  keys_.clear();
  Protector protector(*this, message);
  walk_key_creation(Node(message, {}, unreadable), protector);
  return {};
}

Result<void> IssuerRole::fill_finalization(Json& message) {
  if (!keys_.empty() && !message.contains("issuedCredentials"))
    for (const Key& key : keys_) message["issuedCredentials"].push_back({{"id", key.id}});
  for (Json* const credential : elements(message, "issuedCredentials")) {
    const std::string id = credential->value("id", "");
    const Key* const key = find_generated(id);
    const Json given = credential->value("certificatePath", Json{{"certify", Json::object()}});
    if (key != nullptr && given.is_object() && given.contains("certify")) {
      SKS_LET((*credential)["certificatePath"], certify(given["certify"], key->public_key, id));
    }
    for (const char* const name : {"updateKey", "cloneKeyProtection"})
      if (credential->contains(name)) SKS_TRY(fill_target((*credential)[name]));
  }
  for (const char* const name : {"unlockKeys", "deleteKeys", "activateKeys", "deactivateKeys"})
    for (Json* const target : elements(message, name)) SKS_TRY(fill_target(*target));
  put_absent(message, "sessionCloseData", Json::object());
  if (message["sessionCloseData"].is_object())
    put_absent(message["sessionCloseData"], "nonce", to_base64url(system_random().bytes(kNonce)));
  return {};
}

Result<void> IssuerRole::fill_target(Json& target) {
  if (!target.is_object() || !target.contains("target")) return {};
  SKS_LET(const std::string name, text_of(target["target"]));
  const Credential* const credential = memory_.find_credential(name);
  if (credential == nullptr) return Error{Status::option, "no credential of the name " + name};
  target.erase("target");
  put_absent(target, "fingerPrint", to_base64url(crypto::sha256(credential->path.front())));
  put_absent(target, "serverSessionId", credential->server_session_id);
  put_absent(target, "clientSessionId", credential->client_session_id);
  Credential owner = *credential;
  if (target.contains("signer")) {
    SKS_LET(const std::string signer, text_of(target["signer"]));
    const auto key = memory_.keys.find(signer);
    if (key == memory_.keys.end()) return Error{Status::option, "no key of the name " + signer};
    owner.management_key = key->second.public_key().spki();
    target.erase("signer");
  }
  SKS_LET(const Bytes authorization, authorize(owner));
  put_absent(target, "authorization", to_base64url(authorization));
  return {};
}

/// Spec: keygen2.md 7.7.
Result<Bytes> IssuerRole::authorize(const Credential& target) const {
  const crypto::Sha256Digest key_id = crypto::hmac_sha256({session_key_.view(), device_id_}, target.path.front());
  for (const auto& [name, key] : memory_.keys)
    if (key.public_key().spki() == target.management_key)
      return key.sign(concat({as_bytes("TargetKeyReference"), key_id}));
  return Error{Status::option, "no key manages " + target.name};
}

/// { subject, issuer, not_before, not_after, chain, for_key, extensions, signature }
Result<Json> IssuerRole::certify(const Json& request, const Json& public_key, const std::string& id) {
  const auto offset = [&](const char* name, const char* absent) { return parse_offset(request.value(name, absent)); };
  const std::int64_t now = system_clock().now();
  CertificateRequest wanted{request.value("subject", "CN=" + id), 0, 0, {}};
  SKS_LET(const std::int64_t not_before, offset("not_before", "-1h"));
  SKS_LET(const std::int64_t not_after, offset("not_after", "+365d"));
  wanted.issuer = request.value("issuer", "");
  wanted.not_before = now + not_before;
  wanted.not_after = now + not_after;
  const Json extensions = request.value("extensions", Json::object());
  for (const auto& item : extensions.items()) {
    SKS_LET(std::string value, text_of(item.value()));
    wanted.extensions.emplace_back(item.key(), std::move(value));
  }
  Findings unreadable;
  Json subject_key = public_key;
  if (request.contains("for_key")) {
    SKS_LET(subject_key, placeholders_.resolve(Json{{"key", request["for_key"]}}));
  }
  const Bytes spki = Node(subject_key, {}, unreadable).public_key();
  SKS_LET(const crypto::PublicKey key, crypto::PublicKey::from_spki(spki));
  const Authority& authority = memory_.authority;
  SKS_LET(const crypto::Certificate leaf, request.value("signature", "right") == "wrong"
                                              ? authority.issue_wrongly(wanted, key)
                                              : authority.issue(wanted, key));
  Json path = Json::array({to_base64url(leaf.der())});
  if (request.value("chain", 1) == 2) path.push_back(to_base64url(authority.certificate().der()));
  return path;
}

Result<void> IssuerRole::complete_finalization(Json& message) {
  Findings unreadable;
  const Node node(message, {}, unreadable);
  Protector protector(*this, message);
  walk_finalization(node, protector);
  const Node close = node["sessionCloseData"];
  if (close.exists() && close.json().is_object())
    protector.on_protected(format::kCloseProvisioningSession,
                           close_values(node, Node(issuer_uri_, {}, unreadable), close["nonce"]), close["mac"]);
  close_counter_ = counter_++;
  return {};
}

Bytes IssuerRole::mac(std::string_view method, std::uint16_t counter, ByteView data) const {
  const Bytes suffix = ByteWriter().raw(as_bytes(method)).u16(counter).take();
  return to_bytes(crypto::hmac_sha256({session_key_.view(), suffix}, data));
}

IssuerRole::Key* IssuerRole::find_generated(const std::string& id) {
  const auto found = std::ranges::find(keys_, id, &Key::id);
  return found == keys_.end() ? nullptr : &*found;
}

const IssuerRole::Message* IssuerRole::find_message(std::string_view request) const {
  const auto found = std::ranges::find(messages(), request, &Message::request);
  return found == messages().end() ? nullptr : &*found;
}

const std::vector<IssuerRole::Message>& IssuerRole::messages() {
  using Role = IssuerRole;
  static const std::vector<Message> kMessages{
      {"InvocationRequest", false, &Role::fill_invocation, &Role::complete_invocation, &Role::check_invocation},
      {"ProvisioningInitializationRequest", false, &Role::fill_initialization, &Role::complete_initialization,
       &Role::check_initialization},
      {"CredentialDiscoveryRequest", true, &Role::fill_discovery, &Role::complete_discovery, &Role::check_discovery},
      {"KeyCreationRequest", true, &Role::fill_creation, &Role::complete_creation, &Role::check_creation},
      {"ProvisioningFinalizationRequest", true, &Role::fill_finalization, &Role::complete_finalization,
       &Role::check_finalization},
  };
  return kMessages;
}

}  // namespace sks::conformance
