#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "provisioning-server/database/database.h"

namespace sks::issuer {

/// Work of Database::swap() that nobody waits for in a thread of his own. Threads of this class take what has come in
/// while they were at the work before, and do it in one transaction: that costs the database little more than one work
/// by itself. When one of them is refused, each is done anew, by itself; when the database fails, all of them have.
///
/// Safe for several threads.
class GroupCommitter {
 public:
  /// `database` must outlive it.
  explicit GroupCommitter(Database& database);
  /// Does what has come in.
  ~GroupCommitter();
  GroupCommitter(const GroupCommitter&) = delete;
  GroupCommitter& operator=(const GroupCommitter&) = delete;

  /// not_with_rivals: work that changes rows which others change, too, such as that of a device. Transactions that
  /// change several of those block each other, so it is done by itself where there are others at the same time.
  enum class Together : std::uint8_t { yes, not_with_rivals };
  /// Must not throw, and is called in a thread of this object, which others wait for meanwhile.
  using Done = std::function<void(const Result<void>&)>;
  void swap(Database::Work work, Done done, Together together);
  /// Waits for the outcome.
  Result<void> swap(Database::Work work);

 private:
  struct Job {
    Database::Work work;
    Done done;
    bool alone;
  };
  using Jobs = std::vector<Job>;

  Jobs take();
  void run();
  void commit(std::span<const Job> jobs);

  Database& database_;
  const bool has_rivals_;
  std::mutex mutex_;
  std::condition_variable jobs_come_;
  Jobs jobs_;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;  // last: they use all of the above
};

}  // namespace sks::issuer
