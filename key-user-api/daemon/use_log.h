#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "key-user-api/daemon/use_sink.h"
#include "sks-core/wire/socket.h"

/// The log of sksd: a line of JSON for each use. Spec: spec/sksd.md 9.
namespace sks::daemon {

/// `use` as a line without its end. Text from outside is escaped: control characters, and bytes that are no UTF-8.
std::string line_of(const Use& use);

struct UseLogOptions {
  std::string file;  ///< made with mode 0600, and its folder with 0700; empty: the standard error
  /// From this size on a file becomes FILE.1, and the one that was FILE.1 is gone.
  std::size_t rotate_at = std::size_t{8} << 20;
  std::size_t most_waiting = 8192;               ///< uses that wait to be written
  std::chrono::milliseconds patience{200};       ///< of a caller when there are as many
  std::chrono::milliseconds gathering_time{50};  ///< what comes within it is written at once
};

/// Writes in a thread of its own, so that nobody waits for the disk. When it cannot keep up callers wait for a little,
/// and then uses are lost; a line says how many.
class UseLog final : public UseSink {
 public:
  /// Fails with storage.
  static Result<std::unique_ptr<UseLog>> open(UseLogOptions options);
  /// Writes what is there.
  ~UseLog() override;

  void add(const Use& use) noexcept override;
  /// A line about the service itself.
  void note(std::string sentence) noexcept;

 private:
  struct Entry {
    Use use;
    std::string note;  ///< or empty
  };

  explicit UseLog(UseLogOptions options);
  Result<void> open_file();
  void put(Entry entry) noexcept;
  void write_all();
  void write_lines(const std::vector<Entry>& entries, std::size_t lost);
  void write_text(std::string_view text);
  void rotate();

  const UseLogOptions options_;
  wire::Descriptor file_;
  std::size_t size_ = 0;

  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::condition_variable has_room_;
  std::vector<Entry> waiting_;
  std::size_t lost_ = 0;
  bool closed_ = false;

  std::thread writer_;
};

/// "$XDG_STATE_HOME/sks/NAME.log", else in .local/state of $HOME; empty when there is neither.
std::string log_file_of(const std::string& name);

}  // namespace sks::daemon
