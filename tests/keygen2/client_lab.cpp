#include "tests/keygen2/client_lab.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <new>

#include "sks-core/base/encoding.h"
#include "sks-core/wire/client.h"
#include "sks-core/wire/methods.h"

namespace sks::test {
namespace {

constexpr std::uint8_t kActivateMethod = 24;
constexpr std::uint8_t kDeactivateMethod = 25;

const crypto::PrivateKey& authority_key() {
  static const crypto::PrivateKey key = crypto::PrivateKey::generate(*find_algorithm(kP256)).value();
  return key;
}

const crypto::Certificate& authority_certificate() {
  const crypto::CertificateTemplate what{
      crypto::CertificateKind::ca, {{"CN", "Lab CA"}}, kNow - 1000, kNow + 1000000, {}, {}, {}};
  static const crypto::Certificate certificate =
      crypto::issue_certificate(what, authority_key().public_key(), nullptr, authority_key()).value();
  return certificate;
}

attestation::SoftwareIdentity new_identity(const Clock& clock) {
  auto identity = attestation::SoftwareIdentity::create("Lab device", attestation::AttestationKeyType::p256, clock);
  SKS_CHECK(static_cast<bool>(identity));
  return std::move(identity).value();
}

}  // namespace

bool LabUser::consent(const keygen2::ConsentRequest& request) {
  if (throws) throw std::bad_alloc();
  consents.push_back(request);
  return agrees;
}

std::optional<SecureBytes> LabUser::choose_pin(const keygen2::PinRequest&, const std::string& problem) {
  if (throws) throw std::bad_alloc();
  if (!pin || !problem.empty()) return std::nullopt;
  return secret(*pin);
}

bool LabUser::accept_many_keys(std::size_t) { return false; }

bool LabUser::disclose(const std::vector<std::string>& attributes) {
  disclosures.push_back(attributes);
  return discloses;
}

void LabUser::creating_key(const keygen2::KeyCreationProgress& key) { progress.push_back(key); }

Result<keygen2::CredentialSpec> LabDecisions::certify(const keygen2::AttestedKey& key) {
  const crypto::CertificateTemplate what{
      crypto::CertificateKind::tls_client, {{"CN", key.id}}, kNow - 1000, kNow + 1000000, {}, {}, {}};
  SKS_LET(const crypto::Certificate certificate,
          crypto::issue_certificate(what, key.public_key, &authority_certificate(), authority_key()));
  keygen2::CredentialSpec spec;
  spec.certificate_path = std::vector<Bytes>{certificate.der(), authority_certificate().der()};
  if (adapt) adapt(spec);
  return spec;
}

Result<Bytes> LabDecisions::sign(ByteView key_management_key, ByteView data) {
  return management_key(key_management_key).sign(data);
}

Result<keygen2::Management> LabDecisions::manage(const std::vector<keygen2::FoundKey>& keys) {
  found = keys;
  return decide ? decide(keys) : keygen2::Management{};
}

Bytes LabDecisions::new_management_key(const char* algorithm) {
  Result<crypto::PrivateKey> key = crypto::PrivateKey::generate(*find_algorithm(algorithm));
  REQUIRE(key);
  management_keys_.push_back(std::move(key).value());
  return management_keys_.back().public_key().spki();
}

const crypto::PrivateKey& LabDecisions::management_key(ByteView spki) const {
  const auto found_key = std::ranges::find_if(
      management_keys_, [&](const crypto::PrivateKey& key) { return equal(key.public_key().spki(), spki); });
  REQUIRE(found_key != management_keys_.end());
  return *found_key;
}

Result<SecureBytes> WatchedChannel::transact(ByteView request) {
  const auto* const method = std::ranges::find(wire::kMethodNames, request.front(), &wire::MethodName::id);
  REQUIRE(method != wire::kMethodNames.end());
  calls.emplace_back(method->name);
  if (fails_at == calls.back()) return Error{Status::external, "the connection is broken"};
  if (throws_at == calls.back()) throw std::bad_alloc();
  Bytes sent = to_bytes(request);
  // As one that has never heard of them: the dispatcher knows no method 0.
  const bool is_extension = sent.front() == kActivateMethod || sent.front() == kDeactivateMethod;
  if (is_extension && !has_extensions) sent.front() = 0;
  return wire::LocalChannel(store_).transact(sent);
}

ClientLab::ClientLab() : identity(new_identity(clock)) {
  Result<std::unique_ptr<Engine>> opened =
      Engine::open({storage, identity, system_key_source(), system_random(), clock});
  REQUIRE(opened);
  store = std::move(opened).value();
  auto watched = std::make_unique<WatchedChannel>(*store);
  channel = watched.get();
  remote = std::make_unique<wire::RemoteKeyStore>(std::move(watched));
}

void ClientLab::new_client() { client.emplace(*remote, user, clock, context); }

void ClientLab::start(const keygen2::IssuancePlan& plan) {
  new_client();
  auto started = keygen2::IssuerSession::start(plan, {clock, system_random(), {context.server_certificate}});
  if (!started) FAIL(started.error().detail);
  issuer.emplace(std::move(started).value());
  last = issuer->invocation_request();
  to_client_next = true;
}

std::string ClientLab::pass(int count) {
  for (int i = 0; i < count; ++i) {
    keygen2::Outcome<std::string> reply =
        to_client_next ? client->receive(last)
                       : issuer->receive(last, decisions, {clock, system_random(), {context.server_certificate}});
    if (!reply) FAIL(std::string(to_string(reply.error().error_class)), ": ", reply.error().detail);
    last = std::move(reply).value();
    to_client_next = !to_client_next;
  }
  return last;
}

void ClientLab::finish() {
  while (!last.empty()) pass(1);
  const auto ending = client->terminated();
  REQUIRE(ending);
  CHECK(*ending == keygen2::Ending::finished);
  CHECK(issuer->phase() == keygen2::IssuerPhase::done);
}

void ClientLab::run(const keygen2::IssuancePlan& plan) {
  start(plan);
  finish();
}

keygen2::IssuancePlan ClientLab::plan(Bytes management_key) const {
  keygen2::IssuancePlan plan;
  plan.issuer_uri = context.issuer_uri;
  plan.key_management_key = std::move(management_key);
  keygen2::PinPolicySpec policy;
  policy.grouping = 1;
  policy.keys.push_back(key_spec());
  plan.pin_policies.push_back(std::move(policy));
  plan.keys.push_back(key_spec());
  plan.reserve = {2, 4, 4, 8};
  return plan;
}

keygen2::IssuancePlan ClientLab::discovery_plan(Bytes management_key, Bytes old_management_key) const {
  keygen2::IssuancePlan plan;
  plan.issuer_uri = context.issuer_uri;
  plan.key_management_key = std::move(management_key);
  plan.keys.push_back(key_spec());
  plan.lookups.push_back({std::move(old_management_key), std::nullopt});
  plan.reserve = {2, 4, 4, 8};
  return plan;
}

std::vector<SessionInfo> ClientLab::sessions(SessionState state) {
  std::vector<SessionInfo> result;
  for (;;) {
    const auto next =
        store->enumerate_provisioning_sessions(result.empty() ? ProvisioningHandle{} : result.back().handle, state);
    REQUIRE(next);
    if (!*next) return result;
    result.push_back(**next);
  }
}

std::vector<KeyHandle> ClientLab::keys() {
  std::vector<KeyHandle> result;
  for (;;) {
    const auto next = store->enumerate_keys(result.empty() ? KeyHandle{} : result.back());
    REQUIRE(next);
    if (!*next) return result;
    result.push_back((*next)->handle);
  }
}

std::string ClientLab::contents() {
  std::string text;
  // The very answers of the byte stream, so that nothing is left out.
  wire::LocalChannel direct(*store);
  const auto ask = [&](Bytes request) {
    const Result<SecureBytes> answer = direct.transact(request);
    REQUIRE(answer);
    text += to_hex(request) + "=" + to_hex(answer->view()) + "\n";
  };
  const auto with_handle = [](std::uint8_t method, std::uint32_t handle) {
    return Bytes{method, static_cast<std::uint8_t>(handle >> 24), static_cast<std::uint8_t>(handle >> 16),
                 static_cast<std::uint8_t>(handle >> 8), static_cast<std::uint8_t>(handle)};
  };
  for (const SessionState state : {SessionState::closed, SessionState::open}) {
    std::uint32_t previous = 0;
    for (const SessionInfo& session : sessions(state)) {
      Bytes request = with_handle(4, previous);
      request.push_back(static_cast<std::uint8_t>(state));
      ask(request);
      previous = session.handle.value;
    }
  }
  std::uint32_t previous = 0;
  for (const KeyHandle key : keys()) {
    ask(with_handle(70, previous));
    ask(with_handle(71, key.value));
    ask(with_handle(72, key.value));
    previous = key.value;
  }
  return text;
}

bool ClientLab::signs(KeyHandle key, std::string_view pin) {
  const Authorization authorization{secret(pin), false};
  const Result<Bytes> signature = store->sign_data(key, kEcdsaSha256, {}, authorization, as_bytes("data"));
  if (!signature) return false;
  const auto attributes = store->get_key_attributes(key);
  REQUIRE(attributes);
  const auto certificate = crypto::Certificate::from_der(attributes->certificate_path.front());
  REQUIRE(certificate);
  return static_cast<bool>(crypto::verify_signature(*certificate->public_key(), as_bytes("data"), *signature));
}

keygen2::TargetKey target_of(const keygen2::FoundKey& found, ByteView management_key) {
  return {found.credential.certificate_path.front(), found.credential.owner, to_bytes(management_key), std::nullopt};
}

}  // namespace sks::test
