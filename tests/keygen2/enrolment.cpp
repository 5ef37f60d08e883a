#include "tests/keygen2/enrolment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <new>

#include "keygen2/mac_data.h"

namespace sks::test {
namespace {

crypto::PrivateKey new_key(const char* algorithm) {
  Result<crypto::PrivateKey> key = crypto::PrivateKey::generate(*find_algorithm(algorithm));
  SKS_CHECK(static_cast<bool>(key));
  return std::move(key).value();
}

crypto::Certificate self_signed(const crypto::PrivateKey& key) {
  crypto::CertificateTemplate what{
      crypto::CertificateKind::ca, {{"CN", "Test CA"}}, kNow - 1000, kNow + 1000000, {}, {}, {}};
  Result<crypto::Certificate> certificate = crypto::issue_certificate(what, key.public_key(), nullptr, key);
  SKS_CHECK(static_cast<bool>(certificate));
  return std::move(certificate).value();
}

crypto::CertificateTemplate client_certificate(const std::string& name) {
  return {crypto::CertificateKind::tls_client, {{"CN", name}}, kNow - 1000, kNow + 1000000, {}, {}, {}};
}

attestation::SoftwareIdentity new_identity(const Clock& clock) {
  auto identity = attestation::SoftwareIdentity::create("Test device", attestation::AttestationKeyType::p256, clock);
  SKS_CHECK(static_cast<bool>(identity));
  return std::move(identity).value();
}

}  // namespace

SecureBytes secret(std::string_view text) { return SecureBytes::copy_of(as_bytes(text)); }

bool ScriptedUser::consent(const keygen2::ConsentRequest& request) {
  consents.push_back(request);
  return agrees;
}

std::optional<SecureBytes> ScriptedUser::choose_pin(const keygen2::PinRequest& request, const std::string& problem) {
  requests.push_back(request);
  problems.push_back(problem);
  if (runs_out_of_memory) throw std::bad_alloc();
  if (pins.empty()) return std::nullopt;
  SecureBytes pin = secret(pins.front());
  pins.pop_front();
  return pin;
}

bool ScriptedUser::accept_many_keys(std::size_t count) {
  many = count;
  return accepts_many;
}

TestAuthority::TestAuthority()
    : key_(new_key(kP256)), certificate_(self_signed(key_)), path_(std::vector<Bytes>{certificate_.der()}) {}

Result<void> TestAuthority::accept_device(const crypto::CertificatePath& path) {
  devices.push_back(path.der());
  if (accepts) return {};
  return Error{Status::not_allowed, "unknown device"};
}

Result<void> TestAuthority::accept_client_session(std::string_view client_session_id) {
  if (std::ranges::find(client_sessions_on_record, client_session_id) == client_sessions_on_record.end()) return {};
  return Error{Status::not_allowed, "there is a session with this client session id"};
}

Result<keygen2::CredentialSpec> TestAuthority::certify(const keygen2::AttestedKey& key) {
  if (runs_out_of_memory) throw std::bad_alloc();
  if (!certifies) return Error{Status::not_allowed, "no more certificates"};
  certified.push_back(key.id);
  const crypto::CertificateTemplate what = client_certificate(key.id);
  const crypto::PublicKey& certified_key = mistakes_key ? key_.public_key() : key.public_key;
  keygen2::CredentialSpec spec;
  SKS_LET(spec.certificate_path, crypto::issue_below(path_, what, certified_key, key_));
  if (more_certificates > 0) {
    std::vector<Bytes> longer = spec.certificate_path.der();
    longer.insert(longer.end(), more_certificates, certificate_.der());
    spec.certificate_path = longer;
  }
  if (adjust) adjust(key, spec);
  return spec;
}

crypto::Certificate TestAuthority::certificate_for(const crypto::PublicKey& key, const std::string& name) const {
  Result<crypto::Certificate> certificate =
      crypto::issue_certificate(client_certificate(name), key, &certificate_, key_);
  SKS_CHECK(static_cast<bool>(certificate));
  return std::move(certificate).value();
}

Result<Bytes> TestAuthority::sign(ByteView key_management_key, ByteView data) {
  const auto key = management_keys_.find(to_bytes(key_management_key));
  if (key == management_keys_.end()) return Error{Status::no_key, "unknown key management key"};
  return key->second.sign(data);
}

Result<void> TestAuthority::recognize(const keygen2::FoundKey&) {
  if (recognizes) return {};
  return Error{Status::not_allowed, "a key of somebody else"};
}

Result<keygen2::Management> TestAuthority::manage(const std::vector<keygen2::FoundKey>& keys) {
  found = keys;
  return decide ? decide(keys) : keygen2::Management();
}

Bytes TestAuthority::add_management_key(const char* algorithm) {
  crypto::PrivateKey key = new_key(algorithm);
  Bytes spki = key.public_key().spki();
  management_keys_.emplace(spki, std::move(key));
  return spki;
}

keygen2::RollOver TestAuthority::roll_over(const Bytes& older, const Bytes& newer,
                                           std::vector<keygen2::RollOver> oldest) {
  Result<Bytes> authorization = sign(older, keygen2::roll_over_data(newer));
  SKS_CHECK(static_cast<bool>(authorization));
  return {older, std::move(authorization).value(), std::move(oldest)};
}

keygen2::KeySpec key_spec(const char* algorithm, std::uint8_t app_usage) {
  keygen2::KeySpec key;
  key.app_usage = app_usage;
  key.key_algorithm = algorithm;
  return key;
}

keygen2::IssuancePlan plan_with_key() {
  keygen2::IssuancePlan plan;
  plan.issuer_uri = kIssuerUri;
  plan.keys.push_back(key_spec());
  return plan;
}

keygen2::IssuancePlan plan_with_lookup(const Bytes& key_management_key) {
  keygen2::IssuancePlan plan;
  plan.issuer_uri = kIssuerUri;
  plan.key_management_key = key_management_key;
  plan.lookups.push_back({key_management_key, std::nullopt});
  plan.reserve.target_operations = 10;
  return plan;
}

keygen2::TargetKey target_of(const keygen2::FoundKey& key, const keygen2::IssuancePlan& plan) {
  return {key.credential.certificate_path.front(), key.credential.owner, plan.lookups.at(key.lookup).key_management_key,
          std::nullopt};
}

Enrolment::Enrolment(keygen2::IssuancePlan issuance_plan, const EngineConfig& config)
    : plan(std::move(issuance_plan)), identity(new_identity(clock)) {
  Result<std::unique_ptr<Engine>> opened =
      Engine::open({storage, identity, key_source, system_random(), clock}, config);
  REQUIRE(opened);
  store = std::move(opened).value();
  replace_client();
}

void Enrolment::replace_client() {
  client.emplace(*store, user, clock,
                 keygen2::ClientContext{kIssuerUri, "issuer.example.com", server_certificates.front()});
}

std::string Enrolment::start() {
  auto started = keygen2::IssuerSession::start(plan, issuer_context());
  if (!started) FAIL(started.error().detail);
  issuer.emplace(std::move(started).value());
  last = issuer->invocation_request();
  messages = {last};
  passed_ = 0;
  return last;
}

std::string Enrolment::start_another(keygen2::IssuancePlan next) {
  plan = std::move(next);
  replace_client();
  return start();
}

void Enrolment::pass_all() {
  while (!last.empty()) pass(1);
}

std::string Enrolment::pass(int count) {
  for (int i = 0; i < count; ++i) {
    keygen2::Outcome<std::string> reply = passed_++ % 2 == 0 ? to_client(last) : to_issuer(last);
    if (!reply) FAIL(std::string(to_string(reply.error().error_class)), ": ", reply.error().detail);
    last = std::move(reply).value();
    messages.push_back(last);
  }
  return last;
}

keygen2::Outcome<std::string> Enrolment::to_client(const std::string& message) { return client->receive(message); }

keygen2::Outcome<std::string> Enrolment::to_issuer(const std::string& message) {
  if (saves_issuer) {
    auto restored = keygen2::IssuerSession::restore(issuer->save());
    REQUIRE(restored);
    issuer.emplace(std::move(restored).value());
  }
  return issuer->receive(message, authority, issuer_context());
}

keygen2::Outcome<std::string> Enrolment::resume_issuer() {
  if (saves_issuer) {
    auto restored = keygen2::IssuerSession::restore(issuer->save());
    REQUIRE(restored);
    issuer.emplace(std::move(restored).value());
  }
  keygen2::Outcome<std::string> request = issuer->resume(authority, issuer_context());
  if (!request) return request;
  last = *request;
  messages.push_back(last);
  passed_ = 0;
  return request;
}

std::size_t Enrolment::count_sessions(SessionState state) {
  std::size_t count = 0;
  ProvisioningHandle at;
  for (;;) {
    const auto next = store->enumerate_provisioning_sessions(at, state);
    REQUIRE(next);
    if (!*next) return count;
    at = (*next)->handle;
    ++count;
  }
}

std::vector<KeyHandle> Enrolment::keys() {
  std::vector<KeyHandle> result;
  KeyHandle at;
  for (;;) {
    const auto next = store->enumerate_keys(at);
    REQUIRE(next);
    if (!*next) return result;
    at = (*next)->handle;
    result.push_back(at);
  }
}

}  // namespace sks::test
