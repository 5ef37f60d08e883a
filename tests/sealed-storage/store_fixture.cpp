#include "tests/sealed-storage/store_fixture.h"

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "sealed-storage/master_key.h"
#include "sealed-storage/schema.h"
#include "sealed-storage/store_index.h"

namespace sks::test {

StoredIdentity sample_identity() {
  return {{Bytes(400, 1), Bytes(20, 2)}, SecureBytes::copy_of(as_bytes("pkcs8 of the attestation key"))};
}

StoreFixture::StoreFixture() : folder_(dir_.file("store")) {
  const Result<void> created = SqliteStore::create(folder_, sample_identity());
  REQUIRE_MESSAGE(static_cast<bool>(created), (created ? std::string() : created.error().detail));
}

std::unique_ptr<SqliteStore> StoreFixture::open() const {
  Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(folder_);
  REQUIRE_MESSAGE(static_cast<bool>(store), (store ? std::string() : store.error().detail));
  return std::move(store).value();
}

Error StoreFixture::open_error() const {
  Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(folder_);
  REQUIRE_FALSE(store);
  return std::move(store).error();
}

void StoreFixture::put(RecordId id, std::string_view value) const {
  const std::unique_ptr<SqliteStore> store = open();
  auto transaction = store->begin();
  REQUIRE(transaction);
  REQUIRE((*transaction)->put(id, as_bytes(value)));
  REQUIRE((*transaction)->commit());
}

Result<std::optional<SecureBytes>> StoreFixture::get(RecordId id) const {
  const std::unique_ptr<SqliteStore> store = open();
  auto transaction = store->begin();
  REQUIRE(transaction);
  return (*transaction)->get(id);
}

void StoreFixture::move_to_generation(std::int64_t generation) const {
  auto database = sealed::Database::open(file("store.db"));
  REQUIRE(database);
  auto header = sealed::read_header(*database, sealed::kFormatVersion, folder_);
  const auto key = sealed::MasterKeyFile(file("master.key"), folder_).load(no_secrets());
  REQUIRE((header && key));
  const sealed::RecordSealer sealer(key->view(), header->store_id);
  auto root = sealed::open_root(sealer, header->generation, header->root);
  REQUIRE(root);
  const auto index = sealed::StoreIndex::open(*database, sealer, std::move(*root));
  REQUIRE(index);
  header->root = (*index)->seal(generation).value();
  header->generation = generation;
  REQUIRE(sealed::write_header(*database, *header));
}

void StoreFixture::sql(const std::string& statement) const { run_sql(file("store.db"), statement); }

void run_sql(const std::string& path, const std::string& statement) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
  const int code = sqlite3_exec(database, statement.c_str(), nullptr, nullptr, nullptr);
  const std::string message = sqlite3_errmsg(database);
  sqlite3_close(database);
  REQUIRE_MESSAGE(code == SQLITE_OK, message);
}

std::string entries(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : " ") + name;
  return joined;
}

unsigned mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777U;
}

std::string read(Storage::Transaction& transaction, RecordId id) {
  const Result<std::optional<SecureBytes>> value = transaction.get(id);
  REQUIRE_MESSAGE(static_cast<bool>(value), (value ? std::string() : value.error().detail));
  return *value ? to_string((*value)->view()) : "(none)";
}

std::string list(Storage::Transaction& transaction, RecordKind kind) {
  std::string out;
  const Result<void> scanned = transaction.scan(kind, [&](std::uint32_t handle, ByteView value) -> Result<void> {
    out += (out.empty() ? "" : " ") + std::to_string(handle) + "=" + to_string(value);
    return {};
  });
  REQUIRE(scanned);
  return out;
}

}  // namespace sks::test
