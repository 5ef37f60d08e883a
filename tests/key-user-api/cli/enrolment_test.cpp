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
  Result<void> accept_device(const crypto::CertificatePath& /*path*/) override { return {}; }
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
    spec.certificate_path = std::vector<Bytes>{leaf->der()};
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
  std::string local_address() const override { return "127.0.0.1"; }

  std::vector<HttpRequest> requests;
  bool done() const { return session_.phase() == keygen2::IssuerPhase::done; }
  const std::vector<keygen2::ClientCapability>& capabilities() const { return session_.capabilities(); }

 private:
  HttpResponse work(const HttpRequest& request) {
    if (session_.phase() == keygen2::IssuerPhase::suspended) {
      auto next = session_.resume(decisions_, context_);
      return next ? json_response(std::move(*next)) : redirect("/failed");
    }
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
  explicit Run(std::size_t key_count = 2) { issuer.emplace(plan(key_count), clock); }

  static keygen2::IssuancePlan plan(std::size_t key_count = 2) {
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
    return plan;
  }

  Result<void> enroll(std::vector<std::string_view> pins = {"2468"}, Consent consent = Consent::given) {
    EnrollOptions options{.invocation = invocation(), .consent = consent, .browser = browser, .resumption = resumption};
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
  Browser* browser = nullptr;
  std::optional<Resumption> resumption;
  std::ostringstream out;
};

class RecordingBrowser final : public Browser {
 public:
  Result<void> open(const std::string& uri) override {
    opened.push_back(uri);
    return {};
  }
  std::vector<std::string> opened;
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

// The rows of the tables of keygen2.md 2.3 and 2.4, and 8.9 for what becomes of the key store.
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
      {"byte order mark", json("\xef\xbb\xbf{}"), 1, "JSON"},
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

// keygen2.md 2.4: both forms of a termination, after each message that it can answer.
TEST_CASE("enrol: a page that ends the run early is shown as text, and a redirect is opened if wanted") {
  const HttpResponse page{
      200,
      {{"Content-Type", "text/html; charset=utf-8"}},
      "<html><head><script>evil()</script></head><body><p>Sorry,<br>no key\x1b[2J</p></body></html>"};
  for (int step = 0; step < kLastStep; ++step) {
    CAPTURE(step);
    RecordingBrowser browser;
    Run shown;
    shown.browser = &browser;
    shown.issuer->fail(step, page);
    CHECK(contains(shown.refusal(), step == 0 ? "does not start a session" : "ended the session"));
    CHECK(contains(shown.out.str(), "The issuer's page about this:\n\nSorry,\nno key[2J\n\n"));
    CHECK_FALSE(contains(shown.out.str(), "evil"));
    CHECK(browser.opened.empty());
    for (const unsigned status : {301U, 302U, 303U, 307U, 308U}) {
      Run opened;
      opened.browser = &browser;
      opened.issuer->fail(step, HttpResponse{status, {{"Location", "failed?err=x"}}, ""});
      opened.refusal();
      REQUIRE(browser.opened == std::vector<std::string>{"https://issuer.example/failed?err=x"});
      browser.opened.clear();
    }
  }
}

TEST_CASE("enrol: the page about the result is opened, shown or named") {
  RecordingBrowser browser;
  Run opened;
  opened.browser = &browser;
  REQUIRE(opened.enroll());
  CHECK(browser.opened == std::vector<std::string>{"https://issuer.example/done"});
  CHECK(contains(opened.out.str(), "Opened the issuer's page about the result: https://issuer.example/done\n"));

  Run shown;
  shown.issuer->fail(kLastStep, HttpResponse{200, {{"Content-Type", "text/html"}}, "<h1>Welcome</h1>"});
  REQUIRE(shown.enroll());
  CHECK(contains(shown.out.str(), "The issuer's page about the result:\n\nWelcome\n\n"));
}

// keygen2.md 9.6: "open Location only if http(s)".
TEST_CASE("enrol: a Location that is no web page is neither opened nor named") {
  for (const char* const location : {"file:///etc/passwd", "javascript:alert(1)", "keygen2://?init=x"}) {
    RecordingBrowser browser;
    Run run;
    run.browser = &browser;
    run.issuer->fail(kLastStep, HttpResponse{302, {{"Location", location}}, ""});
    REQUIRE(run.enroll());
    CHECK(browser.opened.empty());
    CHECK_FALSE(contains(run.out.str(), location));
  }
}

// keygen2.md 8.9, rule 3.
TEST_CASE("enrol: on cancel the issuer's page for that is opened, and nothing is sent") {
  RecordingBrowser browser;
  Run run;
  run.browser = &browser;
  run.refusal({}, Consent::ask);
  CHECK(browser.opened == std::vector<std::string>{"https://issuer.example/cancelled"});
  CHECK(run.issuer->requests.size() == 1);
}

// keygen2.md Appendix E.4: "at most twice, after a network failure, a 429 or a 503 [...], never after anything else".
TEST_CASE("enrol: a POST is sent three times and not a fourth time, and the first GET only once") {
  for (const auto& answer : {InProcessIssuer::Answer(HttpFailure{Kind::network, "no route"}),
                             InProcessIssuer::Answer(HttpResponse{429, {{"Retry-After", "2"}}, ""}),
                             InProcessIssuer::Answer(HttpResponse{503, {}, ""})}) {
    for (int step = 0; step < kLastStep; ++step) {
      CAPTURE(step);
      Run twice;
      for (int i = 0; i < 2; ++i) twice.issuer->fail(step, answer);
      if (step > 0) {
        const auto result = twice.enroll();
        if (!result) FAIL(result.error().detail);
        const auto& requests = twice.issuer->requests;
        const auto at = static_cast<std::size_t>(step);
        CHECK(requests[at].body == requests[at + 1].body);
        CHECK(requests[at].body == requests[at + 2].body);
      }
      Run thrice;
      for (int i = 0; i < 3; ++i) thrice.issuer->fail(step, answer);
      thrice.refusal();
      CHECK(thrice.issuer->requests.size() == static_cast<std::size_t>(step == 0 ? 1 : step + 3));
    }
  }
  for (const auto& answer :
       {InProcessIssuer::Answer(HttpFailure{Kind::tls, "x"}), InProcessIssuer::Answer(HttpFailure{Kind::proxy, "x"}),
        InProcessIssuer::Answer(HttpFailure{Kind::response, "x"}), InProcessIssuer::Answer(HttpResponse{500, {}, ""}),
        InProcessIssuer::Answer(HttpResponse{502, {}, ""}), InProcessIssuer::Answer(HttpResponse{504, {}, ""}),
        InProcessIssuer::Answer(HttpResponse{408, {}, ""})}) {
    Run once;
    once.issuer->fail(2, answer);
    once.refusal();
    CHECK(once.issuer->requests.size() == 3);
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
  CHECK(contains(run.out.str(), "The issuer is busy; asking again in 7 s.\n"));
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

namespace {

/// A key store with a session that `run.issuer` has suspended. The next run is to resume one.
struct Suspended {
  Suspended() {
    keygen2::IssuancePlan plan = Run::plan();
    plan.deferred_issuance = true;
    run.issuer.emplace(plan, run.clock);
    const auto result = run.enroll();
    if (!result) FAIL(result.error().detail);
    told = run.out.str();
    run.out.str("");
    run.issuer->requests.clear();
    run.resumption = Resumption{};
  }

  std::vector<ProvisioningHandle> waiting() {
    std::vector<ProvisioningHandle> handles;
    const auto open = list_sessions(*run.engine, SessionState::open);
    REQUIRE(open);
    for (const SessionInfo& session : *open) handles.push_back(session.handle);
    return handles;
  }

  std::string listed(Format format) {
    std::ostringstream out;
    const auto key_count_of = [&](ProvisioningHandle session) { return run.engine->key_count(session); };
    REQUIRE(run_resume_list(format, *run.engine, key_count_of, run.clock, out));
    return out.str();
  }

  Run run;
  std::string told;
};

}  // namespace

// keygen2.md 8.8. The times are those of date -u -d @1790000000 and 10000 seconds later.
TEST_CASE("enrol: a deferred session ends well, stays open, and says where and until when it can be resumed") {
  Suspended suspended;
  REQUIRE(suspended.waiting().size() == 1);
  const std::string number = std::to_string(suspended.waiting()[0].value);
  CHECK(contains(suspended.told, "Created 2 keys"));
  CHECK(contains(suspended.told, "The issuer's page about the result: https://issuer.example/done\n"));
  CHECK(contains(suspended.told, "Until 2026-09-21 17:00:00Z session " + number +
                                     " waits for the link with which issuer.example resumes it"));
  CHECK_FALSE(contains(suspended.told, "Done"));
  CHECK_FALSE(contains(suspended.told, "Certificate installed"));
  CHECK(list_keys(*suspended.run.engine)->empty());
}

TEST_CASE("run_resume_list: names issuer, times and keys of what waits, and forgets what has waited too long") {
  Suspended suspended;
  const std::string number = std::to_string(suspended.waiting()[0].value);
  const std::string text = suspended.listed(Format::text);
  CHECK(contains(text, "SESSION  ISSUER"));
  CHECK(contains(text, number + "        issuer.example  2026-09-21 14:13:20Z  2026-09-21 17:00:00Z  2\n"));
  CHECK(contains(suspended.listed(Format::json), "\"until\": 1790010000,\n    \"keys\": 2\n"));
  suspended.run.clock.set(1790010000);
  CHECK(contains(suspended.listed(Format::text), "issuer.example"));
  suspended.run.clock.set(1790010001);
  CHECK(suspended.listed(Format::text) == "No session waits to be resumed.\n");
  CHECK(suspended.listed(Format::json) == "[]\n");
  CHECK(suspended.waiting().empty());
}

TEST_CASE("enrol: a session that waits is resumed in two requests, and its keys are there") {
  for (const bool asked_for : {true, false}) {
    CAPTURE(asked_for);
    Suspended suspended;
    Run& run = suspended.run;
    if (!asked_for) run.resumption.reset();
    run.clock.set(kNow + 5000);
    const auto result = run.enroll({});
    if (!result) FAIL(result.error().detail);
    CHECK(run.issuer->done());
    CHECK(suspended.waiting().empty());
    CHECK(list_keys(*run.engine)->size() == 2);
    const auto& requests = run.issuer->requests;
    REQUIRE(requests.size() == 2);
    CHECK(requests[0].method == HttpRequest::Method::get);
    CHECK(requests[0].url.target == "/kg?init=1");
    CHECK(requests[1].url.target == "/kg");
    CHECK(contains(run.out.str(), "CN=Jo Key.1"));
    CHECK(contains(run.out.str(), "Done: the issuer has finished the session.\n"));
    CHECK_FALSE(contains(run.out.str(), "Created"));
  }
}

TEST_CASE("enrol: of several sessions that wait the one that is meant is resumed, also when younger keys are there") {
  Suspended suspended;
  Run& run = suspended.run;
  const auto enroll_with = [&](InProcessIssuer& issuer, std::optional<Resumption> resumption) {
    EnrollOptions options{.invocation = invocation(), .consent = Consent::given, .resumption = resumption};
    options.pins.push_back(SecureBytes::copy_of(as_bytes("2468")));
    run.out.str("");
    return run_enroll(std::move(options), issuer, *run.engine, nullptr, run.clock, run.out);
  };
  keygen2::IssuancePlan plan = Run::plan();
  plan.deferred_issuance = true;
  InProcessIssuer second(plan, run.clock);
  InProcessIssuer third(Run::plan(), run.clock);
  REQUIRE(enroll_with(second, std::nullopt));
  REQUIRE(enroll_with(third, std::nullopt));
  const auto waiting = suspended.waiting();
  REQUIRE(waiting.size() == 2);

  const auto other = enroll_with(*run.issuer, Resumption{waiting[1]});
  REQUIRE_FALSE(other);
  CHECK(contains(other.error().detail, "the issuer resumes another session than " + std::to_string(waiting[1].value)));
  CHECK(suspended.waiting() == waiting);

  REQUIRE(enroll_with(second, Resumption{waiting[1]}));
  CHECK(suspended.waiting() == std::vector{waiting[0]});
  CHECK(list_keys(*run.engine)->size() == 4);
  const std::string told = run.out.str();
  CHECK(contains(told, "Certificate installed for key"));
  CHECK(contains(told, "CN=Jo Key.1"));
  CHECK(contains(told, "CN=Jo Key.2"));
}

TEST_CASE("enrol: what must be resumed and does not wait is refused before the issuer is asked") {
  struct Case {
    const char* name;
    std::function<void(Suspended&)> change;
  };
  const std::vector<Case> cases{
      {"another number", [](Suspended& s) { s.run.resumption->session = ProvisioningHandle{9999}; }},
      {"too late", [](Suspended& s) { s.run.clock.set(1790010001); }},
      {"nothing", [](Suspended& s) { REQUIRE(s.run.engine->abort_provisioning_session(s.waiting()[0])); }},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Suspended suspended;
    c.change(suspended);
    const auto result = suspended.run.enroll({});
    REQUIRE_FALSE(result);
    CHECK(result.error().status == Status::no_session);
    CHECK(contains(result.error().detail, "'sks resume' lists what waits"));
    CHECK(suspended.run.issuer->requests.empty());
  }
}

// keygen2.md 8.8: "an issuerUri with the same scheme, host and port as the new url".
TEST_CASE("enrol: another issuer's link resumes nothing") {
  for (const char* const url : {"https://other.example/kg", "https://issuer.example:8443/kg"}) {
    Suspended suspended;
    Run& run = suspended.run;
    const auto link = parse_invocation(url);
    REQUIRE(link);
    EnrollOptions options{.invocation = *link, .consent = Consent::given, .resumption = Resumption{}};
    const auto result = run_enroll(std::move(options), *run.issuer, *run.engine, nullptr, run.clock, run.out);
    REQUIRE_FALSE(result);
    CHECK(result.error().status == Status::no_session);
    CHECK(run.issuer->requests.empty());
    EnrollOptions plain{.invocation = *link, .consent = Consent::given};
    const auto refused = run_enroll(std::move(plain), *run.issuer, *run.engine, nullptr, run.clock, run.out);
    REQUIRE_FALSE(refused);
    CHECK(contains(refused.error().detail, "another issuer"));
    CHECK(suspended.waiting().size() == 1);
  }
}

TEST_CASE("enrol: an issuer that begins anew where it should resume is refused, and the session goes on waiting") {
  Suspended suspended;
  suspended.run.issuer.emplace(Run::plan(), suspended.run.clock);
  const auto result = suspended.run.enroll();
  REQUIRE_FALSE(result);
  CHECK(contains(result.error().detail, "'sks enroll' takes it"));
  CHECK(suspended.run.issuer->requests.size() == 1);
  CHECK(suspended.waiting().size() == 1);
}

TEST_CASE("enrol: what fails before the issuer has named the session leaves it waiting") {
  for (const auto& answer :
       {InProcessIssuer::Answer(HttpFailure{Kind::network, "no route"}), InProcessIssuer::Answer(redirect("/later")),
        InProcessIssuer::Answer(HttpResponse{500, {}, ""}), InProcessIssuer::Answer(json_response("{}"))}) {
    Suspended suspended;
    suspended.run.issuer->fail(kLastStep, answer);
    CHECK_FALSE(suspended.run.enroll({}));
    CHECK(suspended.waiting().size() == 1);
  }
}

TEST_CASE("enrol: who does not agree to resume loses the session and is led to the page for that") {
  Suspended suspended;
  const auto result = suspended.run.enroll({}, Consent::ask);
  REQUIRE_FALSE(result);
  CHECK(result.error().status == Status::user_abort);
  CHECK(suspended.waiting().empty());
  CHECK(list_keys(*suspended.run.engine)->empty());
  CHECK(contains(suspended.run.out.str(), "https://issuer.example/cancelled"));
}

TEST_CASE("enrol: a new run leaves alone what waits") {
  Suspended suspended;
  Run& run = suspended.run;
  run.issuer.emplace(Run::plan(), run.clock);
  run.resumption.reset();
  REQUIRE(run.enroll());
  CHECK(list_keys(*run.engine)->size() == 2);
  CHECK(suspended.waiting().size() == 1);
}

TEST_CASE("enrol: an issuer learns of the machine what its user lets it") {
  class Asked final : public keygen2::UserDialog {
   public:
    explicit Asked(bool answer) : answer_(answer) {}
    bool consent(const keygen2::ConsentRequest& /*request*/) override { return true; }
    std::optional<SecureBytes> choose_pin(const keygen2::PinRequest& /*request*/, const std::string&) override {
      return SecureBytes::copy_of(as_bytes("2468"));
    }
    bool accept_many_keys(std::size_t /*count*/) override { return false; }
    bool disclose(const std::vector<std::string>& /*attributes*/) override { return answer_; }

   private:
    bool answer_;
  };
  const std::string attribute = "https://webpki.github.io/keygen2/clientattr#";
  for (const bool answer : {true, false}) {
    Run run;
    keygen2::IssuancePlan plan = Run::plan();
    plan.capability_queries = {attribute + "ip-address", attribute + "imei-number"};
    run.issuer.emplace(plan, run.clock);
    Asked dialog(answer);
    REQUIRE(enrol(invocation(), {*run.issuer, *run.engine, dialog, run.clock, run.out, nullptr}));
    std::map<std::string, std::vector<std::string>> answers;
    for (const keygen2::ClientCapability& capability : run.issuer->capabilities())
      if (!capability.values.empty()) answers[capability.type] = capability.values;
    using Answers = std::map<std::string, std::vector<std::string>>;
    CHECK(answers == (answer ? Answers{{attribute + "ip-address", {"127.0.0.1"}}} : Answers{}));
  }
}
