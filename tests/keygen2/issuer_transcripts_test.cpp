#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <set>

#include "conformance/recording.h"
#include "keygen2/issuer_plan.h"
#include "keygen2/issuer_session.h"
#include "keygen2/issuer_state.h"
#include "keygen2/issuer_steps.h"
#include "keygen2/mac_data.h"
#include "keygen2/time.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/private_key.h"
#include "tests/keygen2/json_edit.h"
#include "tests/support/fakes.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vectors.h"

// The issuer half is given what a recorded issuer knew, and the recorded responses: its requests are the recorded ones.
namespace {

using namespace sks;
using namespace sks::keygen2;
namespace edit = sks::test::json_edit;

/// What our issuer adds to the planned uses of the session key.
constexpr std::uint16_t kMargin = 8;

/// What the session key encrypted, by what came out.
struct Encryption {
  Bytes iv_and_ciphertext;
  Bytes plaintext;
};

struct RecordedSession {
  std::map<MessageType, std::string> messages;
  std::string issuer_uri;
  Bytes server_certificate;
  SecureBytes ephemeral_key;  ///< PKCS#8
  std::vector<Encryption> encryptions;

  bool has(MessageType type) const { return messages.contains(type); }

  template <class T>
  T decoded() const {
    if (!has(T::kType)) return T{};
    Outcome<IncomingMessage> message = IncomingMessage::parse(messages.at(T::kType), kMaxMessageToClient);
    REQUIRE(message);
    Outcome<T> result = message->decode<T>();
    if (!result) FAIL(result.error().detail);
    return std::move(result).value();
  }

  SecureBytes decrypted(const Bytes& wrapped) const {
    const auto found = std::ranges::find(encryptions, wrapped, &Encryption::iv_and_ciphertext);
    REQUIRE(found != encryptions.end());
    return SecureBytes::copy_of(found->plaintext);
  }
};

KeySpec spec_of(const RecordedSession& session, const KeyEntrySpecifier& key) {
  KeySpec spec;
  spec.app_usage = key.app_usage;
  spec.key_algorithm = key.key_algorithm;
  spec.key_parameters = key.key_parameters;
  spec.friendly_name = key.friendly_name;
  spec.endorsed_algorithms = key.endorsed_algorithms;
  spec.export_protection = key.export_protection;
  spec.delete_protection = key.delete_protection;
  spec.biometric_protection = key.biometric_protection;
  spec.server_seed = key.server_seed;
  spec.enable_pin_caching = key.enable_pin_caching;
  spec.device_pin_protection = key.device_pin_protection;
  if (key.encrypted_pin) spec.preset_pin = session.decrypted(*key.encrypted_pin);
  return spec;
}

PinPolicySpec spec_of(const RecordedSession& session, const PinPolicySpecifier& policy) {
  PinPolicySpec spec;
  spec.min_length = policy.min_length;
  spec.max_length = policy.max_length;
  spec.retry_limit = policy.retry_limit;
  spec.format = policy.format;
  spec.user_modifiable = policy.user_modifiable;
  spec.grouping = policy.grouping;
  spec.input_method = policy.input_method;
  spec.pattern_restrictions = policy.pattern_restrictions;
  for (const KeyEntrySpecifier& key : policy.keys) spec.keys.push_back(spec_of(session, key));
  return spec;
}

PukPolicySpec spec_of(const RecordedSession& session, const PukPolicySpecifier& puk) {
  PukPolicySpec spec;
  spec.puk = session.decrypted(puk.encrypted_puk);
  spec.retry_limit = puk.retry_limit;
  spec.format = puk.format;
  for (const PinPolicySpecifier& policy : puk.pin_policies) spec.pin_policies.push_back(spec_of(session, policy));
  return spec;
}

std::vector<RollOver> roll_overs_of(const std::vector<UpdatableKeyManagementKey>& keys) {
  std::vector<RollOver> result;
  for (const UpdatableKeyManagementKey& key : keys)
    result.push_back({key.public_key->spki(), key.authorization, roll_overs_of(key.older)});
  return result;
}

SessionReserve reserve_of(const ProvisioningFinalizationRequest& request) {
  SessionReserve reserve;
  const auto count = [](std::uint16_t& counter, std::size_t more) {
    counter = static_cast<std::uint16_t>(counter + more);
  };
  for (const IssuedCredential& credential : request.credentials) {
    count(reserve.imported_keys, credential.symmetric_key || credential.private_key ? 1 : 0);
    for (const Extension& extension : credential.extensions)
      count(extension.sub_type == 1 ? reserve.encrypted_extensions : reserve.extensions, 1);
    count(reserve.target_operations, credential.update_key || credential.clone_key ? 1 : 0);
  }
  count(reserve.target_operations, request.unlock_keys.size() + request.delete_keys.size());
  return reserve;
}

IssuancePlan plan_of(const RecordedSession& session) {
  IssuancePlan plan;
  const auto invocation = session.decoded<InvocationRequest>();
  plan.issuer_uri = session.issuer_uri;
  plan.action = invocation.action;
  plan.privacy_enabled = invocation.privacy_enabled;
  plan.preferred_languages = invocation.preferred_languages;
  plan.target_key_containers = invocation.target_key_containers;
  plan.capability_queries = invocation.capability_queries;
  const auto initialization = session.decoded<ProvisioningInitializationRequest>();
  plan.session_life_time = initialization.session_life_time;
  if (initialization.key_management_key) plan.key_management_key = initialization.key_management_key->spki();
  plan.roll_overs = roll_overs_of(initialization.updatable_keys);
  for (const LookupSpecifier& lookup : session.decoded<CredentialDiscoveryRequest>().lookups)
    plan.lookups.push_back({lookup.signature.public_key->spki(), lookup.filter});
  const auto creation = session.decoded<KeyCreationRequest>();
  for (const PukPolicySpecifier& puk : creation.puk_policies) plan.puk_policies.push_back(spec_of(session, puk));
  for (const PinPolicySpecifier& pin : creation.pin_policies) plan.pin_policies.push_back(spec_of(session, pin));
  for (const KeyEntrySpecifier& key : creation.keys) plan.keys.push_back(spec_of(session, key));
  plan.deferred_issuance = creation.deferred_issuance;
  plan.reserve = reserve_of(session.decoded<ProvisioningFinalizationRequest>());
  return plan;
}

/// Gives out what was recorded, and signatures only for what they were made for.
class RecordedDecisions final : public IssuerDecisions {
 public:
  RecordedDecisions(const RecordedSession& session, const IssuancePlan& plan)
      : session_(session), lookups_(plan.lookups), request_(session.decoded<ProvisioningFinalizationRequest>()) {
    for (const LookupSpecifier& lookup : session.decoded<CredentialDiscoveryRequest>().lookups)
      signatures_.push_back(lookup.signature.value);
    for (const IssuedCredential& credential : request_.credentials) {
      if (credential.update_key) signatures_.push_back(credential.update_key->authorization);
      if (credential.clone_key) signatures_.push_back(credential.clone_key->authorization);
    }
    for (const TargetKeyReference& target : request_.unlock_keys) signatures_.push_back(target.authorization);
    for (const TargetKeyReference& target : request_.delete_keys) signatures_.push_back(target.authorization);
  }

  Result<void> accept_device(const crypto::CertificatePath&) override { return {}; }

  Result<Bytes> sign(ByteView key_management_key, ByteView data) override {
    SKS_LET(const crypto::PublicKey key, crypto::PublicKey::from_spki(key_management_key));
    for (const Bytes& signature : signatures_)
      if (crypto::verify_signature(key, data, signature)) return signature;
    return Error{Status::crypto, "the recorded issuer signed something else"};
  }

  Result<void> recognize(const FoundKey&) override { return {}; }

  Result<Management> manage(const std::vector<FoundKey>& found) override {
    found_ = found;
    Management management;
    for (const TargetKeyReference& target : request_.unlock_keys)
      management.operations.unlock.push_back(target_of(target));
    for (const TargetKeyReference& target : request_.delete_keys)
      management.operations.remove.push_back(target_of(target));
    return management;
  }

  Result<CredentialSpec> certify(const AttestedKey& key) override {
    const auto recorded = std::ranges::find(request_.credentials, key.id, &IssuedCredential::id);
    REQUIRE(recorded != request_.credentials.end());
    CredentialSpec spec;
    spec.certificate_path = recorded->certificate_path;
    spec.trust_anchor = recorded->trust_anchor;
    if (recorded->symmetric_key) spec.symmetric_key = session_.decrypted(recorded->symmetric_key->encrypted_key);
    if (recorded->private_key) spec.private_key = session_.decrypted(recorded->private_key->encrypted_key);
    for (const Extension& extension : recorded->extensions) {
      SecureBytes content =
          extension.sub_type == 1 ? session_.decrypted(extension.data) : SecureBytes::copy_of(extension.data);
      spec.extensions.push_back(
          {extension.sub_type, extension.type, extension.mime_type, std::move(content), extension.properties});
    }
    if (recorded->update_key) spec.update = target_of(*recorded->update_key);
    if (recorded->clone_key) spec.clone = target_of(*recorded->clone_key);
    return spec;
  }

 private:
  TargetKey target_of(const TargetKeyReference& target) const {
    const auto is_it = [&](const FoundKey& key) {
      return to_bytes(crypto::sha256(key.credential.certificate_path.front())) == target.finger_print;
    };
    const auto found = std::ranges::find_if(found_, is_it);
    REQUIRE(found != found_.end());
    return {found->credential.certificate_path.front(), found->credential.owner,
            lookups_.at(found->lookup).key_management_key, std::nullopt};
  }

  const RecordedSession& session_;
  std::vector<LookupSpec> lookups_;
  ProvisioningFinalizationRequest request_;
  std::vector<Bytes> signatures_;
  std::vector<FoundKey> found_;
};

/// What has been compared, over all sessions.
struct Totals {
  int sessions = 0;
  int requests = 0;
  int unmanageable = 0;  ///< sessions that manage keys without a key management key
  int renamed_keys = 0;  ///< keys with an id of the application's choice
};

constexpr auto kRequests = std::to_array<MessageType>({
    MessageType::invocation_request,
    MessageType::provisioning_initialization_request,
    MessageType::credential_discovery_request,
    MessageType::key_creation_request,
    MessageType::provisioning_finalization_request,
});

/// The type of a request's response.
MessageType response_to(MessageType request) { return static_cast<MessageType>(static_cast<int>(request) + 1); }

/// Runs the issuer half through one session. Between two messages it is bytes, as in a server.
class IssuerReplay {
 public:
  IssuerReplay(const RecordedSession& session, Totals& totals)
      : session_(session), totals_(totals), plan_(plan_of(session)), decisions_(session, plan_) {
    const auto initialization = session.decoded<ProvisioningInitializationRequest>();
    server_time_ = parse_time(initialization.server_time, TimeZone::utc).value();
    clock_.set(server_time_);
    // The recorded limit is what this issuer would have asked for, had it known of more extensions.
    plan_.reserve.extensions = static_cast<std::uint16_t>(
        std::size_t{plan_.reserve.extensions} + initialization.session_key_limit - kMargin - session_key_uses(plan_));
    // Our issuer does not let a session swallow keys that nobody could manage afterwards (keygen2.md 7.11): it is
    // given such a session half way.
    unmanageable_ = !plan_.lookups.empty() && plan_.key_management_key.empty();
    for (const Encryption& encryption : session.encryptions)
      random_.queue(to_bytes(ByteView(encryption.iv_and_ciphertext).first(16)));
    random_.queue(session.decoded<ProvisioningFinalizationRequest>().close_nonce);

    state_.ids.server = session.decoded<InvocationRequest>().server_session_id;
    state_.issuer_uri = plan_.issuer_uri;
    state_.privacy_enabled = plan_.privacy_enabled;
    state_.manageable = !plan_.key_management_key.empty();
    state_.required_capabilities = required_capabilities(plan_);
    state_.capability_queries = plan_.capability_queries;
    state_.data = Invoking{copy_of(plan_)};
  }

  void run() {
    std::string request = invocation();
    for (const MessageType type : kRequests) {
      if (!session_.has(type)) continue;
      CAPTURE(to_string(type));
      REQUIRE_FALSE(request.empty());
      request = with_recorded_choices(type, std::move(request));
      CHECK(edit::same(request, session_.messages.at(type)));
      ++totals_.requests;
      request = receive(session_.messages.at(response_to(type)));
    }
    CHECK(request.empty());
    CHECK(state_.phase == IssuerPhase::done);
    CHECK(state_.ids.client == session_.decoded<ProvisioningFinalizationResponse>().ids.client);
    ++totals_.sessions;
  }

 private:
  IssuerContext context() const { return {clock_, random_, {session_.server_certificate}}; }

  std::string invocation() {
    if (unmanageable_) return session_.messages.at(MessageType::invocation_request);
    auto session = IssuerSession::restore(encode(state_));
    if (!session) FAIL(session.error().detail);
    return session->invocation_request();
  }

  /// Puts into the request, and into what the issuer remembers, what the recorded issuer had chosen at random or by
  /// name.
  std::string with_recorded_choices(MessageType type, std::string request) {
    if (type == MessageType::provisioning_initialization_request) return with_ephemeral_key(request);
    if (type == MessageType::key_creation_request) return with_key_names(std::move(request));
    return request;
  }

  std::string with_ephemeral_key(const std::string& request) {
    auto& own = std::get<Initializing>(state_.data);
    const crypto::PublicKey& key = own.ephemeral_key->public_key();
    CHECK(edit::get(request, "/serverEphemeralKey/x") == to_base64url(key.ec_x()));
    CHECK(edit::get(request, "/serverEphemeralKey/y") == to_base64url(key.ec_y()));
    own.ephemeral_key = crypto::PrivateKey::from_pkcs8(session_.ephemeral_key.view()).value();
    const std::string& recorded = session_.messages.at(MessageType::provisioning_initialization_request);
    const auto member = [&](const std::string& name) {
      return "\"" + name + "\":\"" + edit::get(recorded, "/serverEphemeralKey/" + name) + "\"";
    };
    return edit::with(request, "/serverEphemeralKey",
                      "{" + member("kty") + "," + member("crv") + "," + member("x") + "," + member("y") + "}");
  }

  /// Our issuer numbers its keys. A recorded key with another id gets it here, with its MAC.
  std::string with_key_names(std::string request) {
    struct Names {
      std::vector<KeyEntrySpecifier*> keys;
      Outcome<void> puk(PukPolicySpecifier&) { return {}; }
      Outcome<void> pin(PinPolicySpecifier&, const PukPolicySpecifier*) { return {}; }
      Outcome<void> key(KeyEntrySpecifier& key, const PinPolicySpecifier*) {
        keys.push_back(&key);
        return {};
      }
    };
    auto recorded = session_.decoded<KeyCreationRequest>();
    Outcome<IncomingMessage> message = IncomingMessage::parse(request, kMaxMessageToClient);
    REQUIRE(message);
    auto own = message->decode<KeyCreationRequest>();
    if (!own) FAIL(own.error().detail);
    Names recorded_names;
    Names own_names;
    REQUIRE(walk(recorded, recorded_names));
    REQUIRE(walk(*own, own_names));
    REQUIRE(own_names.keys.size() == recorded_names.keys.size());
    auto& pending = std::get<CreatingKeys>(state_.data).keys;
    for (std::size_t i = 0; i < own_names.keys.size(); ++i) {
      const KeyEntrySpecifier& name = *recorded_names.keys[i];
      if (own_names.keys[i]->id == name.id) continue;
      ++totals_.renamed_keys;
      own_names.keys[i]->id = pending.at(i).id = name.id;
      own_names.keys[i]->mac = pending.at(i).mac = name.mac;
    }
    return own->encode();
  }

  std::string receive(const std::string& response) {
    if (unmanageable_ && state_.phase <= IssuerPhase::initialization) return step(response);
    auto session = IssuerSession::restore(encode(state_));
    if (!session) FAIL(session.error().detail);
    auto reply = session->receive(response, decisions_, context());
    if (!reply) FAIL(reply.error().detail);
    Outcome<IssuerState> after = decode_issuer_state(session->save().view());
    REQUIRE(after);
    state_ = std::move(after).value();
    return std::move(reply).value();
  }

  /// A step on its way to discovery, where the session becomes one that our issuer would run.
  std::string step(const std::string& response) {
    Outcome<IncomingMessage> message = IncomingMessage::parse(response, kMaxMessageToIssuer);
    REQUIRE(message);
    const IssuerContext context = this->context();
    const StepInput in{state_, decisions_, context};
    const auto run = state_.phase == IssuerPhase::invocation ? on_invocation : on_initialization;
    auto reply = run(in, *message);
    if (!reply) FAIL(reply.error().detail);
    if (state_.phase == IssuerPhase::discovery) {
      std::get<Discovering>(state_.data).plan.key_management_key = plan_.lookups.front().key_management_key;
      state_.manageable = true;
      ++totals_.unmanageable;
    }
    return std::move(reply).value();
  }

  const RecordedSession& session_;
  Totals& totals_;
  IssuancePlan plan_;
  RecordedDecisions decisions_;
  bool unmanageable_ = false;
  std::int64_t server_time_ = 0;
  test::FakeClock clock_{0};
  test::ScriptedRandom random_;
  IssuerState state_;
};

MessageType type_named(const std::string& qualifier) {
  for (std::size_t i = 0; i < kMessageTypeCount; ++i) {
    const auto type = static_cast<MessageType>(i);
    if (to_string(type) == qualifier) return type;
  }
  FAIL("no message: ", qualifier);
  return {};
}

Bytes base64(std::string text) {
  std::erase(text, '=');
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  const Result<Bytes> decoded = from_base64url(text);
  REQUIRE(decoded);
  return *decoded;
}

Bytes hex(const std::string& text) {
  const Result<Bytes> decoded = from_hex(text);
  REQUIRE(decoded);
  return *decoded;
}

RecordedSession read_session(const std::filesystem::path& folder) {
  const auto recording = conformance::read_recording(folder);
  if (!recording) FAIL(recording.error().detail);
  const conformance::Json& secrets = recording->secrets;
  RecordedSession session;
  for (const conformance::RecordedMessage& message : recording->messages)
    session.messages[type_named(message.qualifier)] = test::read_file((folder / message.file).string());
  session.issuer_uri = secrets["issuerUri"].get<std::string>();
  session.server_certificate = base64(secrets["serverCertificate"].get<std::string>());
  session.ephemeral_key =
      SecureBytes::copy_of(base64(secrets["serverEphemeralKey"]["privateKeyPkcs8"].get<std::string>()));
  for (const conformance::Json& encryption : secrets["encryptions"])
    session.encryptions.push_back(
        {hex(encryption["ivAndCiphertext"].get<std::string>()), hex(encryption["plaintext"].get<std::string>())});
  return session;
}

RecordedSession worked_session() {
  RecordedSession session;
  const std::filesystem::path folder = test::source_file("tests/vectors/keygen2");
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (entry.path().extension() == ".json")
      session.messages[type_named(entry.path().stem().string().substr(3))] = test::read_file((folder / file).string());
  }
  session.issuer_uri = "https://issuer.example.com/kg2";
  session.server_certificate = base64(
      "MIIBFzCBvaADAgECAgEBMAoGCCqGSM49BAMCMA0xCzAJBgNVBAMMAkNBMB4XDTE5MDEwMTAwMDAwMFoXDTM5MDEwMTAwMDAwMFowHTEbMBkGA1UE"
      "AwwSaXNzdWVyLmV4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEkOleBcrTt4geOzemutvHQ7nSrOmTzsubZMJBe5cw1iNrOcud"
      "21pTPOjRbe4yGJmzAc4oYjqeObfw4YMc-j-a3TAKBggqhkjOPQQDAgNJADBGAiEA0r1MhLnp5ugy0HrW2p739W9G6XyizfD96AG8rikcg7YCIQDP"
      "SAZo_LaYL9hJ3EtuWqnz3s2cXYnvD2qZX-_aw7bxGg");
  Bytes scalar;
  for (std::uint8_t i = 1; i <= 32; ++i) scalar.push_back(i);
  const auto ephemeral = crypto::PrivateKey::from_ec_scalar(Curve::p256, scalar);
  REQUIRE(ephemeral);
  auto pkcs8 = ephemeral->to_pkcs8();
  REQUIRE(pkcs8);
  session.ephemeral_key = std::move(pkcs8).value();

  Bytes symmetric_key;
  for (std::uint8_t i = 0; i < 20; ++i) symmetric_key.push_back(i);
  const auto creation = session.decoded<KeyCreationRequest>();
  const auto finalization = session.decoded<ProvisioningFinalizationRequest>();
  session.encryptions = {
      {creation.puk_policies.at(0).encrypted_puk, to_bytes(as_bytes("01234567"))},
      {finalization.credentials.at(0).extensions.at(1).data, to_bytes(as_bytes("secret"))},
      {finalization.credentials.at(1).symmetric_key->encrypted_key, symmetric_key},
  };
  return session;
}

}  // namespace

TEST_CASE("IssuerSession: makes the requests of 26 recorded sessions out of what their issuer knew") {
  Totals totals;
  std::set<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(test::source_file("tests/vectors/transcripts")))
    if (entry.is_directory()) folders.insert(entry.path());
  for (const std::filesystem::path& folder : folders) {
    CAPTURE(folder.filename().string());
    const RecordedSession session = read_session(folder);
    IssuerReplay(session, totals).run();
  }
  CHECK(totals.sessions == 26);
  CHECK(totals.requests == 105);
  CHECK(totals.unmanageable == 2);
  CHECK(totals.renamed_keys == 1);
}

TEST_CASE("IssuerSession: makes the requests of the worked session") {
  Totals totals;
  const RecordedSession session = worked_session();
  IssuerReplay(session, totals).run();
  CHECK(totals.requests == 5);
  CHECK(totals.unmanageable == 0);
  CHECK(totals.renamed_keys == 0);
}

TEST_CASE("IssuancePlan: the worked session uses its session key 24 times [keygen2.md 7.9, C.3]") {
  const RecordedSession session = worked_session();
  CHECK(session_key_uses(plan_of(session)) == 24);
}
