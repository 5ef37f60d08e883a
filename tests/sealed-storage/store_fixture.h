#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sealed-storage/sqlite_store.h"
#include "tests/support/temp_dir.h"

struct sqlite3;

namespace sks::test {

/// A folder with one fresh key store, and ways to get at its files behind the product's back.
class StoreFixture {
 public:
  StoreFixture();

  const std::string& folder() const { return folder_; }
  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  std::string beside(const std::string& name) const { return dir_.file(name); }

  /// Opens the store; ends the test when that fails.
  std::unique_ptr<SqliteStore> open() const;

  /// The error that opening gives; ends the test when it succeeds.
  Error open_error() const;

  /// Commits one record.
  void put(RecordId id, std::string_view value) const;

  /// What a fresh transaction reads.
  Result<std::optional<SecureBytes>> get(RecordId id) const;

  /// Gives the closed store's root a higher generation, as if there had been many writes before.
  void move_to_generation(std::int64_t generation) const;

  /// Runs SQL on the closed store.
  void sql(const std::string& statement) const;

 private:
  TempDir dir_;
  std::string folder_;
};

StoredIdentity sample_identity();

/// Runs SQL on a database file, which is created if need be.
void run_sql(const std::string& path, const std::string& statement);

/// Names of the entries of a folder, sorted, separated by a blank.
std::string entries(const std::string& folder);

/// The permission bits of a file.
unsigned mode_of(const std::string& path);

/// A record as text, "(none)" when absent; ends the test on an error.
std::string read(Storage::Transaction& transaction, RecordId id);

/// "1=a 2=b" for all records of a kind.
std::string list(Storage::Transaction& transaction, RecordKind kind);

}  // namespace sks::test
