#include "conformance/live_key_store.h"

#include "attestation/device_identity.h"
#include "sks-core/engine/engine.h"
#include "sks-core/engine/memory_storage.h"
#include "sks-core/wire/client.h"
#include "sks-core/wire/socket_channel.h"

namespace sks::conformance {
namespace {

constexpr std::string_view kMemory = "memory:";
constexpr std::string_view kDevicePin = "1234";

class KitPin final : public DevicePinVerifier {
 public:
  bool verify(ByteView pin) override { return equal_constant_time(pin, as_bytes(kDevicePin)); }
};

class MemoryDevice final : public LiveKeyStore {
 public:
  static Result<std::unique_ptr<LiveKeyStore>> open() {
    SKS_LET(attestation::SoftwareIdentity identity,
            attestation::SoftwareIdentity::create("OpenSKS conformance kit", attestation::AttestationKeyType::p256,
                                                  system_clock()));
    auto device = std::make_unique<MemoryDevice>(std::move(identity));
    EngineConfig config;
    config.biometric_support = true;
    config.device_pin = &device->pin_;
    SKS_LET(device->engine_, Engine::open({device->storage_, device->identity_}, config));
    return std::unique_ptr<LiveKeyStore>(std::move(device));
  }

  explicit MemoryDevice(attestation::SoftwareIdentity identity) : identity_(std::move(identity)) {}
  SecureKeyStore& store() override { return *engine_; }

 private:
  MemoryStorage storage_;
  attestation::SoftwareIdentity identity_;
  KitPin pin_;
  std::unique_ptr<Engine> engine_;
};

class RemoteDevice final : public LiveKeyStore {
 public:
  explicit RemoteDevice(std::unique_ptr<wire::Channel> channel) : store_(std::move(channel)) {}
  SecureKeyStore& store() override { return store_; }

 private:
  wire::RemoteKeyStore store_;
};

}  // namespace

Result<std::unique_ptr<LiveKeyStore>> LiveKeyStore::open(std::string_view address) {
  if (address == kMemory) return MemoryDevice::open();
  SKS_LET(const wire::Address parsed, wire::parse_address(address));
  SKS_LET(std::unique_ptr<wire::SocketChannel> channel, wire::SocketChannel::connect(parsed));
  return std::unique_ptr<LiveKeyStore>(std::make_unique<RemoteDevice>(std::move(channel)));
}

}  // namespace sks::conformance
