#pragma once

#include <memory>

#include "sks-core/engine/engine.h"
#include "sks-core/wire/channel.h"
#include "tests/support/fakes.h"
#include "tests/support/storage_fakes.h"
#include "tests/support/test_issuer.h"

namespace sks::fuzz {

/// Lets the CHECKs of TestIssuer end the process. Call it once.
void make_checks_fatal();

/// What happens to the next request on its way.
enum class Tampering : std::uint8_t { none, flip_bit, set_byte, cut, append, repeat, set_handle, count };

/// A device whose ports are fast, repeatable and fail on demand, reached through the byte stream.
class Device {
 public:
  Device();
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  /// Opens a new engine over the same storage, which must succeed. Without injected failures it must say the same.
  void restart();

  /// The byte stream, with every answer checked: well-formed, and readable as what its method returns.
  SecureKeyStore& api() { return *api_; }
  SecureBytes transact(ByteView request);
  void tamper(Tampering how, std::uint16_t where, std::uint8_t value);
  /// The n-th put, erase or commit from now on fails.
  void fail_storage_after(unsigned n);

  const test::TestIdentity& identity() const;

 private:
  class CheckedChannel;
  class OneAtATime;
  class FewKeys;
  class RepeatableRandom;

  void open();
  Bytes everything();
  Bytes tampered(ByteView request);

  test::InMemoryStorage memory_;
  std::unique_ptr<OneAtATime> storage_;
  std::unique_ptr<RepeatableRandom> random_;
  test::FakeClock clock_{1700000000};
  std::unique_ptr<DevicePinVerifier> device_pin_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<SecureKeyStore> api_;
  bool has_failed_ = false;
  Tampering tampering_ = Tampering::none;
  std::uint16_t where_ = 0;
  std::uint8_t value_ = 0;
};

/// A key that the algorithm makes; RSA keys come from a pool, so that an input does not take a second.
crypto::PrivateKey any_key_of(const Algorithm& algorithm, unsigned number);

}  // namespace sks::fuzz
