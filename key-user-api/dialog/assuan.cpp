#include "key-user-api/dialog/assuan.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace sks::dialog::assuan {
namespace {

constexpr std::string_view kEllipsis = "...";

bool must_be_escaped(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f || c == '%';
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::size_t escaped_size(std::string_view text) {
  const auto escapes = static_cast<std::size_t>(std::ranges::count_if(text, must_be_escaped));
  return text.size() + 2 * escapes;
}

/// How much of `text` fits, in whole characters.
std::string_view longest_start(std::string_view text, std::size_t limit) {
  std::size_t used = 0;
  std::size_t end = 0;
  while (end < text.size()) {
    std::size_t next = end + 1;
    while (next < text.size() && continues_character(text[next])) ++next;
    used += escaped_size(text.substr(end, next - end));
    if (used > limit) break;
    end = next;
  }
  return text.substr(0, end);
}

void append_escaped(std::string_view text, std::string& out) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : text) {
    if (!must_be_escaped(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', kDigits[byte >> 4], kDigits[byte & 0x0f]};
  }
}

std::optional<std::uint8_t> hex_byte(std::uint8_t high, std::uint8_t low) {
  const std::array<char, 2> digits{static_cast<char>(high), static_cast<char>(low)};
  std::uint8_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

struct Word {
  std::string_view text;
  Line::Kind kind;
};
constexpr auto kWords = std::to_array<Word>({
    {"OK", Line::Kind::ok},
    {"ERR", Line::Kind::error},
    {"D", Line::Kind::data},
    {"S", Line::Kind::status},
    {"INQUIRE", Line::Kind::inquire},
});

Error nonsense() { return {Status::external, "answers something that is not of its protocol"}; }

/// The code in front of an error's text, without its source; `rest` is left with the text.
std::optional<std::uint32_t> take_error_code(ByteView& rest) {
  constexpr std::uint32_t kCodeMask = 0xffff;
  const auto end = static_cast<std::size_t>(std::ranges::find(rest, std::uint8_t{' '}) - rest.begin());
  const std::string digits = to_string(rest.first(end));
  std::uint32_t code = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code);
  if (error != std::errc() || stop != digits.data() + digits.size() || (code & kCodeMask) == 0) return std::nullopt;
  rest = rest.subspan(std::min(end + 1, rest.size()));
  return code & kCodeMask;
}

bool is_status(ByteView content, std::string_view keyword) {
  return to_string(content.first(std::min(keyword.size(), content.size()))) == keyword &&
         (content.size() == keyword.size() || content[keyword.size()] == ' ');
}

/// Joins the data of an answer, which may come in several lines.
class DataCollector {
 public:
  Result<void> add(ByteView part) {
    if (part.size() > kMaxData - size_) return Error{Status::external, "answers more than any PIN has"};
    std::ranges::copy(part, data_.span().subspan(size_).begin());
    size_ += part.size();
    return {};
  }
  SecureBytes take() {
    data_.truncate(size_);
    return std::move(data_);
  }

 private:
  SecureBytes data_{kMaxData};
  std::size_t size_ = 0;
};

}  // namespace

std::string escape(std::string_view text, std::size_t limit) {
  std::string out;
  if (escaped_size(text) <= limit) {
    append_escaped(text, out);
    return out;
  }
  append_escaped(longest_start(text, limit - kEllipsis.size()), out);
  out += kEllipsis;
  return out;
}

std::optional<std::size_t> unescape(std::span<std::uint8_t> text) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::uint8_t byte = text[i];
    if (byte == '%') {
      if (text.size() - i < 3) return std::nullopt;
      const auto value = hex_byte(text[i + 1], text[i + 2]);
      if (!value) return std::nullopt;
      byte = *value;
      i += 2;
    }
    text[size++] = byte;
  }
  return size;
}

Result<Line> parse_line(std::span<std::uint8_t> line) {
  if (line.empty() || line[0] == '#') return Line{Line::Kind::comment, 0, line};
  const auto space = std::ranges::find(line, std::uint8_t{' '});
  const auto word_size = static_cast<std::size_t>(space - line.begin());
  const std::string first = to_string(line.first(std::min(word_size, kWords.back().text.size() + 1)));
  const auto word = std::ranges::find(kWords, first, &Word::text);
  if (word == kWords.end()) return nonsense();
  const std::span<std::uint8_t> rest = line.subspan(std::min(word_size + 1, line.size()));
  Line out{word->kind, 0, rest};
  if (out.kind == Line::Kind::error) {
    const auto code = take_error_code(out.content);
    if (!code) return nonsense();
    out.code = *code;
  }
  if (out.kind == Line::Kind::data) {
    const auto size = unescape(rest);
    if (!size) return nonsense();
    out.content = rest.first(*size);
  }
  return out;
}

Result<std::optional<std::span<std::uint8_t>>> LineReader::next() {
  const std::span<std::uint8_t> all = buffer_.span();
  std::ranges::copy(all.subspan(given_, size_ - given_), all.begin());
  size_ -= given_;
  cleanse(all.subspan(size_, given_));
  given_ = 0;
  const std::span<std::uint8_t> held = all.first(size_);
  const auto end = static_cast<std::size_t>(std::ranges::find(held, std::uint8_t{'\n'}) - held.begin());
  const std::size_t length = end > 0 && held[end - 1] == '\r' ? end - 1 : end;
  if (length > kMaxLine) return Error{Status::external, "answers a line without end"};
  if (end == held.size()) return std::optional<std::span<std::uint8_t>>();
  given_ = end + 1;
  return std::optional(all.first(length));
}

Result<void> Connection::send(std::string_view line) {
  SKS_CHECK(line.size() <= kMaxLine);
  const std::string sent = std::string(line) + "\n";
  // Without waiting: one command at a time is answered before the next one, so that there is room for it.
  const ssize_t written = ::send(socket_, sent.data(), sent.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (written == static_cast<ssize_t>(sent.size())) return {};
  if (written < 0 && errno != EAGAIN) return Error{Status::external, "has ended"};
  return Error{Status::external, "does not read what is sent to it"};
}

Result<void> Connection::receive_more(std::chrono::steady_clock::time_point deadline) {
  const HeldSignals signals;
  if (stop_requested_ != nullptr && stop_requested_()) return Error{Status::user_abort, "interrupted"};
  switch (signals.wait(socket_, deadline - std::chrono::steady_clock::now())) {
    case HeldSignals::Waited::interrupted:
      if (stop_requested_ != nullptr && !stop_requested_()) return {};  // another signal
      return Error{Status::user_abort, "interrupted"};
    case HeldSignals::Waited::timed_out:
      return Error{Status::external, "does not answer"};
    case HeldSignals::Waited::readable:
      break;
  }
  const std::span<std::uint8_t> room = lines_.room();
  const ssize_t got = ::recv(socket_, room.data(), room.size(), MSG_DONTWAIT);
  if (got <= 0) return Error{Status::external, "has ended"};
  lines_.received(static_cast<std::size_t>(got));
  return {};
}

Result<std::span<std::uint8_t>> Connection::next_line(std::chrono::steady_clock::time_point deadline) {
  while (true) {
    SKS_LET(const std::optional<std::span<std::uint8_t>> line, lines_.next());
    if (line) return *line;
    SKS_TRY(receive_more(deadline));
  }
}

Result<Answer> Connection::receive(Limit limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  DataCollector data;
  Answer answer;
  for (std::size_t lines = 0; lines < kMaxAnswerLines; ++lines) {
    SKS_LET(const std::span<std::uint8_t> received, next_line(deadline));
    SKS_LET(const Line line, parse_line(received));
    switch (line.kind) {
      case Line::Kind::ok:
        answer.data = data.take();
        return answer;
      case Line::Kind::error:
        answer.error = line.code;
        answer.message = to_string(line.content);
        return answer;
      case Line::Kind::data:
        SKS_TRY(data.add(line.content));
        break;
      case Line::Kind::status:
        answer.pin_repeated = answer.pin_repeated || is_status(line.content, "PIN_REPEATED");
        break;
      case Line::Kind::inquire:
        SKS_TRY(send("CAN"));
        break;
      case Line::Kind::comment:
        break;
    }
  }
  return Error{Status::external, "answers without end"};
}

Result<Answer> Connection::transact(std::string_view command, std::string_view argument, Limit limit) {
  SKS_TRY(send(argument.empty() ? std::string(command) : std::string(command) + " " + std::string(argument)));
  return receive(limit);
}

}  // namespace sks::dialog::assuan
