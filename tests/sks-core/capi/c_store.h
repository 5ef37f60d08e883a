#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <optional>

#include "sks-core/capi/sks.h"
#include "sks-core/wire/channel.h"
#include "sks-core/wire/client.h"
#include "tests/sks-core/engine/device.h"

/// A store behind sks.h, with ports whose behaviour a test decides.
namespace sks::test {

/// Records behind the callbacks of sks_storage. Holds the library to what sks.h promises about the order of calls.
class CStorage {
 public:
  using Id = std::pair<std::uint8_t, std::uint32_t>;

  CStorage();
  /// For sks_options::storage.
  sks_storage callbacks{};

  std::map<Id, Bytes> records;
  unsigned calls = 0;
  unsigned fail_at = 0;  ///< the call with this number, from 1, returns kFailure; 0 = none
  bool has_room_aside = false;
  unsigned rooms_made = 0;
  std::function<void()> during_begin;
  static constexpr int kFailure = 4711;

  enum class Visits { right, descending, twice, other_record, without_data, go_on_after_stop };
  Visits visits = Visits::right;

 private:
  using Written = std::map<Id, std::optional<Bytes>>;
  class InCall;
  int fails();
  std::map<Id, Bytes> seen() const;
  int get(sks_record_id id, sks_visit visit, void* visitor);
  int scan(std::uint8_t kind, sks_visit visit, void* visitor);

  std::optional<Written> transaction_;
  std::atomic_flag in_call_ = ATOMIC_FLAG_INIT;
};

/// The C side of one device.
struct CDevice {
  CDevice();
  ~CDevice();
  CDevice(const CDevice&) = delete;
  CDevice& operator=(const CDevice&) = delete;

  sks_status try_to_open();
  void open();
  void close();
  void restart() {
    close();
    open();
  }

  CStorage storage;
  TestIdentity test_identity;
  sks_bytes certificate{};
  sks_identity identity{};  ///< signs with `sign`
  sks_options options{};
  sks_error error{};
  sks_store* store = nullptr;
  /// What the issuer of a test talks to: RemoteKeyStore over sks_transact.
  std::unique_ptr<SecureKeyStore> api;

  enum class Signer { right, fails, too_short, other_data };
  Signer signer = Signer::right;
};

sks_bytes to_c(ByteView bytes);
/// Borrows `algorithm` and `pin`.
sks_operation operation(KeyHandle key, const std::string& algorithm, std::string_view pin = "");
sks_operation operation(KeyHandle key, std::string&& algorithm, std::string_view pin = "") = delete;
/// What a function put into a buffer, which is freed.
Bytes take(sks_buffer& buffer);

}  // namespace sks::test
