#include "sks-core/capi/store.h"

#include "sks-core/base/byte_reader.h"
#include "sks-core/capi/boundary.h"
#include "sks-core/engine/memory_storage.h"

namespace sks::capi {
namespace {

// sks-api.md 4.1; the upper ends keep the largest objects within a frame (sks-byte-stream.md, detail 9).
constexpr std::size_t kMaxVendorName = 128;          // characters
constexpr std::size_t kMaxVendorDescription = 1000;  // characters
constexpr std::uint8_t kDeviceTypeBits = 0x0F;

struct SizeRange {
  std::string_view name;
  std::uint32_t lowest;
  std::uint32_t highest;
};
constexpr SizeRange kCryptoDataSize{"crypto_data_size", 16'384, 64'999};
constexpr SizeRange kExtensionDataSize{"extension_data_size", 65'536, 900'000};

/// 0 keeps what `size` is.
Result<void> read_size(std::uint32_t value, const SizeRange& range, std::uint32_t& size) {
  if (value == 0) return {};
  if (value < range.lowest || value > range.highest)
    return Error{Status::option, std::string(range.name) + " is out of range"};
  size = value;
  return {};
}

/// Null keeps what `text` is.
Result<void> read_text(const char* value, std::size_t longest, std::string_view name, std::string& text) {
  if (value == nullptr) return {};
  const std::string_view given(value);
  if (given.empty() || !is_utf8(given) || count_code_points(given) > longest)
    return Error{Status::option, std::string(name) + " is empty, too long or not UTF-8"};
  text = given;
  return {};
}

Result<EngineConfig> read_config(const sks_options& options) {
  EngineConfig config;
  SKS_TRY(read_text(options.vendor_name, kMaxVendorName, "vendor_name", config.vendor_name));
  SKS_TRY(
      read_text(options.vendor_description, kMaxVendorDescription, "vendor_description", config.vendor_description));
  SKS_TRY(read_size(options.crypto_data_size, kCryptoDataSize, config.crypto_data_size));
  SKS_TRY(read_size(options.extension_data_size, kExtensionDataSize, config.extension_data_size));
  if ((options.device_type & ~kDeviceTypeBits) != 0) return Error{Status::option, "device_type has unknown bits"};
  if (options.device_type != 0) config.device_type = options.device_type;
  SKS_LET(config.biometric_support, read_flag(options.biometric_support, "biometric_support"));
  return config;
}

}  // namespace

thread_local const Store::Visit* Store::innermost_ = nullptr;

bool Store::runs_here() const {
  for (const Visit* visit = innermost_; visit != nullptr; visit = visit->outer)
    if (&visit->store == this) return true;
  return false;
}

Result<void> Store::open_ports(const sks_options& options) {
  if (options.storage == nullptr) {
    storage_ = std::make_unique<MemoryStorage>();
  } else {
    SKS_LET(const sks_storage storage, read_struct(options.storage, "options->storage"));
    SKS_LET(storage_, CallbackStorage::make(storage));
  }
  SKS_LET(const sks_identity identity, read_struct(options.identity, "options->identity"));
  SKS_LET(identity_, CallerIdentity::make(identity));
  if (options.device_pin != nullptr) {
    SKS_LET(const sks_device_pin device_pin, read_struct(options.device_pin, "options->device_pin"));
    if (device_pin.verify == nullptr) return null_argument("options->device_pin->verify");
    device_pin_ = std::make_unique<CallbackDevicePin>(device_pin);
  }
  sks_environment environment{};
  if (options.environment != nullptr) {
    SKS_LET(environment, read_struct(options.environment, "options->environment"));
  }
  random_ = std::make_unique<CallbackRandom>(environment);
  clock_ = std::make_unique<CallbackClock>(environment);
  return {};
}

Result<std::shared_ptr<Store>> Store::open(const sks_options& options) {
  SKS_LET(EngineConfig config, read_config(options));
  const std::shared_ptr<Store> store(new Store);
  SKS_TRY(store->open_ports(options));
  config.device_pin = store->device_pin_.get();
  const EnginePorts ports{*store->storage_, *store->identity_, system_key_source(), *store->random_, *store->clock_};
  const Visit visit(*store);  // opening calls the storage
  SKS_LET(store->engine_, Engine::open(ports, std::move(config)));
  return store;
}

void Store::close() {
  SKS_CHECK(!runs_here());
  const Visit visit(*this);  // closing may call the storage
  const std::unique_lock lock(running_);
  engine_.reset();
}

OpenStores& OpenStores::instance() {
  // Never destroyed: other threads may still call while the process or our library goes down.
  static auto& stores = *new OpenStores;
  return stores;
}

sks_store* OpenStores::add(std::shared_ptr<Store> store) {
  const std::lock_guard lock(mutex_);
  auto* const handle = reinterpret_cast<sks_store*>(next_);  // NOLINT(performance-no-int-to-ptr): never followed
  stores_.emplace(handle, std::move(store));
  ++next_;
  return handle;
}

Result<std::shared_ptr<Store>> OpenStores::find(const sks_store* handle) const {
  const std::lock_guard lock(mutex_);
  const auto found = stores_.find(handle);
  if (found == stores_.end()) return Store::closed();
  return found->second;
}

Result<void> OpenStores::remove(const sks_store* handle) {
  const std::lock_guard lock(mutex_);
  if (stores_.erase(handle) == 0) return Store::closed();
  return {};
}

}  // namespace sks::capi
