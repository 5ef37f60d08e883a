#include "conformance/order.h"

#include <algorithm>
#include <array>

#include "conformance/checks.h"
#include "conformance/schema.h"

namespace sks::conformance {
namespace {

struct Pair {
  std::string_view request;
  std::string_view response;
  bool optional;
};
/// Spec: keygen2.md 1.2.
constexpr auto kPairs = std::to_array<Pair>({
    {"InvocationRequest", "InvocationResponse", false},
    {"ProvisioningInitializationRequest", "ProvisioningInitializationResponse", false},
    {"CredentialDiscoveryRequest", "CredentialDiscoveryResponse", true},
    {"KeyCreationRequest", "KeyCreationResponse", true},
    {"ProvisioningFinalizationRequest", "ProvisioningFinalizationResponse", false},
});
constexpr std::size_t kDiscovery = 2;
constexpr std::size_t kCreation = 3;

/// The call of each method follows the message that asks for it.
struct CallRule {
  std::string_view method;
  std::string_view after;
  bool once;
};
constexpr auto kCallRules = std::to_array<CallRule>({
    {"createProvisioningSession", "ProvisioningInitializationRequest", true},
    {"createPukPolicy", "KeyCreationRequest", false},
    {"createPinPolicy", "KeyCreationRequest", false},
    {"createKeyEntry", "KeyCreationRequest", false},
    {"setCertificatePath", "ProvisioningFinalizationRequest", false},
    {"importSymmetricKey", "ProvisioningFinalizationRequest", false},
    {"importPrivateKey", "ProvisioningFinalizationRequest", false},
    {"addExtension", "ProvisioningFinalizationRequest", false},
    {"postCloneKeyProtection", "ProvisioningFinalizationRequest", false},
    {"postUpdateKey", "ProvisioningFinalizationRequest", false},
    {"postUnlockKey", "ProvisioningFinalizationRequest", false},
    {"postDeleteKey", "ProvisioningFinalizationRequest", false},
    {"closeProvisioningSession", "ProvisioningFinalizationRequest", true},
});

bool has(const Recording& recording, std::string_view qualifier) {
  return std::ranges::find(recording.messages, qualifier, &RecordedMessage::qualifier) != recording.messages.end();
}

std::vector<std::string_view> expected_messages(const Recording& recording) {
  const auto performed = [&](std::size_t pair) {
    return has(recording, kPairs.at(pair).request) || has(recording, kPairs.at(pair).response);
  };
  std::vector<std::string_view> expected;
  for (std::size_t i = 0; i < kPairs.size(); ++i) {
    // Keys need not be created after a discovery.
    const bool needed = !kPairs.at(i).optional || (i == kCreation && !performed(kDiscovery));
    if (!needed && !performed(i)) continue;
    expected.push_back(kPairs.at(i).request);
    expected.push_back(kPairs.at(i).response);
  }
  return expected;
}

std::string file_name(std::size_t number, std::string_view qualifier) {
  constexpr std::size_t kTwoDigits = 10;
  return (number < kTwoDigits ? "0" : "") + std::to_string(number) + '-' + std::string(qualifier) + ".json";
}

void expect_text(const Node& node, const std::string& expected, const std::string& from) {
  node.findings().count();
  if (const std::string found = node.text(); found != expected)
    node.fail("is \"" + found + "\" and not \"" + expected + "\", as " + from + " says");
}

/// What the client has announced. Answers of a wrong form announce nothing: the schema finds them.
std::vector<std::string> announced_capabilities(const Recording& recording) {
  Findings unused;
  std::vector<std::string> announced;
  for (const RecordedMessage& message : recording.messages) {
    if (message.qualifier != "InvocationResponse") continue;
    const Node content(message.content, {message.file, "", ""}, unused);
    for (const Node& capability : content["clientCapabilities"].optional_elements())
      if (capability["supported"].optional_boolean(false)) announced.push_back(capability["type"].text());
  }
  return announced;
}

}  // namespace

void check_message_order(const Recording& recording, Findings& findings) {
  const std::vector<std::string_view> expected = expected_messages(recording);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    findings.count();
    const std::string file = file_name(i + 1, expected[i]);
    if (std::ranges::find(recording.messages, file, &RecordedMessage::file) == recording.messages.end())
      findings.add({file, "", ""}, "is missing: it is message " + std::to_string(i + 1) + " of this session");
  }
  for (const RecordedMessage& message : recording.messages) {
    const bool belongs =
        message.number >= 1 && message.number <= expected.size() && message.qualifier == expected[message.number - 1];
    if (!belongs)
      findings.add({message.file, "", ""}, "is not message " + std::to_string(message.number) + " of a session");
    const Node qualifier = Node(message.content, {message.file, "", ""}, findings)["@qualifier"];
    if (qualifier.text() != message.qualifier)
      qualifier.fail("is not " + message.qualifier + ", as the file's name says");
  }
}

bool has_all_messages(const Recording& recording) {
  Findings findings;
  check_message_order(recording, findings);
  return findings.empty();
}

void check_messages(const Session& session, Findings& findings) {
  check_message_order(session.recording, findings);
  const Node count = secrets(session.recording, findings)["messages"];
  if (count.number() != session.recording.messages.size())
    count.fail("is not " + std::to_string(session.recording.messages.size()) + ", the number of messages");
}

void check_schema(const Session& session, Findings& findings) {
  const std::vector<std::string> announced = announced_capabilities(session.recording);
  for (const RecordedMessage& message : session.recording.messages) {
    findings.count();
    if (auto violation = find_schema_violation(message.content, announced))
      findings.add({message.file, std::move(violation->path), ""}, std::move(violation->sentence));
  }
}

void check_ids(const Session& session, Findings& findings) {
  const Recording& recording = session.recording;
  const Node known = secrets(recording, findings);
  const std::string server = known["serverSessionId"].text();
  const std::string client = known["clientSessionId"].text();
  const std::string from(kSecretsFile);
  // The client's id comes with the second response.
  constexpr std::size_t kFirstWithClientId = 4;
  for (const RecordedMessage& message : recording.messages) {
    const Node content(message.content, {message.file, "", ""}, findings);
    expect_text(content["serverSessionId"], server, from);
    if (message.number >= kFirstWithClientId) expect_text(content["clientSessionId"], client, from);
  }
  if (const auto created = find_call(recording, "createProvisioningSession")) {
    expect_text(call_arguments(recording, *created, findings)["serverSessionId"], server, from);
    expect_text(call_result(recording, *created, findings)["clientSessionId"], client, from);
  }
}

void check_calls(const Session& session, Findings& findings) {
  const Recording& recording = session.recording;
  std::size_t latest = 0;
  bool closed = false;
  std::array<std::size_t, kCallRules.size()> counts{};
  for (std::size_t i = 0; i < recording.calls.size(); ++i) {
    const RecordedCall& call = recording.calls[i];
    const Place place{std::string(kCallsFile), '/' + std::to_string(i), call.method};
    if (call.after_message < latest) findings.add(place, "comes after a call that follows a later message");
    latest = std::max(latest, call.after_message);
    const auto* const rule = std::ranges::find(kCallRules, call.method, &CallRule::method);
    if (rule == kCallRules.end()) continue;
    findings.count();
    ++counts.at(static_cast<std::size_t>(rule - kCallRules.begin()));
    const auto message = std::ranges::find(recording.messages, rule->after, &RecordedMessage::qualifier);
    if (message == recording.messages.end() || message->number != call.after_message)
      findings.add(place, "does not follow the " + std::string(rule->after));
    if (call.failed()) findings.add(place, "failed");
    if (closed) findings.add(place, "comes after the session was closed");
    closed = closed || call.method == "closeProvisioningSession";
  }
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (kCallRules.at(i).once && counts.at(i) != 1)
      findings.add({std::string(kCallsFile), "", ""}, "holds " + std::to_string(counts.at(i)) + " calls of " +
                                                          std::string(kCallRules.at(i).method) + " instead of one");
}

}  // namespace sks::conformance
