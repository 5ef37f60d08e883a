#include "key-user-api/local_issuer/restore.h"

#include <doctest/doctest.h>

#include "key-user-api/local_issuer/local_issuer.h"
#include "sks-core/crypto/private_key.h"
#include "sks-core/crypto/x509.h"
#include "sks-core/wire/client.h"
#include "tests/sks-core/engine/device.h"

/// Restoring into a key store, without files and programs. Spec: spec/backup.md chapter 5.
namespace sks::test {
namespace {

using sealed::Backup;
using sealed::BackupKey;

const std::string kHmacSha256 = kDsigMore + "hmac-sha256";
const std::string kEd25519 = kSks + "ed25519";

/// Gives these PINs, one after the other; nobody is there when they are used up.
class FixedDialog final : public keygen2::UserDialog {
 public:
  explicit FixedDialog(std::vector<std::string> pins) : pins_(std::move(pins)) {}
  bool consent(const keygen2::ConsentRequest&) override { return true; }
  bool accept_many_keys(std::size_t) override { return true; }
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest& request, const std::string& problem) override {
    requests.push_back(request);
    problems.push_back(problem);
    if (requests.size() > pins_.size()) return std::nullopt;
    return secret(pins_[requests.size() - 1]);
  }

  std::vector<keygen2::PinRequest> requests;
  std::vector<std::string> problems;

 private:
  std::vector<std::string> pins_;
};

/// A key made outside of any key store, with a certificate.
BackupKey new_key(std::string name, std::string_view algorithm = "ec.nist.p256") {
  const crypto::PrivateKey made = generate_key(kSks + std::string(algorithm));
  BackupKey key;
  key.key = made.to_pkcs8().value();
  key.certificate_path = {certify(made.public_key().spki())};
  key.friendly_name = std::move(name);
  key.issuer_uri = "https://issuer.example.com/sks";
  key.app_usage = 1;
  return key;
}

BackupKey new_symmetric_key(std::string name, Bytes value) {
  BackupKey key = new_key(std::move(name));
  key.symmetric = true;
  key.key = SecureBytes::copy_of(value);
  return key;
}

BackupKey new_pin_key(std::string name, std::size_t pin, std::uint8_t export_protection = 1) {
  BackupKey key = new_key(std::move(name));
  key.pin = pin;
  key.export_protection = export_protection;
  return key;
}

sealed::BackupPinPolicy digits() { return {0, 3, 1, 0, 4, 8, 0, true, true}; }

Result<void> restore(const Backup& backup, Device& device, std::vector<std::string> pins = {}) {
  FixedDialog dialog(std::move(pins));
  const auto present = find_present_keys(backup, *device.engine);
  REQUIRE(present);
  return restore_keys(backup, *present, *device.engine, dialog, device.clock);
}

/// By the friendly name; ends the test when there is none.
KeyHandle find(SecureKeyStore& store, const std::string& name) {
  for (const KeyHandle key : all_keys(store))
    if (store.get_key_attributes(key).value().friendly_name == name) return key;
  FAIL("no key " << name);
  return {};
}

bool signs_for(SecureKeyStore& store, KeyHandle key, const BackupKey& original, const std::string& algorithm,
               const std::string& pin = "") {
  const auto signature = store.sign_data(key, algorithm, {}, with_pin(pin), as_bytes("message"));
  if (!signature) return false;
  const auto certificate = crypto::Certificate::from_der(original.certificate_path[0]);
  const crypto::PublicKey public_key = certificate.value().public_key().value();
  return static_cast<bool>(crypto::verify_signature(public_key, as_bytes("message"), *signature));
}

bool is_untouched(SecureKeyStore& store) {
  return all_keys(store).empty() && all_sessions(store, SessionState::closed).empty() &&
         all_sessions(store, SessionState::open).empty();
}

/// A key store that lies in the answers to one method, at one byte.
class LyingChannel final : public wire::Channel {
 public:
  LyingChannel(SecureKeyStore& store, std::uint8_t method) : honest_(store), method_(method) {}
  Result<SecureBytes> transact(ByteView request) override {
    SKS_LET(SecureBytes answer, honest_.transact(request));
    constexpr std::size_t kHandle = 4;  // behind the attestation of a session
    if (request[0] != method_) return answer;
    const std::size_t behind = method_ == 2 ? kHandle : 0;
    answer.data()[answer.size() - 1 - behind] ^= 1;
    return answer;
  }

 private:
  wire::LocalChannel honest_;
  std::uint8_t method_;
};

}  // namespace

TEST_CASE("restore: keys of every kind work as before, with their certificates and attributes") {
  Backup backup;
  backup.keys.push_back(new_key("EC"));
  backup.keys.push_back(new_key("P-521", "ec.nist.p521"));
  backup.keys.push_back(new_key("RSA", "rsa2048"));
  backup.keys.push_back(new_key("Ed", "ed25519"));
  BackupKey& ec = backup.keys[0];
  ec.app_usage = 0;
  ec.endorsed_algorithms = {kEcdsaSha256};
  ec.delete_protection = 3;
  ec.certificate_path.push_back(backup.keys[1].certificate_path[0]);
  Device device;
  REQUIRE(restore(backup, device));

  const KeyHandle key = find(*device.engine, "EC");
  const KeyAttributes attributes = device.engine->get_key_attributes(key).value();
  CHECK(attributes.certificate_path == ec.certificate_path);
  CHECK(attributes.app_usage == 0);
  CHECK(attributes.endorsed_algorithms == ec.endorsed_algorithms);
  const KeyProtectionInfo info = device.engine->get_key_protection_info(key).value();
  CHECK(info.protection_status == 0);
  CHECK(info.export_protection == 0);
  CHECK(info.delete_protection == 3);
  CHECK(info.key_backup == kImported);
  CHECK(signs_for(*device.engine, key, ec, kEcdsaSha256));
  CHECK(signs_for(*device.engine, find(*device.engine, "P-521"), backup.keys[1], kEcdsaSha256));
  CHECK(signs_for(*device.engine, find(*device.engine, "RSA"), backup.keys[2], kRsaSha256));
  const KeyHandle ed = find(*device.engine, "Ed");
  const auto signature = device.engine->sign_data(ed, kEd25519, {}, {}, as_bytes("message"));
  REQUIRE(signature);
  const crypto::PrivateKey original = crypto::PrivateKey::from_pkcs8(backup.keys[3].key.view()).value();
  CHECK(*signature == original.sign_eddsa(as_bytes("message")).value());
}

TEST_CASE("restore: all keys come in one session of the local issuer, which nobody can manage") {
  Backup backup;
  backup.keys.push_back(new_key("A"));
  backup.keys.push_back(new_key("B"));
  Device device;
  REQUIRE(restore(backup, device));
  const auto session = device.engine->enumerate_provisioning_sessions({}, SessionState::closed).value();
  REQUIRE(session);
  CHECK(session->issuer_uri == "urn:sks:local-issuer");
  CHECK_FALSE(session->privacy_enabled);
  CHECK(session->key_management_key.empty());
  CHECK(all_sessions(*device.engine, SessionState::closed).size() == 1);
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
  CHECK(all_keys(*device.engine).size() == 2);
}

TEST_CASE("restore: a symmetric key keeps its bytes, and its former certificate as an extension") {
  Backup backup;
  backup.keys.push_back(new_symmetric_key("MAC", Bytes(32, 0x0b)));
  Device device;
  REQUIRE(restore(backup, device));
  const KeyHandle key = find(*device.engine, "MAC");
  CHECK(device.engine->get_key_attributes(key).value().symmetric_key_length == 32);
  CHECK(equal(device.engine->export_key(key, {}).value().view(), Bytes(32, 0x0b)));
  const auto former = device.engine->get_extension(key, "urn:sks:former-certificate");
  REQUIRE(former);
  CHECK(equal(former->data.view(), backup.keys[0].certificate_path[0]));

  // A backup of the restored key has the extension, which does not change a second time.
  BackupKey again = new_symmetric_key("MAC", Bytes(32, 0x0b));
  again.extensions.push_back({std::string(kFormerCertificateType), 0, "", SecureBytes::copy_of(former->data.view())});
  Backup second;
  second.keys.push_back(std::move(again));
  CHECK(find_present_keys(second, *device.engine).value() == std::vector<bool>{true});
  Device other;
  REQUIRE(restore(second, other));
  CHECK(equal(other.engine->get_extension(find(*other.engine, "MAC"), kFormerCertificateType).value().data.view(),
              former->data.view()));
}

TEST_CASE("restore: extensions of every kind come back") {
  Backup backup;
  backup.keys.push_back(new_key("A"));
  const Bytes bag{0, 1, 'n', 1, 0, 1, 'v'};
  auto& extensions = backup.keys[0].extensions;
  extensions.push_back({"https://example.com/0", 0, "", secret("plain")});
  extensions.push_back({"https://example.com/1", 1, "", secret("encrypted")});
  extensions.push_back({"https://example.com/2", 2, "", SecureBytes::copy_of(bag)});
  extensions.push_back({"https://example.com/3", 3, "image/png", secret("logo")});
  Device device;
  REQUIRE(restore(backup, device));
  const KeyHandle key = find(*device.engine, "A");
  for (const sealed::BackupExtension& extension : extensions) {
    const auto restored = device.engine->get_extension(key, extension.type);
    REQUIRE(restored);
    CHECK(restored->sub_type == extension.sub_type);
    CHECK(restored->qualifier == extension.qualifier);
    CHECK(equal(restored->data.view(), extension.data.view()));
  }
  CHECK(device.engine->set_property(key, "https://example.com/2", "n", "w"));
}

TEST_CASE("restore: keys that shared a PIN share the new one, under the same rules, and others do not") {
  Backup backup;
  backup.pins = {digits(), {1, 5, 1, 0x10, 6, 10, 2, false, false}};
  backup.keys.push_back(new_pin_key("A", 1));
  backup.keys.push_back(new_pin_key("B", 2));
  backup.keys.push_back(new_pin_key("C", 1));
  backup.keys[1].enable_pin_caching = true;
  Device device;
  FixedDialog dialog({"1234", "ABC123"});
  REQUIRE(restore_keys(backup, {false, false, false}, *device.engine, dialog, device.clock));
  REQUIRE(dialog.requests.size() == 2);
  CHECK(dialog.requests[0].key_names == std::vector<std::string>{"A", "C"});
  CHECK(dialog.requests[1].key_names == std::vector<std::string>{"B"});

  const KeyHandle a = find(*device.engine, "A");
  const KeyHandle b = find(*device.engine, "B");
  const KeyHandle c = find(*device.engine, "C");
  const KeyProtectionInfo info = device.engine->get_key_protection_info(b).value();
  CHECK(info.protection_status == kPinProtected);
  CHECK(info.user_defined);
  CHECK_FALSE(info.user_modifiable);
  CHECK(info.format == 1);
  CHECK(info.retry_limit == 5);
  CHECK(info.grouping == 1);
  CHECK(info.pattern_restrictions == 0x10);
  CHECK(info.min_length == 6);
  CHECK(info.max_length == 10);
  CHECK(info.input_method == 2);
  CHECK(info.enable_pin_caching);
  CHECK(info.export_protection == 1);
  CHECK(signs_for(*device.engine, a, backup.keys[0], kEcdsaSha256, "1234"));
  CHECK(signs_for(*device.engine, b, backup.keys[1], kEcdsaSha256, "ABC123"));
  CHECK_FALSE(signs_for(*device.engine, a, backup.keys[0], kEcdsaSha256, "ABC123"));
  CHECK(pin_errors(*device.engine, c) == 1);
  CHECK(pin_errors(*device.engine, b) == 0);
  CHECK_FALSE(device.engine->export_key(c, {}));
}

TEST_CASE("restore: the PIN takes the place of a PUK, which no backup has") {
  Backup backup;
  backup.pins = {digits()};
  backup.keys.push_back(new_pin_key("A", 1, 2));
  backup.keys[0].delete_protection = 2;
  Device device;
  REQUIRE(restore(backup, device, {"1234"}));
  const KeyHandle key = find(*device.engine, "A");
  const KeyProtectionInfo info = device.engine->get_key_protection_info(key).value();
  CHECK(info.export_protection == 1);
  CHECK(info.delete_protection == 1);
  CHECK_FALSE(device.engine->delete_key(key, secret("4321")));
  CHECK(device.engine->delete_key(key, secret("1234")));
}

TEST_CASE("restore: a PIN that breaks its rules is asked for again, and who gives up changes nothing") {
  Backup backup;
  backup.pins = {digits()};
  backup.keys.push_back(new_key("Free"));
  backup.keys.push_back(new_pin_key("A", 1));
  Device device;
  FixedDialog dialog({"12"});
  const auto refused = restore_keys(backup, {false, false}, *device.engine, dialog, device.clock);
  REQUIRE_FALSE(refused);
  CHECK(to_string(refused.error().status) == to_string(Status::user_abort));
  CHECK(dialog.problems == std::vector<std::string>{"", "the PIN is too short"});
  CHECK(is_untouched(*device.engine));
}

TEST_CASE("restore: keys that are there already are found and left alone") {
  Backup backup;
  backup.keys.push_back(new_key("A"));
  backup.keys.push_back(new_symmetric_key("MAC", Bytes(16, 1)));
  Device device;
  CHECK(find_present_keys(backup, *device.engine).value() == std::vector<bool>{false, false});
  REQUIRE(restore(backup, device));
  CHECK(find_present_keys(backup, *device.engine).value() == std::vector<bool>{true, true});
  backup.keys.push_back(new_key("B"));
  CHECK(find_present_keys(backup, *device.engine).value() == std::vector<bool>{true, true, false});
  REQUIRE(restore(backup, device));
  CHECK(all_keys(*device.engine).size() == 3);
  REQUIRE(restore(backup, device));
  CHECK(all_keys(*device.engine).size() == 3);
  CHECK(all_sessions(*device.engine, SessionState::closed).size() == 2);
}

TEST_CASE("restore: one key that the store refuses keeps all of them out") {
  const auto with_bad_key = [](BackupKey bad) {
    Backup backup;
    backup.keys.push_back(new_key("Good"));
    backup.keys.push_back(std::move(bad));
    Device device;
    const auto refused = restore(backup, device);
    CHECK(is_untouched(*device.engine));
    return !refused;
  };
  BackupKey other_certificate = new_key("Bad");
  other_certificate.certificate_path = new_key("Other").certificate_path;
  CHECK(with_bad_key(std::move(other_certificate)));
  BackupKey garbage = new_key("Bad");
  garbage.key = SecureBytes::copy_of(Bytes(100, 0x30));
  CHECK(with_bad_key(std::move(garbage)));
  BackupKey no_certificate = new_key("Bad");
  no_certificate.certificate_path = {{1, 2, 3}};
  CHECK(with_bad_key(std::move(no_certificate)));
  BackupKey unknown_algorithm = new_key("Bad");
  unknown_algorithm.endorsed_algorithms = {"https://example.com/unknown"};
  CHECK(with_bad_key(std::move(unknown_algorithm)));
  BackupKey twice_the_type = new_key("Bad");
  for (int i = 0; i < 2; ++i) twice_the_type.extensions.push_back({"https://example.com/", 0, "", secret("x")});
  CHECK(with_bad_key(std::move(twice_the_type)));
  BackupKey pin_without_policy = new_key("Bad");
  pin_without_policy.export_protection = 1;
  CHECK(with_bad_key(std::move(pin_without_policy)));
}

TEST_CASE("restore: what is longer than the key store takes is refused beforehand") {
  const auto refusal_of = [](void (*change)(BackupKey&)) {
    Backup backup;
    backup.keys.push_back(new_key("Good"));
    backup.keys.push_back(new_key("Bad"));
    change(backup.keys[1]);
    Device device;
    const auto refused = restore(backup, device);
    CHECK(is_untouched(*device.engine));
    return refused ? std::string() : refused.error().detail;
  };
  CHECK(refusal_of([](BackupKey& key) { key.friendly_name.assign(65536, 'x'); }) ==
        "in key 2 of the backup, the name is 65536 bytes, more than 400");
  CHECK(refusal_of([](BackupKey& key) { key.endorsed_algorithms = {std::string(65536, 'x')}; }) ==
        "in key 2 of the backup (Bad), the name of an algorithm is 65536 bytes, more than 1000");
  CHECK(refusal_of([](BackupKey& key) { key.certificate_path.emplace_back(65536); }) ==
        "in key 2 of the backup (Bad), a certificate is 65536 bytes, more than 16384");
  CHECK(refusal_of([](BackupKey& key) { key.key = SecureBytes(65536); }) ==
        "in key 2 of the backup (Bad), the private key is 65536 bytes, more than 16384");
  CHECK(refusal_of([](BackupKey& key) {
          key.extensions.push_back({std::string(65536, 'x'), 0, "", secret("x")});
        }) == "in key 2 of the backup (Bad), the type of an extension is 65536 bytes, more than 1000");
  CHECK(refusal_of([](BackupKey& key) {
          key.extensions.push_back({"urn:x", 3, std::string(65536, 'x'), secret("x")});
        }) == "in key 2 of the backup (Bad), the qualifier of an extension is 65536 bytes, more than 128");
  CHECK(refusal_of([](BackupKey& key) {
          key.extensions.push_back({"urn:x", 1, "", SecureBytes(250001)});
        }) == "in key 2 of the backup (Bad), the data of an extension is 250001 bytes, more than 250000");
}

TEST_CASE("restore: PINs that break the SKS API are refused before anybody is asked for one") {
  Backup backup;
  backup.pins = {digits()};
  backup.keys.push_back(new_pin_key("A", 1));
  backup.keys.push_back(new_pin_key("B", 1));
  backup.pins[0].grouping = 0;
  Device device;
  FixedDialog dialog({"1234", "1234"});
  auto refused = restore_keys(backup, {false, false}, *device.engine, dialog, device.clock);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail ==
        "in key 2 of the backup (B), the PIN is that of key 1, and its rules forbid to share it");
  backup.pins[0] = digits();
  backup.keys[1].pin = 2;
  refused = restore_keys(backup, {false, false}, *device.engine, dialog, device.clock);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail == "in key 2 of the backup (B), the PIN is none of those of the backup");
  CHECK(dialog.requests.empty());
  CHECK(is_untouched(*device.engine));
}

TEST_CASE("restore: a storage that fails at any commit leaves no key behind") {
  Backup backup;
  backup.pins = {digits()};
  backup.keys.push_back(new_pin_key("A", 1));
  backup.keys.push_back(new_symmetric_key("MAC", Bytes(16, 1)));
  int failures = 0;
  for (int good = 0;; ++good) {
    CAPTURE(good);
    Device device;
    device.storage.good_commits = good;
    device.storage.mood = MoodyStorage::Mood::refuses;
    if (restore(backup, device, {"1234"})) break;
    ++failures;
    device.storage.mood = MoodyStorage::Mood::good;
    device.restart();
    CHECK(all_keys(*device.engine).empty());
    CHECK(all_sessions(*device.engine, SessionState::closed).empty());
  }
  // Everything is written at the end, in one commit.
  CHECK(failures == 1);
}

TEST_CASE("restore: a key store that lies about its session, its keys or its close is noticed") {
  Backup backup;
  backup.keys.push_back(new_key("A"));
  struct Case {
    std::uint8_t method;
    const char* name;
  };
  for (const Case& c : {Case{2, "createProvisioningSession"}, Case{10, "createKeyEntry"}}) {
    CAPTURE(c.name);
    Device device;
    wire::RemoteKeyStore lying(std::make_unique<LyingChannel>(*device.engine, c.method));
    FixedDialog dialog({});
    const auto refused = restore_keys(backup, {false}, lying, dialog, device.clock);
    REQUIRE_FALSE(refused);
    CHECK(is_untouched(*device.engine));
  }
  Device device;
  wire::RemoteKeyStore lying(std::make_unique<LyingChannel>(*device.engine, 3));
  FixedDialog dialog({});
  const auto refused = restore_keys(backup, {false}, lying, dialog, device.clock);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail == "the device attestation does not fit");
}

TEST_CASE("restore: more keys than one session can bring are refused beforehand") {
  Backup backup;
  const BackupKey one = new_key("A");
  for (int i = 0; i < 4000; ++i) {
    BackupKey key;
    key.extensions.push_back({"https://example.com/", 0, "", secret("x")});
    key.key = SecureBytes::copy_of(one.key.view());
    key.certificate_path = one.certificate_path;
    backup.keys.push_back(std::move(key));
  }
  // Keys without a PIN and with one extension take 9 of the 32,767 uses of a session key, and the close takes 2.
  const std::string too_many = "the backup has more keys than one provisioning session can bring";
  CHECK(check_restorable(backup).error().detail == too_many);
  Device device;
  const auto refused = restore(backup, device);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail == too_many);
  CHECK(is_untouched(*device.engine));
  backup.keys.resize((32767 - 2) / 9);
  CHECK(check_restorable(backup));
}

}  // namespace sks::test
