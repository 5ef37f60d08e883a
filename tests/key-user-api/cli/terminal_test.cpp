#include "key-user-api/dialog/terminal.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <thread>

#include "tests/support/flagging_signals.h"

using namespace sks;
using namespace sks::dialog;
using test::FlaggingSignals;

namespace {

constexpr const char* kCtrlC = "\x03";

/// A pseudo terminal at whose far end somebody types the given lines, each when a question has appeared.
class TypedTerminal {
 public:
  explicit TypedTerminal(std::vector<std::string> lines, StopRequested stop_requested = nullptr)
      : lines_(std::move(lines)) {
    REQUIRE(openpty(&master_, &slave_, nullptr, nullptr, nullptr) == 0);
    terminal_.emplace(dup(slave_), stop_requested);
    typist_ = std::thread([this] { type(); });
  }
  ~TypedTerminal() {
    finish();
    ::close(master_);
  }

  Terminal& terminal() { return *terminal_; }

  /// All that the screen has shown. Ends the conversation.
  const std::string& shown() {
    finish();
    return shown_;
  }

  /// Types something that no question has asked for, and waits until it could be read.
  void type_ahead(std::string_view text) const {
    REQUIRE(::write(master_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    pollfd arrived{slave_, POLLIN, 0};
    REQUIRE(::poll(&arrived, 1, 20000) == 1);
  }

  bool echoes() const {
    termios now{};
    return tcgetattr(slave_, &now) == 0 && (now.c_lflag & ECHO) != 0;
  }

 private:
  void type() {
    std::size_t next = 0;
    std::array<char, 256> buffer{};
    for (ssize_t got = 0; (got = ::read(master_, buffer.data(), buffer.size())) > 0;) {
      shown_.append(buffer.data(), static_cast<std::size_t>(got));
      const bool asked = shown_.ends_with(": ") || shown_.ends_with("] ");
      if (!asked || next == lines_.size()) continue;
      const std::string line = lines_[next++];
      if (line == kCtrlC) {
        pthread_kill(reader_, SIGINT);
        continue;
      }
      if (::write(master_, line.data(), line.size()) < 0) return;
    }
  }
  void finish() {
    if (!typist_.joinable()) return;
    // The last close of this end makes the typist's read fail.
    terminal_.reset();
    ::close(slave_);
    typist_.join();
  }

  pthread_t reader_ = pthread_self();
  std::vector<std::string> lines_;
  int master_ = -1;
  int slave_ = -1;
  std::optional<Terminal> terminal_;
  std::thread typist_;
  std::string shown_;
};

keygen2::PinRequest request(std::uint8_t format = 0) { return {"signature PIN", {"My key"}, format, 4, 8, 3, 0, 0}; }

constexpr const char* kEndOfInput = "\x04";

/// Answers, and only then gets the signal: the moment at which it used to be lost.
bool stop_requested_too_late() {
  const bool answer = FlaggingSignals::stop_requested();
  std::raise(SIGINT);
  return answer;
}

}  // namespace

TEST_CASE("TerminalDialog: a PIN is asked for twice, after the policy was explained, and never shown") {
  TypedTerminal typed({"2468\n", "2468\n"});
  const auto pin = TerminalDialog(typed.terminal()).choose_pin(request(), "");
  REQUIRE(pin);
  CHECK(to_string(pin->view()) == "2468");
  CHECK(typed.echoes());
  const std::string shown = typed.shown();
  CHECK(shown.find("2468") == std::string::npos);
  CHECK(shown.find("My key") != std::string::npos);
  CHECK(shown.find("4 to 8 digits") < shown.find("New signature PIN"));
}

TEST_CASE("TerminalDialog: entries that differ are asked for again") {
  TypedTerminal typed({"2468\n", "2469\n", "1357\n", "1357\n"});
  const auto pin = TerminalDialog(typed.terminal()).choose_pin(request(), "");
  REQUIRE(pin);
  CHECK(to_string(pin->view()) == "1357");
  CHECK(typed.shown().find("the two entries differ") != std::string::npos);
}

TEST_CASE("TerminalDialog: the broken rule is told before the PIN is asked for again") {
  TypedTerminal typed({"1357\n", "1357\n"});
  REQUIRE(TerminalDialog(typed.terminal()).choose_pin(request(), "the PIN is too short"));
  CHECK(typed.shown().find("Not accepted: the PIN is too short") != std::string::npos);
}

TEST_CASE("TerminalDialog: an empty entry or the end of input cancels") {
  for (const char* const entry : {"\n", kEndOfInput}) {
    TypedTerminal typed({entry});
    CHECK_FALSE(TerminalDialog(typed.terminal()).choose_pin(request(), ""));
    CHECK(typed.echoes());
  }
}

TEST_CASE("TerminalDialog: 8.4 binary: a PIN is typed in hexadecimal, and asked for again when it is none") {
  TypedTerminal typed({"xy\n", "xy\n", "00ff10FE\n", "00ff10FE\n"});
  const auto pin = TerminalDialog(typed.terminal()).choose_pin(request(3), "");
  REQUIRE(pin);
  CHECK(equal(pin->view(), Bytes{0x00, 0xff, 0x10, 0xfe}));
  CHECK(typed.shown().find("hexadecimal digits") != std::string::npos);
}

TEST_CASE("TerminalDialog: only y and yes consent, and the question names the issuer and the identification") {
  struct Case {
    const char* typed;
    bool consent;
  };
  for (const Case& c : {Case{"y\n", true}, Case{"yes\n", true}, Case{"\n", false}, Case{"n\n", false},
                        Case{"yess\n", false}, Case{kEndOfInput, false}}) {
    CAPTURE(c.typed);
    TypedTerminal typed({c.typed});
    CHECK(TerminalDialog(typed.terminal()).consent({"issuer.example", "manage", true}) == c.consent);
    const std::string shown = typed.shown();
    CHECK(shown.find("issuer.example") != std::string::npos);
    CHECK(shown.find("It will learn the identity of this device") != std::string::npos);
  }
}

TEST_CASE("Terminal: what was typed before a question is no answer to it") {
  TypedTerminal typed({"n\n", "y\n", "2468\n"});
  typed.type_ahead("y\n");
  CHECK_FALSE(ask_yes_no(typed.terminal(), "Go on?"));
  typed.type_ahead("n\n");
  CHECK(ask_yes_no(typed.terminal(), "Go on?"));
  typed.type_ahead("1357\n");
  const auto pin = typed.terminal().read_secret("PIN: ");
  REQUIRE(pin);
  CHECK(to_string(pin->view()) == "2468");
}

TEST_CASE("TerminalDialog: consequences are told before the question, which then names the issuer again") {
  TypedTerminal typed({"y\n"});
  CHECK(TerminalDialog(typed.terminal())
            .consent({"issuer.example", "manage", true, {"it deletes key 7\n\x1b[2J", std::string(1000, 'x')}}));
  const std::string shown = typed.shown();
  CHECK(shown.find("- it deletes key 7??[2J\r\n") < shown.find("Go on with issuer.example? [y/N]"));
  CHECK(shown.find(std::string(301, 'x')) == std::string::npos);
}

TEST_CASE("TerminalDialog: attributes of the device need a yes") {
  for (const auto& [answer, agreed] : {std::pair{"y\n", true}, {"\n", false}, {kEndOfInput, false}}) {
    TypedTerminal typed({answer});
    CHECK(TerminalDialog(typed.terminal()).disclose({"https://webpki.github.io/keygen2/clientattr#ip-address"}) ==
          agreed);
    CHECK(typed.shown().find("its IP addresses") != std::string::npos);
  }
}

TEST_CASE("TerminalDialog: what the user should know is a line of its own") {
  TypedTerminal typed({});
  TerminalDialog(typed.terminal()).alert("the issuer\x1b knows the key");
  CHECK(typed.shown().find("Note: the issuer? knows the key\r\n") != std::string::npos);
}

TEST_CASE("TerminalDialog: each key is named before it is made") {
  TypedTerminal typed({});
  TerminalDialog(typed.terminal()).creating_key({1, 2, "My key", "https://webpki.github.io/sks/algorithm#rsa2048"});
  CHECK(typed.shown() == "Creating key 1 of 2: My key (rsa2048)\r\n");
}

TEST_CASE("TerminalDialog: many keys need a yes") {
  TypedTerminal typed({"y\n"});
  CHECK(TerminalDialog(typed.terminal()).accept_many_keys(21));
  CHECK(typed.shown().find("21 keys") != std::string::npos);
}

TEST_CASE("Terminal: one Ctrl-C ends a question, whenever it is pressed, and the terminal echoes again") {
  const FlaggingSignals signals;
  SUBCASE("while a line is awaited") {
    TypedTerminal typed({kCtrlC}, FlaggingSignals::stop_requested);
    CHECK_FALSE(typed.terminal().read_secret("PIN: "));
    CHECK(typed.echoes());
    CHECK(FlaggingSignals::stop_requested());
  }
  SUBCASE("before the question") {
    TypedTerminal typed({}, FlaggingSignals::stop_requested);
    std::raise(SIGINT);
    CHECK_FALSE(typed.terminal().read_secret("PIN: "));
    CHECK(typed.echoes());
  }
  SUBCASE("between the question and the read") {
    TypedTerminal typed({}, stop_requested_too_late);
    CHECK_FALSE(ask_yes_no(typed.terminal(), "Go on?"));
    CHECK(FlaggingSignals::stop_requested());
  }
  sigset_t held;
  REQUIRE(pthread_sigmask(SIG_SETMASK, nullptr, &held) == 0);
  CHECK(sigismember(&held, SIGINT) == 0);
}

TEST_CASE("Terminal: a device without a way to hide what is typed gives no secret") {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  REQUIRE(::write(ends[1], "1234\n", 5) == 5);
  Terminal terminal(ends[0]);
  CHECK_FALSE(terminal.read_secret("PIN: "));
  ::close(ends[1]);
}
