#pragma once

#include "tests/sks-core/engine/device.h"

/// Keys that an issuer may manage after their session is closed. Spec: sks-api.md chapter 7.
namespace sks::test {

/// A device that has a device PIN.
struct ManagedDevice : Device {
  ManagedDevice();
};

struct ManagedKey {
  KeyHandle handle;
  Bytes certificate;
};

enum class PinKind { none, local, device };

struct OwnerOptions {
  PinKind pin = PinKind::local;  ///< local: PIN 1234, PUK 99999, three attempts each
  int keys = 1;                  ///< with the ids Key-1, Key-2, ...
  std::uint8_t grouping = 1;     ///< shared
  std::uint8_t app_usage = 1;
  bool has_kmk = true;
  bool privacy_enabled = true;
  std::string kmk_algorithm = "ec.nist.p256";
};

/// A closed session, its keys, and the key management key that speaks for it.
struct Owner {
  crypto::PrivateKey kmk;
  ProvisioningHandle session;
  std::vector<ManagedKey> keys;

  const ManagedKey& key() const { return keys.front(); }
};
Owner provision_owner(Device& device, const OwnerOptions& options = {});

struct IssuerOptions {
  const crypto::PrivateKey* kmk = nullptr;
  bool privacy_enabled = true;
  std::uint16_t session_key_limit = 1000;
};
/// An issuer with an open session.
TestIssuer open_issuer(Device& device, const IssuerOptions& options = {});

/// A new key with certificate and without PIN.
ManagedKey add_key(TestIssuer& issuer, const std::string& id = "New", std::uint8_t app_usage = 1);

/// The right authorization for the only key of `owner`, or another one.
TargetAuthorization aim_at(const TestIssuer& issuer, const Owner& owner);
TargetAuthorization aim_at(const TestIssuer& issuer, const Owner& owner, const ManagedKey& key);

/// The session that owns a key of a closed session.
ProvisioningHandle owner_of(SecureKeyStore& store, KeyHandle key);

/// Counts `errors` wrong PINs, or wrong PUKs.
void enter_wrong_pins(SecureKeyStore& store, KeyHandle key, int errors);
void enter_wrong_puks(SecureKeyStore& store, KeyHandle key, int errors);

/// A signature of the key, with PIN 1234 unless `pin` says otherwise, holds under the key of `certificate`.
bool signs_as(SecureKeyStore& store, KeyHandle key, ByteView certificate, std::string_view pin = "1234");

}  // namespace sks::test
