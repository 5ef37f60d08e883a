#pragma once

#include "sks-core/capi/sks.h"
#include "sks-core/crypto/x509.h"
#include "sks-core/engine/engine.h"

/// The ports of the engine over the callbacks of sks.h.
namespace sks::capi {

/// A number that a callback has returned in place of 0.
Error callback_failed(std::string_view name, int code);

/// Every commit of the callbacks is durable when it returns: sessions share none.
class CallbackStorage final : public Storage {
 public:
  /// Fails with option: a required function is missing.
  static Result<std::unique_ptr<Storage>> make(const sks_storage& callbacks);
  Result<std::unique_ptr<Transaction>> begin() override;
  bool make_room() override;

 private:
  class CallbackTransaction;
  explicit CallbackStorage(const sks_storage& callbacks) : callbacks_(callbacks) {}

  sks_storage callbacks_;
  bool in_transaction_ = false;
};

class CallerIdentity final : public DeviceIdentity {
 public:
  /// Fails as sks_open says of the identity.
  static Result<std::unique_ptr<DeviceIdentity>> make(const sks_identity& identity);
  const std::vector<Bytes>& certificate_path() const override { return path_; }
  Result<Bytes> sign(ByteView data) const override;

 private:
  CallerIdentity(const sks_identity& identity, std::vector<Bytes> path, crypto::PublicKey certified,
                 std::optional<crypto::PrivateKey> key)
      : callbacks_(identity), path_(std::move(path)), certified_(std::move(certified)), key_(std::move(key)) {}

  Result<Bytes> call_sign(ByteView data) const;

  sks_identity callbacks_;  // sign and context only
  std::vector<Bytes> path_;
  crypto::PublicKey certified_;
  std::optional<crypto::PrivateKey> key_;
};

class CallbackDevicePin final : public DevicePinVerifier {
 public:
  explicit CallbackDevicePin(const sks_device_pin& callbacks) : callbacks_(callbacks) {}
  bool verify(ByteView pin) override { return callbacks_.verify(callbacks_.context, pin.data(), pin.size()) == 1; }

 private:
  sks_device_pin callbacks_;
};

/// Falls back on the operating system for each function that is missing.
class CallbackRandom final : public Random {
 public:
  explicit CallbackRandom(const sks_environment& callbacks) : callbacks_(callbacks) {}
  void fill(std::span<std::uint8_t> out) const override;

 private:
  sks_environment callbacks_;
};

class CallbackClock final : public Clock {
 public:
  explicit CallbackClock(const sks_environment& callbacks) : callbacks_(callbacks) {}
  std::int64_t now() const override;
  void sleep_seconds(unsigned seconds) const override;

 private:
  sks_environment callbacks_;
};

}  // namespace sks::capi
