#include "conformance/replay.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "conformance/live_key_store.h"
#include "conformance/report.h"
#include "sks-core/crypto/private_key.h"
#include "tests/conformance/faulty_store.h"
#include "tests/support/temp_dir.h"

namespace sks::conformance {
namespace {

namespace fs = std::filesystem;
using test::Fault;
using test::FaultyStore;

std::string folder_of(std::string_view session) {
  return test::source_file("tests/vectors/transcripts") + "/" + std::string(session);
}

std::vector<std::string> all_folders() {
  std::vector<std::string> folders;
  for (const auto& entry : fs::directory_iterator(folder_of("")))
    if (entry.is_directory()) folders.push_back(entry.path().string());
  std::ranges::sort(folders);
  return folders;
}

std::unique_ptr<LiveKeyStore> new_device() {
  auto device = LiveKeyStore::open("memory:");
  REQUIRE(device);
  return std::move(device).value();
}

/// "topic: file path sentence" of everything that was found.
std::vector<std::string> findings(const std::vector<SessionResult>& results) {
  std::vector<std::string> lines;
  for (const SessionResult& result : results)
    for (const CheckResult& row : result.checks)
      for (const Finding& finding : row.findings.list())
        lines.push_back(std::string(row.topic->name) + ": " + to_string(finding.place) + ' ' + finding.sentence);
  return lines;
}

std::size_t comparisons(const std::vector<SessionResult>& results, std::string_view topic) {
  std::size_t sum = 0;
  for (const SessionResult& result : results)
    for (const CheckResult& row : result.checks) sum += row.topic->name == topic ? row.findings.comparisons() : 0;
  return sum;
}

template <class T>
void accept(Result<T>& result) {
  constexpr std::uint32_t kAny = 99;
  if (result || (result.error().status != Status::mac && result.error().status != Status::option)) return;
  if constexpr (std::is_void_v<T>)
    result = Result<void>();
  else if constexpr (std::is_same_v<T, Bytes>)
    result = Bytes(32, 0);
  else if constexpr (std::is_same_v<T, CreatedKey>)
    result = CreatedKey{KeyHandle{kAny}, {}, {}};
  else
    result = T{kAny};
}

void answer_option(Result<PinPolicyHandle>& result) {
  if (!result && result.error().status == Status::mac) result = Error{Status::option, "no"};
}

struct Case {
  const char* name;
  std::vector<const char*> sessions;
  Fault fault;
  const char* finding;  ///< how one of the findings begins
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"a device without an algorithm",
       {"ServerSeed"},
       {"getDeviceInfo",
        [](Result<DeviceInfo>& info) { info->supported_algorithms.erase(info->supported_algorithms.begin()); }},
       "device: sks-calls.json /0/out/supportedAlgorithms (getDeviceInfo) holds "
       "\"http://www.w3.org/2001/04/xmlenc#aes128-cbc\" 0 times, expected once"},
      {"a device of another version",
       {"ServerSeed"},
       {"getDeviceInfo", [](Result<DeviceInfo>& info) { info->api_level = 100; }},
       "device: sks-calls.json /0/out/apiLevel (getDeviceInfo) is 100, expected 106"},
      {"a device that takes too little",
       {"ServerSeed"},
       {"getDeviceInfo", [](Result<DeviceInfo>& info) { info->extension_data_size = 65535; }},
       "device: sks-calls.json /0/out/extensionDataSize (getDeviceInfo) is 65535, expected at least 65536"},
      {"a wrong session attestation",
       {"ServerSeed"},
       {"createProvisioningSession", [](Result<CreatedSession>& session) { session->attestation[40] ^= 1U; }},
       "session: sks-calls.json /1/out/attestation (createProvisioningSession) is "},
      {"a session id that is none",
       {"ServerSeed"},
       {"createProvisioningSession", [](Result<CreatedSession>& session) { session->client_session_id += ' '; }},
       "session: sks-calls.json /1/out/clientSessionId (createProvisioningSession) is "},
      {"an ephemeral key on another curve",
       {"ServerSeed"},
       {"createProvisioningSession",
        [](Result<CreatedSession>& session) {
          session->client_ephemeral_key =
              crypto::PrivateKey::generate(*find_algorithm("https://webpki.github.io/sks/algorithm#ec.nist.p384"))
                  .value()
                  .public_key()
                  .spki();
        }},
       "session: sks-calls.json /1/out/clientEphemeralKey (createProvisioningSession) is no key on the curve of "
       "serverEphemeralKey"},
      {"no handle of a PIN policy",
       {"ServerSeed"},
       {"createPinPolicy",
        [](Result<PinPolicyHandle>& policy) {
          if (policy) *policy = {};
        }},
       "policies: sks-calls.json /2/out (createPinPolicy) is 0, expected a new handle"},
      {"a wrong attestation of a key",
       {"ServerSeed"},
       {"createKeyEntry",
        [](Result<CreatedKey>& key) {
          if (key) key->attestation[0] ^= 1U;
        }},
       "keys: sks-calls.json /3/out/attestation (createKeyEntry) the attestation of a key (counter 2) differs from "
       "what "
       "it should be in mac at byte 0"},
      {"a key that the attestation is not about",
       {"RSAExponentPreferences"},
       {"createKeyEntry",
        [](Result<CreatedKey>& key) {
          if (key)
            key->public_key =
                crypto::PrivateKey::generate(*find_algorithm("https://webpki.github.io/sks/algorithm#rsa2048"))
                    .value()
                    .public_key()
                    .spki();
        }},
       "keys: sks-calls.json /2/out/publicKey (createKeyEntry) is RSA of 2048 bits with exponent 010001, expected RSA "
       "of 2048 bits with exponent 03"},
      {"the handle of another key",
       {"ServerSeed"},
       {"getKeyHandle",
        [](Result<KeyHandle>& key) {
          if (key) ++key->value;
        }},
       "keys: sks-calls.json /5/out (getKeyHandle) is 2, expected 1"},
      {"a wrong close attestation",
       {"ServerSeed"},
       {"closeProvisioningSession",
        [](Result<Bytes>& attestation) {
          if (attestation) attestation->back() ^= 0x80U;
        }},
       "close: sks-calls.json /7/out (closeProvisioningSession) the attestation of the close (counter 5) differs from "
       "what it should be in mac at byte 31"},
      {"a missing session",
       {"ServerSeed", "BiometricSupport"},
       {"enumerateProvisioningSessions",
        [](Result<std::optional<SessionInfo>>& next) {
          if (*next && (*next)->handle.value > 3) next->reset();
        }},
       "enumeration: after the close /"},
      {"another time of a session",
       {"ServerSeed"},
       {"enumerateProvisioningSessions",
        [](Result<std::optional<SessionInfo>>& next) {
          if (*next) ++(*next)->client_time;
        }},
       "enumeration: sks-calls.json /4/out/clientTime (enumerateProvisioningSessions) is 1795213409, expected "
       "1795213408"},
      {"a key that belongs to another session",
       {"ServerSeed"},
       {"enumerateKeys",
        [](Result<std::optional<EnumeratedKey>>& next) {
          if (*next) ++(*next)->session.value;
        }},
       "enumeration: after the close /0/provisioningHandle (enumerateKeys) is "},
      {"another use of a key",
       {"ServerSeed"},
       {"getKeyAttributes",
        [](Result<KeyAttributes>& key) {
          if (key) key->app_usage ^= 1U;
        }},
       "attributes: after the close /Key.1/appUsage (getKeyAttributes) is 0, expected 1"},
      {"another certificate",
       {"ServerSeed"},
       {"getKeyAttributes",
        [](Result<KeyAttributes>& key) {
          if (key) key->certificate_path.front().back() ^= 1U;
        }},
       "attributes: after the close /Key.1/certificatePath/0 (getKeyAttributes) is "},
      {"a forgotten algorithm",
       {"KeyAgreement"},
       {"getKeyAttributes",
        [](Result<KeyAttributes>& key) {
          if (key) key->endorsed_algorithms.clear();
        }},
       "attributes: sks-calls.json /36/out/endorsedAlgorithms (getKeyAttributes) is [], expected [\"https://"},
      {"a shorter symmetric key",
       {"ImportSymmetricKey"},
       {"getKeyAttributes",
        [](Result<KeyAttributes>& key) {
          if (key) --key->symmetric_key_length;
        }},
       "attributes: sks-calls.json /46/out/symmetricKeyLength (getKeyAttributes) is 31, expected 32"},
      {"a swallowed extension",
       {"EncryptedExtension"},
       {"getExtension",
        [](Result<ExtensionContent>& content) {
          content = Error{Status::option, "none"};
        }},
       "extensions: after the close /Key.1/subType (getExtension) is null, expected 1"},
      {"the type of a swallowed extension",
       {"StandardExtension"},
       {"getKeyAttributes",
        [](Result<KeyAttributes>& key) {
          if (key) key->extension_types.clear();
        }},
       "attributes: after the close /Key.1/extensionTypes (getKeyAttributes) is [], expected ["},
      {"an extension that was not decrypted",
       {"EncryptedExtension"},
       {"getExtension",
        [](Result<ExtensionContent>& content) {
          if (content->sub_type == 1) content->data = SecureBytes::copy_of(Bytes(32, 1));
        }},
       "extensions: after the close /Key.1/extensionData (getExtension) is "},
      {"a property that stays what it was",
       {"PropertyBag"},
       {"setProperty", {}},
       "extensions: sks-calls.json /26/out/extensionData (getExtension) is "},
      {"a wrong counter",
       {"UnlockKey-1"},
       {"getKeyProtectionInfo",
        [](Result<KeyProtectionInfo>& info) {
          if (info->pin_error_count == 2) info->pin_error_count = 1;
        }},
       "attributes: sks-calls.json /35/out/pinErrorCount (getKeyProtectionInfo) is 1, expected 2"},
      {"a flag that is missing",
       {"UnlockKey-1"},
       {"getKeyProtectionInfo", [](Result<KeyProtectionInfo>& info) { info->protection_status &= kPinProtected; }},
       "attributes: sks-calls.json /37/out/protectionStatus (getKeyProtectionInfo) is 1, expected 5"},
      {"an imported key that does not tell",
       {"ImportPrivateKey"},
       {"getKeyProtectionInfo", [](Result<KeyProtectionInfo>& info) { info->key_backup = 0; }},
       "attributes: after the close /Key.1/keyBackup (getKeyProtectionInfo) is 0, expected 1"},
      {"a PIN policy that is another one",
       {"InputMethod"},
       {"getKeyProtectionInfo", [](Result<KeyProtectionInfo>& info) { info->input_method = 0; }},
       "attributes: after the close /Key.1/pinInputMethod (getKeyProtectionInfo) is 0, expected 1"},
      {"a key that stays locked",
       {"UnlockKey-1", "UnlockKey-2"},
       {"getKeyProtectionInfo",
        [](Result<KeyProtectionInfo>& info) {
          static std::uint16_t most = 0;
          info->pin_error_count = most = std::max(most, info->pin_error_count);
        }},
       "attributes: sks-calls.json /125/out/pinErrorCount (getKeyProtectionInfo) is 3, expected 0"},
      {"a key that is not updated",
       {"UpdateKey-1", "UpdateKey-2"},
       {"getKeyAttributes",
        [](Result<KeyAttributes>& key) {
          static std::optional<std::vector<Bytes>> first;
          if (key && !first) first = key->certificate_path;
          if (key) key->certificate_path = *first;
        }},
       "attributes: sks-calls.json /156/out/certificatePath/0 (getKeyAttributes) is "},
      {"a wrong signature",
       {"BiometricSupport"},
       {"signData", [](Result<Bytes>& signature) { (*signature)[10] ^= 1U; }},
       "key-use: sks-calls.json /"},
      {"a right answer to a wrong PIN",
       {"UnlockKey-1"},
       {"signData", [](Result<Bytes>& signature) { signature = Bytes(64, 1); }},
       "key-use: sks-calls.json /32/out/error (signData) is success, expected ERROR_AUTHORIZATION"},
      {"another status for a wrong PIN",
       {"UnlockKey-1"},
       {"signData",
        [](Result<Bytes>& signature) {
          signature = Error{Status::not_allowed, "locked"};
        }},
       "key-use: sks-calls.json /32/out/error (signData) is ERROR_NOT_ALLOWED (locked), expected ERROR_AUTHORIZATION"},
      {"a wrong shared secret",
       {"KeyAgreement"},
       {"keyAgreement", [](Result<SecureBytes>& secret) { secret->span()[31] ^= 1U; }},
       "key-use: sks-calls.json /67/out (keyAgreement) the shared secret differs from what it should be in Z at byte "
       "31"},
      {"a wrong HMAC",
       {"PropertyBag"},
       {"performHmac", [](Result<Bytes>& mac) { mac->front() ^= 1U; }},
       "key-use: sks-calls.json /29/out (performHmac) is "},
      {"a wrong cipher text, and a wrong clear one",
       {"ImportSymmetricKey"},
       {"symmetricKeyEncrypt", [](Result<SecureBytes>& result) { result->span()[0] ^= 1U; }},
       "key-use: sks-calls.json /85/out (symmetricKeyEncrypt) what the cipher text decrypts to differs"},
      {"keys that cannot be deleted",
       {"ServerSeed"},
       {"deleteKey", {}},
       "clean-up: after the clean-up /0 (enumerateKeys) is "},
      {"another status for a wrong MAC",
       {"ServerSeed"},
       {"createPinPolicy", answer_option},
       "refusals: sks-calls.json /2/in/mac (createPinPolicy) of a wrong MAC is answered with ERROR_OPTION (no), "
       "expected ERROR_MAC"},
      {"a session that survives a wrong MAC",
       {"ServerSeed"},
       {"getKeyHandle",
        [](Result<KeyHandle>& key) {
          if (!key) key = KeyHandle{7};
        }},
       "refusals: sks-calls.json /2/in/mac (createPinPolicy) of a wrong MAC has not ended the session: getKeyHandle is "
       "answered with success, expected ERROR_NO_SESSION"},
      {"an authorization that is not looked at",
       {"UnlockKey-1", "UnlockKey-2"},
       {"postUnlockKey", accept<void>},
       "refusals: sks-calls.json /110/in/authorization (postUnlockKey) of a signature of the key management key over "
       "something else is answered with success, expected ERROR_OPTION"},
  };
  return all;
}

/// Stores that take any MAC.
const std::vector<Case>& careless() {
  static const std::vector<Case> all{
      {"", {"InputMethod"}, {"createPukPolicy", accept<PukPolicyHandle>}, "/2/in/mac (createPukPolicy)"},
      {"", {"ServerSeed"}, {"createPinPolicy", accept<PinPolicyHandle>}, "/2/in/mac (createPinPolicy)"},
      {"", {"ServerSeed"}, {"createKeyEntry", accept<CreatedKey>}, "/3/in/mac (createKeyEntry)"},
      {"", {"ServerSeed"}, {"setCertificatePath", accept<void>}, "/6/in/mac (setCertificatePath)"},
      {"", {"PropertyBag"}, {"importSymmetricKey", accept<void>}, "/7/in/mac (importSymmetricKey)"},
      {"", {"ImportPrivateKey"}, {"importPrivateKey", accept<void>}, "/7/in/mac (importPrivateKey)"},
      {"", {"PropertyBag"}, {"addExtension", accept<void>}, "/8/in/mac (addExtension)"},
      {"", {"UnlockKey-1", "UnlockKey-2"}, {"postUnlockKey", accept<void>}, "/110/in/mac (postUnlockKey)"},
      {"", {"UpdateKey-1", "UpdateKey-2"}, {"postUpdateKey", accept<void>}, "/140/in/mac (postUpdateKey)"},
      {"", {"ServerSeed"}, {"closeProvisioningSession", accept<Bytes>}, "/7/in/mac (closeProvisioningSession)"},
  };
  return all;
}

std::vector<std::string> findings_with(const Case& c) {
  const auto device = new_device();
  FaultyStore store(device->store(), c.fault);
  std::vector<std::string> folders;
  for (const char* const session : c.sessions) folders.push_back(folder_of(session));
  return findings(replay(folders, store));
}

void check_named(const std::vector<std::string>& found, const std::string& expected) {
  const bool named = std::ranges::any_of(found, [&](const std::string& line) { return line.starts_with(expected); });
  if (named) return;
  std::string all;
  for (const std::string& line : found) all += line + '\n';
  FAIL_CHECK("not found: " << expected << "\namong:\n" << all);
}

}  // namespace

TEST_CASE("Replay: all recorded sessions pass on our engine, which is as before in the end") {
  const auto device = new_device();
  const std::vector<SessionResult> results = replay(all_folders(), device->store());
  REQUIRE(results.size() == 26);
  for (const SessionResult& result : results) {
    CAPTURE(to_table({result}));
    CHECK(result.outcome() == Outcome::passed);
    for (const std::string& note : result.notes) CHECK(note.find("method") == std::string::npos);
  }
  for (const CheckResult& row : results.back().checks) {
    CAPTURE(row.topic->name);
    // No recording calls a method for PINs and PUKs.
    CHECK((comparisons(results, row.topic->name) != 0) == (std::string_view(row.topic->name) != "user-management"));
  }
  // Twelve mistakes, and whether the session is gone after each.
  CHECK(comparisons(results, "refusals") == 24);
  const auto key = device->store().enumerate_keys({});
  REQUIRE(key);
  CHECK_FALSE(*key);
  for (const SessionState state : {SessionState::open, SessionState::closed}) {
    const auto session = device->store().enumerate_provisioning_sessions({}, state);
    REQUIRE(session);
    CHECK_FALSE(*session);
  }
}

TEST_CASE("Replay: a device that holds keys already passes too, and keeps them") {
  const auto device = new_device();
  KeyHandle first;
  {
    // Its clean-up does not reach the device.
    const Fault keep{"deleteKey", {}};
    FaultyStore store(device->store(), keep);
    replay({folder_of("ServerSeed")}, store);
    first = (*device->store().enumerate_keys({}))->handle;
  }
  const auto results = replay({folder_of("UnlockKey-1"), folder_of("UnlockKey-2")}, device->store());
  for (const std::string& line : findings(results)) FAIL_CHECK(line);
  const auto key = device->store().enumerate_keys({});
  REQUIRE((key && *key));
  CHECK((*key)->handle == first);
  CHECK_FALSE(*device->store().enumerate_keys(first));
}

TEST_CASE("Replay: a key store that does one thing wrong is found out, and the call is named") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    check_named(findings_with(c), c.finding);
  }
}

TEST_CASE("Replay: a key store that takes any MAC for one of the methods is found out") {
  for (const Case& c : careless()) {
    CAPTURE(c.fault.method);
    check_named(findings_with(c), "refusals: sks-calls.json " + std::string(c.finding) +
                                      " of a wrong MAC is answered with success, expected ERROR_MAC");
  }
}

TEST_CASE("Replay: a session that manages keys of another one asks for its recording") {
  const auto device = new_device();
  const auto results = replay({folder_of("UnlockKey-2")}, device->store());
  REQUIRE(results.size() == 1);
  CHECK(results.front().outcome() == Outcome::unreadable);
  CHECK(results.front().unreadable == "manages key 12, which no recording before it has made");
}

TEST_CASE("Replay: calls of methods that it does not play are told by name") {
  test::TempDir folder;
  fs::copy(folder_of("BiometricSupport"), folder.path());
  Json calls = read_document(folder.file("sks-calls.json")).value();
  const Json in{{"chunk", "00"}};
  for (int i = 0; i < 2; ++i)
    calls.push_back({{"method", "updateFirmware"}, {"afterMessage", 8}, {"in", in}, {"out", Json()}});
  test::write_file(folder.file("sks-calls.json"), calls.dump());
  const auto device = new_device();
  const auto results = replay({folder.path()}, device->store());
  REQUIRE(results.size() == 1);
  CHECK(results.front().outcome() == Outcome::passed);
  const std::vector<std::string>& notes = results.front().notes;
  const std::string expected = "calls left out, for a replay does not play their method: updateFirmware";
  CHECK(std::ranges::count(notes, expected) == 1);
}

TEST_CASE("Replay: what is no recording is told, and the others are played") {
  const auto device = new_device();
  const auto results = replay({folder_of("Absent"), folder_of("ServerSeed")}, device->store());
  REQUIRE(results.size() == 2);
  CHECK(results.front().outcome() == Outcome::unreadable);
  CHECK(results.back().outcome() == Outcome::passed);
}

TEST_CASE("Replay: a damaged recording ends in a result, whatever is damaged") {
  test::TempDir folder;
  fs::copy(folder_of("BiometricSupport"), folder.path());
  const Json calls = read_document(folder.file("sks-calls.json")).value();
  const std::array<Json, 4> damages{Json(), "x", 4294967295U, Json::array({1})};
  std::size_t at = 0;
  const Json flat = calls.flatten();
  for (const auto& [pointer, value] : flat.items()) {
    const std::string& place = pointer;  // a lambda cannot capture a structured binding
    CAPTURE(place);
    Json damaged = calls;
    damaged[Json::json_pointer(pointer)] = damages.at(at++ % damages.size());
    test::write_file(folder.file("sks-calls.json"), damaged.dump());
    const auto device = new_device();
    std::vector<SessionResult> results;
    CHECK_NOTHROW(results = replay({folder.path()}, device->store()));
    CHECK(results.size() == 1);
    // Whatever happened, nothing stays open.
    const auto open = device->store().enumerate_provisioning_sessions({}, SessionState::open);
    REQUIRE(open);
    CHECK_FALSE(*open);
  }
  CHECK(at > 200);
}

TEST_CASE("LiveKeyStore: addresses that are none, and nobody behind one, are told") {
  for (const char* const address : {"", "memory", "tcp:192.168.0.1:7788", "tcp:127.0.0.1", "http://127.0.0.1"}) {
    CAPTURE(address);
    const auto device = LiveKeyStore::open(address);
    REQUIRE_FALSE(device);
    CHECK(device.error().status == Status::option);
  }
  test::TempDir folder;
  const auto nobody = LiveKeyStore::open("unix:" + folder.file("socket"));
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().status == Status::not_available);
}

}  // namespace sks::conformance
