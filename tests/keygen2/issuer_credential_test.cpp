#include <doctest/doctest.h>

#include <array>

#include "keygen2/enumerations.h"
#include "keygen2/issuer_state.h"
#include "sks-core/crypto/private_key.h"
#include "tests/keygen2/enrolment.h"
#include "tests/keygen2/json_edit.h"

// What an issuer may decide while a session runs: what a key gets, what happens to other keys, and how much of it the
// session key allows. Spec: keygen2.md 4.12, 7.9, 7.11.
using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;
namespace edit = sks::test::json_edit;

namespace {

constexpr std::uint8_t kPlain = 0;

crypto::PrivateKey new_key(const char* algorithm = kP256) {
  auto key = crypto::PrivateKey::generate(*find_algorithm(algorithm));
  REQUIRE(key);
  return std::move(key).value();
}

std::string_view class_of(const Outcome<std::string>& outcome) {
  return outcome ? std::string_view() : to_string(outcome.error().error_class);
}

/// What a test may use to make a CredentialSpec.
struct Making {
  Enrolment& run;
  const AttestedKey& key;
  CredentialSpec& spec;
  TargetKey target;  ///< of an earlier session
};

/// One enrolment whose only credential is changed.
class CredentialRun {
 public:
  explicit CredentialRun(IssuancePlan plan = plan_with_key()) : run_(std::move(plan)) {
    management_key_ = run_.authority.add_management_key();
    run_.plan.key_management_key = management_key_;
    run_.plan.reserve = {2, 20, 4, 8};
  }

  Enrolment& run() { return run_; }

  /// The finalization request, or why there is none.
  Outcome<std::string> certify(const std::function<void(const Making&)>& change) {
    run_.start();
    const std::string response = run_.pass(5);
    run_.authority.adjust = [&](const AttestedKey& key, CredentialSpec& spec) {
      change({run_, key, spec, {Bytes{1, 2, 3}, {"S-old", "C-old"}, management_key_, std::nullopt}});
    };
    return run_.to_issuer(response);
  }

 private:
  Enrolment run_;
  Bytes management_key_;
};

crypto::Certificate ca(const std::string& name, const crypto::PrivateKey& key, const crypto::Certificate* issuer,
                       const crypto::PrivateKey& issuer_key) {
  const crypto::CertificateTemplate what{
      crypto::CertificateKind::ca, {{"CN", name}}, kNow - 1000, kNow + 1000000, {}, {}, {}};
  auto certificate = crypto::issue_certificate(what, key.public_key(), issuer, issuer_key);
  REQUIRE(certificate);
  return std::move(certificate).value();
}

/// A path of the attested key, an authority called `name`, and above it, where wanted, a root called Root.
std::vector<Bytes> path_below(const AttestedKey& key, const std::string& name, bool with_root) {
  const crypto::PrivateKey root_key = new_key();
  const crypto::PrivateKey middle_key = new_key();
  const crypto::Certificate root = ca("Root", root_key, nullptr, root_key);
  const crypto::Certificate middle = ca(name, middle_key, &root, root_key);
  const crypto::CertificateTemplate what{
      crypto::CertificateKind::tls_client, {{"CN", "Key"}}, kNow - 1000, kNow + 1000000, {}, {}, {}};
  const auto certificate = crypto::issue_certificate(what, key.public_key, &middle, middle_key);
  REQUIRE(certificate);
  std::vector<Bytes> path{certificate->der(), middle.der()};
  if (with_root) path.push_back(root.der());
  return path;
}

template <class Edit>
void edit_path(const Making& m, Edit edit) {
  std::vector<Bytes> path = m.spec.certificate_path.der();
  edit(path);
  m.spec.certificate_path = path;
}

void import_key(const Making& m, const char* algorithm) {
  const crypto::PrivateKey key = new_key(algorithm);
  auto pkcs8 = key.to_pkcs8();
  REQUIRE(pkcs8);
  m.spec.private_key = std::move(pkcs8).value();
  m.spec.certificate_path = std::vector<Bytes>{m.run.authority.certificate_for(key.public_key(), "imported").der()};
}

ExtensionSpec extension(std::uint8_t kind, const std::string& type) {
  ExtensionSpec spec{kind, type, {}, secret("content"), {}};
  if (kind == kLogotype) spec.mime_type = "image/png";
  if (kind == kPropertyBag) {
    spec.content = SecureBytes();
    spec.properties = {{"Counter", "0", true}};
  }
  return spec;
}

void add(const Making& m, ExtensionSpec spec) { m.spec.extensions.push_back(std::move(spec)); }

void add_bag(const Making& m, std::vector<Property> properties) {
  ExtensionSpec bag = extension(kPropertyBag, "urn:bag");
  bag.properties = std::move(properties);
  add(m, std::move(bag));
}

void add_logotype(const Making& m, std::string mime_type) {
  ExtensionSpec logotype = extension(kLogotype, "urn:logotype");
  logotype.mime_type = std::move(mime_type);
  add(m, std::move(logotype));
}

struct Case {
  const char* name;
  void (*change)(const Making&);
  const char* expected;
};

const std::vector<Case> kCredentials{
    {"as it is", [](const Making&) {}, ""},

    {"a media type that is no text", [](const Making& m) { add_logotype(m, "image/\xff"); }, "VALUE"},
    {"a property that is no text",
     [](const Making& m) {
       add_bag(m, {{"Counter\xff", "0", true}});
     },
     "VALUE"},
    {"a property's value that is no text",
     [](const Making& m) {
       add_bag(m, {{"Counter", "\xc3", true}});
     },
     "VALUE"},

    {"no certificate", [](const Making& m) { edit_path(m, [](auto& path) { path.clear(); }); }, "CRYPTO"},
    {"an empty certificate", [](const Making& m) { edit_path(m, [](auto& path) { path[0].clear(); }); }, "CRYPTO"},
    {"a byte after a certificate", [](const Making& m) { edit_path(m, [](auto& path) { path[0].push_back(0); }); },
     "CRYPTO"},
    {"a path without links", [](const Making& m) { edit_path(m, [](auto& path) { std::swap(path[0], path[1]); }); },
     "CRYPTO"},
    {"a certificate for another key",
     [](const Making& m) {
       edit_path(m,
                 [&](auto& path) { path[0] = m.run.authority.certificate_for(new_key().public_key(), "other").der(); });
     },
     "CRYPTO"},
    {"a path of 10 certificates",
     [](const Making& m) { edit_path(m, [](auto& path) { path.resize(10, path.back()); }); }, ""},
    {"a path of 11 certificates",
     [](const Making& m) { edit_path(m, [](auto& path) { path.resize(11, path.back()); }); }, "POLICY"},
    {"a certificate of more than 16384 bytes",
     [](const Making& m) { edit_path(m, [](auto& path) { path[1].resize(16385); }); }, "POLICY"},

    {"a trust anchor", [](const Making& m) { m.spec.trust_anchor = true; }, ""},
    {"a trust anchor that is no CA",
     [](const Making& m) {
       m.spec.trust_anchor = true;
       edit_path(m, [](auto& path) { path.pop_back(); });
     },
     "VALUE"},
    {"a trust anchor above an intermediate CA",
     [](const Making& m) {
       m.spec.trust_anchor = true;
       m.spec.certificate_path = path_below(m.key, "Intermediate", true);
     },
     ""},
    {"a trust anchor that somebody else issued",
     [](const Making& m) {
       m.spec.trust_anchor = true;
       m.spec.certificate_path = path_below(m.key, "Intermediate", false);
     },
     "VALUE"},
    {"a trust anchor that is self-issued but not self-signed",
     [](const Making& m) {
       m.spec.trust_anchor = true;
       m.spec.certificate_path = path_below(m.key, "Root", false);
     },
     "VALUE"},

    {"a symmetric key", [](const Making& m) { m.spec.symmetric_key = secret("0123456789abcdef"); }, ""},
    {"an empty symmetric key", [](const Making& m) { m.spec.symmetric_key = SecureBytes(); }, "VALUE"},
    {"a symmetric key of 128 bytes", [](const Making& m) { m.spec.symmetric_key = secret(std::string(128, 'k')); }, ""},
    {"a symmetric key of 129 bytes", [](const Making& m) { m.spec.symmetric_key = secret(std::string(129, 'k')); },
     "VALUE"},
    {"a private key", [](const Making& m) { import_key(m, kP256); }, ""},
    {"an RSA private key for an EC key", [](const Making& m) { import_key(m, kRsa2048); }, ""},
    {"a private key and a certificate for the generated one",
     [](const Making& m) {
       const crypto::CertificatePath path = m.spec.certificate_path;
       import_key(m, kP256);
       m.spec.certificate_path = path;
     },
     "CRYPTO"},
    {"a private key that is none", [](const Making& m) { m.spec.private_key = secret("no key"); }, "CRYPTO"},
    {"a private key of more than 16384 bytes",
     [](const Making& m) { m.spec.private_key = secret(std::string(16385, 'k')); }, "VALUE"},
    {"a symmetric and a private key",
     [](const Making& m) {
       import_key(m, kP256);
       m.spec.symmetric_key = secret("0123456789abcdef");
     },
     "VALUE"},

    {"extensions of all kinds",
     [](const Making& m) {
       for (std::uint8_t kind = 0; kind < 4; ++kind) add(m, extension(kind, "urn:kind:" + std::to_string(kind)));
     },
     ""},
    {"an extension of no kind", [](const Making& m) { add(m, extension(4, "urn:x")); }, "VALUE"},
    {"an extension whose type is no URI", [](const Making& m) { add(m, extension(kPlain, "x")); }, "VALUE"},
    {"two extensions of one type",
     [](const Making& m) {
       add(m, extension(kPlain, "urn:x"));
       add(m, extension(kPlain, "urn:x"));
     },
     "VALUE"},
    {"two extensions of one type and two kinds",
     [](const Making& m) {
       add(m, extension(kPropertyBag, "urn:x"));
       add(m, extension(kEncryptedExtension, "urn:x"));
     },
     "VALUE"},
    {"an empty extension",
     [](const Making& m) {
       add(m, {kPlain, "urn:x", {}, SecureBytes(), {}});
     },
     ""},
    {"a media type of 128 bytes", [](const Making& m) { add_logotype(m, std::string(128, 'm')); }, ""},
    {"a logotype without media type", [](const Making& m) { add_logotype(m, ""); }, "VALUE"},
    {"a media type of 129 bytes", [](const Making& m) { add_logotype(m, std::string(129, 'm')); }, "VALUE"},
    {"a media type beyond 16 bits", [](const Making& m) { add_logotype(m, std::string(70000, 'm')); }, "VALUE"},
    {"a media type of something else",
     [](const Making& m) {
       add(m, extension(kPlain, "urn:x"));
       m.spec.extensions.back().mime_type = "image/png";
     },
     "VALUE"},
    {"a property bag without properties", [](const Making& m) { add_bag(m, {}); }, "VALUE"},
    {"a property without name",
     [](const Making& m) {
       add_bag(m, {{"", "1", false}});
     },
     "VALUE"},
    {"a property name of 255 bytes",
     [](const Making& m) {
       add_bag(m, {{std::string(255, 'n'), "1", false}});
     },
     ""},
    {"a property name of 256 bytes",
     [](const Making& m) {
       add_bag(m, {{std::string(256, 'n'), "1", false}});
     },
     "VALUE"},
    {"two properties of one name",
     [](const Making& m) {
       add_bag(m, {{"n", "1", false}, {"n", "2", false}});
     },
     "VALUE"},
    {"a property value of 65535 bytes",
     [](const Making& m) {
       add_bag(m, {{"n", std::string(65535, 'v'), false}});
     },
     ""},
    {"a property value beyond 16 bits",
     [](const Making& m) {
       add_bag(m, {{"n", std::string(65536, 'v'), false}});
     },
     "VALUE"},

    {"an update", [](const Making& m) { m.spec.update = m.target; }, ""},
    {"a clone", [](const Making& m) { m.spec.clone = m.target; }, ""},
    {"an update and a clone",
     [](const Making& m) {
       m.spec.update = m.target;
       m.spec.clone = m.target;
     },
     "VALUE"},
    {"an update with the same application usage",
     [](const Making& m) {
       m.spec.update = m.target;
       m.spec.update->app_usage = 1;
     },
     ""},
    {"an update with another application usage",
     [](const Making& m) {
       m.spec.update = m.target;
       m.spec.update->app_usage = 0;
     },
     "VALUE"},
    {"an update that nobody can authorize",
     [](const Making& m) {
       m.spec.update = m.target;
       m.spec.update->key_management_key = new_key().public_key().spki();
     },
     "POLICY"},
    {"suspended, which the client has not announced", [](const Making& m) { m.spec.deactivated = true; }, "POLICY"},
};

}  // namespace

TEST_CASE("IssuerSession: what a key gets obeys the rules [keygen2.md 4.12, 5.4, 7.11]") {
  for (const Case& c : kCredentials) {
    CAPTURE(c.name);
    CredentialRun credential;
    CHECK(class_of(credential.certify(c.change)) == c.expected);
  }
}

TEST_CASE("IssuerSession: a new key that updates or clones another has no PIN of its own [keygen2.md 7.11]") {
  for (const bool device_pin : {false, true}) {
    for (const bool clones : {false, true}) {
      CAPTURE(device_pin);
      CAPTURE(clones);
      IssuancePlan plan = plan_with_key();
      if (device_pin) {
        plan.keys.front().device_pin_protection = true;
      } else {
        plan.keys.clear();
        plan.pin_policies.emplace_back();
        plan.pin_policies.back().keys.push_back(key_spec());
        plan.pin_policies.back().keys.back().preset_pin = secret("1357");
      }
      class RightPin final : public DevicePinVerifier {
        bool verify(ByteView) override { return true; }
      } verifier;
      EngineConfig config;
      config.device_pin = &verifier;
      Enrolment run(std::move(plan), config);
      const Bytes management_key = run.authority.add_management_key();
      run.plan.key_management_key = management_key;
      run.plan.reserve.target_operations = 1;
      run.start();
      const std::string response = run.pass(5);
      run.authority.adjust = [&](const AttestedKey&, CredentialSpec& spec) {
        (clones ? spec.clone : spec.update) = TargetKey{Bytes{1}, {"S-old", "C-old"}, management_key, std::nullopt};
      };
      CHECK(class_of(run.to_issuer(response)) == "VALUE");
    }
  }
}

TEST_CASE("IssuerSession: without key management key nothing is done to other keys [keygen2.md 7.11]") {
  Enrolment run(plan_with_key());
  const Bytes management_key = run.authority.add_management_key();
  run.start();
  const std::string response = run.pass(5);
  run.authority.adjust = [&](const AttestedKey&, CredentialSpec& spec) {
    spec.update = TargetKey{Bytes{1}, {"S-old", "C-old"}, management_key, std::nullopt};
  };
  CHECK(class_of(run.to_issuer(response)) == "VALUE");
}

TEST_CASE("IssuerSession: two keys do not update one [keygen2.md 7.11]") {
  IssuancePlan plan = plan_with_key();
  plan.keys.push_back(key_spec());
  CredentialRun credential(std::move(plan));
  CHECK(class_of(credential.certify([](const Making& m) { m.spec.update = m.target; })) == "VALUE");
}

TEST_CASE("IssuerSession: what the session key limit does not allow is refused [keygen2.md 7.9]") {
  struct Use {
    const char* name;
    void (*add)(const Making&, int);
    int cost;
  };
  // A limit is what is planned and 8 more.
  const std::vector<Use> uses{
      {"extension", [](const Making& m, int i) { add(m, extension(kPlain, "urn:x:" + std::to_string(i))); }, 1},
      {"property bag", [](const Making& m, int i) { add(m, extension(kPropertyBag, "urn:x:" + std::to_string(i))); },
       1},
      {"logotype", [](const Making& m, int i) { add(m, extension(kLogotype, "urn:x:" + std::to_string(i))); }, 1},
      {"encrypted extension",
       [](const Making& m, int i) { add(m, extension(kEncryptedExtension, "urn:x:" + std::to_string(i))); }, 2},
  };
  for (const Use& use : uses) {
    for (const int more : {0, 1}) {
      CAPTURE(use.name);
      CAPTURE(more);
      CredentialRun credential;
      credential.run().plan.reserve = {};
      const auto outcome = credential.certify([&](const Making& m) {
        for (int i = 0; i < 8 / use.cost + more; ++i) use.add(m, i);
      });
      CHECK(class_of(outcome) == (more == 0 ? "" : "VALUE"));
      // The key store counts the same: it takes what the issuer has found to fit.
      if (outcome) CHECK(credential.run().to_client(*outcome));
    }
  }
}

TEST_CASE("IssuerSession: the key store uses its session key exactly as often as the issuer counts [keygen2.md 7.9]") {
  // 2 PUK, 1 PIN, 3 + 2 keys, 2 paths, 2 import, 3 extensions, 2 encrypted, 2 update, 2 close.
  constexpr std::uint16_t kExact = 21;
  for (const int missing : {0, 1}) {
    CAPTURE(missing);
    Enrolment run(plan_with_key());
    const Bytes management_key = run.authority.add_management_key();
    run.plan.key_management_key = management_key;
    run.start();
    run.pass_all();
    IssuancePlan plan = plan_with_lookup(management_key);
    plan.keys.push_back(key_spec());
    plan.puk_policies.emplace_back();
    plan.puk_policies.back().puk = secret("12345678");
    plan.puk_policies.back().pin_policies.emplace_back();
    plan.puk_policies.back().pin_policies.back().keys.push_back(key_spec());
    plan.puk_policies.back().pin_policies.back().keys.back().preset_pin = secret("1357");
    run.authority.adjust = [&](const AttestedKey& key, CredentialSpec& spec) {
      if (key.index == 0) {
        spec.symmetric_key = secret("0123456789abcdef");
        for (std::uint8_t kind = 0; kind < 4; ++kind)
          spec.extensions.push_back(extension(kind, "urn:kind:" + std::to_string(kind)));
      } else {
        spec.update = target_of(run.authority.found.at(0), run.plan);
      }
    };
    run.start_another(std::move(plan));
    const std::string request = run.pass(2);
    // The issuer has planned for more: take it back, and tell the client.
    const auto limit = static_cast<std::uint16_t>(kExact - missing);
    auto state = decode_issuer_state(run.issuer->save().view());
    REQUIRE(state);
    std::get<Initializing>(state->data).session_key_limit = limit;
    auto session = IssuerSession::restore(encode(*state));
    REQUIRE(session);
    run.issuer.emplace(std::move(session).value());
    run.last = edit::with(request, "/sessionKeyLimit", std::to_string(limit));
    const auto finalization = run.to_issuer(run.pass(5));
    CHECK(class_of(finalization) == (missing == 0 ? "" : "VALUE"));
    if (!finalization) continue;
    const auto response = run.to_client(*finalization);
    if (!response) FAIL(response.error().detail);
    CHECK(run.to_issuer(*response));
  }
}

TEST_CASE("IssuerSession: what is decided after discovery obeys the rules of a plan") {
  struct Decision {
    const char* name;
    std::uint8_t action;
    std::optional<KeyPlan> (*keys)();
    const char* expected;
    const char* qualifier;  ///< of the request, when there is one
  };
  const auto one_key = []() -> std::optional<KeyPlan> {
    KeyPlan plan;
    plan.keys.push_back(key_spec());
    return plan;
  };
  const std::vector<Decision> decisions{
      {"no keys", kActionManage, []() -> std::optional<KeyPlan> { return std::nullopt; }, "",
       "ProvisioningFinalizationRequest"},
      {"a plan without keys", kActionManage, []() -> std::optional<KeyPlan> { return KeyPlan(); }, "",
       "ProvisioningFinalizationRequest"},
      {"a key", kActionManage, one_key, "", "KeyCreationRequest"},
      {"a key, but the action is to unlock", kActionUnlock, one_key, "VALUE", ""},
      {"a key that breaks a rule", kActionManage,
       []() -> std::optional<KeyPlan> {
         KeyPlan plan;
         plan.keys.push_back(key_spec());
         plan.keys.back().app_usage = 4;
         return plan;
       },
       "VALUE", ""},
      {"a key of an algorithm that was not asked for", kActionManage,
       []() -> std::optional<KeyPlan> {
         KeyPlan plan;
         plan.keys.push_back(key_spec("https://webpki.github.io/sks/algorithm#ed25519"));
         return plan;
       },
       "POLICY", ""},
      {"more keys than the session key allows", kActionManage,
       []() -> std::optional<KeyPlan> {
         KeyPlan plan;
         while (plan.keys.size() < 20) plan.keys.push_back(key_spec());
         return plan;
       },
       "VALUE", ""},
  };
  for (const Decision& decision : decisions) {
    CAPTURE(decision.name);
    Enrolment run(plan_with_key());
    const Bytes management_key = run.authority.add_management_key();
    IssuancePlan plan = plan_with_lookup(management_key);
    plan.action = decision.action;
    run.authority.decide = [&](const std::vector<FoundKey>&) {
      Management management;
      management.keys = decision.keys();
      return management;
    };
    run.start_another(std::move(plan));
    const auto outcome = run.to_issuer(run.pass(5));
    CHECK(class_of(outcome) == decision.expected);
    if (outcome) CHECK(edit::get(*outcome, "/@qualifier") == decision.qualifier);
  }
}

TEST_CASE("IssuerSession: an issuer that manages no keys refuses to") {
  class Enroller final : public IssuerDecisions {
   public:
    Result<void> accept_device(const crypto::CertificatePath&) override { return {}; }
    Result<CredentialSpec> certify(const AttestedKey&) override { return CredentialSpec(); }
  } enroller;
  Enrolment run(plan_with_key());
  run.start_another(plan_with_lookup(run.authority.add_management_key()));
  const std::string response = run.pass(3);
  const auto outcome = run.issuer->receive(response, enroller, {run.clock, system_random(), run.server_certificates});
  CHECK(class_of(outcome) == "POLICY");
}
