#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sealed-storage/sqlite_store.h"

/// What state a store is in, told without changing anything in it. Spec: spec/sealed-record.md chapters 7 and 10.
namespace sks {

struct Finding {
  enum class Level : std::uint8_t {
    good,
    note,     ///< works, and somebody should know it
    problem,  ///< the store, or a part of it, cannot be used
  };
  Level level;
  std::string text;    ///< one sentence
  std::string advice;  ///< what can be done; empty when there is nothing to do, or nothing that helps
};

struct Examination {
  std::vector<Finding> findings;       ///< in the order in which things were looked at
  std::shared_ptr<const void> folder;  ///< of the copy; goes with the last who holds it
  std::unique_ptr<SqliteStore> store;  ///< a copy of the store, to look at further; null when it does not open
  bool records_are_good = false;
};

/// Looks at the folder, its files, the database, the master key, every record and the anchor, as far as each permits to
/// go on. Works on a copy of the store in a temporary folder, which holds no more than the store's own files. Fails
/// with storage when that copy cannot be made.
Result<Examination> examine_store(const std::string& folder, SecretSource& secrets);

}  // namespace sks
