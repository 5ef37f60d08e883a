#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "conformance/verify.h"
#include "sks-core/base/encoding.h"
#include "tests/support/temp_dir.h"

// One bit of every protected value is changed in turn, in the messages, in the calls and in the list of operations.
namespace sks::conformance {
namespace {

std::string from_url_alphabet(std::string text) {
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  while (text.size() % 4 != 0) text += '=';
  return text;
}

std::string to_url_alphabet(std::string text) {
  std::erase(text, '=');
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

enum class Binary : std::uint8_t { none, hex, base64, base64url };

/// How a text of this name holds bytes.
Binary form_of(const std::string& pointer, bool in_message) {
  static const std::set<std::string> kTexts{"id",        "type",         "mimeType", "qualifier",
                                            "issuerUri", "keyAlgorithm", "name",     "value"};
  static const std::set<std::string> kBase64{"serverEphemeralKey", "clientEphemeralKey", "keyManagementKey",
                                             "publicKey", "certificatePath"};
  static const std::set<std::string> kHex{"mac",      "nonce",         "serverCertificate", "pukValue",
                                          "pinValue", "serverSeed",    "keyParameters",     "encryptedKey",
                                          "data",     "extensionData", "authorization",     "attestation"};
  static const std::set<std::string> kUrl{"mac",
                                          "nonce",
                                          "encryptedPuk",
                                          "encryptedPin",
                                          "serverSeed",
                                          "keyParameters",
                                          "encryptedKey",
                                          "extensionData",
                                          "authorization",
                                          "attestation",
                                          "fingerPrint",
                                          "certificatePath",
                                          "x",
                                          "y",
                                          "n"};
  std::string path = pointer;
  if (std::isdigit(static_cast<unsigned char>(path.back())) != 0) path.resize(path.rfind('/'));  // an element
  const std::string name = path.substr(path.rfind('/') + 1);
  const bool signature = pointer.ends_with("/signature/value");
  if (in_message) return signature || kUrl.contains(name) ? Binary::base64url : Binary::none;
  return kBase64.contains(name) ? Binary::base64 : kHex.contains(name) ? Binary::hex : Binary::none;
}

/// Changes one bit, another one for each place.
void flip(Json& value, const std::string& pointer, bool in_message) {
  if (value.is_boolean()) {
    value = !value.get<bool>();
    return;
  }
  if (value.is_number()) {
    value = value.get<std::uint64_t>() ^ 1U;
    return;
  }
  std::string text = value.get<std::string>();
  const Binary form = form_of(pointer, in_message);
  if (form == Binary::none) {
    text.back() = static_cast<char>(text.back() ^ 1);
    value = text;
    return;
  }
  Bytes bytes = form == Binary::hex ? *from_hex(text) : *from_base64url(to_url_alphabet(text));
  const std::size_t bit = std::hash<std::string>()(pointer) % (bytes.size() * 8);
  bytes.at(bit / 8) = static_cast<std::uint8_t>(bytes.at(bit / 8) ^ (1U << (bit % 8)));
  const std::string url = to_base64url(bytes);
  value = form == Binary::hex ? to_hex(bytes) : form == Binary::base64 ? from_url_alphabet(url) : url;
}

/// Whether a finding names the place; a whole key or list of properties is named for its members.
bool is_named(const std::vector<CheckResult>& results, const std::string& file, const std::string& path) {
  const auto inside = [&](const char* whole) {
    const std::size_t at = path.rfind(std::string("/") + whole + '/');
    return at == std::string::npos ? path : path.substr(0, at + 1 + std::string(whole).size());
  };
  std::set<std::string> accepted{path};
  for (const char* const whole :
       {"publicKey", "serverEphemeralKey", "clientEphemeralKey", "keyManagementKey", "properties"})
    accepted.insert(inside(whole));
  return std::ranges::any_of(results, [&](const CheckResult& row) {
    return std::ranges::any_of(row.findings.list(), [&](const Finding& finding) {
      return finding.place.file == file && accepted.contains(finding.place.path);
    });
  });
}

struct Totals {
  int changed = 0;
  int unnamed = 0;
};

/// Changes every value of `root` in turn that `skipped` does not name.
template <class Skipped>
void change_each(const Recording& recording, Json& root, const std::string& file, const std::string& prefix,
                 Skipped skipped, Totals& totals) {
  const Json before = root;
  const bool alone = !before.is_structured();
  const Json leaves = alone ? Json{{"", before}} : before.flatten();
  for (const auto& leaf : leaves.items()) {
    const Json& value = leaf.value();
    const bool empty = value.is_null() || value.is_structured() || value == "";
    if (empty || skipped(leaf.key())) continue;
    Json& changed = root[Json::json_pointer(leaf.key())];
    flip(changed, prefix + leaf.key(), file != kCallsFile && file != kSecretsFile);
    ++totals.changed;
    if (!is_named(check_recording(recording), file, prefix + leaf.key())) {
      ++totals.unnamed;
      FAIL_CHECK(recording.name << ": not named: " << file << ' ' << prefix << leaf.key() << " is " << changed.dump());
    }
    root = before;
  }
}

#ifdef SKS_FEW_RECORDINGS
/// Sanitizers take their time: one session for each kind of value.
constexpr bool kAll = false;
#else
constexpr bool kAll = true;
#endif

std::vector<Recording> recordings() {
  static const std::set<std::string> kRepresentative{
      "CustomNamedKey", "EncryptedExtension", "ImagePreferences", "ImportPrivateKey",       "InputMethod",
      "PINPatterns",    "PresetPIN",          "PropertyBag",      "RSAExponentPreferences", "StandardExtension",
      "UnlockKey-2",    "UpdateKey-2"};
  std::vector<Recording> list;
  for (const auto& entry : std::filesystem::directory_iterator(test::source_file("tests/vectors/transcripts")))
    if (entry.is_directory() && (kAll || kRepresentative.contains(entry.path().filename().string())))
      list.push_back(*read_recording(entry.path()));
  return list;
}

TEST_CASE("Mutations: every protected value of the messages is named when one bit of it changes") {
  static const std::set<std::string> kProtected{"ProvisioningInitializationRequest",
                                                "ProvisioningInitializationResponse",
                                                "CredentialDiscoveryRequest",
                                                "KeyCreationRequest",
                                                "KeyCreationResponse",
                                                "ProvisioningFinalizationRequest",
                                                "ProvisioningFinalizationResponse"};
  // The first is repeated by the client, the second is for the user: no MAC covers them.
  const auto skipped = [](const std::string& path) {
    return path.ends_with("/serverTime") || path.ends_with("/trustAnchor");
  };
  Totals totals;
  for (Recording& recording : recordings())
    for (RecordedMessage& message : recording.messages)
      if (kProtected.contains(message.qualifier))
        change_each(recording, message.content, message.file, "", skipped, totals);
  MESSAGE("changed " << totals.changed << ", not named " << totals.unnamed);
  CHECK(totals.changed > (kAll ? 1000 : 500));
}

TEST_CASE("Mutations: every protected argument and result of a call is named when one bit of it changes") {
  static const std::set<std::string> kCalls{
      "createProvisioningSession", "createPukPolicy",    "createPinPolicy", "createKeyEntry", "setCertificatePath",
      "importPrivateKey",          "importSymmetricKey", "addExtension",    "postUpdateKey",  "postUnlockKey",
      "closeProvisioningSession"};
  Totals totals;
  for (Recording& recording : recordings()) {
    // A PIN that the user chose enters no MAC.
    const bool preset = recording.name == "PresetPIN";
    const auto arguments = [&](const std::string& path) { return path == "/pinValue" && !preset; };
    // Handles that the key store made up mean something in later calls only.
    const auto results = [](const std::string& path) { return path.ends_with("Handle"); };
    for (std::size_t i = 0; i < recording.calls.size(); ++i) {
      RecordedCall& call = recording.calls[i];
      if (!kCalls.contains(call.method)) continue;
      const std::string prefix = '/' + std::to_string(i);
      change_each(recording, call.in, std::string(kCallsFile), prefix + "/in", arguments, totals);
      if (call.method == "createPukPolicy" || call.method == "createPinPolicy") continue;
      change_each(recording, call.out, std::string(kCallsFile), prefix + "/out", results, totals);
    }
  }
  MESSAGE("changed " << totals.changed << ", not named " << totals.unnamed);
  CHECK(totals.changed > (kAll ? 1000 : 500));
}

TEST_CASE("Mutations: every recorded operation is named when one bit of it changes") {
  Totals totals;
  for (Recording& recording : recordings()) {
    for (const char* const list : {"macOperations", "attestations"}) {
      Json& operations = recording.secrets[list];
      for (std::size_t i = 0; i < operations.size(); ++i) {
        Json& operation = operations[i];
        for (const char* const member : {"macSequenceCounter", "data", "mac", "value"}) {
          if (!operation.contains(member)) continue;
          const Json before = operation[member];
          const std::string path = std::string("/") + list + '/' + std::to_string(i) + '/' + member;
          flip(operation[member], member == std::string("value") ? "/attestation" : path, false);
          ++totals.changed;
          if (!is_named(check_recording(recording), std::string(kSecretsFile), path))
            FAIL_CHECK(recording.name << ": not named: " << path);
          operation[member] = before;
        }
      }
    }
  }
  if (kAll) CHECK(totals.changed == 3 * (107 + 53));
}

TEST_CASE("Mutations: what no MAC covers goes unnoticed, so these tests can fail") {
  Recording recording = *read_recording(test::source_file("tests/vectors/transcripts/TrustAnchor"));
  RecordedMessage& message = recording.messages.at(6);
  const std::string path = "/issuedCredentials/0/trustAnchor";
  flip(message.content.at(Json::json_pointer(path)), path, true);
  CHECK_FALSE(is_named(check_recording(recording), message.file, path));
}

}  // namespace
}  // namespace sks::conformance
