#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "tests/key-user-api/persona/home.h"

/// sks persona, as a program.
namespace sks::test {
namespace {

namespace fs = std::filesystem;

void check_refused(const ProgramRun& run, int exit_code, const std::string& sentence) {
  CHECK(run.exit_code == exit_code);
  CHECK(run.err == "sks: " + sentence + "\n");
  CHECK(run.out.empty());
}

void check_done(const ProgramRun& run, const std::string& beginning) {
  CHECK_MESSAGE(run.exit_code == 0, run.err);
  CHECK(run.err.empty());
  CHECK(run.out.starts_with(beginning));
}

constexpr const char* kUsage = "'sks persona' takes the name behind its command, and neither --store nor --persona";

}  // namespace

TEST_CASE("sks persona create and list: a persona is a store of its own, and the current one is marked") {
  const Home home;
  check_done(home.sks({"persona", "list"}), "There is no persona in " + home.personas());
  CHECK(home.sks({"persona", "list", "--json"}).out == "[]\n");
  check_refused(home.sks({"--persona", "work", "list"}), 1,
                "no key store in " + home.store("work") + "; make one with 'sks persona create work'");
  const std::string passphrase = home.secret_file("passphrase", "Sesam");
  check_done(home.sks({"persona", "create", "work", "--protect", "passphrase", "--passphrase-file", passphrase}),
             "Key store made in " + home.store("work"));
  check_done(home.sks({"init"}), "Key store made in " + home.store("default"));
  check_refused(home.sks({"persona", "create", "work"}), 1,
                "there is a key store in " + home.store("work") + " already");
  CHECK(home.sks({"--persona", "work", "device", "--passphrase-file", passphrase}).out != home.sks({"device"}).out);
  fs::create_directory(home.store("empty"));
  fs::create_directory(home.store("Work"));
  CHECK(home.sks({"persona", "list"}).out ==
        "CURRENT  NAME     PROTECTION  IN USE BY  PROBLEM\n"
        "*        default  file        -          -\n"
        "-        work     passphrase  -          -\n");
  const ProgramRun json = home.sks({"--persona", "work", "persona", "list", "--json"});
  CHECK(json.out.find("\"name\": \"work\",\n    \"current\": true,\n    \"folder\": \"" + home.store("work") +
                      "\",\n    \"protection\": \"passphrase\",\n    \"inUseBy\": null,\n    \"problem\": null") !=
        std::string::npos);
}

TEST_CASE("sks persona: wrong usage is one line and exit code 2") {
  const Home home;
  check_refused(home.sks({"--store", home.file("x"), "persona", "create", "work"}), 2, kUsage);
  check_refused(home.sks({"--persona", "a", "persona", "delete", "work", "--yes"}), 2, kUsage);
  check_refused(home.sks({"--persona", "a", "persona", "export", "work", home.file("x")}), 2, kUsage);
  check_refused(home.sks({"--persona", "a", "persona", "import", home.file("x")}), 2, kUsage);
  const std::string file = home.secret_file("file", "x");
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"persona", "create", "../work"},
                                             {"persona", "delete", "../work", "--yes"},
                                             {"persona", "export", "../work", home.file("x")},
                                             {"persona", "import", file, "--name", "../work"}}) {
    CAPTURE(arguments[1]);
    check_refused(
        home.sks(arguments), 2,
        "'../work' cannot name a persona: a name has 1 to 64 lower-case letters, digits, '-' and '_', and starts "
        "with a letter or digit");
  }
  check_refused(home.sks({"persona", "import", file, "--passphrase-file", file}), 2,
                "--passphrase-file needs --protect passphrase");
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"persona"},
                                             {"persona", "frobnicate"},
                                             {"persona", "create"},
                                             {"persona", "create", ""},
                                             {"persona", "delete"},
                                             {"persona", "export", "work"},
                                             {"persona", "export", "work", ""},
                                             {"persona", "import"},
                                             {"persona", "import", file, "--name", ""},
                                             {"persona", "import", file, "--protect", "hope"},
                                             {"persona", "list", "surplus"}}) {
    const ProgramRun run = home.sks(arguments);
    CHECK(run.exit_code == 2);
    CHECK(run.err.starts_with("sks: "));
    CHECK(std::ranges::count(run.err, '\n') == 1);
  }
  CHECK_FALSE(fs::exists(home.personas()));
}

TEST_CASE("sks: a bad name in $SKS_PERSONA is told by the commands that work with its store, and by no other") {
  const Home home;
  ::setenv("SKS_PERSONA", "../work", 1);
  const std::string sentence =
      "'../work' cannot name a persona: a name has 1 to 64 lower-case letters, digits, '-' and '_', and starts with a "
      "letter or digit";
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"init"}, {"list"}, {"doctor"}, {"device"}, {"anchor", "none"}}) {
    CAPTURE(arguments[0]);
    check_refused(home.sks(arguments), 2, sentence);
  }
  CHECK(home.sks({"--help"}).exit_code == 0);
  CHECK(home.sks({"--version"}).exit_code == 0);
  check_done(home.sks({"persona", "create", "work"}), "Key store made in " + home.store("work"));
  CHECK(home.sks({"persona", "list"}).out ==
        "CURRENT  NAME  PROTECTION  IN USE BY  PROBLEM\n"
        "-        work  file        -          -\n");
  const std::string passphrase = home.secret_file("passphrase", "Sesam");
  const std::string file = home.file("file");
  check_done(home.sks({"persona", "export", "work", file, "--export-passphrase-file", passphrase}), "Moved");
  check_done(home.sks({"persona", "import", file, "--export-passphrase-file", passphrase}), "Moved");
  check_done(home.sks({"--persona", "work", "list", "--json"}), "[]");
  check_done(home.sks({"persona", "delete", "work", "--yes"}), "Deleted");
  check_refused(home.sks({"backup", "--list", file}), 1, file + " is missing");
  ::unsetenv("SKS_PERSONA");
  check_refused(home.sks({"--persona", "../work", "persona", "list"}), 2, sentence);
}

TEST_CASE("sks persona delete: a store that is not removed keeps its anchor") {
  const Home home;
  const std::string anchor = home.file("anchor");
  REQUIRE(home.sks({"persona", "create", "work", "--anchor", "file:" + anchor}).exit_code == 0);
  const std::string before = read_file(anchor);
  write_file(home.store("work") + "/letter", "to Jo");
  check_refused(home.sks({"persona", "delete", "work", "--yes"}), 1,
                home.store("work") + " holds 'letter', which is not of the key store: move it away first");
  fs::remove(home.store("work") + "/letter");
  const std::string key = home.store("work") + "/master.key";
  fs::rename(key, home.file("elsewhere"));
  fs::create_symlink(home.file("elsewhere"), key);
  check_refused(home.sks({"persona", "delete", "work", "--yes"}), 1, key + " is a link to a file, which would stay");
  REQUIRE(fs::exists(anchor));
  CHECK(read_file(anchor) == before);
  fs::remove(key);
  fs::rename(home.file("elsewhere"), key);
  check_done(home.sks({"persona", "delete", "work", "--yes"}), "Deleted");
  CHECK_FALSE(fs::exists(anchor));
}

TEST_CASE("sks persona list: names what an interrupted import has left, and the next one removes it") {
  const Home home;
  const std::string passphrase = home.secret_file("passphrase", "Sesam");
  const std::string file = home.file("stick");
  REQUIRE(home.sks({"persona", "create", "work"}).exit_code == 0);
  REQUIRE(home.sks({"persona", "create", "other"}).exit_code == 0);
  REQUIRE(home.sks({"persona", "export", "work", file, "--export-passphrase-file", passphrase}).exit_code == 0);
  fs::create_directory(home.store("other.importing"));
  fs::rename(home.store("other"), home.store("other.importing/.store"));
  CHECK(home.sks({"persona", "list"}).out ==
        "CURRENT  NAME             PROTECTION  IN USE BY  PROBLEM\n"
        "-        other.importing  -           -          its import was interrupted; its file is whole, and the next "
        "import removes this\n");
  CHECK(home.sks({"persona", "list", "--json"}).out.find("\"name\": \"other.importing\"") != std::string::npos);
  const ProgramRun doctor = home.sks({"doctor"});
  CHECK(doctor.out.starts_with("note: an import was interrupted and has left " + home.store("other.importing") +
                               ", maybe with a master key; its file is whole\n"
                               "  What to do: delete that folder, or import the file again, which removes the "
                               "folder\n"));
  check_done(home.sks({"persona", "import", file, "--export-passphrase-file", passphrase}), "Moved");
  CHECK_FALSE(fs::exists(home.store("other.importing")));
}

TEST_CASE("sks persona import: a signal while the store is made leaves the file alone and nothing else") {
  const Home home;
  const std::string passphrase = home.secret_file("passphrase", "Sesam");
  const std::string file = home.file("stick");
  REQUIRE(home.sks({"persona", "create", "work"}).exit_code == 0);
  REQUIRE(home.sks({"persona", "export", "work", file, "--export-passphrase-file", passphrase}).exit_code == 0);
  const std::string exported = read_file(file);
  for (const int signal : {SIGINT, SIGTERM}) {
    CAPTURE(signal);
    // The key of the new passphrase takes its time, in which the store is half made.
    const ProgramRun run = run_program_process(
        SKS_PROGRAM,
        {"persona", "import", file, "--export-passphrase-file", passphrase, "--protect", "passphrase",
         "--passphrase-file", passphrase},
        [&] {
          const pid_t program = ::getpid();
          if (::fork() != 0) return;
          while (!fs::exists(home.store("work.importing/.store/store.db")) && ::getppid() == program)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
          if (::getppid() == program) ::kill(program, signal);
          ::_exit(0);
        });
    check_refused(run, 1, "interrupted: nothing was moved");
    CHECK(fs::is_empty(home.personas()));
    CHECK(read_file(file) == exported);
  }
}

TEST_CASE("sks persona import: a copy is refused while some persona cannot be read, or came to life meanwhile") {
  const Home home;
  const std::string passphrase = home.secret_file("passphrase", "Sesam");
  const std::string file = home.file("stick");
  const std::vector<std::string> import{
      "persona", "import", file, "--protect", "passphrase", "--passphrase-file", passphrase, "--export-passphrase-file",
      passphrase};
  REQUIRE(home.sks({"persona", "create", "work"}).exit_code == 0);
  REQUIRE(home.sks({"persona", "export", "work", file, "--export-passphrase-file", passphrase}).exit_code == 0);
  const std::string exported = read_file(file);
  REQUIRE(home.sks({"persona", "import", file, "--name", "job", "--export-passphrase-file", passphrase}).exit_code ==
          0);
  const std::string database = read_file(home.store("job") + "/store.db");
  write_file(file, exported);

  write_file(home.store("job") + "/store.db", "damaged");
  const ProgramRun unread = home.sks(import);
  CHECK(unread.exit_code == 1);
  CHECK(unread.err.starts_with("sks: the persona job cannot be read, so it cannot be compared with " + file + " ("));
  CHECK_FALSE(fs::exists(home.store("work")));
  CHECK(read_file(file) == exported);
  write_file(home.store("job") + "/store.db", database);

  // While the key of the new passphrase is made, another copy is where it was not before.
  fs::rename(home.store("job"), home.file("aside"));
  const ProgramRun late = run_program_process(SKS_PROGRAM, import, [&] {
    const pid_t program = ::getpid();
    if (::fork() != 0) return;
    while (!fs::exists(home.store("work.importing/.store/store.db")) && ::getppid() == program)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    fs::rename(home.file("aside"), home.store("job"));
    ::_exit(0);
  });
  check_refused(late, 1,
                "the persona in " + file + " is here already, as job: destroy the file, or delete that persona first");
  CHECK(read_file(file) == exported);
  CHECK(home.sks({"--persona", "job", "list", "--json"}).out == "[]\n");
  REQUIRE(home.sks({"persona", "delete", "job", "--yes"}).exit_code == 0);
  CHECK(fs::is_empty(home.personas()));
  CHECK(home.sks(import).exit_code == 0);
}

TEST_CASE("sks persona delete: asks, destroys the whole store, and nothing else") {
  const Home home;
  check_refused(home.sks({"persona", "delete", "work", "--yes"}), 1,
                "there is no persona work; 'sks persona list' shows which there are");
  REQUIRE(home.sks({"persona", "create", "work"}).exit_code == 0);
  REQUIRE(home.sks({"persona", "create", "club"}).exit_code == 0);
  check_refused(home.sks({"persona", "delete", "work"}), 1,
                "nobody is there to confirm the deletion of the persona work; --yes confirms beforehand");
  const ProgramRun kept = run_at_terminal(SKS_PROGRAM, {"persona", "delete", "work"},
                                          {{"Delete the persona work without a key for good?", "n\n"}});
  CHECK(kept.exit_code == 1);
  CHECK(kept.out.find("nothing was deleted") != std::string::npos);
  CHECK(home.sks({"--persona", "work", "list", "--json"}).out == "[]\n");
  const ProgramRun deleted = run_at_terminal(SKS_PROGRAM, {"persona", "delete", "work"},
                                             {{"Delete the persona work without a key for good?", "y\n"}});
  CHECK(deleted.exit_code == 0);
  CHECK(deleted.out.find("Deleted the persona work and all its keys.") != std::string::npos);
  CHECK_FALSE(fs::exists(home.store("work")));
  write_file(home.store("club") + "/letter", "to Jo");
  check_refused(home.sks({"persona", "delete", "club", "--yes"}), 1,
                home.store("club") + " holds 'letter', which is not of the key store: move it away first");
  fs::remove(home.store("club") + "/letter");
  check_done(home.sks({"persona", "delete", "club", "--yes"}), "Deleted the persona club and all its keys.");
  CHECK(fs::is_empty(home.personas()));
}

TEST_CASE("sks persona delete: a store that cannot be opened is destroyed too, once it is confirmed") {
  const Home home;
  const std::string passphrase = home.secret_file("passphrase", "Sesam");
  REQUIRE(
      home.sks({"persona", "create", "work", "--protect", "passphrase", "--passphrase-file", passphrase}).exit_code ==
      0);
  const ProgramRun deleted = run_at_terminal(
      SKS_PROGRAM, {"persona", "delete", "work"},
      {{"Delete the persona work with keys that cannot be counted (the key store in " + home.store("work"), ""},
       {"for good?", "y\n"}});
  CHECK(deleted.exit_code == 0);
  CHECK_FALSE(fs::exists(home.store("work")));
}

TEST_CASE("sks persona delete: says how many keys are lost, and that none is spared") {
  const Home home;
  fs::create_directories(home.personas());
  REQUIRE(run_program_process(MAKE_STORE, {}, [&] {
            ::setenv("SKS_STORE", home.store("work").c_str(), 1);
            ::setenv("SKS_CA", home.file("ca.pem").c_str(), 1);
          }).exit_code == 0);
  const std::string keys = home.sks({"--persona", "work", "list", "--json"}).out;
  std::size_t count = 0;
  for (std::size_t at = 0; (at = keys.find("\"handle\"", at)) != std::string::npos; ++at) ++count;
  REQUIRE(count > 1);
  const ProgramRun kept = run_at_terminal(SKS_PROGRAM, {"persona", "delete", "work"},
                                          {{"Delete the persona work with " + std::to_string(count) +
                                                " keys, also what its issuer made non-deletable, for good?",
                                            "no\n"}});
  CHECK(kept.exit_code == 1);
  CHECK(home.sks({"--persona", "work", "list", "--json"}).out == keys);
}

TEST_CASE("sks persona list: names what an interrupted removal has left, and delete ends it") {
  const Home home;
  REQUIRE(home.sks({"persona", "create", "work"}).exit_code == 0);
  write_file(home.store("work") + "/master.key", std::string(46, '\0'));
  CHECK(
      home.sks({"persona", "list"}).out.find("its removal was interrupted, and nothing in it can be opened any more") !=
      std::string::npos);
  check_refused(home.sks({"persona", "export", "work", home.file("file")}), 1,
                "the master key of " + home.store("work") +
                    " was destroyed by a removal or an export that was interrupted: delete what is left");
  check_done(home.sks({"persona", "delete", "work", "--yes"}), "Deleted");
  CHECK(fs::is_empty(home.personas()));
}

TEST_CASE("sks persona: a master key that is missing is asked back, and only the wish to delete ends the store") {
  const Home home;
  const std::string passphrase = home.secret_file("passphrase", "Sesam");
  const std::string file = home.file("stick");
  const std::string advice = "bring it back; if the store was being removed, 'sks persona delete work' finishes that";
  REQUIRE(home.sks({"persona", "create", "work"}).exit_code == 0);
  REQUIRE(home.sks({"persona", "export", "work", file, "--export-passphrase-file", passphrase}).exit_code == 0);
  const std::string exported = read_file(file);
  REQUIRE(home.sks({"persona", "import", file, "--export-passphrase-file", passphrase}).exit_code == 0);
  write_file(file, exported);
  fs::remove(home.store("work") + "/master.key");
  CHECK(home.sks({"persona", "list"}).out.find("its master key is missing: " + advice) != std::string::npos);
  check_refused(home.sks({"persona", "export", "work", home.file("other")}), 1,
                "the master key of " + home.store("work") + " is missing: " + advice);
  check_refused(home.sks({"persona", "import", file, "--name", "job", "--export-passphrase-file", passphrase}), 1,
                "the persona in " + file + " is here already, as work, but its master key is missing: " + advice);
  CHECK(read_file(file) == exported);
  check_done(home.sks({"persona", "delete", "work", "--yes"}), "Deleted");
  check_done(home.sks({"persona", "import", file, "--export-passphrase-file", passphrase}), "Moved");
}

TEST_CASE("sks persona export and import: a persona goes into one file, leaves nothing behind, and comes back") {
  const Home home;
  const std::string passphrase = home.secret_file("passphrase", "Sesam");
  const std::string file = home.file("stick");
  REQUIRE(home.sks({"persona", "create", "work"}).exit_code == 0);
  const std::string device = home.sks({"--persona", "work", "device"}).out;
  check_refused(home.sks({"persona", "export", "work", file}), 1,
                file + " needs a passphrase: there is no --export-passphrase-file, and no terminal to ask at");
  check_done(home.sks({"persona", "export", "work", file, "--export-passphrase-file", passphrase}),
             "Moved the persona work to " + file);
  CHECK(fs::is_empty(home.personas()));
  check_refused(home.sks({"--persona", "work", "list"}), 1,
                "no key store in " + home.store("work") + "; make one with 'sks persona create work'");

  check_refused(home.sks({"persona", "import", file}), 1,
                file + " needs a passphrase: there is no --export-passphrase-file, and no terminal to ask at");
  check_refused(home.sks({"persona", "import", file, "--export-passphrase-file", home.secret_file("wrong", "sesam")}),
                1, "the passphrase of the exported persona is wrong");
  check_refused(
      home.sks({"persona", "import", file, "--name", "a/b", "--export-passphrase-file", passphrase}), 2,
      "'a/b' cannot name a persona: a name has 1 to 64 lower-case letters, digits, '-' and '_', and starts with "
      "a letter or digit");
  CHECK(fs::is_empty(home.personas()));
  const std::string exported = read_file(file);
  check_done(home.sks({"persona", "import", file, "--name", "job", "--protect", "passphrase", "--passphrase-file",
                       home.secret_file("store", "Simsalabim"), "--export-passphrase-file", passphrase}),
             "Moved " + file + " to the persona job, and destroyed the file.");
  CHECK_FALSE(fs::exists(file));
  CHECK(home.sks({"--persona", "job", "device", "--passphrase-file", home.file("store")}).out == device);

  // Copies of the file do not get in beside the store, under whatever name.
  write_file(file, exported);
  for (const char* const name : {"job", "work"}) {
    check_refused(
        home.sks({"persona", "import", file, "--name", name, "--export-passphrase-file", passphrase}), 1,
        "the persona in " + file + " is here already, as job: destroy the file, or delete that persona first");
  }
  CHECK(read_file(file) == exported);
  check_refused(home.sks({"persona", "export", "job", file, "--export-passphrase-file", passphrase}), 1,
                file +
                    " was left by an export of this key store that was interrupted: the key store is whole; remove "
                    "that file and export again");
  REQUIRE(home.sks({"persona", "create", "work"}).exit_code == 0);
  REQUIRE(home.sks({"persona", "delete", "job", "--yes"}).exit_code == 0);
  check_refused(home.sks({"persona", "import", file, "--export-passphrase-file", passphrase}), 1,
                "there is a key store in " + home.store("work") + " already");
  CHECK(read_file(file) == exported);
}

TEST_CASE("sks persona export and import: ask at the terminal, for a new passphrase twice") {
  const Home home;
  const std::string file = home.file("stick");
  REQUIRE(home.sks({"persona", "create", "work"}).exit_code == 0);
  const ProgramRun moved = run_at_terminal(SKS_PROGRAM, {"persona", "export", "work", file},
                                           {{"New passphrase of " + file + ": ", "Sesam\n"},
                                            {"Once more: ", "Sesame\n"},
                                            {"New passphrase of " + file + ": ", "Sesam\n"},
                                            {"Once more: ", "Sesam\n"}});
  CHECK(moved.exit_code == 0);
  CHECK(moved.out.find("Sesam") == std::string::npos);
  CHECK(fs::is_empty(home.personas()));
  const ProgramRun none = run_at_terminal(SKS_PROGRAM, {"persona", "import", file}, {{"Passphrase of", "\x03"}});
  CHECK(none.exit_code == 1);
  CHECK(none.out.find("no passphrase was entered") != std::string::npos);
  CHECK(fs::is_empty(home.personas()));
  const ProgramRun back =
      run_at_terminal(SKS_PROGRAM, {"persona", "import", file}, {{"Passphrase of " + file + ": ", "Sesam\n"}});
  CHECK(back.exit_code == 0);
  CHECK(home.sks({"--persona", "work", "list", "--json"}).out == "[]\n");
}

}  // namespace sks::test
