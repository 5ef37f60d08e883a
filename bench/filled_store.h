#pragma once

#include <memory>
#include <string>

#include "sealed-storage/sqlite_store.h"
#include "sks-core/engine/engine.h"
#include "sks-core/engine/store_state.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_issuer.h"

/// Key stores to measure.
namespace sks::bench {

/// A request for a key without PIN that signs with everything; `algorithm` without the prefix of SKS.
KeyEntryRequest key_request(std::string_view algorithm);

/// An engine over a new sealed store on disk.
class DurableStore {
 public:
  DurableStore();
  Engine& engine() const { return *engine_; }
  /// A key of a closed session, with a PIN unless `pin` is empty.
  KeyHandle provision(std::string_view algorithm, std::string_view pin) const;
  /// A symmetric key of a closed session, without a PIN.
  KeyHandle provision_symmetric(ByteView value) const;

 private:
  test::TempDir folder_;
  test::TestIdentity identity_;
  std::unique_ptr<SqliteStore> storage_;
  std::unique_ptr<Engine> engine_;
};

/// Fills an empty storage with `keys` P-256 keys, ten to a session, each session with a PIN and a PUK policy of its
/// own. The objects are those that provisioning makes; only the certificates are one certificate with other serial
/// numbers.
void fill(Storage& storage, std::uint32_t keys);

/// A new sealed store of `keys` keys in `folder`.
std::unique_ptr<SqliteStore> make_filled_store(const std::string& folder, std::uint32_t keys);

/// One more key, without a PIN, of the first session of a filled store.
void add_sample_key(engine::Change& change, std::uint32_t serial);
/// The records that its commit writes: key, key material, a page of the directory and the counters.
inline constexpr std::size_t kRecordsOfKey = 4;

/// A folder with a sealed store of `keys` keys; made once for the process.
const std::string& filled_folder(std::uint32_t keys);

/// `sks-bench --open-store FOLDER`: opens a store in a process of its own and prints seconds and peak memory in bytes.
int report_opening(const std::string& folder);

}  // namespace sks::bench
