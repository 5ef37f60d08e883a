#include "key-user-api/cli/enrolment.h"

#include <doctest/doctest.h>

#include <csignal>
#include <deque>
#include <functional>
#include <map>
#include <sstream>

#include "attestation/device_identity.h"
#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/interrupt.h"
#include "key-user-api/cli/listed_key.h"
#include "keygen2/issuer_session.h"
#include "sks-core/crypto/x509.h"
#include "sks-core/engine/engine.h"
#include "tests/key-user-api/dialog/scripted_pinentry.h"
#include "tests/support/fakes.h"
#include "tests/support/storage_fakes.h"

using namespace sks;
using namespace sks::cli;
using Consent = dialog::ScriptDialog::Consent;
using Kind = HttpFailure::Kind;

namespace {

constexpr std::int64_t kNow = 1790000000;
constexpr int kSteps = 5;  ///< GET and four POSTs
constexpr int kLastStep = 4;
const std::string kEcAlgorithm = "https://webpki.github.io/sks/algorithm#ec.nist.p256";

Invocation invocation() {
  auto parsed = parse_invocation(
      "keygen2://"
      "?init=https%3A%2F%2Fissuer.example%2Fkg%3Finit%3D1&url=https%3A%2F%2Fissuer.example%2Fkg&cookie=own%3D1"
      "&cncl=https%3A%2F%2Fissuer.example%2Fcancelled");
  REQUIRE(parsed);
  return *parsed;
}

HttpResponse json_response(std::string body) {
  return {200, {{"Content-Type", "application/json"}, {"Set-Cookie", "session=2; Path=/"}}, std::move(body)};
}
HttpResponse redirect(std::string location) { return {302, {{"Location", std::move(location)}}, ""}; }

/// Certifies whatever it is asked for.
class GenerousDecisions final : public keygen2::IssuerDecisions {
 public:
  GenerousDecisions() : authority_(std::move(crypto::PrivateKey::generate(*find_algorithm(kEcAlgorithm)).value())) {}
  Result<void> accept_device(const std::vector<Bytes>& /*path*/) override { return {}; }
  Result<keygen2::CredentialSpec> certify(const keygen2::AttestedKey& key) override {
    const auto root = crypto::issue_certificate(
        {crypto::CertificateKind::ca, {{"CN", "Authority"}}, kNow - 10, kNow + 1000, {}, {}, {}},
        authority_.public_key(), nullptr, authority_);
    if (!root) return root.error();
    const auto leaf = crypto::issue_certificate(
        {crypto::CertificateKind::tls_client, {{"CN", "Jo " + key.id}}, kNow - 10, kNow + 1000, {}, {}, {}},
        key.public_key, &*root, authority_);
    if (!leaf) return leaf.error();
    keygen2::CredentialSpec spec;
    spec.certificate_path = {leaf->der()};
    return spec;
  }

 private:
  crypto::PrivateKey authority_;
};

/// A real issuer session behind the transport port, with a network that fails when told so.
class InProcessIssuer final : public HttpTransport {
 public:
  using Answer = Result<HttpResponse, HttpFailure>;

  explicit InProcessIssuer(const keygen2::IssuancePlan& plan, const Clock& clock)
      : context_{clock, system_random(), {certificate_}},
        session_(std::move(keygen2::IssuerSession::start(plan, context_).value())) {}

  /// Instead of doing its work, step `step` (0 = GET) answers so; once for each call of this.
  void fail(int step, Answer answer) { faults_[step].push_back(std::move(answer)); }
  /// Step `step` does its work, but its answer is lost.
  void lose_answer(int step) { lost_[step] = true; }
  /// Called when a request of this step arrives.
  void on_request(int step, std::function<void()> action) { actions_[step] = std::move(action); }

  Answer exchange(const HttpRequest& request) override {
    requests.push_back(request);
    const bool repeated = request.method == HttpRequest::Method::post && request.body == last_body_;
    if (actions_.contains(step_)) actions_[step_]();
    if (auto& faults = faults_[step_]; !faults.empty()) {
      Answer answer = std::move(faults.front());
      faults.pop_front();
      return answer;
    }
    if (repeated) return last_answer_;
    last_body_ = request.body;
    last_answer_ = work(request);
    const int step = step_++;
    if (lost_[step]) return HttpFailure{Kind::network, "the answer was lost"};
    return last_answer_;
  }
  const Bytes& server_certificate() const override { return certificate_; }

  std::vector<HttpRequest> requests;
  bool done() const { return session_.phase() == keygen2::IssuerPhase::done; }

 private:
  HttpResponse work(const HttpRequest& request) {
    if (request.method == HttpRequest::Method::get) return json_response(session_.invocation_request());
    auto next = session_.receive(request.body, decisions_, context_);
    if (!next) return redirect("/failed");
    return next->empty() ? redirect("/done") : json_response(std::move(*next));
  }

  Bytes certificate_{0x30, 0x00};
  keygen2::IssuerContext context_;
  keygen2::IssuerSession session_;
  GenerousDecisions decisions_;
  std::map<int, std::deque<Answer>> faults_;
  std::map<int, bool> lost_;
  std::map<int, std::function<void()>> actions_;
  int step_ = 0;
  std::string last_body_;
  HttpResponse last_answer_;
};

/// An issuer with a plan, an empty key store, and what a run made of them.
struct Run {
  explicit Run(std::size_t key_count = 2) {
    keygen2::PinPolicySpec policy;
    policy.grouping = 1;
    policy.pattern_restrictions = 0x01;
    for (std::size_t i = 0; i < key_count; ++i) {
      keygen2::KeySpec key;
      key.key_algorithm = kEcAlgorithm;
      key.friendly_name = "Key " + std::to_string(i + 1);
      policy.keys.push_back(std::move(key));
    }
    keygen2::IssuancePlan plan;
    plan.issuer_uri = "https://issuer.example/kg";
    plan.pin_policies.push_back(std::move(policy));
    issuer.emplace(plan, clock);
  }

  Result<void> enroll(std::vector<std::string_view> pins = {"2468"}, Consent consent = Consent::given) {
    EnrollOptions options{invocation(), consent, {}};
    for (const std::string_view pin : pins) options.pins.push_back(SecureBytes::copy_of(as_bytes(pin)));
    return run_enroll(std::move(options), *issuer, *engine, attended, clock, out);
  }

  /// The sentence of a run that must fail and leave nothing behind.
  std::string refusal(std::vector<std::string_view> pins = {"2468"}, Consent consent = Consent::given) {
    const auto result = enroll(std::move(pins), consent);
    REQUIRE_FALSE(result);
    CHECK(list_keys(*engine)->empty());
    CHECK(list_sessions(*engine, SessionState::open)->empty());
    CHECK(list_sessions(*engine, SessionState::closed)->empty());
    CHECK_FALSE(issuer->done());
    CHECK(result.error().detail.find('\n') == std::string::npos);
    CHECK_FALSE(result.error().detail.empty());
    return result.error().detail;
  }

  dialog::AttendedDialog* attended = nullptr;
  test::FakeClock clock{kNow};
  test::InMemoryStorage storage;
  attestation::SoftwareIdentity identity = std::move(
      attestation::SoftwareIdentity::create("Test device", attestation::AttestationKeyType::p256, clock).value());
  std::unique_ptr<Engine> engine =
      std::move(Engine::open({storage, identity, system_key_source(), system_random(), clock}).value());
  std::optional<InProcessIssuer> issuer;
  std::ostringstream out;
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("enrol: a whole run leaves the keys in the key store and tells each step in one line") {
  Run run;
  const auto result = run.enroll();
  if (!result) FAIL(result.error().detail);
  CHECK(run.issuer->done());
  const auto keys = list_keys(*run.engine);
  REQUIRE(keys);
  REQUIRE(keys->size() == 2);
  CHECK((*keys)[0].issuer_uri == "https://issuer.example/kg");
  CHECK((*keys)[0].friendly_name == "Key 1");
  CHECK(run.engine->verify_pin((*keys)[1].handle, SecureBytes::copy_of(as_bytes("2468"))));
  CHECK(list_sessions(*run.engine, SessionState::open)->empty());
  const std::string told = run.out.str();
  for (const char* const part :
       {"Connected to issuer.example", "Consent given: issuer.example may manage keys; this device is identified",
        "PIN 1 of 1 becomes the", "Created 2 keys", "(ec.nist.p256): CN=Jo Key.1", "CN=Jo Key.2",
        "https://issuer.example/done", "Done"}) {
    CAPTURE(part);
    CHECK(contains(told, part));
  }
  CHECK_FALSE(contains(told, "2468"));
}

TEST_CASE("enrol: each line is shown when it happens, not at the end") {
  class Screen final : public std::stringbuf {
   public:
    std::string shown;

   private:
    int sync() override {
      shown = str();
      return 0;
    }
  };
  Run run;
  Screen screen;
  std::ostream out(&screen);
  std::string before_answer;
  run.issuer->on_request(1, [&] { before_answer = screen.shown; });
  EnrollOptions options{invocation(), Consent::given, {}};
  options.pins.push_back(SecureBytes::copy_of(as_bytes("2468")));
  REQUIRE(run_enroll(std::move(options), *run.issuer, *run.engine, nullptr, run.clock, out));
  CHECK(contains(before_answer, "Connected to issuer.example"));
  CHECK(contains(before_answer, "Consent given"));
}

TEST_CASE("enrol: a pinentry program asks for consent, and for the PIN until it obeys its policy") {
  test::ScriptedPinentry pinentry(
      test::Script{{}, {{"GETPIN", "S PIN_REPEATED\nD 1123\nOK"}}, {{"GETPIN", "S PIN_REPEATED\nD 2468\nOK"}}});
  Run run;
  run.attended = &pinentry.dialog();
  const auto result = run.enroll({}, Consent::ask);
  if (!result) FAIL(result.error().detail);
  CHECK(run.engine->verify_pin((*list_keys(*run.engine))[0].handle, SecureBytes::copy_of(as_bytes("2468"))));
  CHECK(pinentry.logged("1 SETDESC ").starts_with("issuer.example (checked by TLS) wants to manage keys"));
  CHECK(pinentry.logged("2 SETDESC ").ends_with("It is for: Key 1, Key 2"));
  CHECK(pinentry.logged("3 SETERROR ") == "Not accepted: the PIN contains equal characters in a row.");
}

TEST_CASE("enrol: cancel and failure of a pinentry program leave nothing behind, wherever they come") {
  const test::Process cancel{{"CONFIRM", test::kCanceled}, {"GETPIN", test::kCanceled}};
  const test::Process death{{"CONFIRM", "@die"}, {"GETPIN", "@die"}};
  const test::Process once{{"GETPIN", "D 2468\nOK"}};
  struct Case {
    const char* where;
    test::Script script;
    const char* said;
  };
  for (const Case& c :
       {Case{"consent refused", {cancel}, "consent was refused"}, Case{"consent, program gone", {death}, "has ended"},
        Case{"first PIN cancelled", {{}, cancel}, "no PIN was chosen"},
        Case{"first PIN, program gone", {{}, death}, "has ended"},
        Case{"second PIN cancelled", {{}, once, cancel}, "no PIN was chosen"},
        Case{"second PIN, program gone", {{}, once, death}, "has ended"}}) {
    CAPTURE(c.where);
    test::ScriptedPinentry pinentry(c.script);
    Run run;
    run.attended = &pinentry.dialog();
    CHECK(contains(run.refusal({}, Consent::ask), c.said));
    CHECK(contains(run.out.str(), "https://issuer.example/cancelled"));
  }
}

TEST_CASE("enrol: PINs that no key took are mentioned at the end") {
  Run exact;
  REQUIRE(exact.enroll());
  CHECK_FALSE(contains(exact.out.str(), "Not needed"));
  Run surplus;
  REQUIRE(surplus.enroll({"2468", "1357", "8642"}));
  CHECK(contains(surplus.out.str(), "Not needed: 2 of the PINs that were given.\n"));
}

TEST_CASE("enrol: the first request goes to init, the others to the main URL, and cookies come along") {
  Run run;
  REQUIRE(run.enroll());
  const auto& requests = run.issuer->requests;
  REQUIRE(requests.size() == kSteps);
  CHECK(requests[0].method == HttpRequest::Method::get);
  CHECK(requests[0].url.target == "/kg?init=1");
  CHECK(requests[0].cookie == "own=1");
  for (std::size_t i = 1; i < requests.size(); ++i) {
    CHECK(requests[i].method == HttpRequest::Method::post);
    CHECK(requests[i].url.target == "/kg");
    CHECK(requests[i].cookie == "own=1; session=2");
  }
}

TEST_CASE("enrol: a failure at any step before the commit leaves no key and no open session") {
  struct Case {
    const char* name;
    InProcessIssuer::Answer answer;
    int times;
    const char* said;
  };
  const auto json = [](std::string body) { return InProcessIssuer::Answer(json_response(std::move(body))); };
  const std::vector<Case> cases{
      {"network", HttpFailure{Kind::network, "no route"}, 3, "no route"},
      {"TLS", HttpFailure{Kind::tls, "another certificate"}, 1, "another certificate"},
      {"oversized", HttpFailure{Kind::response, "too long"}, 1, "too long"},
      {"interrupted", HttpFailure{Kind::interrupted, "interrupted"}, 1, "interrupted"},
      {"termination by redirect", redirect("/failed?err=x"), 1, "https://issuer.example/failed?err=x"},
      {"termination by page", HttpResponse{200, {{"Content-Type", "text/html"}}, "<html>"}, 1, "the issuer"},
      {"redirect without Location", HttpResponse{302, {}, ""}, 1, "redirects"},
      {"server error", HttpResponse{500, {}, ""}, 1, "500"},
      {"busy for too long", HttpResponse{503, {{"Retry-After", "3600"}}, ""}, 1, "busy"},
      {"busy again and again", HttpResponse{429, {}, ""}, 3, "busy"},
      {"other charset", HttpResponse{200, {{"Content-Type", "application/json; charset=latin1"}}, "{}"}, 1, "UTF-8"},
      {"malformed JSON", json("{"), 1, "JSON"},
      {"no message", json("{}"), 1, "JSON"},
      {"duplicate member", json("{\"@context\":1,\"@context\":2}"), 1, "JSON"},
  };
  for (const Case& c : cases) {
    for (int step = 0; step < kLastStep; ++step) {
      CAPTURE(c.name);
      CAPTURE(step);
      Run run;
      const int times = step == 0 ? 1 : c.times;
      for (int i = 0; i < times; ++i) run.issuer->fail(step, c.answer);
      const std::string said = run.refusal();
      CAPTURE(said);
      CHECK(contains(said, c.said));
      // The issuer was asked as often as the protocol allows, and nothing was sent to it afterwards.
      CHECK(run.issuer->requests.size() == static_cast<std::size_t>(step + times));
    }
  }
}

TEST_CASE("enrol: a POST is repeated byte for byte after a lost answer, and the run goes on") {
  for (int step = 1; step <= kLastStep; ++step) {
    CAPTURE(step);
    Run run;
    run.issuer->lose_answer(step);
    const auto result = run.enroll();
    if (!result) FAIL(result.error().detail);
    CHECK(list_keys(*run.engine)->size() == 2);
    const auto& requests = run.issuer->requests;
    REQUIRE(requests.size() == kSteps + 1);
    const auto at = static_cast<std::size_t>(step);
    CHECK(requests[at].body == requests[at + 1].body);
  }
}

TEST_CASE("enrol: a busy issuer is asked again after the time it names") {
  Run run;
  run.issuer->fail(2, HttpResponse{503, {{"Retry-After", "7"}}, ""});
  run.issuer->fail(2, HttpResponse{429, {}, ""});
  const auto result = run.enroll();
  if (!result) FAIL(result.error().detail);
  CHECK(run.clock.slept() == 8);
}

TEST_CASE("enrol: what fails after the commit leaves the keys, and says so") {
  for (const auto& answer :
       {InProcessIssuer::Answer(HttpResponse{500, {}, ""}), InProcessIssuer::Answer(json_response("{}")),
        InProcessIssuer::Answer(HttpFailure{Kind::tls, "another certificate"})}) {
    Run run;
    run.issuer->fail(kLastStep, answer);
    const auto result = run.enroll();
    REQUIRE_FALSE(result);
    CHECK(contains(result.error().detail, "the keys are in the key store"));
    CHECK(contains(result.error().detail, "'sks delete'"));
    CHECK(list_keys(*run.engine)->size() == 2);
  }
}

TEST_CASE("enrol: what the script does not answer cancels the run, with the issuer's page for that") {
  struct Case {
    const char* name;
    std::vector<std::string_view> pins;
    Consent consent;
    const char* said;
  };
  const std::vector<Case> cases{{"no consent", {"2468"}, Consent::ask, "--yes"},
                                {"no PIN", {}, Consent::given, "is needed; --pin or --pin-file gives it"},
                                {"short PIN", {"123"}, Consent::given, "4 to 8 digits"},
                                {"long PIN", {"123456789"}, Consent::given, "4 to 8 digits"},
                                {"letters", {"12a4"}, Consent::given, "4 to 8 digits"},
                                {"pattern", {"2446"}, Consent::given, "no two equal characters in a row"}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Run run;
    const std::string said = run.refusal(c.pins, c.consent);
    CAPTURE(said);
    CHECK(contains(said, c.said));
    CHECK(contains(run.out.str(), "https://issuer.example/cancelled"));
    for (const std::string_view pin : c.pins) CHECK_FALSE(contains(said + run.out.str(), std::string(pin)));
  }
}

TEST_CASE("enrol: more keys than an unattended client accepts are refused") {
  Run run(21);
  CHECK(contains(run.refusal(), "21 keys"));
  Run fits(20);
  const auto result = fits.enroll();
  if (!result) FAIL(result.error().detail);
}

TEST_CASE("enrol: a signal before the commit aborts the session, at whatever step it comes") {
  for (int step = 1; step < kLastStep; ++step) {
    CAPTURE(step);
    Run run;
    const InterruptGuard guard;
    run.issuer->on_request(step, [] { std::raise(SIGINT); });
    CHECK(contains(run.refusal(), "interrupted"));
  }
}

TEST_CASE("enrol: a key store that fails in the middle leaves nothing behind") {
  for (int n = 1; n < 4; ++n) {
    CAPTURE(n);
    Run run;
    run.storage.fail_after(n);
    run.refusal();
  }
}
