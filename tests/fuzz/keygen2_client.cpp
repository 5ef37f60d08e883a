#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/fuzz/checks.h"
#include "tests/fuzz/device.h"
#include "tests/keygen2/client_lab.h"

/// A hostile issuer against the client half of KeyGen2. The input is a program: what the issuer plans, and then for
/// each message what becomes of it on its way to the client, which a genuine issuer goes on with as long as it can.
namespace sks::fuzz {
namespace {

using namespace keygen2;
using Json = nlohmann::ordered_json;  // as the issuer orders it
using Pointer = Json::json_pointer;

constexpr unsigned kMaxSteps = 24;

/// What is put where something else stood: edges of types, numbers, ids, base64url, enumerations and patterns.
constexpr auto kValues = std::to_array<const char*>({
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "3.5",
    "32767",
    "65536",
    "2147483648",
    R"("")",
    R"("AA")",
    R"("AAAA")",
    R"("A")",
    "[]",
    "{}",
    "[{}]",
    "[null]",
    R"([""])",
    R"("Key.1")",
    R"("PIN.1")",
    R"("Lookup.1")",
    R"("other")",
    R"("unlock")",
    R"("unique")",
    R"("binary")",
    R"("puk")",
    R"("external")",
    R"("urn:sks:ext:key-suspension")",
    R"(["urn:sks:ext:key-suspension"])",
    R"({"subjectRegEx":"(a*)*b"})",
    R"({"grouping":"shared"})",
    R"({"policyRules":["2.5.29.32.1","-1.2"]})",
    R"("2027-01-15T08:00:00Z")",
    R"("9999-12-31T23:59:59Z")",
    R"("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")",
    R"("https://webpki.github.io/sks/algorithm#ed25519")",
    R"("https://webpki.github.io/sks/algorithm#none")",
    R"("https://webpki.github.io/keygen2#20190318")",
});

/// Breaking connections: everything but the call that ends a session.
constexpr auto kMethods = std::to_array<const char*>({
    "getDeviceInfo",
    "createProvisioningSession",
    "closeProvisioningSession",
    "enumerateProvisioningSessions",
    "updateKeyManagementKey",
    "createPukPolicy",
    "createPinPolicy",
    "createKeyEntry",
    "getKeyHandle",
    "setCertificatePath",
    "importSymmetricKey",
    "addExtension",
    "activate",
    "deactivate",
    "postDeleteKey",
    "postUnlockKey",
    "postUpdateKey",
    "postCloneKeyProtection",
    "enumerateKeys",
    "getKeyAttributes",
    "getKeyProtectionInfo",
});

void collect(const Json& value, const Pointer& at, std::vector<Pointer>& places) {
  if (!at.empty()) places.push_back(at);
  if (value.is_object())
    for (const auto& [name, member] : value.items()) collect(member, at / name, places);
  if (value.is_array())
    for (std::size_t i = 0; i < value.size(); ++i) collect(value[i], at / i, places);
}

class Program {
 public:
  explicit Program(ByteView input) : in_(input) {}

  void run() {
    kmk_ = lab_.decisions.new_management_key();
    if (in_.flag()) lab_.run(lab_.plan(kmk_));  // so that there is something to manage
    for (int runs = 0; runs < 2; ++runs) {
      begin();
      while (steps_++ < kMaxSteps && !over_) step();
      if (in_.at_end()) return;
    }
  }

 private:
  using Step = void (Program::*)();
  static const Step kSteps[];

  void begin() {
    before_ = lab_.contents();
    waiting_ = lab_.sessions(SessionState::open).size();
    resumes_from_.clear();
    over_ = false;
    IssuancePlan plan = in_.flag() ? lab_.discovery_plan(kmk_, kmk_) : lab_.plan(kmk_);
    plan.privacy_enabled = in_.flag();
    plan.deferred_issuance = in_.flag();
    if (in_.flag()) plan.capability_queries = {"urn:sks:ext:key-suspension"};
    rolls_over_ = in_.flag();
    if (rolls_over_) {
      const Bytes newer = lab_.decisions.new_management_key();
      plan.roll_overs = {{kmk_, lab_.decisions.management_key(kmk_).sign(roll_over(newer)).value(), {}}};
      plan.key_management_key = newer;
    }
    lab_.decisions.decide = [this](const std::vector<FoundKey>& found) { return manage(found); };
    lab_.decisions.adapt = [this](CredentialSpec& credential) { vary(credential); };
    lab_.start(plan);
    sent_ = {lab_.last};
  }

  static Bytes roll_over(const Bytes& newer) { return concat({as_bytes("RollOverAuthorization"), newer}); }

  /// Each found key gets what its byte says.
  Management manage(const std::vector<FoundKey>& found) {
    Management management;
    TargetOperations& operations = management.operations;
    const std::array<std::vector<TargetKey>*, 4> lists{&operations.unlock, &operations.remove, &operations.activate,
                                                       &operations.deactivate};
    for (const FoundKey& key : found) {
      const std::size_t choice = in_.below(lists.size() + 1);
      if (choice < lists.size()) lists.at(choice)->push_back(test::target_of(key, kmk_));
    }
    if (in_.flag()) management.keys = KeyPlan{};
    return management;
  }

  void vary(CredentialSpec& credential) {
    if (in_.flag()) credential.symmetric_key = SecureBytes::copy_of(Bytes(20, 1));
    if (in_.flag()) credential.extensions.push_back({0, "urn:plain", "", test::secret("x"), {}});
    if (in_.flag()) credential.extensions.push_back({1, "urn:encrypted", "", test::secret("x"), {}});
    if (in_.flag()) credential.extensions.push_back({2, "urn:bag", "", {}, {{"name", "value", true}}});
    credential.deactivated = in_.flag();
    const std::vector<FoundKey>& found = lab_.decisions.found;
    if (found.empty()) return;
    const TargetKey target = test::target_of(found[in_.below(found.size())], kmk_);
    if (in_.flag())
      credential.update = target;
    else if (in_.flag())
      credential.clone = target;
  }

  void step();

  void pass() { deliver(lab_.last); }
  void replace() {
    edit([&](Json& message, const Pointer& at) { message[at] = Json::parse(in_.one_of(kValues)); });
  }
  void copy() {
    edit([&](Json& message, const Pointer& at) {
      const Json source = Json::parse(sent_[in_.below(sent_.size())]);
      std::vector<Pointer> places;
      collect(source, Pointer(), places);
      message[at] = source[in_.one_of(places)];
    });
  }
  void remove() {
    edit([&](Json& message, const Pointer& at) {
      Json& parent = message[at.parent_pointer()];
      if (parent.is_object())
        parent.erase(at.back());
      else
        parent.erase(static_cast<std::size_t>(std::stoul(at.back())));
    });
  }
  void add() {
    edit([&](Json& message, const Pointer& at) {
      Json& parent = message[at.parent_pointer()];
      if (parent.is_array())
        parent.push_back(message[at]);
      else
        parent["added"] = message[at];
    });
  }
  void flip() {
    std::string text = lab_.last;
    char& byte = text.at(in_.u16() % text.size());
    byte = static_cast<char>(byte ^ static_cast<char>(1U << in_.below(8)));
    deliver(text);
  }
  void cut() { deliver(lab_.last.substr(0, in_.u16() % lab_.last.size())); }
  void repeat() { deliver(sent_[in_.below(sent_.size())]); }
  void send_raw() { deliver(to_string(ByteView(in_.bytes()))); }
  void terminate() { expect_end(); }
  void break_connection() {
    lab_.channel->fails_at = in_.one_of(kMethods);
    deliver(lab_.last);
    lab_.channel->fails_at.reset();
  }
  void change_user() {
    lab_.user.agrees = in_.flag();
    lab_.user.pin = in_.flag() ? std::optional<std::string>("2468") : std::nullopt;
    deliver(lab_.last);
    lab_.user.agrees = true;
    lab_.user.pin = "2468";
  }
  void destroy_client() {
    lab_.client.reset();
    check_undone();
    over_ = true;
  }

  template <class Change>
  void edit(Change change) {
    Json message = Json::parse(lab_.last);
    // Several changes may fit together where one alone would not.
    do {
      std::vector<Pointer> places;
      collect(message, Pointer(), places);
      if (places.empty()) break;
      change(message, places[in_.u16() % places.size()]);
    } while (in_.flag());
    deliver(message.dump());
  }

  void deliver(const std::string& message) {
    const Outcome<std::string> reply = lab_.client->receive(message);
    if (!reply) {
      check_undone();
      require(!lab_.client->receive(lab_.last), "nothing follows a failure");
      over_ = true;
      return;
    }
    if (lab_.client->committed()) check_done();
    const IssuerContext context{lab_.clock, system_random(), {lab_.context.server_certificate}};
    const Outcome<std::string> next = lab_.issuer->receive(*reply, lab_.decisions, context);
    if (!next || next->empty()) return expect_end();
    lab_.last = *next;
    sent_.push_back(lab_.last);
  }

  /// The issuer says no more.
  void expect_end() {
    const bool committed = lab_.client->committed();
    const Outcome<Ending> ending = lab_.client->terminated();
    over_ = true;
    require((ending && *ending == Ending::finished) == committed, "a run is finished when the key store has committed");
    if (ending && *ending == Ending::suspended) return resume();
    if (!ending) check_undone();
  }

  void resume() {
    resumes_from_ = lab_.contents();
    const IssuerContext context{lab_.clock, system_random(), {lab_.context.server_certificate}};
    const Outcome<std::string> request = lab_.issuer->resume(lab_.decisions, context);
    if (!request) return;
    lab_.new_client();
    lab_.last = *request;
    sent_.push_back(lab_.last);
    over_ = false;
  }

  /// Nothing of the run is left, but for roll-overs that were done; a run that was to be resumed may still wait.
  void check_undone() {
    const std::size_t waiting = waiting_ + (resumes_from_.empty() ? 0 : 1);
    require(lab_.sessions(SessionState::open).size() <= waiting, "no session stays open");
    if (rolls_over_) return;
    const std::string now = lab_.contents();
    require(now == before_ || (!resumes_from_.empty() && now == resumes_from_), "a failure leaves no trace");
  }

  void check_done() {
    require(lab_.sessions(SessionState::open).size() == waiting_, "a session that was committed is closed");
    require(!lab_.user.consents.empty(), "nothing is done without consent");
  }

  Input in_;
  test::ClientLab lab_;
  Bytes kmk_;
  bool rolls_over_ = false;
  std::string before_;        ///< contents of the store when the run began
  std::size_t waiting_ = 0;   ///< sessions that were suspended then, and never resumed
  std::string resumes_from_;  ///< the same when it was suspended
  std::vector<std::string> sent_;
  unsigned steps_ = 0;
  bool over_ = false;
};

// The genuine message more often than others, so that runs get far.
const Program::Step Program::kSteps[] = {
    &Program::pass,        &Program::pass,
    &Program::pass,        &Program::pass,
    &Program::replace,     &Program::copy,
    &Program::remove,      &Program::add,
    &Program::flip,        &Program::cut,
    &Program::repeat,      &Program::send_raw,
    &Program::terminate,   &Program::break_connection,
    &Program::change_user, &Program::destroy_client,
};

void Program::step() { (this->*in_.one_of(kSteps))(); }

}  // namespace
}  // namespace sks::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sks::fuzz::make_checks_fatal();
  sks::fuzz::Program program({data, size});
  program.run();
  return 0;
}
