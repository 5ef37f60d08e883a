#pragma once

#include <memory>
#include <optional>

#include "attestation/device_identity.h"
#include "conformance/document.h"
#include "sks-core/engine/engine.h"
#include "sks-core/engine/memory_storage.h"

/// The device of the client that the kit plays: our key store in memory.
namespace sks::conformance {

struct DeviceFiles {
  std::string authority;    ///< PEM with certificate and key of a device CA; it is made if it is not there
  std::string certificate;  ///< PEM with the path of the device, device certificate first; empty: the CA issues one
  std::string key;          ///< PEM with its PKCS #8 key
};

/// The certificate of the device CA in PEM. Fails with option (no file is named, or it is no such file) or
/// not_available.
Result<std::string> device_authority(const std::string& file);

/// Shows another path than that of its key: no link of it need be right, but the first certificate is for the key.
class ForgedIdentity final : public DeviceIdentity {
 public:
  ForgedIdentity(std::vector<Bytes> path, attestation::SoftwareIdentity signer)
      : path_(std::move(path)), signer_(std::move(signer)) {}
  const std::vector<Bytes>& certificate_path() const override { return path_; }
  Result<Bytes> sign(ByteView data) const override { return signer_.sign(data); }

 private:
  std::vector<Bytes> path_;
  attestation::SoftwareIdentity signer_;
};

/// The devices that an issuer meets.
struct Devices {
  attestation::SoftwareIdentity own;
  /// With a certificate of a CA that nobody trusts, with one of the right CA whose signature is wrong, and with one
  /// whose time is over. Only where the issuer was told which CA to trust: others may take any device.
  std::optional<attestation::SoftwareIdentity> stranger = std::nullopt;
  std::optional<ForgedIdentity> forged = std::nullopt;
  std::optional<attestation::SoftwareIdentity> expired = std::nullopt;
};

/// Fails as device_authority(), or with crypto.
Result<Devices> make_devices(const DeviceFiles& files);

/// What an earlier session of the same issuer has seen, for sessions that use it again.
struct EarlierSession {
  Bytes client_session_id;                                ///< as bytes
  std::vector<std::pair<std::string, SecureBytes>> keys;  ///< algorithms, and private keys in PKCS #8
  Json credentials = Json::array();  ///< what was issued, as a CredentialDiscoveryResponse lists it
};

/// Makes keys as the default source does, or as a scenario wants them.
class KeyMaker final : public KeySource {
 public:
  enum class Keys : std::uint8_t { fresh, the_same, of_earlier_session };

  Result<crypto::PrivateKey> generate(const Algorithm& algorithm, ByteView parameters, ByteView seed) const override;
  /// For RSA keys without parameters; 0: the right one.
  void use_exponent(std::uint8_t exponent) { exponent_ = exponent; }
  void use_keys(Keys keys, const EarlierSession* earlier) {
    mode_ = keys;
    earlier_ = earlier;
  }
  std::vector<std::pair<std::string, SecureBytes>> take_made() { return std::move(made_); }
  /// The key that the engine got last, in PKCS #8.
  const SecureBytes& latest() const { return latest_; }

 private:
  const SecureBytes* find_used(const Algorithm& algorithm) const;
  Result<crypto::PrivateKey> make(const Algorithm& algorithm, ByteView parameters, ByteView seed) const;

  std::uint8_t exponent_ = 0;
  Keys mode_ = Keys::fresh;
  const EarlierSession* earlier_ = nullptr;
  // An engine calls from one thread at a time.
  mutable std::vector<std::pair<std::string, SecureBytes>> made_;
  mutable std::size_t next_ = 0;  ///< of the keys of the earlier session
  mutable SecureBytes latest_;
};

/// The system's randomness; but a session id can be that of an earlier session.
class IdSource final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) const override;
  void use_id(Bytes id) { wanted_ = std::move(id); }

 private:
  Bytes wanted_;
};

/// A new key store.
class Device {
 public:
  /// The identity must outlive it. Fails as Engine::open().
  static Result<std::unique_ptr<Device>> create(const DeviceIdentity& identity);

  SecureKeyStore& store() { return *engine_; }
  const DeviceIdentity& identity() const { return *identity_; }
  KeyMaker& keys() { return keys_; }
  IdSource& ids() { return ids_; }

 private:
  MemoryStorage storage_;
  KeyMaker keys_;
  IdSource ids_;
  const DeviceIdentity* identity_ = nullptr;
  std::unique_ptr<Engine> engine_;
};

}  // namespace sks::conformance
