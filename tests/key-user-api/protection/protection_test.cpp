#include <doctest/doctest.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "tests/key-user-api/daemon/short_lived_sksd.h"
#include "tests/key-user-api/daemon/sksd_process.h"
#include "tests/key-user-api/dialog/scripted_pinentry.h"
#include "tests/key-user-api/protection/program_run.h"
#include "tests/support/temp_dir.h"

/// sks and sksd as processes, with key stores that need a passphrase.
namespace sks::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWrong = ": the passphrase of the key store is wrong\n";

/// A session keyring of one's own: what the keyrings of the person who runs the tests hold is out of reach.
bool leave_keyrings() { return ::syscall(SYS_keyctl, static_cast<long>(KEYCTL_JOIN_SESSION_KEYRING), nullptr) >= 0; }

bool add_key(const std::string& content) {
  return ::syscall(SYS_add_key, "user", "sks:passphrase", content.data(), content.size(),
                   static_cast<long>(KEY_SPEC_SESSION_KEYRING)) >= 0;
}

struct Place {
  TempDir dir;
  std::string store = dir.file("store");

  std::string secret_file(const std::string& name, const std::string& content, unsigned mode = 0600) const {
    const std::string path = dir.file(name);
    fs::create_directories(fs::path(path).parent_path());
    fs::remove(path);
    write_file(path, content);
    fs::permissions(path, fs::perms(mode));
    return path;
  }

  ProgramRun sks(
      std::vector<std::string> arguments, const std::function<void()>& prepare = [] {}) const {
    arguments.insert(arguments.begin(), {"--store", store});
    return run_program_process(SKS_PROGRAM, std::move(arguments), [&] {
      ::unsetenv("CREDENTIALS_DIRECTORY");
      leave_keyrings();
      prepare();
    });
  }

  ProgramRun sks_at_terminal(std::vector<std::string> arguments, const std::vector<Answer>& answers) const {
    arguments.insert(arguments.begin(), {"--store", store});
    return run_at_terminal(SKS_PROGRAM, std::move(arguments), answers);
  }

  /// Makes the store with this passphrase.
  void init(const std::string& passphrase) const {
    const std::string file = secret_file("first", passphrase);
    const ProgramRun made = sks({"init", "--protect", "passphrase", "--passphrase-file", file});
    REQUIRE_MESSAGE(made.exit_code == 0, made.err);
    CHECK(made.out.starts_with("Key store made in " + store));
  }

  std::string list(const std::string& passphrase_file) const {
    const ProgramRun run = sks({"list", "--json", "--passphrase-file", passphrase_file});
    CHECK(run.exit_code == (run.err.empty() ? 0 : 1));
    return run.out + run.err;
  }
};

void check_refused(const ProgramRun& run, int exit_code, const std::string& sentence) {
  CHECK(run.exit_code == exit_code);
  CHECK(run.err == "sks: " + sentence);
  CHECK(run.out.empty());
}

/// Sets an environment variable for the programs that are started meanwhile.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Environment() { ::unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

}  // namespace

TEST_CASE("sks: a store with a passphrase opens with the file that has it, and every other file is refused") {
  const Place place;
  place.init("Sesam öffne dich\n");
  CHECK(place.list(place.secret_file("right", "Sesam öffne dich")) == "[]\n");
  CHECK(place.list(place.secret_file("dos", "Sesam öffne dich\r\n")) == "[]\n");
  const std::string wrong = "sks: " + place.store + kWrong;
  CHECK(place.list(place.secret_file("other", "Sesam oeffne dich")) == wrong);
  CHECK(place.list(place.secret_file("blank", "Sesam öffne dich \n")) == wrong);

  const std::string place_text = "sks: " + place.store + ": ";
  const std::string file = place.dir.file("file");
  place.secret_file("file", "");
  CHECK(place.list(file) == place_text + file + " holds no passphrase\n");
  place.secret_file("file", "\n");
  CHECK(place.list(file) == place_text + file + " holds no passphrase\n");
  for (const std::string& many :
       {std::string("Sesam\nöffne dich\n"), std::string("Sesam öffne dich\n\n"), std::string("a\0b", 3)}) {
    place.secret_file("file", many);
    CHECK(place.list(file) == place_text + file + " holds more than one line, and cannot be a passphrase\n");
  }
  place.secret_file("file", std::string(2000, 'x'));
  CHECK(place.list(file) == place_text + file + " is too long\n");
  place.secret_file("file", "Sesam öffne dich", 0640);
  CHECK(place.list(file) == place_text + file + " is open to other users (mode 0640): run chmod 600 " + file + "\n");
  fs::remove(file);
  CHECK(place.list(file) == place_text + file + " is missing\n");
}

TEST_CASE("sks: a store with a passphrase that is nowhere is refused in one line that says where it was looked for") {
  const Place place;
  place.init("Sesam");
  const std::string key = "there is no key sks:passphrase in the kernel's keyring, and no terminal to ask at\n";
  const std::string beginning =
      "the key store in " + place.store + " needs a passphrase, and there is none: no --passphrase-file, ";
  check_refused(place.sks({"list"}), 1, beginning + "$CREDENTIALS_DIRECTORY is not set, " + key);
  check_refused(place.sks({"list"}, [&] { ::setenv("CREDENTIALS_DIRECTORY", place.dir.path().c_str(), 1); }), 1,
                beginning + place.dir.file("sks-passphrase") + " is missing, " + key);
  check_refused(place.sks({"reprotect", "--protect", "file"}), 1,
                beginning + "$CREDENTIALS_DIRECTORY is not set, " + key);
  check_refused(place.sks({"init", "--protect", "passphrase"}), 1,
                "there is a key store in " + place.store + " already\n");
}

TEST_CASE("sks: asks for the passphrase at the terminal, for a new one twice, and shows none") {
  const Place place;
  const std::string ask = "Passphrase of the key store in " + place.store + ": ";
  const std::string ask_new = "New passphrase of the key store in " + place.store + ": ";
  const ProgramRun made = place.sks_at_terminal(
      {"init", "--protect", "passphrase"},
      {{ask_new, "Sesam\n"}, {"Once more: ", "Sesame\n"}, {ask_new, "Sesam\n"}, {"Once more: ", "Sesam\n"}});
  CHECK(made.exit_code == 0);
  CHECK(made.out.find("The two entries differ.") != std::string::npos);
  CHECK(made.out.find("Sesam") == std::string::npos);
  CHECK(place.list(place.secret_file("right", "Sesam")) == "[]\n");

  const ProgramRun listed = place.sks_at_terminal({"list", "--json"}, {{ask, "Sesam\n"}});
  CHECK(listed.exit_code == 0);
  CHECK(listed.out.find("[]") != std::string::npos);
  const ProgramRun wrong = place.sks_at_terminal({"list"}, {{ask, "sesam\n"}});
  CHECK(wrong.exit_code == 1);
  CHECK(wrong.out.find("the passphrase of the key store is wrong") != std::string::npos);
  const ProgramRun none = place.sks_at_terminal({"list"}, {{ask, "\n"}});
  CHECK(none.exit_code == 1);
  CHECK(none.out.find("no passphrase was entered") != std::string::npos);
  const ProgramRun interrupted = place.sks_at_terminal({"list"}, {{ask, "\x03"}});
  CHECK(interrupted.exit_code == 1);
  CHECK(interrupted.out.find("no passphrase was entered") != std::string::npos);

  const ProgramRun changed =
      place.sks_at_terminal({"reprotect", "--protect", "passphrase"},
                            {{ask, "Sesam\n"}, {ask_new, "Simsalabim\n"}, {"Once more: ", "Simsalabim\n"}});
  CHECK(changed.exit_code == 0);
  CHECK(place.list(place.secret_file("right", "Simsalabim")) == "[]\n");
}

TEST_CASE("sks init: Ctrl-C at the question for a passphrase leaves nothing behind") {
  const Place place;
  const ProgramRun run = place.sks_at_terminal({"init", "--protect", "passphrase"}, {{"New passphrase of", "\x03"}});
  CHECK(run.exit_code == 1);
  CHECK(run.out.find("no passphrase was entered") != std::string::npos);
  CHECK(fs::is_empty(place.dir.path()));
}

TEST_CASE("sks reprotect: from a passphrase to another, to the file and back, and the store stays the same") {
  const Place place;
  place.init("one");
  const std::string one = place.secret_file("one", "one\n");
  const std::string two = place.secret_file("two", "two\n");
  const std::string database = read_file(place.store + "/store.db");
  const ProgramRun device = place.sks({"device", "--passphrase-file", one});

  const ProgramRun changed =
      place.sks({"reprotect", "--protect", "passphrase", "--passphrase-file", one, "--new-passphrase-file", two});
  CHECK(changed.exit_code == 0);
  CHECK(changed.out == "The key store in " + place.store + " is protected by: passphrase\n");
  CHECK(place.list(one) == "sks: " + place.store + kWrong);
  CHECK(place.sks({"device", "--passphrase-file", two}).out == device.out);

  check_refused(place.sks({"reprotect", "--protect", "file", "--passphrase-file", one}), 1, place.store + kWrong);
  check_refused(
      place.sks({"reprotect", "--protect", "passphrase", "--passphrase-file", two}), 1,
      place.store + ": a new passphrase is needed: there is no --new-passphrase-file, and no terminal to ask at\n");
  CHECK(place.sks({"reprotect", "--protect", "file", "--passphrase-file", two}).exit_code == 0);
  CHECK(place.sks({"device"}).out == device.out);
  CHECK(place.sks({"reprotect", "--protect", "passphrase", "--new-passphrase-file", one}).exit_code == 0);
  CHECK(place.sks({"device", "--passphrase-file", one}).out == device.out);
  CHECK(read_file(place.store + "/store.db") == database);
  CHECK_FALSE(fs::exists(place.store + "/master.key.new"));
}

TEST_CASE("sks init and reprotect: usage that contradicts itself is one line and exit code 2") {
  const Place place;
  const std::string file = place.secret_file("file", "one");
  check_refused(place.sks({"init", "--passphrase-file", file}), 2, "--passphrase-file needs --protect passphrase\n");
  check_refused(place.sks({"reprotect", "--protect", "file", "--new-passphrase-file", file}), 2,
                "--new-passphrase-file needs --protect passphrase\n");
  for (const std::vector<std::string>& usage :
       std::vector<std::vector<std::string>>{{"reprotect"},
                                             {"reprotect", "--protect"},
                                             {"reprotect", "--protect", "hope"},
                                             {"init", "--protect", ""},
                                             {"init", "--protect", "Passphrase"},
                                             {"list", "--passphrase-file", ""},
                                             {"list", "--new-passphrase-file", file}}) {
    const ProgramRun run = place.sks(usage);
    CHECK(run.exit_code == 2);
    CHECK(run.err.starts_with("sks: "));
    CHECK(std::ranges::count(run.err, '\n') == 1);
  }
  CHECK_FALSE(fs::exists(place.store));
  check_refused(place.sks({"reprotect", "--protect", "file"}), 1,
                "no key store in " + place.store + "; make one with 'sks init'\n");
}

TEST_CASE("sksd: opens a store with the credential that systemd gives it; reprotect meanwhile is refused") {
  const Place place;
  place.init("Sesam");
  const std::string new_file = place.secret_file("new", "other");
  const std::string key_file = read_file(place.store + "/master.key");
  for (const unsigned mode : {0400U, 0440U}) {
    const std::string path = place.secret_file("credentials/sks-passphrase", "Sesam", mode);
    const Environment credentials("CREDENTIALS_DIRECTORY", fs::path(path).parent_path());
    SksdProcess process({"--store", place.store, "--listen", "unix:" + place.dir.file("socket")});
    const std::string line = process.ready_line();
    REQUIRE_MESSAGE(line.starts_with("sksd: serving " + place.store), process.complaint());

    const ProgramRun refused = place.sks({"reprotect", "--protect", "passphrase", "--passphrase-file",
                                          place.dir.file("first"), "--new-passphrase-file", new_file});
    check_refused(refused, 1, place.store + ": store in use by process " + std::to_string(process.pid()) + "\n");
    process.signal(SIGTERM);
    CHECK(process.exit_code() == 0);
  }
  CHECK(read_file(place.store + "/master.key") == key_file);
}

TEST_CASE("sksd: a store without a usable passphrase is refused in one line that says what was tried") {
  const Place place;
  place.init("Sesam");
  const auto complaint = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"--store", place.store, "--listen", "unix:" + place.dir.file("socket")});
    SksdProcess process(std::move(more));
    CHECK(process.ready_line().empty());
    CHECK(process.exit_code() == 1);
    return process.complaint();
  };
  leave_keyrings();
  CHECK(complaint({}) == "sksd: the key store in " + place.store +
                             " is protected by a passphrase, and there is none: $CREDENTIALS_DIRECTORY is not set, "
                             "there is no key sks:passphrase in the kernel's keyring\n");
  const std::string path = place.secret_file("credentials/sks-passphrase", "Sesam", 0444);
  {
    const Environment credentials("CREDENTIALS_DIRECTORY", fs::path(path).parent_path());
    CHECK(complaint({}).starts_with("sksd: " + place.store + ": " + path + " is open to other users (mode 0444)"));
    place.secret_file("credentials/sks-passphrase", "Simsalabim", 0400);
    CHECK(complaint({}) == "sksd: " + place.store + kWrong);
    // The file that was named is the only place.
    const std::string file = place.secret_file("file", "Sesam");
    SksdProcess process(
        {"--store", place.store, "--listen", "unix:" + place.dir.file("socket"), "--passphrase-file", file});
    CHECK_FALSE(process.ready_line().empty());
  }
  const std::string absent = place.dir.file("absent");
  CHECK(complaint({"--passphrase-file", absent}) == "sksd: " + place.store + ": " + absent + " is missing\n");
}

TEST_CASE("sks: finds the passphrase in the kernel's keyring, after the credential of systemd") {
  const Place place;
  place.init("Sesam");
  if (!leave_keyrings() || !add_key("x")) {
    MESSAGE("this kernel, or the sandbox around this test, has no keyrings");
    return;
  }
  leave_keyrings();
  const ProgramRun listed = place.sks({"list", "--json"}, [] { add_key("Sesam"); });
  CHECK(listed.exit_code == 0);
  CHECK(listed.out == "[]\n");
  check_refused(place.sks({"list"}, [] { add_key("Simsalabim"); }), 1, place.store + kWrong);
  check_refused(place.sks({"list"}, [] { add_key("\n"); }), 1,
                place.store + ": the key sks:passphrase in the kernel's keyring holds no passphrase\n");
  check_refused(place.sks({"list"}, [] { add_key(std::string(1500, 'x')); }), 1,
                place.store + ": the key sks:passphrase in the kernel's keyring is too long\n");
  const std::string path = place.secret_file("credentials/sks-passphrase", "Sesam\n", 0400);
  const ProgramRun both = place.sks({"list", "--json"}, [&] {
    add_key("Simsalabim");
    ::setenv("CREDENTIALS_DIRECTORY", fs::path(path).parent_path().c_str(), 1);
  });
  CHECK(both.out == "[]\n");
}

namespace {

/// The module in a program of its own, on the store of a place.
ProgramRun use_module(
    const Place& place, const std::function<void()>& prepare = [] {}) {
  return run_program_process(PKCS11_PROBE, {PKCS11_MODULE}, [&] {
    for (const char* const name : {"CREDENTIALS_DIRECTORY", "SKS_SOCKET", "SKS_PERSONA"}) ::unsetenv(name);
    ::setenv("SKS_STORE", place.store.c_str(), 1);
    leave_keyrings();
    prepare();
  });
}

}  // namespace

TEST_CASE("PKCS#11: the sksd that a program starts opens a store with a passphrase that waits, or says what it tried") {
  const Place place;
  place.init("Sesam");
  const std::string path = place.secret_file("credentials/sks-passphrase", "Sesam", 0400);
  const auto give = [](const std::string& credential) {
    ::setenv("CREDENTIALS_DIRECTORY", fs::path(credential).parent_path().c_str(), 1);
  };
  {
    const ShortLivedSksd sksd;
    const ProgramRun without = use_module(place);
    CHECK(without.exit_code == 1);
    CHECK(without.err.starts_with("sksd: the key store in " + place.store +
                                  " is protected by a passphrase, and there is none: $CREDENTIALS_DIRECTORY is not "
                                  "set, there is no key sks:passphrase in the kernel's keyring, and nobody could be "
                                  "asked: "));
    CHECK(std::ranges::count(without.err, '\n') == 1);
    const std::string wrong = place.secret_file("wrong/sks-passphrase", "Simsalabim", 0400);
    const ProgramRun refused = use_module(place, [&] { give(wrong); });
    CHECK(refused.exit_code == 1);
    CHECK(refused.err == "sksd: " + place.store + kWrong);
    const ProgramRun with = use_module(place, [&] { give(path); });
    CHECK(with.exit_code == 0);
    CHECK(with.err.empty());
    // The store is open now, for programs too that know no passphrase.
    CHECK(use_module(place).exit_code == 0);
  }
  if (!leave_keyrings() || !add_key("x")) {
    MESSAGE("this kernel, or the sandbox around this test, has no keyrings");
    return;
  }
  leave_keyrings();
  const ShortLivedSksd sksd;
  const ProgramRun with = use_module(place, [] { add_key("Sesam"); });
  CHECK(with.exit_code == 0);
  CHECK(with.err.empty());
}

TEST_CASE("PKCS#11: where no passphrase waits, sksd asks its user for it") {
  const Place place;
  place.init("Sesam");
  ScriptedPinentry pinentry(Script{Process{{"GETPIN", kCanceled}}, Process{{"GETPIN", "D Simsalabim\nOK"}},
                                   Process{{"GETPIN", "D Sesam\nOK"}}});
  const ShortLivedSksd sksd;
  const auto ask = [&] { ::setenv("SKS_PINENTRY", pinentry.settings().program.c_str(), 1); };
  const ProgramRun cancelled = use_module(place, ask);
  CHECK(cancelled.exit_code == 1);
  CHECK(cancelled.err.ends_with("and nobody has typed it\n"));
  CHECK(std::ranges::count(cancelled.err, '\n') == 1);
  const ProgramRun wrong = use_module(place, ask);
  CHECK(wrong.exit_code == 1);
  CHECK(wrong.err == "sksd: " + place.store + kWrong);
  const ProgramRun right = use_module(place, ask);
  CHECK(right.exit_code == 0);
  CHECK(right.err.empty());
}

}  // namespace sks::test
