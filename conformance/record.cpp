#include "conformance/record.h"

#include <algorithm>
#include <fstream>

#include "conformance/live_key_store.h"
#include "conformance/record_scenarios.h"
#include "conformance/record_secrets.h"
#include "conformance/recording_store.h"
#include "keygen2/client_session.h"
#include "keygen2/issuer_state.h"
#include "keygen2/user_dialog.h"

namespace sks::conformance {
namespace {

constexpr const char* kHost = "issuer.example.com";
constexpr const char* kUri = "https://issuer.example.com/keygen2";
constexpr std::string_view kP256 = "https://webpki.github.io/sks/algorithm#ec.nist.p256";
constexpr std::int64_t kYear = 365 * 24 * 3600;
/// A session has ten messages at most, and each is the answer to the last.
constexpr int kMaxMessages = 10;

Error no_success(const keygen2::Failure& failure) {
  return {Status::internal, std::string(to_string(failure.error_class)) + ": " + failure.detail};
}

Result<crypto::PrivateKey> new_key() { return crypto::PrivateKey::generate(*find_algorithm(kP256)); }

Result<crypto::Certificate> certify(crypto::CertificateKind kind, const std::string& name, const crypto::PublicKey& key,
                                    const crypto::Certificate* issuer, const crypto::PrivateKey& issuer_key) {
  const std::int64_t now = system_clock().now();
  crypto::CertificateTemplate what{kind, {{"CN", name}}, now - kYear, now + kYear, {}, {}, {}};
  if (kind == crypto::CertificateKind::tls_server) what.dns_names = {kHost};
  return crypto::issue_certificate(what, key, issuer, issuer_key);
}

/// Agrees to everything.
class RecordedUser final : public keygen2::UserDialog {
 public:
  bool consent(const keygen2::ConsentRequest&) override { return true; }
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest&, const std::string& problem) override {
    if (!problem.empty()) return std::nullopt;
    return SecureBytes::copy_of(as_bytes(kUserPin));
  }
  bool accept_many_keys(std::size_t) override { return true; }
  bool disclose(const std::vector<std::string>&) override { return true; }
};

/// Certifies every key, and keeps what it signs with the key management key.
class RecordedIssuer final : public keygen2::IssuerDecisions {
 public:
  RecordedIssuer(const RecordContext& context, const RecordedScript& script, const crypto::PrivateKey& key,
                 const crypto::Certificate& certificate)
      : context_(context), script_(script), key_(key), certificate_(certificate) {}

  Result<void> accept_device(const crypto::CertificatePath&) override { return {}; }

  Result<keygen2::CredentialSpec> certify(const keygen2::AttestedKey& key) override {
    keygen2::CredentialSpec credential;
    if (script_.credential != nullptr) script_.credential(context_, credential);
    crypto::PublicKey subject = key.public_key;
    if (credential.private_key) {
      SKS_LET(const crypto::PrivateKey imported, crypto::PrivateKey::from_pkcs8(credential.private_key->view()));
      subject = imported.public_key();
    }
    SKS_LET(
        const crypto::Certificate certificate,
        conformance::certify(crypto::CertificateKind::tls_client, "Recorded " + key.id, subject, &certificate_, key_));
    issued.push_back(certificate.der());
    credential.certificate_path = std::vector<Bytes>{certificate.der(), certificate_.der()};
    return credential;
  }

  Result<Bytes> sign(ByteView key_management_key, ByteView data) override {
    for (const crypto::PrivateKey* const key : {&context_.key_management_key, &context_.next_key_management_key}) {
      if (!equal(key_management_key, key->public_key().spki())) continue;
      SKS_LET(Bytes signature, key->sign(data));
      signatures.push_back({key, to_bytes(data), signature});
      return signature;
    }
    return Error{Status::option, "an unknown key management key"};
  }

  Result<void> recognize(const keygen2::FoundKey&) override { return {}; }

  Result<keygen2::Management> manage(const std::vector<keygen2::FoundKey>&) override {
    return script_.manage == nullptr ? keygen2::Management() : script_.manage(context_);
  }

  std::vector<Bytes> issued;
  std::vector<RecordedSignature> signatures;

 private:
  const RecordContext& context_;
  const RecordedScript& script_;
  const crypto::PrivateKey& key_;
  const crypto::Certificate& certificate_;
};

/// All that the sessions of one scenario share.
struct RecordWorld {
  std::unique_ptr<LiveKeyStore> device;
  crypto::PrivateKey authority_key;
  crypto::Certificate authority;
  crypto::Certificate server;
  crypto::PrivateKey management_key;
  crypto::PrivateKey next_management_key;
};

Result<RecordWorld> make_world() {
  SKS_LET(std::unique_ptr<LiveKeyStore> device, LiveKeyStore::open("memory:"));
  SKS_LET(crypto::PrivateKey key, new_key());
  SKS_LET(const crypto::PrivateKey server_key, new_key());
  SKS_LET(crypto::PrivateKey management_key, new_key());
  SKS_LET(crypto::PrivateKey next_management_key, new_key());
  SKS_LET(crypto::Certificate authority,
          certify(crypto::CertificateKind::ca, "Recorded authority", key.public_key(), nullptr, key));
  SKS_LET(crypto::Certificate server,
          certify(crypto::CertificateKind::tls_server, kHost, server_key.public_key(), &authority, key));
  return RecordWorld{std::move(device),         std::move(key),
                     std::move(authority),      std::move(server),
                     std::move(management_key), std::move(next_management_key)};
}

/// One session, and the file of its secrets.
class SessionRecorder {
 public:
  SessionRecorder(RecordWorld& world, RecordContext& context, const RecordedScript& script)
      : world_(world),
        context_(context),
        script_(script),
        store_(world.device->store()),
        issuer_(context, script, world.authority_key, world.authority) {}

  Result<Recording> run(std::string_view test, std::size_t session) {
    SKS_TRY(exchange());
    SKS_TRY(use_keys());
    recording_.calls = store_.calls();
    SKS_LET(recording_.secrets,
            make_secrets(recording_, test, session,
                         {&*ephemeral_, {&world_.management_key, &world_.next_management_key}, issuer_.signatures}));
    return std::move(recording_);
  }

 private:
  keygen2::IssuerContext issuer_context() const { return {system_clock(), system_random(), {world_.server.der()}}; }

  Result<void> exchange() {
    auto issuer = keygen2::IssuerSession::start(script_.plan(context_), issuer_context());
    if (!issuer) return no_success(issuer.error());
    begin_client();
    std::string request = issuer->invocation_request();
    while (!request.empty() && recording_.messages.size() < kMaxMessages) {
      SKS_TRY(keep(request));
      const auto response = client_->receive(request);
      if (!response) return no_success(response.error());
      SKS_TRY(keep(*response));
      auto next = issuer->receive(*response, issuer_, issuer_context());
      if (next && issuer->phase() == keygen2::IssuerPhase::suspended) {
        SKS_TRY(end_client());
        begin_client();  // another run takes up where this one stopped
        next = issuer->resume(issuer_, issuer_context());
      }
      if (!next) return no_success(next.error());
      request = std::move(next).value();
      SKS_TRY(keep_ephemeral_key(*issuer));
    }
    SKS_TRY(end_client());
    owner_ = {issuer->server_session_id(), issuer->client_session_id()};
    return {};
  }

  void begin_client() {
    client_.emplace(store_, user_, system_clock(), keygen2::ClientContext{kUri, kHost, world_.server.der()});
  }
  Result<void> end_client() {
    const auto ended = client_->terminated();
    return ended ? Result<void>() : Result<void>(no_success(ended.error()));
  }

  Result<void> keep(const std::string& message) {
    SKS_LET(Json content, parse_document(message));
    const std::size_t number = recording_.messages.size() + 1;
    std::string qualifier = content.is_object() ? content.value("@qualifier", "") : "";
    const std::string digits = std::to_string(number);
    const std::string file = std::string(2 - std::min<std::size_t>(2, digits.size()), '0') + digits + '-' + qualifier;
    recording_.messages.push_back({file + ".json", number, std::move(qualifier), std::move(content)});
    store_.after_message(number);
    return {};
  }

  /// The issuer half tells its secrets to nobody. It writes them into the bytes with which it is carried over from one
  /// process to another, and those who keep the bytes can open them: here, while it waits with its ephemeral key.
  Result<void> keep_ephemeral_key(const keygen2::IssuerSession& issuer) {
    if (issuer.phase() != keygen2::IssuerPhase::initialization) return {};
    const auto state = keygen2::decode_issuer_state(issuer.save().view());
    if (!state) return no_success(state.error());
    const auto* const waiting = std::get_if<keygen2::Initializing>(&state->data);
    SKS_CHECK(waiting != nullptr);
    SKS_LET(const SecureBytes pkcs8, waiting->ephemeral_key->to_pkcs8());
    SKS_LET(crypto::PrivateKey key, crypto::PrivateKey::from_pkcs8(pkcs8.view()));
    ephemeral_.emplace(std::move(key));
    return {};
  }

  /// Looks at every key that there is now, as applications do, and uses those of this session.
  Result<void> use_keys() {
    KeyHandle previous;
    for (;;) {
      SKS_LET(const std::optional<EnumeratedKey> next, store_.enumerate_keys(previous));
      if (!next) break;
      previous = next->handle;
      SKS_LET(const KeyAttributes attributes, store_.get_key_attributes(previous));
      const Bytes& certificate = attributes.certificate_path.front();
      if (std::ranges::find(issuer_.issued, certificate) == issuer_.issued.end()) continue;
      SKS_TRY(store_.get_key_protection_info(previous));
      if (script_.afterwards != nullptr) script_.afterwards(store_, previous);
      context_.issued.push_back({certificate, owner_, script_.plan(context_).key_management_key, attributes.app_usage});
    }
    return {};
  }

  RecordWorld& world_;
  RecordContext& context_;
  const RecordedScript& script_;
  RecordingKeyStore store_;
  RecordedUser user_;
  RecordedIssuer issuer_;
  std::optional<keygen2::ClientSession> client_;
  Recording recording_;
  keygen2::SessionIds owner_;
  std::optional<crypto::PrivateKey> ephemeral_;
};

Result<void> write_file(const std::filesystem::path& file, const Json& content) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << content.dump(2) << '\n';
  if (out.flush()) return {};
  return Error{Status::not_available, "cannot write " + file.string()};
}

Result<void> write_recording(const Recording& recording, const std::filesystem::path& folder) {
  std::error_code problem;
  const bool made = std::filesystem::create_directories(folder, problem);
  if (problem) return Error{Status::not_available, "cannot make " + folder.string() + ": " + problem.message()};
  if (!made) return Error{Status::option, folder.string() + " exists already"};
  Json calls = Json::array();
  for (const RecordedCall& call : recording.calls)
    calls.push_back(
        {{"method", call.method}, {"afterMessage", call.after_message}, {"in", call.in}, {"out", call.out}});
  for (const RecordedMessage& message : recording.messages) SKS_TRY(write_file(folder / message.file, message.content));
  SKS_TRY(write_file(folder / kCallsFile, calls));
  return write_file(folder / kSecretsFile, recording.secrets);
}

}  // namespace

std::vector<ScenarioName> record_scenarios() {
  std::vector<ScenarioName> names;
  for (const RecordScenario& scenario : scenarios()) names.push_back({scenario.name, scenario.help});
  return names;
}

Result<std::vector<std::string>> record(const std::string& scenario, const std::filesystem::path& out) {
  const auto rows = scenarios();
  const auto row = std::ranges::find(rows, scenario, &RecordScenario::name);
  if (row == rows.end()) return Error{Status::option, "no scenario is called " + scenario};
  SKS_LET(RecordWorld world, make_world());
  RecordContext context{kUri, world.management_key, world.next_management_key, {}};
  std::vector<std::string> folders;
  for (std::size_t i = 0; i < row->sessions.size(); ++i) {
    const std::string number = row->sessions.size() == 1 ? "" : '-' + std::to_string(i + 1);
    const std::filesystem::path folder = out / (scenario + number);
    auto recording = SessionRecorder(world, context, row->sessions[i]).run(scenario, i + 1);
    if (!recording) return Error{recording.error().status, scenario + number + ": " + recording.error().detail};
    SKS_TRY(write_recording(*recording, folder));
    folders.push_back(folder.string());
  }
  return folders;
}

}  // namespace sks::conformance
