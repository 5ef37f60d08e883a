#include "conformance/kit/issuer_kit.h"

#include <algorithm>

#include "conformance/kit/child_process.h"
#include "conformance/kit/client_role.h"
#include "conformance/kit/conditions.h"
#include "conformance/kit/http.h"
#include "conformance/kit/issuer_session.h"
#include "conformance/kit/key_order.h"
#include "conformance/kit/temporary_folder.h"
#include "sks-core/base/encoding.h"

namespace sks::conformance {
namespace {

constexpr std::string_view kFinal = "ProvisioningFinalizationResponse";

/// Spec: keygen2.md 2.1, E no. 1.
Result<Invocation> parse_invocation(const std::string& text) {
  if (text.starts_with("https://")) return Invocation{text, text.substr(0, text.find('?')), ""};
  Invocation invocation;
  const std::size_t mark = text.find('?');
  if (mark == std::string::npos) return Error{Status::option, "no invocation: " + text};
  std::string_view rest = std::string_view(text).substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) continue;
    SKS_LET(std::string value, percent_decode(item.substr(equals + 1)));
    const std::string_view name = item.substr(0, equals);
    if (name == "init") invocation.init = std::move(value);
    if (name == "url") invocation.url = std::move(value);
    if (name == "cookie") invocation.cookie = std::move(value);
  }
  if (invocation.init.empty() || invocation.url.empty())
    return Error{Status::option, "an invocation without init or url: " + text};
  return invocation;
}

Result<Invocation> draw_ticket(const std::string& command, std::chrono::seconds patience) {
  SKS_LET(const TemporaryFolder folder, TemporaryFolder::create());
  const std::filesystem::path output = folder.path() / "ticket";
  SKS_LET(ChildProcess process, ChildProcess::start(command, {}, output));
  const auto ending = process.wait(patience);
  SKS_LET(const std::string text, read_file(output));
  if (!ending || ending->by_signal || ending->code != 0)
    return Error{Status::external, "the ticket command failed: " + text};
  return parse_invocation(text.substr(0, text.find_first_of("\r\n")));
}

/// One scenario: a session that is good but for what the scenario says.
class SessionExaminer {
 public:
  struct Known {
    const std::optional<Endings>& endings;
    const EarlierSession& earlier;
  };
  SessionExaminer(const Scenario& scenario, IssuerSession& session, Device& device, Known known, ScenarioResult& result)
      : steps_(scenario.runs.front().steps), session_(session), device_(device), known_(known), result_(result) {}

  static Json otherwise(const std::vector<Step>& steps) {
    Json all = Json::object();
    for (const Step& step : steps) all.update(step.session);
    return all;
  }

  /// Whether the session came to its end. Fails with the reason for which the scenario is broken.
  Result<bool> run();
  /// Of the last response to a step, or to the last message.
  const std::string& location() const { return location_; }
  ClientRole& role() { return *role_; }

 private:
  const Step* find_step(const std::string& message);
  void add_placeholders();
  bool check_message(const HttpMessage& response);
  void check_termination(const HttpMessage& response);
  Result<std::optional<HttpMessage>> act(const Step& step, const Json& good);
  static std::optional<std::string> find_lack(const Step& step, const Json& good);
  Result<std::string> text_of_step(const Step& step, const Json& good);
  void check_expectation(const Step& step, const HttpMessage& response, const std::optional<HttpMessage>& before);
  void check_refusal(const Step& step, const HttpMessage& response);
  bool ends_well(const HttpMessage& response) const;
  void check_destroyed(const Json& good);
  void fail(const std::string& where, const std::string& sentence) { result_.findings.add({where, "", ""}, sentence); }
  /// What was expected did not come.
  void miss(const Step& step, const std::string& sentence) {
    if (step.optional.empty()) return fail(step.send, sentence);
    result_.skipped = sentence + ": " + step.optional;
  }
  bool good_so_far() const { return result_.findings.empty() && result_.skipped.empty(); }

  const std::vector<Step>& steps_;
  IssuerSession& session_;
  std::optional<ClientRole> role_;
  Device& device_;
  Known known_;
  ScenarioResult& result_;
  std::map<std::string, std::string> exchanged_;  ///< texts of either side, by @qualifier
  std::vector<const Step*> done_;
  std::string latest_;  ///< message of the issuer
  std::string location_;
};

bool is_message(const HttpMessage& response) {
  const std::string type = response.header("Content-Type").value_or("");
  return response.status() == 200 && type.starts_with("application/json");
}

std::string shown(const HttpMessage& response) {
  std::string text = "status " + std::to_string(response.status());
  if (const auto location = response.header("Location")) text += " with Location " + *location;
  if (const auto document = parse_document(response.body); is_message(response) && document && document->is_object())
    text += " with " + document->value("@qualifier", "JSON");
  return text;
}

const Step* SessionExaminer::find_step(const std::string& message) {
  for (const Step& step : steps_)
    if (step.send == message && std::ranges::find(done_, &step) == done_.end()) return &step;
  return nullptr;
}

/// Spec: keygen2.md 2.3.
bool SessionExaminer::check_message(const HttpMessage& response) {
  result_.findings.count();
  if (!is_message(response)) {
    fail("response", "is no message but " + shown(response));
    return false;
  }
  const std::string type = *response.header("Content-Type");
  if (type != "application/json")
    fail("response", "has the Content-Type \"" + type + "\" and not application/json alone");
  return true;
}

/// Spec: keygen2.md 2.4.
void SessionExaminer::check_termination(const HttpMessage& response) {
  result_.findings.count();
  if (response.status() != 302) return fail("response", "is not the 302 of a termination but " + shown(response));
  const std::string location = response.header("Location").value_or("");
  if (!location.starts_with("https://") && !location.starts_with("http://"))
    fail("response", "has no absolute Location: \"" + location + '"');
}

void SessionExaminer::add_placeholders() {
  role_->placeholders().add("earlier_credential", [this](const Json& argument) -> Result<Json> {
    SKS_LET(const std::string member, text_of(argument));
    const Json& credentials = known_.earlier.credentials;
    if (credentials.empty()) return Error{Status::option, "an earlier session got no credential"};
    if (!credentials.front().contains(member)) return Error{Status::option, "no member of a credential: " + member};
    return credentials.front().at(member);
  });
}

Result<bool> SessionExaminer::run() {
  SKS_LET(HttpMessage response, session_.get_init());
  role_.emplace(device_, session_.url(), session_.certificate(), otherwise(steps_));
  add_placeholders();
  while (true) {
    if (!check_message(response)) return false;
    latest_ = response.body;
    const std::optional<Json> good = role_->answer(response.body, result_.findings);
    if (!good || !good_so_far()) return false;
    exchanged_[parse_document(latest_)->value("@qualifier", "")] = latest_;
    const std::string message = good->value("@qualifier", "");
    const std::string text = good->dump(2) + '\n';
    std::optional<HttpMessage> next;
    for (const Step* step = find_step(message); step != nullptr && !next; step = find_step(message)) {
      done_.push_back(step);
      SKS_LET(next, act(*step, *good));
      const bool over = step->expect.kind == Expectation::Kind::refusal ||
                        step->expect.kind == Expectation::Kind::refused_or_repeated;
      if (over || !good_so_far()) return false;
    }
    if (!next) {
      exchanged_[message] = text;
      SKS_LET(next, session_.post(text));
    }
    response = *std::move(next);
    if (message == kFinal) break;
  }
  check_termination(response);
  location_ = response.header("Location").value_or("");
  for (const Step& step : steps_)
    if (std::ranges::find(done_, &step) == done_.end()) result_.skipped = "the issuer does not ask for " + step.send;
  return true;
}

Result<std::string> SessionExaminer::text_of_step(const Step& step, const Json& good) {
  if (!step.resend.empty()) {
    const auto earlier = exchanged_.find(step.resend);
    if (earlier == exchanged_.end()) return Error{Status::option, "no earlier message of the name " + step.resend};
    return earlier->second;
  }
  const auto resolved = [&](std::vector<Edit> edits) -> Result<std::vector<Edit>> {
    for (Edit& edit : edits) {
      SKS_LET(edit.argument, role_->placeholders().resolve(edit.argument));
    }
    return edits;
  };
  Json message = good;
  if (!step.edits.empty()) {
    SKS_LET(const std::vector<Edit> edits, resolved(step.edits));
    SKS_TRY(apply(edits, message));
    SKS_TRY(role_->attest(message));
  }
  SKS_LET(const std::vector<Edit> tampers, resolved(step.tampers));
  return to_text(tampers, std::move(message));
}

/// Sends what the step says. Gives the response with which the session goes on, or none if the good message is still to
/// be sent.
Result<std::optional<HttpMessage>> SessionExaminer::act(const Step& step, const Json& good) {
  using Kind = Expectation::Kind;
  if (const auto lack = find_lack(step, good)) {
    result_.skipped = "for another issuer: " + *lack;
    return std::optional<HttpMessage>();
  }
  const auto text = text_of_step(step, good);
  if (!text) {
    // What is not in the message cannot be changed: this issuer asks for something else.
    result_.skipped = "for another issuer: " + text.error().detail;
    return std::optional<HttpMessage>();
  }
  std::optional<HttpMessage> before;
  if (step.repeat) {
    const std::string good_text = good.dump(2) + '\n';
    exchanged_[step.send] = good_text;
    SKS_LET(before, session_.post(good_text));
  }
  SKS_LET(HttpMessage response, session_.send(step.delivery, *text));
  result_.output += step.send + " was answered with " + shown(response) + '\n';
  location_ = response.header("Location").value_or("");
  result_.findings.count();
  for (const auto& [name, part] : step.headers)
    if (response.header(name).value_or("").find(part) == std::string::npos)
      miss(step, "was answered without a header " + name + " with \"" + part + '"');
  check_expectation(step, response, before);
  switch (step.expect.kind) {
    case Kind::refusal:
      // The stored response of a session that ended well may be there for ever.
      if (good_so_far() && !(step.repeat && step.send == kFinal)) check_destroyed(good);
      return std::optional<HttpMessage>();
    case Kind::refused_or_repeated:
    case Kind::turned_away:
      return std::optional<HttpMessage>();
    case Kind::status:
      return before;
    case Kind::stored:
      return std::optional<HttpMessage>(std::move(response));
    case Kind::anything:
    case Kind::message:
    case Kind::abort:
    case Kind::end:
      break;
  }
  exchanged_[step.send] = *text;
  return std::optional<HttpMessage>(std::move(response));
}

/// `before` is what the good message was answered with, where it went first.
void SessionExaminer::check_expectation(const Step& step, const HttpMessage& response,
                                        const std::optional<HttpMessage>& before) {
  using Kind = Expectation::Kind;
  const std::string but = ", but it was answered with " + shown(response);
  switch (step.expect.kind) {
    case Kind::refusal:
      return check_refusal(step, response);
    case Kind::refused_or_repeated:
      if (response.status() != 302 && response.body != latest_)
        miss(step, "expected a termination or the same message" + but);
      return;
    case Kind::turned_away:
      if (response.status() != 302) miss(step, "expected a termination" + but);
      return;
    case Kind::status:
      if (response.status() != step.expect.status || response.header("Location"))
        miss(step, "expected status " + std::to_string(step.expect.status) + " without a redirect" + but);
      return;
    case Kind::stored:
      if (before && (before->status() != response.status() || before->body != response.body ||
                     before->header("Location") != response.header("Location")))
        miss(step, "expected the same response as before, which was " + shown(*before) + but);
      return;
    case Kind::anything:
    case Kind::message:
    case Kind::abort:
    case Kind::end:
      if (step.send != kFinal && !is_message(response)) miss(step, "expected the next message" + but);
      return;
  }
}

std::optional<std::string> SessionExaminer::find_lack(const Step& step, const Json& good) {
  Findings lacking;
  const Node message(good, {step.send, "", ""}, lacking);
  for (const auto& [pointer, expected] : step.needs) check_condition(message, pointer, expected);
  if (lacking.empty()) return std::nullopt;
  const Finding& first = lacking.list().front();
  return to_string(first.place) + ' ' + first.sentence;
}

void SessionExaminer::check_refusal(const Step& step, const HttpMessage& response) {
  if (is_message(response)) return miss(step, "was accepted: it was answered with " + shown(response));
  check_termination(response);
  if (step.send != kFinal || !good_so_far()) return;
  if (!known_.endings || !known_.endings->tell())
    result_.skipped = "the Location does not tell whether a session of this issuer ended well";
  else if (ends_well(response))
    miss(step, "was accepted: it was answered as a good session is, with " + shown(response));
}

bool SessionExaminer::ends_well(const HttpMessage& response) const {
  return known_.endings && known_.endings->tell() && known_.endings->is_good(response.header("Location").value_or(""));
}

/// After a refusal the good message comes too late. Spec: keygen2.md 1.6.
void SessionExaminer::check_destroyed(const Json& good) {
  const auto late = session_.post(good.dump(2) + '\n');
  if (!late) return;
  result_.findings.count();
  const std::string message = good.value("@qualifier", "");
  if (is_message(*late) || (message == kFinal && ends_well(*late)))
    fail(message, "was accepted after a refusal: the session was not destroyed");
}

bool uses_earlier_keys(const Json& otherwise) { return otherwise.value("keys", "") == "of an earlier session"; }

/// Whether a scenario needs to know how other sessions went.
bool compares_with_other_sessions(const std::vector<Step>& steps) {
  return std::ranges::any_of(steps, [](const Step& step) {
    const bool asks = std::ranges::any_of(step.tampers, [](const Edit& edit) {
      return edit.argument.dump().find("\"earlier_credential\"") != std::string::npos;
    });
    return asks || step.session.contains("client_session_id") || uses_earlier_keys(step.session) ||
           (step.send == kFinal && step.expect.kind == Expectation::Kind::refusal);
  });
}

}  // namespace

Result<IssuerExaminer> IssuerExaminer::create(IssuerAddress address, const Devices& devices) {
  SKS_LET(TlsContext context, client_context(address.ca));
  return IssuerExaminer(std::move(address), devices, std::move(context));
}

/// A device that is as the scenario wants it; none if there is no such device.
Result<std::unique_ptr<Device>> IssuerExaminer::prepare_device(const Json& otherwise, ScenarioResult& result) const {
  const auto given = [](const auto& device) -> const DeviceIdentity* { return device ? &*device : nullptr; };
  const std::map<std::string, const DeviceIdentity*> identities{{"own", &devices_->own},
                                                                {"stranger", given(devices_->stranger)},
                                                                {"forged", given(devices_->forged)},
                                                                {"expired", given(devices_->expired)}};
  const std::string which = otherwise.value("device", "own");
  const auto identity = identities.find(which);
  if (identity == identities.end()) return Error{Status::option, "no such device: " + which};
  if (identity->second == nullptr) {
    result.skipped = "without --device-ca the issuer may take any device";
    return std::unique_ptr<Device>();
  }
  SKS_LET(std::unique_ptr<Device> device, Device::create(*identity->second));
  if (otherwise.contains("client_session_id")) device->ids().use_id(earlier_.client_session_id);
  if (otherwise.contains("keys"))
    device->keys().use_keys(
        uses_earlier_keys(otherwise) ? KeyMaker::Keys::of_earlier_session : KeyMaker::Keys::the_same, &earlier_);
  return device;
}

Result<IssuerExaminer::Played> IssuerExaminer::play(const Scenario& scenario, ScenarioResult& result) {
  Played played;
  SKS_LET(played.device, prepare_device(SessionExaminer::otherwise(scenario.runs.front().steps), result));
  if (played.device == nullptr) return played;
  SKS_LET(const Invocation invocation, address_.ticket_command.empty()
                                           ? Result<Invocation>(Invocation{address_.init, address_.url, ""})
                                           : draw_ticket(address_.ticket_command, address_.patience));
  return play_with(std::move(played.device), invocation, scenario, result);
}

Result<IssuerExaminer::Played> IssuerExaminer::play_with(std::unique_ptr<Device> device, const Invocation& invocation,
                                                         const Scenario& scenario, ScenarioResult& result) {
  Played played;
  played.device = std::move(device);
  SKS_LET(IssuerSession session,
          IssuerSession::create(invocation.init, invocation.url, invocation.cookie, context_.get()));
  SessionExaminer examiner(scenario, session, *played.device, {endings_, earlier_}, result);
  SKS_LET(const bool ended, examiner.run());
  played.location = examiner.location();
  played.good = ended && result.findings.empty();
  if (!played.good) return played;
  SKS_LET(played.seen.client_session_id, from_base64url(examiner.role().client_session_id()));
  played.seen.keys = played.device->keys().take_made();
  played.seen.credentials = examiner.role().issued();
  return played;
}

/// A session in which the device gets its keys, then one of an order for the first of them.
Result<void> IssuerExaminer::play_order(const Scenario& scenario, ScenarioResult& result) {
  if (address_.order_command.empty()) {
    result.skipped = "no command is given that orders something for a key";
    return {};
  }
  const KeyOrder* const order = find_key_order(scenario.order);
  SKS_CHECK(order != nullptr);
  Scenario enrolment{scenario.name, "", "", ""};
  enrolment.runs.emplace_back();
  SKS_LET(Played played, play(enrolment, result));
  if (!played.good) return {};
  Result<OrderedKey> key = OrderedKey::choose(*order, *played.device);
  if (!key) {
    result.skipped = "for another issuer: " + key.error().detail;
    return {};
  }
  const std::string command =
      substitute(address_.order_command, {{"action", scenario.order}, {"fingerprint", key->fingerprint()}});
  SKS_LET(const Invocation invocation, draw_ticket(command, address_.patience));
  SKS_LET(played, play_with(std::move(played.device), invocation, scenario, result));
  if (played.good) key->check(result.findings);
  return {};
}

/// Two good sessions and a refused one, for scenarios that compare with them.
Result<void> IssuerExaminer::rehearse() {
  if (rehearsed_) return {};
  rehearsed_ = true;
  Scenario scenario{"rehearsal", "", "", ""};
  scenario.runs.emplace_back();
  std::vector<std::string> locations;
  for (const bool first : {true, false}) {
    ScenarioResult result;
    SKS_LET(Played played, play(scenario, result));
    if (!played.good) {
      const Findings& findings = result.findings;
      unready_ =
          "no good session of this issuer came to its end" +
          (findings.empty() ? ""
                            : ": " + to_string(findings.list().front().place) + ' ' + findings.list().front().sentence);
      return {};
    }
    locations.push_back(played.location);
    if (first) earlier_ = std::move(played.seen);
  }
  Step refused{"InvocationResponse"};
  refused.tampers.push_back({"set", "/serverSessionId", "another-session"});
  refused.expect = {Expectation::Kind::refusal};
  scenario.runs.front().steps.push_back(std::move(refused));
  ScenarioResult result;
  SKS_LET(const Played played, play(scenario, result));
  endings_.emplace(locations[0], locations[1],
                   result.findings.empty() ? std::optional<std::string>(played.location) : std::nullopt);
  return {};
}

Result<void> IssuerExaminer::examine(const Scenario& scenario, ScenarioResult& result) {
  if (compares_with_other_sessions(scenario.runs.front().steps)) {
    SKS_TRY(rehearse());
    result.skipped = unready_;
    if (!unready_.empty()) return {};
  }
  if (!scenario.order.empty()) return play_order(scenario, result);
  SKS_LET(const Played played, play(scenario, result));
  return {};
}

ScenarioResult IssuerExaminer::run(const Scenario& scenario) {
  ScenarioResult result{scenario.name, scenario.title, scenario.spec, scenario.proves, {}, {}, {}, {}};
  try {
    if (const auto ran = examine(scenario, result); !ran) result.broken = ran.error().detail;
  } catch (const Json::exception& exception) {
    result.broken = std::string("a value has another type than is needed: ") + exception.what();
  }
  return result;
}

}  // namespace sks::conformance
