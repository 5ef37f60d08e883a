#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "key-user-api/dialog/held_signals.h"
#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

/// The client's end of the Assuan protocol, which GnuPG's pinentry programs speak: commands and answers in lines. What
/// comes from the program is not trusted: it is bounded in length and number, and secrets in it go into memory that is
/// cleansed.
namespace sks::dialog::assuan {

inline constexpr std::size_t kMaxLine = 1000;         ///< bytes, without the end of the line
inline constexpr std::size_t kMaxAnswerLines = 1000;  ///< comments and all
inline constexpr std::size_t kMaxData = 512;          ///< bytes; no PIN is as long

/// Codes of libgpg-error, without the part that tells whose error it is.
inline constexpr std::uint32_t kTimeout = 62;
inline constexpr std::uint32_t kCanceled = 99;
inline constexpr std::uint32_t kNotConfirmed = 114;
inline constexpr std::uint32_t kFullyCanceled = 198;
inline constexpr std::uint32_t kAssuanCanceled = 277;

/// `text` as the argument of a command: '%' and control characters become a '%' and two hexadecimal digits. What would
/// take more than `limit` bytes is cut between two characters, and ends in "...". `limit` is 3 at least.
std::string escape(std::string_view text, std::size_t limit = std::string_view::npos);

/// Undoes that in place, and returns how many bytes are left. None when a '%' is not followed by two hexadecimal
/// digits.
std::optional<std::size_t> unescape(std::span<std::uint8_t> text);

struct Line {
  enum class Kind : std::uint8_t { ok, error, data, status, inquire, comment };
  Kind kind = Kind::comment;
  std::uint32_t code = 0;  ///< of an error, without its source
  ByteView content;        ///< what stands behind the first word, and the code; of data without escapes
};

/// Understands one line, in which it undoes the escapes of data. Fails with external.
Result<Line> parse_line(std::span<std::uint8_t> line);

/// Cuts what is received into lines, and cleanses what it has given out.
class LineReader {
 public:
  LineReader() : buffer_(kMaxLine + 2) {}

  /// Where more may be put when next() gave nothing; never empty then.
  std::span<std::uint8_t> room() { return buffer_.span().subspan(size_); }
  void received(std::size_t size) { size_ += size; }

  /// The next line without its end, there until the next call. None when more must be received. Fails with external
  /// when a line is longer than kMaxLine.
  Result<std::optional<std::span<std::uint8_t>>> next();

 private:
  SecureBytes buffer_;
  std::size_t size_ = 0;   ///< received
  std::size_t given_ = 0;  ///< bytes of the line that was given out, with its end
};

struct Answer {
  std::uint32_t error = 0;  ///< 0: OK
  std::string message;      ///< of the error, at most a line, as it came
  SecureBytes data;
  bool pin_repeated = false;  ///< the program says that the PIN was typed twice
};

/// Talks to a program over a socket that stays its owner's.
class Connection {
 public:
  /// `stop_requested` may be null: then only signals that arrive while an answer is awaited end the wait.
  Connection(int socket, StopRequested stop_requested) : socket_(socket), stop_requested_(stop_requested) {}

  using Limit = std::chrono::milliseconds;

  /// Awaits an answer. Refuses every inquiry. Fails with user_abort when a signal asks to stop, with external and what
  /// the program does ("does not answer", "has ended") in all other cases; nothing more can then be asked.
  Result<Answer> receive(Limit limit);

  /// Sends a command and awaits the answer. `argument` has been escaped; both fit into a line. Fails as receive().
  Result<Answer> transact(std::string_view command, std::string_view argument, Limit limit);

  /// Fails with external.
  Result<void> send(std::string_view line);

 private:
  Result<void> receive_more(std::chrono::steady_clock::time_point deadline);
  Result<std::span<std::uint8_t>> next_line(std::chrono::steady_clock::time_point deadline);

  int socket_;
  StopRequested stop_requested_;
  LineReader lines_;
};

}  // namespace sks::dialog::assuan
