#include "tests/sks-core/capi/c_store.h"

using namespace sks;
using namespace sks::test;

namespace {

/// What the callbacks of an environment and a device PIN have seen.
struct World {
  unsigned randoms = 0;
  std::int64_t time = 1700000000;
  unsigned slept = 0;
  int verdict = 1;
  std::string seen_pin;

  sks_environment environment{
      sizeof(sks_environment), this,
      [](void* context, std::uint8_t* out, std::size_t size) {
        ++static_cast<World*>(context)->randoms;
        std::fill_n(out, size, std::uint8_t{0x5A});
        return 0;
      },
      [](void* context) { return static_cast<World*>(context)->time; },
      [](void* context, std::uint32_t seconds) { static_cast<World*>(context)->slept += seconds; }};
  sks_device_pin device_pin{sizeof(sks_device_pin), this, [](void* context, const std::uint8_t* pin, std::size_t size) {
                              auto& world = *static_cast<World*>(context);
                              world.seen_pin = to_string(ByteView(pin, size));
                              return world.verdict;
                            }};
};

sks_status sign(const CDevice& device, KeyHandle key, std::string_view pin = "") {
  const sks_operation signing = operation(key, kEcdsaSha256, pin);
  sks_buffer out{};
  const sks_status status = sks_sign_data(device.store, &signing, nullptr, 0, &out, nullptr);
  sks_buffer_free(&out);
  return status;
}

}  // namespace

TEST_CASE("sks.h: sessions are attested by the identity's sign, and never by a signature that does not verify") {
  CDevice device;
  device.open();
  const Bytes certificate = device.test_identity.certificate_path().front();
  const auto open_session = [&] {
    TestIssuer issuer(*device.api);
    issuer.request.privacy_enabled = false;
    const auto opened = status_of(issuer.open(certificate));
    if (!opened) CHECK(issuer.session_attestation_holds(&device.test_identity.public_key()));
    return opened;
  };
  CHECK(open_session() == std::nullopt);
  for (const auto signer : {CDevice::Signer::fails, CDevice::Signer::too_short, CDevice::Signer::other_data}) {
    device.signer = signer;
    CHECK(open_session() == Status::crypto);
  }
  CHECK(all_sessions(*device.api, SessionState::open).size() == 1);
}

TEST_CASE("sks.h: an identity is an RSA or EC key") {
  CDevice device;
  const crypto::PrivateKey key = generate_key(kSks + "ed25519");
  const Bytes certificate = certify(key.public_key().spki());
  const sks_bytes path = to_c(certificate);
  device.identity.certificate_path = &path;
  CHECK(device.try_to_open() == SKS_ERROR_OPTION);
  device.identity.certificate_path = &device.certificate;
  CHECK(device.try_to_open() == SKS_OK);
}

TEST_CASE("sks.h: a certificate path whose links do not hold is refused") {
  CDevice device;
  const Bytes other = certify(device.test_identity.public_key().spki());
  const std::array path{device.certificate, to_c(other)};
  device.identity.certificate_path = path.data();
  device.identity.certificate_count = path.size();
  CHECK(device.try_to_open() == SKS_ERROR_CRYPTO);
}

TEST_CASE("sks.h: certificates that getDeviceInfo could not answer with are refused") {
  CDevice device;
  const Bytes large(65'536);
  const sks_bytes large_certificate = to_c(large);
  device.identity.certificate_path = &large_certificate;
  CHECK(device.try_to_open() == SKS_ERROR_OPTION);

  // Self-signed, so that a path of it alone holds.
  const std::size_t most = 786'432 / (2 + device.certificate.size);
  const std::vector<sks_bytes> path(most + 1, device.certificate);
  device.identity.certificate_path = path.data();
  device.identity.certificate_count = most + 1;
  CHECK(device.try_to_open() == SKS_ERROR_OPTION);
  device.identity.certificate_count = most;
  device.open();
  CHECK(device.api->get_device_info()->certificate_path.size() == most);
}

TEST_CASE("sks.h: the environment's random, time and sleep are used") {
  World world;
  CDevice device;
  device.options.environment = &world.environment;
  device.open();
  TestIssuer issuer(*device.api);
  REQUIRE(issuer.open());
  CHECK(world.randoms == 1);
  CHECK(issuer.created().client_session_id == "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpa");  // 24 bytes 0x5A
  PinKeyOptions options;
  options.puk_retry_limit = 0;
  const KeyHandle key = provision_pin_key(*device.api, options).key;
  CHECK(world.slept == 0);
  CHECK(status_of(device.api->unlock_key(key, secret("00000"))) == Status::authorization);
  CHECK(world.slept >= 1);
}

TEST_CASE("sks.h: missing functions of the environment are those of the operating system") {
  World world;
  world.environment.random = nullptr;
  world.environment.now = nullptr;
  world.environment.sleep = nullptr;
  CDevice device;
  device.options.environment = &world.environment;
  device.open();
  CHECK(provision_plain_key(*device.api));
  CHECK(world.randoms == 0);
}

TEST_CASE("sks.h: keys with device PIN ask the device") {
  World world;
  CDevice device;
  device.open();
  CHECK_FALSE(device.api->get_device_info().value().device_pin_support);
  device.close();
  device.options.device_pin = &world.device_pin;
  device.open();
  CHECK(device.api->get_device_info().value().device_pin_support);
  KeyEntryRequest request = key_request();
  request.device_pin_protection = true;
  const KeyHandle key = provision_plain_key(*device.api, std::move(request));
  CHECK(sign(device, key, "2468") == SKS_OK);
  CHECK(world.seen_pin == "2468");
  for (const int wrong : {0, -1, 2}) {
    world.verdict = wrong;
    CHECK(sign(device, key, "2468") == SKS_ERROR_AUTHORIZATION);
  }
}

TEST_CASE("sks.h: the configuration is what getDeviceInfo says") {
  CDevice device;
  device.options.vendor_name = "Vendor";
  device.options.vendor_description = "Description";
  device.options.crypto_data_size = 20000;
  device.options.extension_data_size = 70000;
  device.options.device_type = 0x05;
  device.options.biometric_support = 1;
  device.open();
  const DeviceInfo info = device.api->get_device_info().value();
  CHECK(info.vendor_name == "Vendor");
  CHECK(info.vendor_description == "Description");
  CHECK(info.crypto_data_size == 20000);
  CHECK(info.extension_data_size == 70000);
  CHECK(info.device_type == 0x05);
  CHECK(info.biometric_support);
  CHECK(info.certificate_path == device.test_identity.certificate_path());
}

TEST_CASE("sks.h: the largest extension and its answer fit into frames") {
  CDevice device;
  device.options.extension_data_size = 900000;
  device.open();
  TestIssuer issuer(*device.api);
  REQUIRE(issuer.open());
  const KeyHandle key = issuer.create_certified_key(key_request()).value().handle;
  const Bytes data(900000, 0x42);
  REQUIRE(issuer.add_extension(key, {"https://example.com/large", 0, "", data, {}}));
  REQUIRE(issuer.close());
  CHECK(equal(device.api->get_extension(key, "https://example.com/large").value().data.view(), data));
}

TEST_CASE("sks.h: a callback may not use the store that called it, but another one") {
  CDevice device;
  CDevice other;
  device.open();
  other.open();
  const KeyHandle key = provision_plain_key(*device.api);
  sks_status own = SKS_OK;
  sks_status closing = SKS_OK;
  sks_status others = SKS_ERROR_INTERNAL;
  device.storage.during_begin = [&] {
    std::uint32_t next = 0;
    own = sks_enumerate_keys(device.store, 0, &next, nullptr, nullptr);
    closing = sks_close(device.store, nullptr);
    others = sks_enumerate_keys(other.store, 0, &next, nullptr, nullptr);
  };
  CHECK(status_of(device.api->delete_key(key, {})) == std::nullopt);
  device.storage.during_begin = nullptr;
  CHECK(own == SKS_ERROR_NOT_ALLOWED);
  CHECK(closing == SKS_ERROR_NOT_ALLOWED);
  CHECK(others == SKS_OK);
  CHECK(all_keys(*device.api).empty());
}
