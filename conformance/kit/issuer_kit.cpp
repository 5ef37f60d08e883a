#include "conformance/kit/issuer_kit.h"

#include <algorithm>

#include "conformance/kit/child_process.h"
#include "conformance/kit/client_role.h"
#include "conformance/kit/conditions.h"
#include "conformance/kit/http.h"
#include "conformance/kit/issuer_session.h"
#include "conformance/kit/temporary_folder.h"
#include "sks-core/base/encoding.h"

namespace sks::conformance {
namespace {

constexpr std::string_view kFinal = "ProvisioningFinalizationResponse";

struct Invocation {
  std::string init;
  std::string url;
  std::string cookie;
};

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

Result<Invocation> draw_ticket(const IssuerAddress& address) {
  SKS_LET(const TemporaryFolder folder, TemporaryFolder::create());
  const std::filesystem::path output = folder.path() / "ticket";
  SKS_LET(ChildProcess process, ChildProcess::start(address.ticket_command, {}, output));
  const auto ending = process.wait(address.patience);
  SKS_LET(const std::string text, read_file(output));
  if (!ending || ending->by_signal || ending->code != 0)
    return Error{Status::external, "the ticket command failed: " + text};
  return parse_invocation(text.substr(0, text.find_first_of("\r\n")));
}

/// One scenario: a session that is good but for what the scenario says.
class SessionExaminer {
 public:
  SessionExaminer(const Scenario& scenario, IssuerSession& session, Device& device,
                  const std::optional<std::string>& success, ScenarioResult& result)
      : steps_(scenario.runs.front().steps), session_(session), device_(device), success_(success), result_(result) {}

  static Json otherwise(const std::vector<Step>& steps) {
    Json all = Json::object();
    for (const Step& step : steps) all.update(step.session);
    return all;
  }

  /// The place where the session ended well. Fails with the reason for which the scenario is broken.
  Result<std::optional<std::string>> run();
  const std::string& client_session_id() const { return role_->client_session_id(); }

 private:
  const Step* find_step(const std::string& message);
  bool check_message(const HttpMessage& response);
  void check_termination(const HttpMessage& response);
  Result<std::optional<HttpMessage>> act(const Step& step, const Json& good);
  static std::optional<std::string> find_lack(const Step& step, const Json& good);
  Result<std::string> text_of_step(const Step& step, const Json& good);
  void check_refusal(const Step& step, const HttpMessage& response);
  void check_destroyed(const Json& good);
  void fail(const std::string& where, const std::string& sentence) { result_.findings.add({where, "", ""}, sentence); }
  bool good_so_far() const { return result_.findings.empty() && result_.skipped.empty(); }

  const std::vector<Step>& steps_;
  IssuerSession& session_;
  std::optional<ClientRole> role_;
  Device& device_;
  const std::optional<std::string>& success_;
  ScenarioResult& result_;
  std::map<std::string, std::string> sent_;  ///< texts, by @qualifier
  std::vector<const Step*> done_;
  std::string latest_;  ///< message of the issuer
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
  if (response.header("Cache-Control").value_or("").find("no-store") == std::string::npos)
    fail("response", "may be kept in a cache: there is no Cache-Control: no-store");
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

Result<std::optional<std::string>> SessionExaminer::run() {
  SKS_LET(HttpMessage response, session_.get_init());
  role_.emplace(device_, session_.url(), session_.certificate(), otherwise(steps_));
  while (true) {
    if (!check_message(response)) return std::optional<std::string>();
    latest_ = response.body;
    const std::optional<Json> good = role_->answer(response.body, result_.findings);
    if (!good || !good_so_far()) return std::optional<std::string>();
    const std::string message = good->value("@qualifier", "");
    const std::string text = good->dump(2) + '\n';
    std::optional<HttpMessage> next;
    for (const Step* step = find_step(message); step != nullptr && !next; step = find_step(message)) {
      done_.push_back(step);
      SKS_LET(next, act(*step, *good));
      const bool over = step->expect.kind == Expectation::Kind::refusal ||
                        step->expect.kind == Expectation::Kind::refused_or_repeated;
      if (over || !good_so_far()) return std::optional<std::string>();
    }
    if (!next) {
      sent_[message] = text;
      SKS_LET(next, session_.post(text));
    }
    response = *std::move(next);
    if (message == kFinal) break;
  }
  check_termination(response);
  for (const Step& step : steps_)
    if (std::ranges::find(done_, &step) == done_.end()) result_.skipped = "the issuer does not ask for " + step.send;
  return response.header("Location");
}

Result<std::string> SessionExaminer::text_of_step(const Step& step, const Json& good) {
  if (!step.resend.empty()) {
    const auto earlier = sent_.find(step.resend);
    if (earlier == sent_.end()) return Error{Status::option, "no earlier message of the name " + step.resend};
    return earlier->second;
  }
  std::vector<Edit> edits = step.edits;
  edits.insert(edits.end(), step.tampers.begin(), step.tampers.end());
  for (Edit& edit : edits) {
    SKS_LET(edit.argument, role_->placeholders().resolve(edit.argument));
  }
  return to_text(edits, good);
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
    sent_[step.send] = good_text;
    SKS_LET(before, session_.post(good_text));
  }
  SKS_LET(HttpMessage response, session_.send(step.delivery, *text));
  result_.output += step.send + " was answered with " + shown(response) + '\n';
  result_.findings.count();
  switch (step.expect.kind) {
    case Kind::refusal:
      check_refusal(step, response);
      // The stored response of a session that ended well may be there for ever.
      if (good_so_far() && !(step.repeat && step.send == kFinal)) check_destroyed(good);
      return std::optional<HttpMessage>();
    case Kind::refused_or_repeated:
      if (response.status() != 302 && response.body != latest_)
        fail(step.send, "expected a termination or the same message, but it was answered with " + shown(response));
      return std::optional<HttpMessage>();
    case Kind::turned_away:
      if (response.status() != 302)
        fail(step.send, "expected a termination, but it was answered with " + shown(response));
      return std::optional<HttpMessage>();
    case Kind::status:
      if (response.status() != step.expect.status || response.header("Location"))
        fail(step.send, "expected status " + std::to_string(step.expect.status) +
                            " without a redirect, but it was answered with " + shown(response));
      return before;
    case Kind::stored:
      if (before && (before->status() != response.status() || before->body != response.body ||
                     before->header("Location") != response.header("Location")))
        fail(step.send, "expected the same response as before, which was " + shown(*before) +
                            ", but it was answered with " + shown(response));
      return std::optional<HttpMessage>(std::move(response));
    case Kind::anything:
    case Kind::message:
    case Kind::abort:
    case Kind::end:
      break;
  }
  sent_[step.send] = *text;
  return std::optional<HttpMessage>(std::move(response));
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
  if (is_message(response)) return fail(step.send, "was accepted: it was answered with " + shown(response));
  check_termination(response);
  if (step.send == kFinal && success_ && response.header("Location") == success_)
    fail(step.send, "was accepted: it was answered as a good session is, with " + shown(response));
}

/// After a refusal the good message comes too late. Spec: keygen2.md 1.6.
void SessionExaminer::check_destroyed(const Json& good) {
  const auto late = session_.post(good.dump(2) + '\n');
  if (!late) return;
  result_.findings.count();
  const std::string message = good.value("@qualifier", "");
  if (is_message(*late) || (message == kFinal && success_ && late->header("Location") == success_))
    fail(message, "was accepted after a refusal: the session was not destroyed");
}

}  // namespace

Result<IssuerExaminer> IssuerExaminer::create(IssuerAddress address, const Devices& devices) {
  SKS_LET(TlsContext context, client_context(address.ca));
  return IssuerExaminer(std::move(address), devices, std::move(context));
}

/// A device that is as the scenario wants it; none if there is no such device.
Result<std::unique_ptr<Device>> IssuerExaminer::prepare_device(const Json& otherwise, ScenarioResult& result) const {
  const attestation::SoftwareIdentity* identity = &devices_->own;
  const std::string which = otherwise.value("device", "own");
  if (which != "own") {
    const auto& other = which == "expired" ? devices_->expired : devices_->stranger;
    identity = other ? &*other : nullptr;
  }
  const bool repeats =
      otherwise.contains("client_session_id") || otherwise.value("keys", "") == "of an earlier session";
  if (identity == nullptr) result.skipped = "without --device-ca the issuer may take any device";
  if (repeats && earlier_.client_session_id.empty()) result.skipped = "there is no earlier session that was good";
  if (!result.skipped.empty()) return std::unique_ptr<Device>();
  SKS_LET(std::unique_ptr<Device> device, Device::create(*identity));
  if (otherwise.contains("client_session_id")) device->ids().use_id(earlier_.client_session_id);
  if (otherwise.contains("keys"))
    device->keys().use_keys(repeats ? KeyMaker::Keys::of_earlier_session : KeyMaker::Keys::the_same, &earlier_);
  return device;
}

ScenarioResult IssuerExaminer::run(const Scenario& scenario) {
  ScenarioResult result{scenario.name, scenario.title, scenario.spec, scenario.proves, {}, {}, {}, {}};
  const auto examine = [&]() -> Result<void> {
    const Json otherwise = SessionExaminer::otherwise(scenario.runs.front().steps);
    SKS_LET(const std::unique_ptr<Device> device, prepare_device(otherwise, result));
    if (device == nullptr) return {};
    SKS_LET(const Invocation invocation, address_.ticket_command.empty()
                                             ? Result<Invocation>(Invocation{address_.init, address_.url, ""})
                                             : draw_ticket(address_));
    SKS_LET(IssuerSession session,
            IssuerSession::create(invocation.init, invocation.url, invocation.cookie, context_.get()));
    SessionExaminer examiner(scenario, session, *device, success_, result);
    SKS_LET(const std::optional<std::string> end, examiner.run());
    if (success_ || !end || !result.findings.empty()) return {};
    success_ = end;
    SKS_LET(earlier_.client_session_id, from_base64url(examiner.client_session_id()));
    earlier_.keys = device->keys().take_made();
    return {};
  };
  try {
    if (const auto ran = examine(); !ran) result.broken = ran.error().detail;
  } catch (const Json::exception& exception) {
    result.broken = std::string("a value has another type than is needed: ") + exception.what();
  }
  return result;
}

}  // namespace sks::conformance
