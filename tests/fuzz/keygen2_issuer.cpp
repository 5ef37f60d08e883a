#include <algorithm>
#include <map>

#include "keygen2/issuer_state.h"
#include "keygen2/messages.h"
#include "tests/fuzz/checks.h"
#include "tests/fuzz/device.h"
#include "tests/keygen2/enrolment.h"

/// Messages into an issuer session, as a hostile client sends them: the responses of a valid run, altered, in any
/// order, in any state. Randomness and decisions are those of the valid run, so that its responses stay valid for as
/// long as they are not altered.
namespace sks::fuzz {
namespace {

using namespace keygen2;

constexpr std::size_t kMostSteps = 16;

class FixedRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) const override { std::ranges::fill(out, std::uint8_t{0x5A}); }
};

/// Decides as before, and signs and certifies nothing else.
class RepeatedDecisions final : public IssuerDecisions {
 public:
  explicit RepeatedDecisions(IssuerDecisions& original) : original_(&original) {}
  void repeat() { original_ = nullptr; }

  Result<void> accept_device(const crypto::CertificatePath&) override { return {}; }
  Result<void> recognize(const FoundKey&) override { return {}; }
  Result<Management> manage(const std::vector<FoundKey>& found) override {
    Management management;
    for (const FoundKey& key : found)
      management.operations.unlock.push_back(
          {key.credential.certificate_path.front(), key.credential.owner, management_key, std::nullopt});
    return management;
  }
  Result<Bytes> sign(ByteView key_management_key, ByteView data) override {
    return once(signatures_[to_bytes(data)], [&] { return original_->sign(key_management_key, data); });
  }
  Result<CredentialSpec> certify(const AttestedKey& key) override {
    CredentialSpec spec;
    SKS_LET(const std::vector<Bytes> path, once(paths_[key.public_key.spki()], [&]() -> Result<std::vector<Bytes>> {
              SKS_LET(CredentialSpec made, original_->certify(key));
              return made.certificate_path.der();
            }));
    spec.certificate_path = path;
    return spec;
  }

  Bytes management_key;

 private:
  template <class T, class Make>
  Result<T> once(T& known, Make make) {
    if (!known.empty()) return known;
    if (original_ == nullptr) return Error{Status::not_allowed, "not decided in the valid run"};
    SKS_LET(known, make());
    return known;
  }

  IssuerDecisions* original_;
  std::map<Bytes, Bytes> signatures_;
  std::map<Bytes, std::vector<Bytes>> paths_;
};

/// One state of the valid run, and the response that leads out of it.
struct Stop {
  SecureBytes saved;
  std::string response;  ///< empty when suspended
};

class ValidRun {
 public:
  ValidRun() : device_(test::plan_with_key()), decisions(device_.authority) {
    decisions.management_key = device_.authority.add_management_key();
    device_.plan = enrolment_plan();
    device_.start();
    device_.pass_all();
    device_.start_another(discovery_plan());
    record();
    decisions.repeat();
  }

  IssuerContext context() const { return {clock_, random_, {Bytes{1, 2, 3}}}; }
  const SecureBytes& ephemeral_key() const { return ephemeral_key_; }

  std::vector<Stop> stops;  ///< by phase; the last one is done

 private:
  static PinPolicySpec pin_policy() {
    PinPolicySpec policy;
    policy.keys.push_back(test::key_spec());
    policy.keys.back().preset_pin = test::secret("1357");
    return policy;
  }

  IssuancePlan enrolment_plan() const {
    IssuancePlan plan = test::plan_with_key();
    plan.key_management_key = decisions.management_key;
    plan.keys.clear();
    plan.pin_policies.push_back(pin_policy());
    return plan;
  }

  IssuancePlan discovery_plan() const {
    IssuancePlan plan = test::plan_with_lookup(decisions.management_key);
    plan.capability_queries = {"https://webpki.github.io/keygen2/feature#biometric-support",
                               "https://webpki.github.io/keygen2/clientattr#os-vendor",
                               "https://webpki.github.io/keygen2/logotype#card"};
    plan.deferred_issuance = true;
    plan.puk_policies.emplace_back();
    plan.puk_policies.back().puk = test::secret("12345678");
    plan.puk_policies.back().pin_policies.push_back(pin_policy());
    plan.keys.push_back(test::key_spec());
    return plan;
  }

  void record() {
    IssuerSession& issuer = *device_.issuer;
    std::string message = device_.last;
    while (issuer.phase() != IssuerPhase::done) {
      stops.push_back({issuer.save(), {}});
      if (issuer.phase() == IssuerPhase::suspended) {
        device_.replace_client();
        message = issuer.resume(decisions, context()).value();
        continue;
      }
      stops.back().response = device_.to_client(message).value();
      message = issuer.receive(stops.back().response, decisions, context()).value();
      if (issuer.phase() == IssuerPhase::initialization)
        ephemeral_key_ = std::get<Initializing>(decode_issuer_state(issuer.save().view()).value().data)
                             .ephemeral_key->to_pkcs8()
                             .value();
      if (issuer.phase() == IssuerPhase::suspended)
        require(static_cast<bool>(device_.client->terminated()), "suspended");
    }
    stops.push_back({issuer.save(), {}});
  }

  test::Enrolment device_;
  const test::FakeClock clock_{test::kNow};
  const FixedRandom random_;
  SecureBytes ephemeral_key_;

 public:
  RepeatedDecisions decisions;
};

/// A message of the valid run after a few alterations that the input chooses.
std::string altered(Input& in, const std::vector<Stop>& stops, std::string message) {
  for (std::size_t changes = in.below(4); changes > 0; --changes) {
    const std::size_t at = message.empty() ? 0 : in.u16() % message.size();
    const std::size_t size = in.below(64);
    const auto replacement = [&] {
      const ByteView bytes = in.take(size);
      return std::string(bytes.begin(), bytes.end());
    };
    switch (in.below(5)) {
      case 0:
        if (!message.empty())
          message[at] = static_cast<char>(static_cast<unsigned char>(message[at]) ^ 1U << in.below(8));
        break;
      case 1:
        message.replace(at, size, replacement());
        break;
      case 2:
        message.insert(at, replacement());
        break;
      case 3:
        message.insert(at, message.substr(at, size));
        break;
      default: {
        const std::string& other = in.one_of(stops).response;
        message.replace(at, size, other.substr(other.empty() ? 0 : in.u16() % other.size(), size));
      }
    }
  }
  return message;
}

template <class T>
T read(const std::string& text) {
  auto message = IncomingMessage::parse(text, kMaxMessageToIssuer);
  require(message && message->type() == T::kType, "what was accepted has the right type");
  auto decoded = message->decode<T>();
  require(static_cast<bool>(decoded), "what was accepted decodes");
  return std::move(decoded).value();
}

/// What an attestation covers is what the key store has attested.
void check_accepted(IssuerPhase phase, const std::string& accepted, const std::string& valid) {
  if (phase == IssuerPhase::initialization) {
    const auto own = read<ProvisioningInitializationResponse>(accepted);
    const auto genuine = read<ProvisioningInitializationResponse>(valid);
    require(own.ids == genuine.ids && own.client_time == genuine.client_time &&
                own.attestation == genuine.attestation &&
                own.client_ephemeral_key->spki() == genuine.client_ephemeral_key->spki() && own.device_path &&
                own.device_path->front() == genuine.device_path->front(),
            "a session is what its attestation says");
  }
  if (phase == IssuerPhase::key_creation) {
    const auto own = read<KeyCreationResponse>(accepted);
    const auto genuine = read<KeyCreationResponse>(valid);
    require(std::ranges::equal(own.keys, genuine.keys,
                               [](const GeneratedKey& a, const GeneratedKey& b) {
                                 return a.id == b.id && a.public_key->spki() == b.public_key->spki() &&
                                        a.attestation == b.attestation;
                               }),
            "keys are what their attestations say");
  }
  if (phase == IssuerPhase::finalization) {
    require(read<ProvisioningFinalizationResponse>(accepted).attestation ==
                read<ProvisioningFinalizationResponse>(valid).attestation,
            "a session ends with its attestation");
  }
}

/// The session after it was saved and restored, with the ephemeral key that the valid responses belong to.
IssuerSession carried_over(const IssuerSession& session, const ValidRun& valid) {
  const SecureBytes saved = session.save();
  auto state = decode_issuer_state(saved.view());
  require(static_cast<bool>(state), "a saved session decodes");
  require(equal(encode(*state).view(), saved.view()), "a saved session has one form");
  if (auto* const data = std::get_if<Initializing>(&state->data))
    data->ephemeral_key = crypto::PrivateKey::from_pkcs8(valid.ephemeral_key().view()).value();
  auto restored = IssuerSession::restore(encode(*state));
  require(static_cast<bool>(restored), "a saved session is restored");
  return std::move(restored).value();
}

/// A session in the hands of a hostile client.
class Attack {
 public:
  Attack(const ValidRun& valid, RepeatedDecisions& decisions, const Stop& start)
      : valid_(valid), decisions_(decisions), issuer_(IssuerSession::restore(start.saved).value()) {
    over_ = issuer_.phase() == IssuerPhase::done;
  }

  void resume() {
    const bool suspended = !over_ && issuer_.phase() == IssuerPhase::suspended;
    const auto request = issuer_.resume(decisions_, valid_.context());
    require(suspended || !request, "only a suspended run is resumed");
    require(request || !suspended || !genuine_, "a suspended run is resumed");
    over_ = over_ || !request;
    issuer_ = carried_over(issuer_, valid_);
  }

  void send(const std::string& message) {
    const IssuerPhase before = issuer_.phase();
    const std::string& expected = valid_.stops.at(static_cast<std::size_t>(before)).response;
    const bool is_expected = genuine_ && !over_ && !expected.empty() && message == expected;
    const auto reply = issuer_.receive(message, decisions_, valid_.context());
    require(!over_ || !reply, "a run that is over does not go on");
    require(reply || issuer_.phase() == before, "a failure changes no phase");
    require(reply || !is_expected, "a valid response is accepted");
    if (reply) check_accepted(before, message, expected);
    genuine_ = genuine_ && message == expected;
    over_ = over_ || !reply || issuer_.phase() == IssuerPhase::done;
    issuer_ = carried_over(issuer_, valid_);
  }

  const std::string& expected() const { return valid_.stops.at(static_cast<std::size_t>(issuer_.phase())).response; }

 private:
  const ValidRun& valid_;
  RepeatedDecisions& decisions_;
  IssuerSession issuer_;
  bool over_ = false;
  bool genuine_ = true;  ///< nothing but valid responses so far
};

void run(Input in) {
  make_checks_fatal();
  static ValidRun valid;
  Attack attack(valid, valid.decisions, in.one_of(valid.stops));
  for (std::size_t step = 0; step < kMostSteps && !in.at_end(); ++step) {
    const std::size_t choice = in.below(8);
    if (choice == 7) {
      attack.resume();
      continue;
    }
    const std::string& base = choice == 6 ? in.one_of(valid.stops).response : attack.expected();
    attack.send(altered(in, valid.stops, base));
  }
}

}  // namespace
}  // namespace sks::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sks::fuzz::run(sks::fuzz::Input(sks::ByteView(data, size)));
  return 0;
}
