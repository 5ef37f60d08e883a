#include "conformance/kit/scenario.h"

#include <algorithm>
#include <array>

#include "conformance/kit/key_order.h"
#include "conformance/kit/toml_document.h"

namespace sks::conformance {
namespace {

using Kind = Expectation::Kind;

constexpr auto kMessages = std::to_array<std::string_view>({
    "InvocationRequest",
    "InvocationResponse",
    "ProvisioningInitializationRequest",
    "ProvisioningInitializationResponse",
    "CredentialDiscoveryRequest",
    "CredentialDiscoveryResponse",
    "KeyCreationRequest",
    "KeyCreationResponse",
    "ProvisioningFinalizationRequest",
    "ProvisioningFinalizationResponse",
});

struct Word {
  std::string_view word;
  Kind kind;
};
constexpr auto kExpectations = std::to_array<Word>({
    {"abort", Kind::abort},
    {"end", Kind::end},
    {"refusal", Kind::refusal},
    {"refusal of a stranger", Kind::turned_away},
    {"refusal or the same message", Kind::refused_or_repeated},
    {"stored response", Kind::stored},
    {"next message", Kind::anything},
});

constexpr auto kCertificates = std::to_array<std::string_view>({"own", "other", "untrusted", "expired", "other-name"});
constexpr auto kPurposes = std::to_array<std::string_view>({"enroll", "resume", "cancel"});

bool is_message(std::string_view name) { return std::ranges::find(kMessages, name) != kMessages.end(); }

void refuse_unknown(const Node& node, std::span<const std::string_view> known) {
  if (!node.exists() || !node.json().is_object()) return;
  for (const auto& item : node.json().items())
    if (std::ranges::find(known, item.key()) == known.end()) node[item.key()].fail("means nothing here");
}

std::string one_of(const Node& node, std::span<const std::string_view> words, std::string_view absent) {
  const std::string word = node.exists() ? node.text() : std::string(absent);
  if (std::ranges::find(words, word) == words.end()) node.fail("is an unknown value: \"" + word + '"');
  return word;
}

std::vector<std::string> texts(const Node& node) {
  std::vector<std::string> list;
  for (const Node& element : node.optional_elements()) list.push_back(element.text());
  return list;
}

std::vector<Edit> read_edits(const Node& node, bool textual) {
  std::vector<Edit> edits;
  for (const Node& element : node.optional_elements()) {
    edits.push_back(read_edit(element));
    if (!textual && is_textual(edits.back())) element.fail("changes the text: it belongs to tamper");
  }
  return edits;
}

Delivery read_delivery(const Node& node) {
  constexpr auto kKnown = std::to_array<std::string_view>(
      {"status", "type", "headers", "method", "path", "body", "certificate", "chunked", "cut"});
  refuse_unknown(node, kKnown);
  Delivery delivery;
  if (node["status"].exists()) delivery.status = node["status"].number();
  if (node["type"].exists()) delivery.content_type = node["type"].text();
  if (node["method"].exists()) delivery.method = node["method"].text();
  delivery.path = node["path"].optional_text();
  delivery.body = node["body"].optional_text();
  delivery.chunked = node["chunked"].optional_boolean(false);
  delivery.cut = node["cut"].optional_boolean(false);
  delivery.certificate = one_of(node["certificate"], kCertificates, "own");
  const Node headers = node["headers"];
  if (headers.exists() && headers.json().is_object())
    for (const auto& item : headers.json().items())
      delivery.headers.emplace_back(item.key(), headers[item.key()].text());
  return delivery;
}

Expectation read_expectation(const Node& node, const Step& step) {
  if (!node.exists()) {
    if (step.send == "termination") return {Kind::end};
    if (is_message(step.send) && step.send.ends_with("Request")) return {Kind::message, response_to(step.send)};
    return {};
  }
  if (node["status"].exists()) return {Kind::status, {}, node["status"].number()};
  const std::string word = node.text();
  if (is_message(word)) return {Kind::message, word};
  const auto* const found = std::ranges::find(kExpectations, word, &Word::word);
  if (found != kExpectations.end()) return {found->kind};
  node.fail("is nothing to expect: \"" + word + '"');
  return {};
}

/// What steps and variants have in common.
void read_changes(const Node& node, Step& step) {
  const auto add = [](std::vector<Edit>& to, std::vector<Edit> more) {
    std::ranges::move(more, std::back_inserter(to));
  };
  add(step.edits, read_edits(node["edit"], false));
  add(step.tampers, read_edits(node["tamper"], true));
  if (node["http"].exists()) step.delivery = read_delivery(node["http"]);
  if (node["session"].exists()) step.session = node["session"].json();
  if (node["resend"].exists()) step.resend = node["resend"].text();
  step.repeat = node["repeat"].optional_boolean(step.repeat);
  const auto read_values = [&](const char* name, std::vector<std::pair<std::string, Json>>& values) {
    const Node table = node[name];
    if (!table.exists() || !table.json().is_object()) return;
    for (const auto& item : table.json().items()) values.emplace_back(item.key(), item.value());
  };
  read_values("answer", step.answer);
  read_values("needs", step.needs);
  step.optional = node["optional"].exists() ? node["optional"].text() : step.optional;
  // Of a client a request comes back, of an issuer a response.
  for (const char* const name : {"request", "response"}) {
    const Node headers = node[name];
    if (!headers.exists() || !headers.json().is_object()) continue;
    for (const auto& item : headers.json().items()) step.headers.emplace_back(item.key(), headers[item.key()].text());
  }
  const Node finds = node["finds"];
  if (finds.exists() && finds.json().is_object())
    for (const auto& item : finds.json().items()) step.finds[item.key()] = texts(finds[item.key()]);
}

Step read_step(const Node& node) {
  constexpr auto kKnown =
      std::to_array<std::string_view>({"send", "message", "edit", "tamper", "http", "session", "resend", "repeat",
                                       "expect", "answer", "finds", "request", "response", "needs", "optional"});
  refuse_unknown(node, kKnown);
  Step step{node["send"].text()};
  if (!is_message(step.send) && step.send != "termination") node["send"].fail("is no message: \"" + step.send + '"');
  if (step.send == "termination") step.delivery = {302, "text/html"};
  if (node["message"].exists()) step.message = node["message"].json();
  if (!step.message.is_object()) node["message"].fail("is no table");
  read_changes(node, step);
  step.expect = read_expectation(node["expect"], step);
  return step;
}

Run read_run(const Node& node) {
  constexpr auto kKnown = std::to_array<std::string_view>({"step", "pins", "purpose"});
  refuse_unknown(node, kKnown);
  Run run{{}, texts(node["pins"]), one_of(node["purpose"], kPurposes, "enroll")};
  for (const Node& step : node["step"].elements()) run.steps.push_back(read_step(step));
  return run;
}

void read_keys(const Node& keys, Scenario& scenario) {
  if (!keys.exists() || !keys.json().is_object()) return;
  for (const auto& item : keys.json().items()) scenario.keys[item.key()] = keys[item.key()].text();
}

void read_order(const Node& node, Scenario& scenario) {
  if (!node.exists()) return;
  scenario.order = node.text();
  if (scenario.side == Side::client) node.fail("is for issuers");
  if (find_key_order(scenario.order) == nullptr) node.fail("is an unknown value: \"" + scenario.order + '"');
}

/// Changes the step of the last run that sends the message.
void change_step(Scenario& scenario, const Node& node) {
  std::vector<Step>& steps = scenario.runs.back().steps;
  const std::string at = node["at"].text();
  auto step = std::ranges::find(steps, at, &Step::send);
  if (step == steps.end() && scenario.side == Side::issuer && is_message(at))
    step = steps.insert(steps.end(), Step{at});
  if (step == steps.end()) return node["at"].fail("is no message of the last run: \"" + at + '"');
  if (node["message"].exists() && node["message"].json().is_object())
    for (const auto& item : node["message"].json().items()) step->message[item.key()] = item.value();
  read_changes(node, *step);
  if (node["expect"].exists()) step->expect = read_expectation(node["expect"], *step);
}

void vary(Scenario& scenario, const Node& node) {
  constexpr auto kThen =
      std::to_array<std::string_view>({"at", "message", "edit", "tamper", "http", "session", "resend", "repeat",
                                       "expect", "answer", "finds", "request", "response", "needs", "optional"});
  constexpr auto kOwn = std::to_array<std::string_view>({"name", "proves", "spec", "keys", "order", "pins", "then"});
  std::vector<std::string_view> known(kThen.begin(), kThen.end());
  known.insert(known.end(), kOwn.begin(), kOwn.end());
  refuse_unknown(node, known);
  scenario.name += '/' + node["name"].text();
  if (node["proves"].exists()) scenario.proves = node["proves"].text();
  if (node["spec"].exists()) scenario.spec = node["spec"].text();
  if (node["pins"].exists()) scenario.runs.back().pins = texts(node["pins"]);
  read_keys(node["keys"], scenario);
  read_order(node["order"], scenario);
  // An order is a point in which a scenario differs.
  if (node["at"].exists() || !node["order"].exists()) change_step(scenario, node);
  for (const Node& more : node["then"].optional_elements()) {
    refuse_unknown(more, kThen);
    change_step(scenario, more);
  }
  // What can no longer follow is left out.
  std::vector<Step>& steps = scenario.runs.back().steps;
  const auto last = std::ranges::find_if(
      steps, [](const Step& step) { return step.expect.kind == Kind::abort || step.expect.kind == Kind::end; });
  if (last != steps.end() && scenario.side == Side::client) steps.erase(std::next(last), steps.end());
}

Scenario read_base(const Node& root, std::string name) {
  constexpr auto kSides = std::to_array<std::string_view>({"client", "issuer"});
  constexpr auto kKnown = std::to_array<std::string_view>(
      {"title", "proves", "spec", "side", "keys", "order", "pins", "run", "step", "variant"});
  refuse_unknown(root, kKnown);
  Scenario scenario{std::move(name), root["title"].text(), root["proves"].optional_text(), root["spec"].text()};
  scenario.side = one_of(root["side"], kSides, "") == "issuer" ? Side::issuer : Side::client;
  read_keys(root["keys"], scenario);
  read_order(root["order"], scenario);
  for (const Node& run : root["run"].optional_elements()) scenario.runs.push_back(read_run(run));
  if (scenario.runs.empty()) {
    scenario.runs.push_back({{}, texts(root["pins"])});
    for (const Node& step : root["step"].optional_elements()) scenario.runs.back().steps.push_back(read_step(step));
    if (scenario.runs.back().steps.empty() && scenario.side == Side::client) root["step"].fail("is missing");
  } else if (root["step"].exists()) {
    root["step"].fail("stands beside [[run]]: a step belongs to a run");
  }
  return scenario;
}

}  // namespace

/// They stand side by side.
std::string response_to(std::string_view request) {
  const auto* const found = std::ranges::find(kMessages, request);
  SKS_CHECK(found != kMessages.end() && std::next(found) != kMessages.end());
  return std::string(*std::next(found));
}

std::vector<Scenario> read_scenarios(const ScenarioText& file, Findings& findings) {
  const Place place{std::string(file.file), "", ""};
  const Result<Json> document = parse_toml(file.text);
  if (!document) {
    findings.add(place, document.error().detail);
    return {};
  }
  const Node root(*document, place, findings);
  std::string name = place.file.substr(0, place.file.rfind('.'));
  const Scenario base = read_base(root, std::move(name));
  const std::vector<Node> variants = root["variant"].optional_elements();
  if (base.proves.empty() && variants.empty()) root["proves"].fail("is missing");
  if (variants.empty()) return {base};
  std::vector<Scenario> scenarios;
  for (const Node& variant : variants) {
    scenarios.push_back(base);
    vary(scenarios.back(), variant);
    if (scenarios.back().proves.empty()) variant["proves"].fail("is missing");
  }
  return scenarios;
}

}  // namespace sks::conformance
