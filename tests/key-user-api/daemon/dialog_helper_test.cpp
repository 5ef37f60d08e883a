#include "key-user-api/daemon/dialog_helper.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "key-user-api/daemon/dialog_protocol.h"
#include "key-user-api/daemon/peer.h"
#include "tests/key-user-api/dialog/scripted_pinentry.h"

namespace sks::test {
namespace {

using namespace std::chrono_literals;
using daemon::DialogHelper;

const token::TrustedDialog::Question kQuestion{{"/usr/bin/ssh", 4711}, "Work", "PIN", ""};

/// A helper that runs a scripted program.
struct Asker {
  explicit Asker(const Script& script) : pinentry(script) {
    ::setenv("SKS_PINENTRY", pinentry.settings().program.c_str(), 1);
    helper = std::move(DialogHelper::start().value());
  }
  std::optional<std::string> ask(const token::TrustedDialog::Question& question = kQuestion) {
    const std::optional<SecureBytes> secret = helper->ask(question);
    if (!secret) return std::nullopt;
    return std::string(to_string(secret->view()));
  }

  ScriptedPinentry pinentry;
  std::unique_ptr<DialogHelper> helper;
};

bool soon(const std::function<bool()>& condition) {
  for (const auto until = std::chrono::steady_clock::now() + 10s; !condition();) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

bool has_asked(const Asker& asker) {
  return std::filesystem::exists(std::filesystem::path(asker.pinentry.settings().program).parent_path() / "log") &&
         asker.pinentry.has_logged("1 GETPIN");
}

}  // namespace

TEST_CASE("dialog helper: the user is told who wants what of which token") {
  Asker asker(Script{Process{{"GETPIN", "D 12%2534\nOK"}}});
  CHECK(asker.ask() == "12%34");
  const std::string description = asker.pinentry.logged("1 SETDESC ");
  for (const char* const part : {"/usr/bin/ssh", "4711", "\"Work\"", "PIN"})
    CHECK(description.find(part) != std::string::npos);
  CHECK(asker.pinentry.logged("1 SETPROMPT ") == "PIN:");
  CHECK_FALSE(asker.pinentry.has_logged("1 SETREPEAT"));
  CHECK(asker.helper->failure().empty());
}

TEST_CASE("dialog helper: a problem with the last answer is shown, and names cannot rule the window") {
  Asker asker(Script{Process{{"GETPIN", "D 1\nOK"}}});
  CHECK(asker.ask({{"/tmp/x\n<b>y", 1}, "L\x1b[2J", "PIN", "The PIN is wrong"}) == "1");
  CHECK(asker.pinentry.logged("1 SETERROR ") == "The PIN is wrong");
  const std::string description = asker.pinentry.logged("1 SETDESC ");
  for (const char* const part : {"\x1b", "<b>", "%0A"}) CHECK(description.find(part) == std::string::npos);
}

TEST_CASE("dialog helper: consent is given or not, and no secret is asked for") {
  const token::TrustedDialog::Question question{{"/usr/bin/ssh", 4711}, "Work, for the host X", "signature", ""};
  for (const bool agrees : {true, false}) {
    Asker asker(Script{Process{{"CONFIRM", agrees ? "OK" : kNotConfirmed}}});
    CHECK(asker.helper->confirm(question) == agrees);
    CHECK(asker.pinentry.logged("1 SETDESC ") ==
          "/usr/bin/ssh (process 4711) wants a signature with the key Work, for the host X.");
    CHECK_FALSE(asker.pinentry.has_logged("1 GETPIN"));
  }
  Asker broken(Script{Process{{"CONFIRM", kUnknownCommand}}});
  CHECK_FALSE(broken.helper->confirm(question));
  CHECK_FALSE(broken.helper->failure().empty());
}

TEST_CASE("dialog helper: a new PIN is typed twice") {
  Asker asker(Script{Process{{"SETREPEAT", kUnknownCommand}, {"GETPIN", "D 1234\nOK"}},
                     Process{{"GETPIN", "D 1235\nOK"}}, Process{{"SETREPEAT", kUnknownCommand}, {"GETPIN", "D 77\nOK"}},
                     Process{{"GETPIN", "D 77\nOK"}}});
  CHECK(asker.ask({{"/bin/x", 1}, "T", "new PIN", ""}) == "77");
  CHECK(asker.pinentry.logged("3 SETERROR ") == "The two entries differ.");
}

TEST_CASE("dialog helper: no answer when the user cancels, and why when nobody can be asked") {
  Asker cancelled(Script{Process{{"GETPIN", kCanceled}}});
  CHECK_FALSE(cancelled.ask());
  CHECK(cancelled.helper->failure().empty());
  Asker dead(Script{Process{{"GETPIN", "@die"}}, Process{{"GETPIN", "D 5\nOK"}}});
  CHECK_FALSE(dead.ask());
  CHECK(dead.helper->failure().find("has ended") != std::string::npos);
  CHECK(dead.ask() == "5");
  ::setenv("SKS_PINENTRY", "/nowhere/pinentry", 1);
  const auto without = DialogHelper::start().value();
  CHECK_FALSE(without->ask(kQuestion));
  CHECK(without->failure().find("/nowhere/pinentry") != std::string::npos);
}

TEST_CASE("dialog helper: a question goes with the client that waits for it, and the next one is asked") {
  Asker asker(Script{Process{{"GETPIN", "@hang"}}, Process{{"GETPIN", "D 42\nOK"}}});
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
  std::optional<std::string> answer = "none yet";
  std::thread asking([&] {
    const daemon::WorkingFor worker(ends[0]);
    answer = asker.ask();
  });
  REQUIRE(soon([&] { return has_asked(asker); }));
  const auto pid = static_cast<pid_t>(std::stoi(asker.pinentry.logged("1 process ")));
  CHECK(::kill(pid, 0) == 0);
  ::close(ends[1]);
  asking.join();
  CHECK_FALSE(answer);
  CHECK(soon([&] { return ::kill(pid, 0) != 0; }));
  CHECK(asker.ask() == "42");
  ::close(ends[0]);
}

TEST_CASE("dialog helper: a stop ends the question, and none is asked from then on") {
  Asker asker(Script{Process{{"GETPIN", "@hang"}}});
  std::optional<std::string> answer = "none yet";
  std::thread asking([&] { answer = asker.ask(); });
  REQUIRE(soon([&] { return has_asked(asker); }));
  asker.helper->stop();
  asking.join();
  CHECK_FALSE(answer);
  CHECK_FALSE(asker.ask());
  CHECK_FALSE(asker.pinentry.has_logged("2 started"));
}

TEST_CASE("dialog helper: the end of the program is the end of the question") {
  Asker asker(Script{Process{{"GETPIN", "@hang"}}});
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const pid_t process = ::fork();
  if (process == 0) {
    ::close(ends[0]);
    daemon::serve_dialogs(ends[1]);
    ::_exit(0);
  }
  ::close(ends[1]);
  const SecureBytes packet = daemon::encode(daemon::DialogRequest{1, false, kQuestion});
  REQUIRE(::send(ends[0], packet.data(), packet.size(), 0) > 0);
  REQUIRE(soon([&] { return has_asked(asker); }));
  const auto pid = static_cast<pid_t>(std::stoi(asker.pinentry.logged("1 process ")));
  ::close(ends[0]);  // as the kernel does for a process that was killed
  int status = 1;
  CHECK(::waitpid(process, &status, 0) == process);
  CHECK(status == 0);
  CHECK(soon([&] { return ::kill(pid, 0) != 0; }));
}

TEST_CASE("dialog helper: packets that are none are refused") {
  const SecureBytes request = daemon::encode(daemon::DialogRequest{7, false, kQuestion});
  REQUIRE(daemon::decode_request(request.view()));
  CHECK(daemon::decode_request(request.view())->question.token_label == "Work");
  for (std::size_t size = 0; size < request.size(); ++size)
    CHECK_FALSE(daemon::decode_request(request.view().first(size)));
  const SecureBytes answer = daemon::encode(daemon::DialogAnswer{7, SecureBytes(4), "x"});
  REQUIRE(daemon::decode_answer(answer.view()));
  for (std::size_t size = 0; size < answer.size(); ++size)
    CHECK_FALSE(daemon::decode_answer(answer.view().first(size)));
}

}  // namespace sks::test
