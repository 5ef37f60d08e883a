#include "provisioning-server/database/group_committer.h"

#include <algorithm>
#include <exception>
#include <future>
#include <iterator>
#include <memory>

namespace sks::issuer {
namespace {

/// So many transactions of one process at one time: the database works on one while another one waits for its disk.
constexpr std::size_t kThreads = 2;
/// What one transaction does, so that a failure does not repeat the work of very many.
constexpr std::ptrdiff_t kTogether = 64;

}  // namespace

GroupCommitter::GroupCommitter(Database& database) : database_(database), has_rivals_(database.lanes() > 1) {
  for (std::size_t i = 0; i < std::min(kThreads, database.lanes()); ++i) threads_.emplace_back([this] { run(); });
}

GroupCommitter::~GroupCommitter() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  jobs_come_.notify_all();
}

void GroupCommitter::swap(Database::Work work, Done done, Together together) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({std::move(work), std::move(done), has_rivals_ && together == Together::not_with_rivals});
  }
  jobs_come_.notify_one();
}

Result<void> GroupCommitter::swap(Database::Work work) {
  // The one who tells may not be done with it when the other one has heard.
  const auto outcome = std::make_shared<std::promise<Result<void>>>();
  swap(
      std::move(work), [outcome](const Result<void>& told) { outcome->set_value(told); }, Together::yes);
  return outcome->get_future().get();
}

/// What has come in, none when this is the end.
GroupCommitter::Jobs GroupCommitter::take() {
  for (;;) {
    std::unique_lock lock(mutex_);
    jobs_come_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return {};
    lock.unlock();
    // Those who are about to bring more work come first.
    std::this_thread::yield();
    lock.lock();
    Jobs jobs;
    const auto end = jobs_.begin() + std::min(kTogether, std::ssize(jobs_));
    std::move(jobs_.begin(), end, std::back_inserter(jobs));
    jobs_.erase(jobs_.begin(), end);
    if (!jobs.empty()) return jobs;  // else another thread has taken them meanwhile
  }
}

void GroupCommitter::run() {
  for (Jobs jobs = take(); !jobs.empty(); jobs = take()) {
    const auto alone = std::stable_partition(jobs.begin(), jobs.end(), [](const Job& job) { return !job.alone; });
    commit({jobs.begin(), alone});
    for (auto job = alone; job != jobs.end(); ++job) commit({job, job + 1});
  }
}

void GroupCommitter::commit(std::span<const Job> jobs) {
  if (jobs.empty()) return;
  const auto swap = [this](const Database::Work& work) -> Result<void> {
    try {
      return database_.swap(work);
    } catch (const std::exception& exception) {
      return Error{Status::internal, exception.what()};
    }
  };
  const Result<void> done = swap([jobs](SqlTransaction& transaction) -> Result<void> {
    for (const Job& job : jobs) SKS_TRY(job.work(transaction));
    return {};
  });
  // A database that is away would be waited for once more by each of them.
  const bool counts_for_all = done || jobs.size() == 1 || done.error().status == Status::storage;
  for (const Job& job : jobs) job.done(counts_for_all ? done : swap(job.work));
}

}  // namespace sks::issuer
