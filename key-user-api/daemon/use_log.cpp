#include "key-user-api/daemon/use_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <utility>

#include "sks-core/base/byte_reader.h"

namespace sks::daemon {
namespace {

using std::chrono::system_clock;

/// UTC with milliseconds, as RFC 3339 has it.
std::string time_text(system_clock::time_point time) {
  const auto since = time.time_since_epoch();
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(since).count();
  const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(since).count() % 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  const std::string fraction = std::to_string(1000 + milliseconds).substr(1);
  return std::string(text.data(), size) + "." + fraction + "Z";
}

std::string json_text(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const bool is_text = is_utf8(text);
  std::string out = "\"";
  std::uint8_t before = 0;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    // U+0080 to U+009F: terminals take some of them for the beginning of a sequence, as they do ESC [.
    const bool is_second_half = is_text && std::exchange(before, byte) == 0xC2 && byte < 0xA0;
    if (is_second_half) out.pop_back();
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F || is_second_half || (byte >= 0x80 && !is_text)) {
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string member(std::string_view name, std::uint64_t value) {
  return ",\"" + std::string(name) + "\":" + std::to_string(value);
}

std::string note_line(system_clock::time_point time, std::string_view sentence) {
  return "{\"time\":\"" + time_text(time) + "\",\"note\":" + json_text(sentence) + "}";
}

std::string folder_of(const std::string& file) { return std::filesystem::path(file).parent_path().string(); }

}  // namespace

std::string line_of(const Use& use) {
  std::string line = "{\"time\":\"" + time_text(use.time) + "\"";
  if (use.peer) {
    line += member("uid", use.peer->uid) + member("pid", use.peer->program.pid);
    line += ",\"program\":" + json_text(use.peer->program.executable);
  }
  line += member("application", use.application);
  line += ",\"method\":" + json_text(use.record.method);
  line += member("subject", use.record.subject) + member("mechanism", use.record.mechanism);
  line += member("result", use.record.result);
  line += member("us", static_cast<std::uint64_t>(use.duration.count()));
  return line + "}";
}

std::string log_file_of(const std::string& name) {
  const auto environment = [](const char* variable) {
    const char* const value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): before threads start
    return std::string(value == nullptr ? "" : value);
  };
  if (const std::string state = environment("XDG_STATE_HOME"); state.starts_with('/'))
    return state + "/sks/" + name + ".log";
  if (const std::string home = environment("HOME"); home.starts_with('/'))
    return home + "/.local/state/sks/" + name + ".log";
  return {};
}

UseLog::UseLog(UseLogOptions options) : options_(std::move(options)) {}

Result<std::unique_ptr<UseLog>> UseLog::open(UseLogOptions options) {
  std::unique_ptr<UseLog> made(new UseLog(std::move(options)));
  if (!made->options_.file.empty()) SKS_TRY(made->open_file());
  made->writer_ = std::thread([&log = *made] { log.write_all(); });
  return made;
}

UseLog::~UseLog() {
  if (!writer_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_one();
  }
  writer_.join();
}

Result<void> UseLog::open_file() {
  std::error_code failure;
  const std::string folder = folder_of(options_.file);
  if (std::filesystem::create_directories(folder, failure)) static_cast<void>(::chmod(folder.c_str(), 0700));
  if (failure) return Error{Status::storage, "cannot make " + folder + ": " + failure.message()};
  // Somebody's link to another file is not followed.
  wire::Descriptor file(
      ::open(options_.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600));
  struct stat found {};
  if (!file || ::fstat(file.number(), &found) != 0)
    return wire::system_error(Status::storage, "cannot write " + options_.file, errno);
  if (!S_ISREG(found.st_mode)) return Error{Status::storage, options_.file + " is no file"};
  size_ = static_cast<std::size_t>(found.st_size);
  file_ = std::move(file);
  return {};
}

void UseLog::add(const Use& use) noexcept { put({use, {}}); }

void UseLog::note(std::string sentence) noexcept {
  Use use;
  use.time = system_clock::now();
  put({use, std::move(sentence)});
}

void UseLog::put(Entry entry) noexcept {
  std::unique_lock lock(mutex_);
  try {
    const auto has_room = [this] { return waiting_.size() < options_.most_waiting; };
    if (!has_room() && !has_room_.wait_for(lock, options_.patience, has_room)) {
      ++lost_;
      return;
    }
    waiting_.push_back(std::move(entry));
  } catch (const std::bad_alloc&) {
    ++lost_;
    return;
  }
  // The writer is told of the first one, and takes the others along; it must not wait until there is no more room.
  if (waiting_.size() == 1 || waiting_.size() == options_.most_waiting / 2) changed_.notify_one();
}

void UseLog::write_all() {
  for (bool more = true; more;) {
    std::vector<Entry> entries;
    std::size_t lost = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return closed_ || !waiting_.empty(); });
      changed_.wait_for(lock, options_.gathering_time,
                        [this] { return closed_ || waiting_.size() >= options_.most_waiting / 2; });
      more = !closed_;
      entries.swap(waiting_);
      lost = std::exchange(lost_, 0);
      has_room_.notify_all();
    }
    try {
      write_lines(entries, lost);
    } catch (const std::bad_alloc&) {
      const std::lock_guard lock(mutex_);
      lost_ += entries.size() + lost;
    }
  }
}

void UseLog::write_lines(const std::vector<Entry>& entries, std::size_t lost) {
  std::string text;
  for (const Entry& entry : entries)
    text += (entry.note.empty() ? line_of(entry.use) : note_line(entry.use.time, entry.note)) + "\n";
  if (lost > 0) text += note_line(system_clock::now(), std::to_string(lost) + " uses are missing here") + "\n";
  write_text(text);
}

void UseLog::write_text(std::string_view text) {
  if (file_ && size_ >= options_.rotate_at) rotate();
  size_ += text.size();
  while (!text.empty()) {
    const ssize_t written = ::write(file_ ? file_.number() : STDERR_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // the disk is full, say; the store goes on
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void UseLog::rotate() {
  if (::rename(options_.file.c_str(), (options_.file + ".1").c_str()) != 0) return;
  static_cast<void>(open_file());  // else the old one goes on
}

}  // namespace sks::daemon
