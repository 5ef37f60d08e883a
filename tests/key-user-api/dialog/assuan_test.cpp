#include "key-user-api/dialog/assuan.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

using namespace sks;
using namespace sks::dialog;
using namespace sks::dialog::assuan;

namespace {

/// A line as a parser gets it, which may change it.
struct Parsed {
  explicit Parsed(std::string_view text) : bytes(to_bytes(as_bytes(text))), line(parse_line(bytes)) {}
  Bytes bytes;
  Result<Line> line;
};

std::string content_of(std::string_view text) {
  const Parsed parsed(text);
  REQUIRE(parsed.line);
  return to_string(parsed.line->content);
}

/// A connection whose other end has said something, and perhaps nothing more.
class Talk {
 public:
  explicit Talk(std::string_view said, bool then_ends = false) {
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data()) == 0);
    REQUIRE(::send(ends_[1], said.data(), said.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(said.size()));
    if (then_ends) ::shutdown(ends_[1], SHUT_WR);
    connection_.emplace(ends_[0], nullptr);
  }
  ~Talk() {
    for (const int end : ends_) ::close(end);
  }
  Talk(const Talk&) = delete;
  Talk& operator=(const Talk&) = delete;

  Connection& connection() { return *connection_; }
  /// What the other end has got.
  std::string heard() {
    std::array<char, 4096> buffer{};
    const ssize_t got = ::recv(ends_[1], buffer.data(), buffer.size(), MSG_DONTWAIT);
    return got <= 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(got));
  }

 private:
  std::array<int, 2> ends_{};
  std::optional<Connection> connection_;
};

constexpr Connection::Limit kLong = std::chrono::minutes(1);  // for what does answer
constexpr Connection::Limit kShort{20};                       // for what never does

std::string failure_of(std::string_view said, Connection::Limit limit = kLong, bool then_ends = false) {
  Talk talk(said, then_ends);
  const auto answer = talk.connection().receive(limit);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().status == Status::external);
  return answer.error().detail;
}

}  // namespace

TEST_CASE("assuan::escape: percent signs and control characters are written in hexadecimal, UTF-8 is not") {
  CHECK(escape("100% sure\r\n\x7f\x1b") == "100%25 sure%0D%0A%7F%1B");
  CHECK(escape("caf\xc3\xa9 <b>") == "caf\xc3\xa9 <b>");
  CHECK(escape("") == "");
}

TEST_CASE("assuan::escape: what is too long is cut between characters and within no escape") {
  CHECK(escape("12345678", 8) == "12345678");
  CHECK(escape("123456789", 8) == "12345...");
  CHECK(escape("1234%6789", 8) == "1234...");  // "%25" would not fit
  CHECK(escape("123\xe2\x82\xac"
               "6789",
               8) == "123...");  // nor would three bytes
  CHECK(escape("%%", 6) == "%25%25");
  CHECK(escape("%%%", 6) == "%25...");
}

TEST_CASE("assuan::unescape: undoes escapes of either case, and refuses broken ones") {
  const auto undone = [](std::string_view text) {
    Bytes bytes = to_bytes(as_bytes(text));
    const auto size = unescape(bytes);
    return size ? to_string(ByteView(bytes).first(*size)) : std::string("refused");
  };
  CHECK(undone("a%25b%0a%0Ac") == "a%b\n\nc");
  CHECK(undone("%41%42") == "AB");
  CHECK(undone("%2525") == "%25");
  for (const char* const broken : {"%", "a%2", "%zz", "%-1", "%+1", "% 1", "%%25"}) CHECK(undone(broken) == "refused");
}

TEST_CASE("assuan::parse_line: every kind of line is known") {
  struct Case {
    const char* text;
    Line::Kind kind;
    const char* content;
  };
  for (const Case& c :
       {Case{"OK", Line::Kind::ok, ""}, Case{"OK Pleased to meet you", Line::Kind::ok, "Pleased to meet you"},
        Case{"D 12%2534", Line::Kind::data, "12%34"}, Case{"D", Line::Kind::data, ""},
        Case{"D  ", Line::Kind::data, " "}, Case{"S PIN_REPEATED", Line::Kind::status, "PIN_REPEATED"},
        Case{"INQUIRE QUALITY abc", Line::Kind::inquire, "QUALITY abc"},
        Case{"# anything", Line::Kind::comment, "# anything"}, Case{"", Line::Kind::comment, ""}}) {
    CAPTURE(c.text);
    const Parsed parsed(c.text);
    REQUIRE(parsed.line);
    CHECK(parsed.line->kind == c.kind);
    CHECK(to_string(parsed.line->content) == c.content);
  }
}

TEST_CASE("assuan::parse_line: an error has its code without its source, and its text") {
  // As pinentry-tty 1.2.1 writes them.
  const Parsed unknown("ERR 536871187 Unknown IPC command <User defined source 1>");
  REQUIRE(unknown.line);
  CHECK(unknown.line->code == 275);
  CHECK(to_string(unknown.line->content) == "Unknown IPC command <User defined source 1>");
  const Parsed canceled("ERR 83886179 Operation cancelled <Pinentry>");
  REQUIRE(canceled.line);
  CHECK(canceled.line->code == kCanceled);
  CHECK(content_of("ERR 83886194").empty());
}

TEST_CASE("assuan::parse_line: refuses what is no line of the protocol") {
  for (const char* const text :
       {"HELLO", "ok", "OKAY", "ERR", "ERR ", "ERR x", "ERR -1", "ERR 1x", "ERR 4294967296", "ERR 0",
        "ERR 83886080 no code, only a source", "D %", "D 12%4", "D 12%zz", " OK", "INQUIREX y", "\x1b[2J", "END"}) {
    CAPTURE(text);
    const Parsed parsed(text);
    REQUIRE_FALSE(parsed.line);
    CHECK(parsed.line.error().status == Status::external);
  }
}

TEST_CASE("assuan::LineReader: lines come out whole however they arrive, and nothing of them is kept") {
  LineReader reader;
  const std::string text = "OK\r\nD 1234\n\nOK ready\n";
  std::vector<std::string> lines;
  for (const char c : text) {
    const auto none = reader.next();
    REQUIRE(none);
    REQUIRE_FALSE(*none);
    reader.room()[0] = static_cast<std::uint8_t>(c);
    reader.received(1);
    if (c != '\n') continue;
    const auto line = reader.next();
    REQUIRE(line);
    REQUIRE(*line);
    lines.push_back(to_string(ByteView(**line)));
  }
  CHECK(lines == std::vector<std::string>{"OK", "D 1234", "", "OK ready"});
  REQUIRE(reader.next());
  const std::span<std::uint8_t> room = reader.room();
  CHECK(std::ranges::all_of(room, [](std::uint8_t byte) { return byte == 0; }));
}

TEST_CASE("assuan::LineReader: a line of 1000 bytes is the longest") {
  const auto feed = [](const std::string& text) {
    LineReader reader;
    for (std::size_t sent = 0; sent < text.size();) {
      const std::span<std::uint8_t> room = reader.room();
      const std::size_t size = std::min(room.size(), text.size() - sent);
      std::copy_n(text.begin() + static_cast<std::ptrdiff_t>(sent), size, room.begin());
      reader.received(size);
      sent += size;
      const auto line = reader.next();
      if (!line) return std::string("refused");
      if (*line) return std::to_string((*line)->size());
    }
    return std::string("none");
  };
  CHECK(feed(std::string(1000, 'x') + "\n") == "1000");
  CHECK(feed(std::string(1000, 'x') + "\r\n") == "1000");
  CHECK(feed(std::string(1001, 'x') + "\n") == "refused");
  CHECK(feed(std::string(1001, 'x')) == "refused");
  CHECK(feed(std::string(5000, 'x')) == "refused");
}

TEST_CASE("assuan::Connection: an answer joins its data, and reports status and errors") {
  Talk talk("# hello\nS BUTTON_INFO close\nS PIN_REPEATED\nD 12\nD %33%34\nOK\nERR 83886194 not confirmed\n");
  const auto first = talk.connection().receive(kLong);
  REQUIRE(first);
  CHECK(first->error == 0);
  CHECK(first->pin_repeated);
  CHECK(to_string(first->data.view()) == "1234");
  const auto second = talk.connection().transact("CONFIRM", "", kLong);
  REQUIRE(second);
  CHECK(second->error == kNotConfirmed);
  CHECK(second->message == "not confirmed");
  CHECK_FALSE(second->pin_repeated);
  CHECK(second->data.empty());
  CHECK(talk.heard() == "CONFIRM\n");
}

TEST_CASE("assuan::Connection: a command has its argument behind one space, and an inquiry is refused") {
  Talk talk("INQUIRE QUALITY 12\nERR 83886179 cancelled\n");
  const auto answer = talk.connection().transact("SETDESC", "a%0Ab", kLong);
  REQUIRE(answer);
  CHECK(answer->error == kCanceled);
  CHECK(talk.heard() == "SETDESC a%0Ab\nCAN\n");
}

TEST_CASE("assuan::Connection: only the keyword PIN_REPEATED says that the PIN was repeated") {
  for (const char* const said : {"S PIN_REPEATEDLY\nOK\n", "S pin_repeated\nOK\n", "S NOT PIN_REPEATED\nOK\n",
                                 "# S PIN_REPEATED\nOK\n", "OK PIN_REPEATED\n"}) {
    CAPTURE(said);
    Talk talk(said);
    const auto answer = talk.connection().receive(kLong);
    REQUIRE(answer);
    CHECK_FALSE(answer->pin_repeated);
  }
}

TEST_CASE("assuan::Connection: what the program does wrong is told in a few words") {
  CHECK(failure_of("", kLong, true) == "has ended");
  CHECK(failure_of("D 12", kLong, true) == "has ended");
  CHECK(failure_of("", kShort) == "does not answer");
  CHECK(failure_of("O", kShort) == "does not answer");
  CHECK(failure_of("HELLO\n") == "answers something that is not of its protocol");
  CHECK(failure_of(std::string(2000, 'x')) == "answers a line without end");
  std::string comments;
  for (std::size_t i = 0; i < kMaxAnswerLines; ++i) comments += "#\n";
  CHECK(failure_of(comments + "OK\n") == "answers without end");
  std::string data;
  for (std::size_t i = 0; i < kMaxData; ++i) data += "D 1\n";
  Talk longest(data + "OK\n");
  const auto answer = longest.connection().receive(kLong);
  REQUIRE(answer);
  CHECK(answer->data.size() == kMaxData);
  CHECK(failure_of(data + "D 1\nOK\n") == "answers more than any PIN has");
}

TEST_CASE("assuan::Connection: a program that has ended, or reads nothing, gets nothing more") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
  Connection connection(ends[0], nullptr);
  Result<void> sent;
  for (int i = 0; i < 100000 && sent; ++i) sent = connection.send(std::string(kMaxLine, 'x'));
  REQUIRE_FALSE(sent);
  CHECK(sent.error().detail == "does not read what is sent to it");
  ::close(ends[1]);
  const auto answer = connection.transact("BYE", "", kLong);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().detail == "has ended");
  ::close(ends[0]);
}

TEST_CASE("assuan::Connection: a request to stop ends the wait") {
  Connection stopped(STDIN_FILENO, [] { return true; });
  const auto answer = stopped.receive(kLong);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().status == Status::user_abort);
}
