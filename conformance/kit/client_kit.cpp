#include "conformance/kit/client_kit.h"

#include "conformance/kit/issuer_endpoint.h"
#include "conformance/kit/issuer_role.h"
#include "conformance/kit/temporary_folder.h"
#include "sks-core/base/clock.h"
#include "sks-core/base/encoding.h"
#include "sks-core/base/random.h"

namespace sks::conformance {
namespace {

using Kind = Expectation::Kind;

constexpr std::string_view kMainPath = "/keygen2";
/// The shell's code for a command that a signal ended is this and more.
constexpr int kSignalled = 128;
const std::string kOwn = "own";
constexpr const char* kUnusedPin = "602841\n";

class ClientExaminer {
 public:
  ClientExaminer(const Scenario& scenario, const ClientCommands& commands, ScenarioResult& result)
      : scenario_(scenario), commands_(commands), result_(result) {}

  /// Fails with the reason for which the scenario is broken.
  Result<void> run();

 private:
  struct Exchange {
    ChildProcess& client;
    const Run& run;
    std::size_t number;  ///< of the step
    const Step& step() const { return run.steps[number]; }
  };

  Result<void> prepare();
  Result<void> examine(const Run& run);
  Result<bool> exchange(const Exchange& exchange);
  void finish(ChildProcess& client, const Step& last);
  void check_end(ChildProcess& client, const Step& last, Kind kind);
  bool is_allowed_again(const Step& last, const HttpMessage& request);

  bool check_request(const Exchange& exchange, const HttpMessage& request);
  void check_head(const HttpMessage& request, bool first, const std::vector<std::pair<std::string, std::string>>& more);
  void respond(TlsConnection& connection, const Step& step, std::string body);
  const std::string& command_of(const Run& run) const;
  std::map<std::string, std::string> values(const Run& run);
  Result<ChildProcess> start(const std::string& command, const Run& run);

  void fail(const std::string& where, const std::string& sentence) { result_.findings.add({where, "", ""}, sentence); }
  std::string origin() const { return "https://localhost:" + std::to_string(endpoint_->port()); }
  std::string main_url() const { return origin() + std::string(kMainPath); }
  std::string init_path() const { return std::string(kMainPath) + "?init=" + std::to_string(runs_); }

  const Scenario& scenario_;
  const ClientCommands& commands_;
  ScenarioResult& result_;
  std::optional<TemporaryFolder> folder_;
  std::optional<IssuerEndpoint> endpoint_;
  std::optional<IssuerMemory> memory_;
  std::optional<IssuerRole> role_;
  std::string cookie_;
  std::size_t runs_ = 0;
  std::string latest_;       ///< body of the latest POST, empty after a GET
  std::size_t repeats_ = 0;  ///< of that POST
};

Result<void> ClientExaminer::run() {
  const std::int64_t now = system_clock().now();
  SKS_LET(TemporaryFolder folder, TemporaryFolder::create());
  folder_.emplace(std::move(folder));
  SKS_LET(IssuerEndpoint endpoint, IssuerEndpoint::open(now));
  endpoint_.emplace(std::move(endpoint));
  SKS_LET(IssuerMemory memory, IssuerMemory::create(scenario_, now));
  memory_.emplace(std::move(memory));
  SKS_TRY(write_file(folder_->path() / "ca.pem", to_pem(endpoint_->authority().der(), "CERTIFICATE")));
  SKS_TRY(prepare());
  for (const Run& run : scenario_.runs) {
    ++runs_;
    if (command_of(run).empty()) {
      result_.skipped = "no command is given with which a user cancels";
      return {};
    }
    SKS_TRY(examine(run));
    if (!result_.findings.empty() || !result_.skipped.empty()) break;
  }
  if (const auto output = read_file(folder_->path() / "output")) result_.output = *output;
  return {};
}

Result<void> ClientExaminer::prepare() {
  if (commands_.prepare.empty()) return {};
  SKS_LET(ChildProcess process, start(commands_.prepare, scenario_.runs.front()));
  const auto ending = process.wait(commands_.patience);
  if (ending && ending->code == 0 && !ending->by_signal) return {};
  if (const auto output = read_file(folder_->path() / "output")) result_.output = *output;
  return Error{Status::external, "the command that prepares a scenario failed"};
}

const std::string& ClientExaminer::command_of(const Run& run) const {
  if (run.purpose == "cancel") return commands_.cancel;
  return run.purpose == "resume" && !commands_.resume.empty() ? commands_.resume : commands_.enroll;
}

std::map<std::string, std::string> ClientExaminer::values(const Run& run) {
  std::string pins;
  for (const std::string& pin : run.pins) pins += pin + '\n';
  if (pins.empty()) pins = kUnusedPin;  // a file without any may be refused
  const std::filesystem::path file = folder_->path() / "pins";
  static_cast<void>(write_file(file, pins));
  const std::string init = origin() + init_path();
  const std::string url = "keygen2://?init=" + percent_encode(init) + "&url=" + percent_encode(main_url()) +
                          "&cookie=" + percent_encode(cookie_) + "&cncl=" + percent_encode(origin() + "/cancelled");
  return {{"url", url},
          {"init", init},
          {"main", main_url()},
          {"cookie", cookie_},
          {"ca", (folder_->path() / "ca.pem").string()},
          {"dir", folder_->path().string()},
          {"pins", file.string()}};
}

Result<ChildProcess> ClientExaminer::start(const std::string& command, const Run& run) {
  const std::map<std::string, std::string> known = values(run);
  return ChildProcess::start(substitute(command, known), {{"SSL_CERT_FILE", known.at("ca")}},
                             folder_->path() / "output");
}

Result<void> ClientExaminer::examine(const Run& run) {
  cookie_ = "kit=" + random_id(system_random());
  const bool resumes = role_ && run.steps.front().send == "ProvisioningFinalizationRequest";
  if (!resumes) role_.emplace(*memory_, main_url(), endpoint_->certificate(run.steps.front().delivery.certificate));
  SKS_LET(ChildProcess client, start(command_of(run), run));
  for (std::size_t i = 0; i < run.steps.size(); ++i) {
    SKS_LET(const bool goes_on, exchange({client, run, i}));
    if (!goes_on) return {};
  }
  finish(client, run.steps.back());
  return {};
}

/// Takes the request that is due and answers it with the message of the step. False: the run is over.
Result<bool> ClientExaminer::exchange(const Exchange& exchange) {
  const Step& step = exchange.step();
  auto request = endpoint_->next(exchange.client, step.delivery.certificate, commands_.patience);
  if (!request) {
    // The client has looked at the certificate and sent nothing.
    if (step.delivery.certificate != kOwn && step.expect.kind == Kind::abort)
      check_end(exchange.client, step, Kind::abort);
    else
      fail(exchange.number == 0 ? "GET" : exchange.run.steps[exchange.number - 1].send,
           "expected " +
               (exchange.number == 0 ? std::string("a GET of the init URL")
                                     : exchange.run.steps[exchange.number - 1].expect.message) +
               ", but the client " +
               (exchange.client.poll() ? "ended with exit code " + std::to_string(exchange.client.poll()->code)
                                       : "sent nothing in time"));
    return false;
  }
  if (step.delivery.certificate != kOwn && step.expect.kind == Kind::abort) {
    fail(request->message.start,
         "was sent to a server with a certificate that is not acceptable: " + step.delivery.certificate);
    return false;
  }
  if (!check_request(exchange, request->message)) return false;
  latest_ = request->message.body;
  repeats_ = 0;
  std::string body;
  if (step.send != "termination") {
    SKS_LET(body, role_->compose(step));
  }
  respond(request->connection, step, std::move(body));
  return true;
}

bool ClientExaminer::check_request(const Exchange& exchange, const HttpMessage& request) {
  const bool first = exchange.number == 0;
  const Step* const before = first ? nullptr : &exchange.run.steps[exchange.number - 1];
  check_head(request, first, first ? std::vector<std::pair<std::string, std::string>>() : before->headers);
  if (first) return result_.findings.empty();
  role_->check(*before, request.body, result_.findings);
  if (!result_.findings.empty()) return false;
  if (const auto lack = IssuerRole::find_lack(*before, request.body)) result_.skipped = "for another client: " + *lack;
  return result_.skipped.empty();
}

/// Spec: keygen2.md 2.2.
void ClientExaminer::check_head(const HttpMessage& request, bool first,
                                const std::vector<std::pair<std::string, std::string>>& more) {
  const std::string method = first ? "GET" : "POST";
  const std::string target = first ? init_path() : std::string(kMainPath);
  result_.findings.count();
  if (request.method() != method || request.target() != target) {
    fail(request.start, "is not " + method + ' ' + target);
    return;
  }
  const std::string cookies = request.header("Cookie").value_or("");
  if (cookies.find(cookie_) == std::string::npos) fail(request.start, "has not the cookie of the invocation");
  const std::string type = request.header("Content-Type").value_or("");
  if (!first && type != "application/json") fail(request.start, "has the Content-Type \"" + type + '"');
  if (first && !request.body.empty()) fail(request.start, "has a body");
  for (const auto& [name, text] : more)
    if (request.header(name).value_or("").find(text) == std::string::npos)
      fail(request.start, "has no header " + name + " with \"" + text + '"');
}

void ClientExaminer::respond(TlsConnection& connection, const Step& step, std::string body) {
  const Delivery& delivery = step.delivery;
  HttpMessage response{"HTTP/1.1 " + std::to_string(delivery.status) + " -", delivery.headers, std::move(body)};
  if (!delivery.body.empty()) response.body = delivery.body;
  if (!delivery.content_type.empty()) response.headers.emplace_back("Content-Type", delivery.content_type);
  constexpr unsigned kFirstRedirect = 300;
  constexpr unsigned kAfterRedirects = 400;
  const bool redirects = delivery.status >= kFirstRedirect && delivery.status < kAfterRedirects;
  if (redirects && !response.header("Location")) response.headers.emplace_back("Location", origin() + "/done");
  std::erase(response.headers, std::pair<std::string, std::string>("Location", ""));
  // Whether the client still listens is told by what it does next.
  if (!delivery.cut)
    static_cast<void>(connection.write(to_text(response, delivery.chunked ? Framing::chunked : Framing::length)));
  connection.close();
}

/// What has to follow the last step.
void ClientExaminer::finish(ChildProcess& client, const Step& last) {
  if (last.expect.kind != Kind::message) return check_end(client, last, last.expect.kind);
  auto request = endpoint_->next(client, kOwn, commands_.patience);
  if (!request) {
    const auto ending = client.poll();
    return fail(last.send,
                "expected " + last.expect.message + ", but the client " +
                    (ending ? "ended with exit code " + std::to_string(ending->code) : "sent nothing in time"));
  }
  check_head(request->message, false, last.headers);
  role_->check(last, request->message.body, result_.findings);
  Step termination{"termination"};
  termination.delivery = {302, ""};
  respond(request->connection, termination, "");
  check_end(client, termination, Kind::end);
}

/// The same POST byte for byte, twice at most, after a failure of the network, 429 or 503. Spec: keygen2.md E no. 4.
bool ClientExaminer::is_allowed_again(const Step& last, const HttpMessage& request) {
  constexpr std::size_t kMaxRepeats = 2;
  constexpr unsigned kTooManyRequests = 429;
  constexpr unsigned kUnavailable = 503;
  const Delivery& delivery = last.delivery;
  const bool may = delivery.cut || delivery.status == kTooManyRequests || delivery.status == kUnavailable;
  return may && request.method() == "POST" && !latest_.empty() && request.body == latest_ && ++repeats_ <= kMaxRepeats;
}

void ClientExaminer::check_end(ChildProcess& client, const Step& last, Kind kind) {
  const bool succeeds = kind == Kind::end;
  result_.findings.count();
  while (auto request = endpoint_->next(client, kOwn, commands_.patience)) {
    if (is_allowed_again(last, request->message)) {
      respond(request->connection, last, "");
      continue;
    }
    const auto document = parse_document(request->message.body);
    const std::string what = document && document->is_object() ? document->value("@qualifier", "") : "";
    const bool goes_on = last.send.ends_with("Request") && what == response_to(last.send);
    if (goes_on && !last.optional.empty()) {
      result_.skipped = "the client goes on with " + what + ": " + last.optional;
      return;
    }
    return fail(request->message.start,
                "was sent" + (what.empty() ? "" : " with " + what) + ", but the client must send nothing more");
  }
  const auto ending = client.wait(commands_.patience);
  if (!ending) return fail("exit code", "none: the client did not end in time");
  if (ending->by_signal || ending->code > kSignalled)
    return fail("exit code", std::to_string(ending->code) + ": a signal ended the client");
  if ((ending->code == 0) != succeeds)
    fail("exit code", std::to_string(ending->code) + " says that the client " +
                          (succeeds ? "failed, but the session was good" : "succeeded, but it must fail"));
}

}  // namespace

ScenarioResult run_client_scenario(const Scenario& scenario, const ClientCommands& commands) {
  ScenarioResult result{scenario.name, scenario.title, scenario.spec, scenario.proves, {}, {}, {}, {}};
  try {
    if (const auto ran = ClientExaminer(scenario, commands, result).run(); !ran) result.broken = ran.error().detail;
  } catch (const Json::exception& exception) {
    result.broken = std::string("a value has another type than is needed: ") + exception.what();
  }
  return result;
}

}  // namespace sks::conformance
