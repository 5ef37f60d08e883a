#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "sealed-storage/sqlite.h"

/// Group commit: several transactions become durable by one sync of SQLite's log.
namespace sks::sealed {

/// Whether the log, as far as `size` bytes, is an unbroken chain of frames. Format: "WAL File Format" in SQLite's file
/// format documentation.
bool is_whole_log(ByteView log);

/// The log (-wal file) of a database in WAL mode, beside the connection that writes it.
///
/// A transaction after expect_shared_commit() is committed without a sync; make_durable() makes up for it, on a
/// descriptor of its own and therefore while the connection is at work. One sync serves all who wait.
///
/// After a failed sync the kernel may take what it could not write for written, and a later sync would say nothing. So
/// everything since the last good sync is in doubt from then on: who waits for it is told so, and restore_order()
/// writes the log once more before anything else happens. Its frames are checked first: should the kernel have
/// forgotten them already, the store refuses to go on, and the next opening finds what the disk has.
///
/// make_durable() may be called from any thread; everything else belongs to the thread that uses the connection.
class LogSync {
 public:
  /// `database` must have read something, and outlive this object. Fails with storage.
  static Result<std::unique_ptr<LogSync>> open(Database& database);
  ~LogSync();  ///< restore_order() first, lest closing moves what is in doubt into the database
  LogSync(const LogSync&) = delete;
  LogSync& operator=(const LogSync&) = delete;

  /// Between transactions: gets what is in doubt onto the disk. Fails with storage.
  Result<void> restore_order();

  // Between transactions: how the next one is committed. Fails with storage.
  Result<void> expect_commit() { return set_synchronous(true); }
  Result<void> expect_shared_commit() { return set_synchronous(false); }

  /// To be told of the outcome of every COMMIT. Returns it, or storage when a commit that had to be durable follows one
  /// that cannot be made so.
  Result<void> committed(Result<void> outcome);

  /// Returns when all that was committed before the call is durable. Fails with storage.
  Result<void> make_durable();

 private:
  struct Close {
    void operator()(sqlite3_file* file) const;
  };

  explicit LogSync(Database& database);
  Result<void> set_synchronous(bool full);
  static int after_commit(void* self, sqlite3* database, const char* name, int frames);
  void checkpoint(int frames);
  bool in_doubt();
  void enter_doubt();
  Result<void> rewrite();
  /// Reads or writes the beginning of the log.
  template <class Move>
  Result<void> transfer(Move move, std::span<std::uint8_t> log);

  Database& database_;
  const std::string path_;  ///< of the database
  std::unique_ptr<sqlite3_file, Close> file_;
  bool full_ = true;           ///< PRAGMA synchronous of the connection
  int frames_ = 0;             ///< in the log that are of commits
  bool wrote_ = false;         ///< whether the last COMMIT had anything to write
  bool checkpointed_ = false;  ///< whether the whole log is in the database, durably

  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::uint64_t committed_ = 0;  ///< commits so far
  std::uint64_t durable_ = 0;    ///< of these, those on the disk for sure
  bool syncing_ = false;         ///< somebody uses file_
  bool in_doubt_ = false;        ///< whether a sync has failed since commit number durable_
};

}  // namespace sks::sealed
