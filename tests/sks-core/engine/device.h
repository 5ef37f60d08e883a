#pragma once

#include <memory>

#include "sks-core/engine/engine.h"
#include "tests/support/fakes.h"
#include "tests/support/storage_fakes.h"
#include "tests/support/test_issuer.h"

/// A device with one engine, and requests that it accepts.
namespace sks::test {

inline const std::string kSks = "https://webpki.github.io/sks/algorithm#";
inline const std::string kDsigMore = "http://www.w3.org/2001/04/xmldsig-more#";
inline const std::string kEcdsaSha256 = kDsigMore + "ecdsa-sha256";
inline const std::string kRsaSha256 = kDsigMore + "rsa-sha256";

/// Storage that can refuse to work until told otherwise, or report a failure after it has done its work.
class MoodyStorage final : public Storage {
 public:
  enum class Mood { good, refuses, lies, lies_once_then_refuses };
  Mood mood = Mood::good;
  int good_commits = 0;  ///< that go well before the mood shows
  InMemoryStorage memory;

  bool has_room_aside = false;

  Result<std::unique_ptr<Transaction>> begin() override;
  /// Lifts the refusal, once.
  bool make_room() override {
    if (!has_room_aside) return false;
    has_room_aside = false;
    mood = Mood::good;
    return true;
  }

 private:
  class MoodyTransaction;
};

class FixedDevicePin final : public DevicePinVerifier {
 public:
  bool verify(ByteView pin) override { return equal(pin, as_bytes("1234")); }
};

struct Device {
  Device() { restart(); }
  explicit Device(EngineConfig engine_config) : config(std::move(engine_config)) { restart(); }

  /// Throws the engine away and opens a new one over the same storage.
  void restart();

  MoodyStorage storage;
  FakeClock clock{1700000000};
  ScriptedRandom random;
  ScriptedKeySource keys;
  TestIdentity identity;
  FixedDevicePin device_pin;
  EngineConfig config;
  std::unique_ptr<Engine> real_engine;
  std::unique_ptr<SecureKeyStore> remote;  ///< in the program engine_remote_test: a byte stream to the engine
  /// What tests talk to: `remote` if there is one, otherwise the engine itself.
  SecureKeyStore* engine = nullptr;
};

/// The status of a refused call; none when it succeeded.
template <class T>
std::optional<Status> status_of(const Result<T>& result) {
  if (result) return std::nullopt;
  return result.error().status;
}

SecureBytes secret(std::string_view text);
Authorization with_pin(std::string_view pin);
Authorization biometric(std::string_view pin = "");

/// A user-defined numeric PIN of 4 to 8 digits, three attempts.
PinPolicyRequest pin_policy_request(PukPolicyHandle puk = {});
/// P-256, no PIN, usable with everything.
KeyEntryRequest key_request();
/// The same under a policy with a user-defined PIN.
KeyEntryRequest key_request(PinPolicyHandle policy, std::string_view pin);

bool is_open(SecureKeyStore& engine, ProvisioningHandle session);
std::vector<KeyHandle> all_keys(SecureKeyStore& engine);
std::vector<ProvisioningHandle> all_sessions(SecureKeyStore& engine, SessionState state);
std::uint16_t pin_errors(SecureKeyStore& engine, KeyHandle key);
std::uint16_t puk_errors(SecureKeyStore& engine, KeyHandle key);

/// Whether the key signs with this authorization.
std::optional<Status> try_to_sign(SecureKeyStore& engine, KeyHandle key, const Authorization& authorization);

/// A closed session with one P-256 key under PIN 1234, three attempts, and PUK 99999 with `puk_retry_limit`.
struct PinKey {
  ProvisioningHandle session;
  KeyHandle key;
};
struct PinKeyOptions {
  std::uint8_t biometric_protection = 0;
  std::uint8_t delete_protection = 0;
  std::uint16_t puk_retry_limit = 3;
};
PinKey provision_pin_key(SecureKeyStore& engine, PinKeyOptions options = {});
/// A closed session with one key without PIN.
KeyHandle provision_plain_key(SecureKeyStore& engine, KeyEntryRequest request = key_request());

}  // namespace sks::test
