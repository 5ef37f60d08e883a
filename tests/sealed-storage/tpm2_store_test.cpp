#include <doctest/doctest.h>

#include "tests/sealed-storage/software_tpm.h"
#include "tests/sealed-storage/store_fixture.h"

/// A key store whose master key a TPM seals, and whose anchor is a counter in that TPM.
namespace sks::test {
namespace {

constexpr RecordId kKey1{RecordKind::key, 1};

struct TpmStore {
  TpmStore() {
    const Result<void> made = SqliteStore::create(folder, sample_identity(), *sealed::find_provider("tpm2"),
                                                  no_secrets(), sealed::parse_anchor("tpm2").value());
    REQUIRE_MESSAGE(static_cast<bool>(made), (made ? std::string() : made.error().detail));
  }

  Result<void> put(const std::string& value) const {
    SKS_LET(const auto store, SqliteStore::open(folder));
    SKS_LET(const auto transaction, store->begin());
    SKS_TRY(transaction->put(kKey1, as_bytes(value)));
    transaction->forbid_return();
    return transaction->commit();
  }

  SoftwareTpm tpm;
  UseTpm use{tpm.tcti()};
  TempDir dir;
  std::string folder = dir.file("store");
};

}  // namespace

TEST_CASE("a store with a counter in the TPM opens over losses of power, and not when it was put back as a whole") {
  TpmStore store;
  REQUIRE(store.put("1"));
  const std::string database = read_file(store.folder + "/store.db");
  const std::string key = read_file(store.folder + "/master.key");
  store.tpm.restart();
  REQUIRE(store.put("2"));

  const std::string later = read_file(store.folder + "/store.db");
  write_file(store.folder + "/store.db", database);
  write_file(store.folder + "/master.key", key);
  const Result<void> refused = store.put("3");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().status == Status::crypto);
  CHECK(refused.error().detail.starts_with("the key store in " + store.folder + " was put back to an earlier state"));
  CHECK(read_file(store.folder + "/store.db") == database);

  write_file(store.folder + "/store.db", later);
  CHECK(store.put("3"));
  // Taken away, the counter is gone, and what was anchored by it stays refused.
  REQUIRE(SqliteStore::set_anchor(store.folder, {}, no_secrets()));
  CHECK(store.put("4"));
  write_file(store.folder + "/store.db", later);
  CHECK(SqliteStore::open(store.folder).error().status == Status::not_available);
}

TEST_CASE("a store is not made when the TPM has no room for its counter") {
  const TpmStore store;
  store.tpm.fill_memory();
  const auto full = SqliteStore::create(store.dir.file("other"), sample_identity(), sealed::key_file_provider(),
                                        no_secrets(), sealed::parse_anchor("tpm2").value());
  REQUIRE_FALSE(full);
  CHECK(full.error().status == Status::storage);
  CHECK(entries(store.dir.path()) == "store");
}

}  // namespace sks::test
