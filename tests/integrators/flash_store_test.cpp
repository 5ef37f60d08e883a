#include <doctest/doctest.h>

#include "sks-core/wire/channel.h"
#include "sks-core/wire/client.h"
#include "tests/integrators/ram_flash.h"
#include "tests/sks-core/engine/device.h"

using namespace sks;
using namespace sks::test;

namespace {

class TransactChannel final : public wire::Channel {
 public:
  explicit TransactChannel(sks_store* store) : store_(store) {}
  Result<SecureBytes> transact(ByteView request) override {
    sks_buffer response{};
    sks_error error;
    if (sks_transact(store_, request.data(), request.size(), &response, &error) != SKS_OK)
      return Error{Status::external, error.text};
    SecureBytes body = SecureBytes::copy_of({response.data, response.size});
    sks_buffer_free(&response);
    return body;
  }

 private:
  sks_store* store_;
};

/// The device of the example, on a chip whose power fails.
class FlashDevice {
 public:
  explicit FlashDevice(RamFlash& flash) : flash_(flash) {}
  ~FlashDevice() { sks_close(store_, nullptr); }
  FlashDevice(const FlashDevice&) = delete;
  FlashDevice& operator=(const FlashDevice&) = delete;

  bool open() {
    if (flash_log_open(log_.get(), &flash_.chip.flash) != FLASH_LOG_OK) return false;
    const sks_storage storage = flash_log_storage(log_.get());
    static const TestIdentity identity;
    const Bytes& der = identity.certificate_path().front();
    const sks_bytes certificate{der.data(), der.size()};
    sks_identity c_identity{};
    c_identity.struct_size = sizeof c_identity;
    c_identity.certificate_path = &certificate;
    c_identity.certificate_count = 1;
    c_identity.sign = [](void*, const std::uint8_t* data, std::size_t size, std::uint8_t* signature, std::size_t*) {
      std::ranges::copy(identity.sign(ByteView(data, size)).value(), signature);
      return 0;
    };
    sks_options options{};
    options.struct_size = sizeof options;
    options.storage = &storage;
    options.identity = &c_identity;
    if (sks_open(&options, &store_, nullptr) != SKS_OK) return false;
    api_ = std::make_unique<wire::RemoteKeyStore>(std::make_unique<TransactChannel>(store_));
    return true;
  }
  SecureKeyStore& api() { return *api_; }

 private:
  RamFlash& flash_;
  std::unique_ptr<flash_log> log_ = std::make_unique<flash_log>();
  sks_store* store_ = nullptr;
  std::unique_ptr<SecureKeyStore> api_;
};

/// What the outside has been told.
struct Told {
  bool is_provisioned = false;
  KeyHandle key;
  unsigned wrong_pins = 0;     ///< refused, so counted
  unsigned possible_pins = 0;  ///< asked, so perhaps counted
  bool right_pin_was_asked = false;
  bool is_deleted = false;
  bool delete_was_asked = false;
};

/// The life of a key with PIN, until power fails.
Result<void> live(SecureKeyStore& store, Told& told) {
  TestIssuer issuer(store);
  SKS_TRY(issuer.open());
  SKS_LET(const PinPolicyHandle policy, issuer.create_pin_policy(pin_policy_request()));
  SKS_LET(const CreatedKey key, issuer.create_certified_key(key_request(policy, "1234")));
  told.key = key.handle;
  SKS_TRY(issuer.close());
  told.is_provisioned = true;
  for (unsigned i = 0; i < 2; ++i) {
    ++told.possible_pins;
    const auto refused = status_of(store.verify_pin(key.handle, secret("0000")));
    if (refused != Status::authorization) return Error{Status::storage, "not refused"};
    ++told.wrong_pins;
  }
  told.right_pin_was_asked = true;
  SKS_TRY(store.sign_data(key.handle, kEcdsaSha256, {}, with_pin("1234"), as_bytes("message")));
  told.delete_was_asked = true;
  SKS_TRY(store.delete_key(key.handle, {}));
  told.is_deleted = true;
  return {};
}

void check_what_holds(FlashDevice& device, const Told& told) {
  const std::vector<KeyHandle> keys = all_keys(device.api());
  if (told.is_provisioned && !told.delete_was_asked) REQUIRE(keys == std::vector{told.key});
  if (told.is_deleted) REQUIRE(keys.empty());
  if (keys.empty()) return;
  const unsigned errors = pin_errors(device.api(), keys.front());
  if (!told.right_pin_was_asked) REQUIRE(errors >= told.wrong_pins);
  REQUIRE(errors <= told.possible_pins + 1);  // a right PIN may have been paid for in advance
  if (errors < 3) REQUIRE(try_to_sign(device.api(), keys.front(), with_pin("1234")) == std::nullopt);
}

}  // namespace

TEST_CASE("key store on a flash image: power may fail anywhere, and what was acknowledged holds") {
  RamFlash whole(64, 1024);
  Told end;
  {
    FlashDevice device(whole);
    REQUIRE(device.open());
    REQUIRE(live(device.api(), end));
  }
  CHECK(end.is_deleted);
  constexpr std::size_t kStep = 29;
  for (std::size_t cut = 1; cut < whole.work_done(); cut += kStep) {
    CAPTURE(cut);
    RamFlash flash(64, 1024);
    flash.fail_after(cut);
    Told told;
    {
      FlashDevice device(flash);
      if (device.open()) static_cast<void>(live(device.api(), told));
    }
    flash.restore_power();
    FlashDevice device(flash);
    REQUIRE(device.open());
    check_what_holds(device, told);
    if (cut % 5 == 0) REQUIRE(provision_plain_key(device.api()));
  }
}
