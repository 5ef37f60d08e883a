#include "sealed-storage/log_sync.h"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

namespace sks::sealed {
namespace {

constexpr std::size_t kLogHeader = 32;
constexpr std::size_t kFrameHeader = 24;
constexpr std::size_t kSmallestPage = 512;
constexpr std::size_t kLargestPage = 65536;
/// As SQLite does it by itself.
constexpr int kFramesBeforeCheckpoint = 1000;

std::uint32_t big_endian(ByteView bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 | std::uint32_t{bytes[at + 2]} << 8 |
         std::uint32_t{bytes[at + 3]};
}

std::uint32_t swapped(std::uint32_t value) {
  return value >> 24 | (value >> 8 & 0xFF00U) | (value << 8 & 0xFF0000U) | value << 24;
}

/// The checksum that runs through the whole log.
class Checksum {
 public:
  explicit Checksum(bool big_endian_words) : big_endian_words_(big_endian_words) {}
  void add(ByteView bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
      first_ += word(bytes, at) + second_;
      second_ += word(bytes, at + 4) + first_;
    }
  }
  bool stands_at(ByteView bytes, std::size_t at) const {
    return first_ == big_endian(bytes, at) && second_ == big_endian(bytes, at + 4);
  }

 private:
  std::uint32_t word(ByteView bytes, std::size_t at) const {
    const std::uint32_t value = big_endian(bytes, at);
    return big_endian_words_ ? value : swapped(value);
  }

  bool big_endian_words_;
  std::uint32_t first_ = 0;
  std::uint32_t second_ = 0;
};

std::size_t page_size(ByteView header) { return big_endian(header, 8); }

/// The log as the connection itself has it open.
sqlite3_file* log_of(sqlite3* database) {
  sqlite3_file* file = nullptr;
  SKS_CHECK(sqlite3_file_control(database, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) == SQLITE_OK);
  SKS_CHECK(file != nullptr && file->pMethods != nullptr);
  return file;
}

int sync(sqlite3_file& file) { return file.pMethods->xSync(&file, SQLITE_SYNC_NORMAL); }

}  // namespace

bool is_whole_log(ByteView log) {
  constexpr std::uint32_t kMagic = 0x377f0682;
  constexpr std::size_t kSaltOfLog = 16;
  constexpr std::size_t kChecksumOfLog = 24;
  constexpr std::size_t kSaltOfFrame = 8;
  constexpr std::size_t kChecksumOfFrame = 16;
  if (log.size() < kLogHeader || (big_endian(log, 0) & ~1U) != kMagic) return false;
  const std::size_t page = page_size(log);
  if (page < kSmallestPage || page > kLargestPage || (page & (page - 1)) != 0) return false;
  if ((log.size() - kLogHeader) % (kFrameHeader + page) != 0) return false;
  Checksum checksum((big_endian(log, 0) & 1U) != 0);
  checksum.add(log.first(kChecksumOfLog));
  if (!checksum.stands_at(log, kChecksumOfLog)) return false;
  for (std::size_t at = kLogHeader; at < log.size(); at += kFrameHeader + page) {
    const ByteView frame = log.subspan(at, kFrameHeader + page);
    if (!std::ranges::equal(frame.subspan(kSaltOfFrame, 8), log.subspan(kSaltOfLog, 8))) return false;
    checksum.add(frame.first(kSaltOfFrame));
    checksum.add(frame.subspan(kFrameHeader));
    if (!checksum.stands_at(frame, kChecksumOfFrame)) return false;
  }
  return true;
}

void LogSync::Close::operator()(sqlite3_file* file) const {
  if (file->pMethods != nullptr) file->pMethods->xClose(file);
  ::operator delete(file);
}

Result<std::unique_ptr<LogSync>> LogSync::open(Database& database) {
  std::unique_ptr<LogSync> made(new LogSync(database));
  sqlite3_vfs* vfs = nullptr;
  SKS_CHECK(sqlite3_file_control(database.handle(), "main", SQLITE_FCNTL_VFS_POINTER, &vfs) == SQLITE_OK);
  made->file_.reset(static_cast<sqlite3_file*>(::operator new(static_cast<std::size_t>(vfs->szOsFile))));
  made->file_->pMethods = nullptr;
  const char* const name = sqlite3_filename_wal(sqlite3_db_filename(database.handle(), "main"));
  const int code = vfs->xOpen(vfs, name, made->file_.get(), SQLITE_OPEN_WAL | SQLITE_OPEN_READWRITE, nullptr);
  if (code != SQLITE_OK) return sqlite_error(name, code);
  sqlite3_wal_hook(database.handle(), after_commit, made.get());
  return made;
}

LogSync::LogSync(Database& database) : database_(database), path_(sqlite3_db_filename(database.handle(), "main")) {}

LogSync::~LogSync() { sqlite3_wal_hook(database_.handle(), nullptr, nullptr); }

Result<void> LogSync::set_synchronous(bool full) {
  if (full == full_) return {};
  SKS_TRY(database_.execute(full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL"));
  full_ = full;
  return {};
}

int LogSync::after_commit(void* self, sqlite3*, const char*, int frames) {
  static_cast<LogSync*>(self)->checkpoint(frames);
  return SQLITE_OK;
}

// SQLite's own hook does the same and keeps failures to itself; but one of them is a failed sync of the log.
void LogSync::checkpoint(int frames) {
  frames_ = frames;
  wrote_ = true;
  if (frames < kFramesBeforeCheckpoint || in_doubt()) return;
  int in_log = 0;
  int moved = 0;
  const int code = sqlite3_wal_checkpoint_v2(database_.handle(), "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
  if (code != SQLITE_OK) return enter_doubt();
  checkpointed_ = in_log == moved;
}

bool LogSync::in_doubt() {
  const std::lock_guard lock(mutex_);
  return in_doubt_;
}

void LogSync::enter_doubt() {
  const std::lock_guard lock(mutex_);
  in_doubt_ = true;
  changed_.notify_all();
}

Result<void> LogSync::committed(Result<void> outcome) {
  const bool synced = std::exchange(wrote_, false) && full_;
  const bool checkpointed = std::exchange(checkpointed_, false);
  {
    const std::lock_guard lock(mutex_);
    // SQLite will write the frames of a failed commit anew, but not those before them.
    if (!outcome) in_doubt_ = in_doubt_ || durable_ < committed_;
    if (!outcome) return outcome;
    ++committed_;
    if (!in_doubt_ && (synced || checkpointed)) durable_ = committed_;
    if (!in_doubt_ && checkpointed) frames_ = 0;  // the next commit begins the log anew
    if (!full_ || durable_ == committed_) return outcome;
  }
  SKS_TRY(restore_order());
  return make_durable();
}

Result<void> LogSync::restore_order() {
  std::unique_lock lock(mutex_);
  if (!in_doubt_) return {};  // without waiting for a sync: sharing one is to go on with work meanwhile
  changed_.wait(lock, [this] { return !syncing_; });
  syncing_ = true;
  const std::uint64_t covered = committed_;
  lock.unlock();
  Result<void> rewritten = rewrite();
  lock.lock();
  syncing_ = false;
  changed_.notify_all();
  if (!rewritten) return rewritten;
  in_doubt_ = false;
  durable_ = covered;
  return {};
}

Result<void> LogSync::rewrite() {
  // Linux tells each descriptor of a failure once; the connection's next commit must not be the one that hears of it.
  static_cast<void>(sync(*log_of(database_.handle())));
  static_cast<void>(sync(*file_));
  std::array<std::uint8_t, kLogHeader> header{};
  SKS_TRY(transfer(file_->pMethods->xRead, header));
  const std::size_t page = std::min(page_size(header), kLargestPage);
  Bytes log(kLogHeader + static_cast<std::size_t>(frames_) * (kFrameHeader + page));
  SKS_TRY(transfer(file_->pMethods->xRead, log));
  if (!is_whole_log(log))
    return Error{Status::storage, "cannot use " + path_ + ": the disk has lost what was written, open the store again"};
  SKS_TRY(transfer(file_->pMethods->xWrite, log));
  if (const int code = sync(*file_); code != SQLITE_OK) return sqlite_error(path_, code);
  return {};
}

// SQLite moves no more than 128 KiB in one piece.
template <class Move>
Result<void> LogSync::transfer(Move move, std::span<std::uint8_t> log) {
  constexpr std::size_t kPiece = std::size_t{64} * 1024;
  for (std::size_t at = 0; at < log.size(); at += kPiece) {
    const auto size = static_cast<int>(std::min(kPiece, log.size() - at));
    const int code = move(file_.get(), log.data() + at, size, static_cast<sqlite3_int64>(at));
    if (code != SQLITE_OK) return sqlite_error(path_, code);
  }
  return {};
}

Result<void> LogSync::make_durable() {
  std::unique_lock lock(mutex_);
  const std::uint64_t wanted = committed_;
  while (durable_ < wanted) {
    if (in_doubt_) return sqlite_error(path_, SQLITE_IOERR_FSYNC);
    if (syncing_) {
      changed_.wait(lock);
      continue;
    }
    syncing_ = true;
    const std::uint64_t covered = committed_;
    lock.unlock();
    const int code = sync(*file_);
    lock.lock();
    syncing_ = false;
    changed_.notify_all();
    if (code != SQLITE_OK) in_doubt_ = in_doubt_ || durable_ < committed_;
    if (code == SQLITE_OK && !in_doubt_) durable_ = std::max(durable_, covered);
  }
  return {};
}

}  // namespace sks::sealed
