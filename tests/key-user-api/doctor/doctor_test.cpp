#include <doctest/doctest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "tests/key-user-api/protection/program_run.h"
#include "tests/sealed-storage/store_fixture.h"

/// What `sks doctor` says of key stores that are healthy, damaged, and put back to an earlier state.
namespace sks::test {
namespace {

namespace fs = std::filesystem;

struct Patient {
  Patient() { CHECK(sks({"init", "--name", "Patient"}).exit_code == 0); }

  ProgramRun sks(std::vector<std::string> arguments, const std::string& passphrase = {}) const {
    arguments.insert(arguments.begin(), {"--store", store});
    if (!passphrase.empty()) arguments.insert(arguments.end(), {"--passphrase-file", passphrase});
    return run_program_process(SKS_PROGRAM, std::move(arguments));
  }

  /// The answer about a store with problems, whose files stay as they are.
  std::string problems(std::size_t count, const std::string& passphrase = {}) const {
    const std::string before = content();
    const ProgramRun run = sks({"doctor"}, passphrase);
    CHECK(run.exit_code == 1);
    CHECK(run.err == "sks: " + store + " has " + std::to_string(count) + (count == 1 ? " problem\n" : " problems\n"));
    CHECK(content() == before);
    return run.out;
  }
  std::string healthy() const {
    const std::string before = content();
    const ProgramRun run = sks({"doctor"});
    CHECK(run.exit_code == 0);
    CHECK(run.err.empty());
    CHECK(content() == before);
    return run.out;
  }

  /// Names, lengths and bytes of all files of the store.
  std::string content() const {
    std::string all;
    for (const std::string name : {"store.db", "store.db-wal", "master.key", "room"})
      if (fs::exists(store + "/" + name)) all += name + "\n" + read_file(store + "/" + name) + "\n";
    return all;
  }
  std::string file(const std::string& name) const { return store + "/" + name; }
  void sql(const std::string& statement) const { run_sql(file("store.db"), statement); }

  TempDir dir;
  std::string store = dir.file("store");
};

bool says(const std::string& answer, const std::string& line) {
  return ("\n" + answer).find("\n" + line) != std::string::npos;
}

const std::string kWhole = "good: all 1 sealed records are whole, and none is missing\n";

}  // namespace

TEST_CASE("sks doctor: a healthy store") {
  const Patient patient;
  const std::string answer = patient.healthy();
  CAPTURE(answer);
  CHECK(says(answer, "good: the folder " + patient.store + " is closed to others\n"));
  CHECK(says(answer, "good: the database is sound\n"));
  CHECK(says(answer, "good: the master key opens the store; it is protected by: file\n"));
  CHECK(says(answer, kWhole));
  CHECK(says(answer, "note: the key store has no anchor"));
  CHECK(says(answer, "good: the records fit together; keys: 0, sessions: 0\n"));
  CHECK(answer.find("PROBLEM") == std::string::npos);
  const ProgramRun json = patient.sks({"doctor", "--json"});
  CHECK(json.exit_code == 0);
  CHECK(json.out.starts_with("[\n  {\n    \"level\": \"good\",\n    \"text\": \"the folder "));
}

TEST_CASE("sks doctor: an anchored store, put back to an earlier state, and without its anchor") {
  const Patient patient;
  const std::string anchor = patient.dir.file("anchor");
  CHECK(patient.sks({"anchor", "file:" + anchor}).exit_code == 0);
  CHECK(says(patient.healthy(), "good: the key store is as new as its anchor knows it (file:" + anchor + ")\n"));

  const std::string earlier = read_file(patient.file("store.db"));
  const std::string other = patient.dir.file("other");
  CHECK(patient.sks({"anchor", "none"}).exit_code == 0);
  write_file(patient.file("store.db"), earlier);
  const std::string gone = patient.problems(1);
  CHECK(says(gone, "PROBLEM: the anchor of the key store in " + patient.store + " is out of reach: " + anchor +
                       " is missing\n"));
  CHECK(says(gone, "  What to do: bring the anchor back into reach; if it is lost for good, 'sks anchor --lost none'"));

  const ProgramRun refused = patient.sks({"list"});
  CHECK(refused.exit_code == 1);
  CHECK(refused.err ==
        "sks: the anchor of the key store in " + patient.store + " is out of reach: " + anchor + " is missing\n");
  CHECK(patient.sks({"anchor", "--lost", "none"}).exit_code == 0);
  CHECK(patient.sks({"list"}).exit_code == 0);
}

TEST_CASE("sks doctor: a store that is older than its anchor") {
  const Patient patient;
  const std::string anchor = patient.dir.file("anchor");
  CHECK(patient.sks({"anchor", "file:" + anchor}).exit_code == 0);
  const std::string earlier = read_file(patient.file("store.db"));
  {
    const auto store = SqliteStore::open(patient.store);
    const auto transaction = (*store)->begin();
    REQUIRE((*transaction)->put({RecordKind{100}, 1}, as_bytes("later")));
    REQUIRE((*transaction)->commit());
  }
  CHECK(says(patient.healthy(), "good: the key store is as new as its anchor knows it"));
  write_file(patient.file("store.db"), earlier);
  const std::string answer = patient.problems(1);
  CHECK(says(answer,
             "PROBLEM: the key store in " + patient.store + " was put back to an earlier state: it is at epoch "));
  CHECK(says(answer, "  What to do: bring back the latest copy"));
  CHECK(says(answer, "good: all 2 sealed records are whole"));
}

TEST_CASE("sks doctor: damage of every kind is named, and nothing is touched") {
  const Patient patient;
  SUBCASE("a record was altered") {
    patient.sql("UPDATE record SET sealed = randomblob(length(sealed))");
    CHECK(says(
        patient.problems(1),
        "PROBLEM: the sealed record 128/0 was altered or does not belong there\n  What to do: nobody can mend it"));
  }
  SUBCASE("a record is missing, and there is one too many") {
    patient.sql("UPDATE record SET handle = 7");
    const std::string answer = patient.problems(2);
    CHECK(says(answer, "PROBLEM: the sealed record 128/0 is missing\n"));
    CHECK(says(answer, "PROBLEM: the sealed record 128/7 was altered or does not belong there\n"));
  }
  SUBCASE("the root was altered") {
    patient.sql("UPDATE store SET root = randomblob(length(root))");
    CHECK(says(patient.problems(1),
               "PROBLEM: the root of the sealed records is missing, was altered or is an earlier one\n"));
  }
  SUBCASE("the database is no database") {
    write_file(patient.file("store.db"), std::string(5000, 'x'));
    CHECK(says(patient.problems(1),
               "PROBLEM: cannot use " + patient.file("store.db") + ": the file is not a database\n"));
  }
  SUBCASE("the database was cut") {
    const std::string database = read_file(patient.file("store.db"));
    write_file(patient.file("store.db"), database.substr(0, database.size() / 2));
    CHECK(says(patient.problems(1), "PROBLEM: cannot use " + patient.file("store.db") + ": the database is damaged\n"));
  }
  SUBCASE("a foreign database") {
    patient.sql("PRAGMA application_id = 1");
    CHECK(says(patient.problems(1), "PROBLEM: " + patient.file("store.db") + " is not a key store\n"));
  }
  SUBCASE("a newer format") {
    patient.sql("PRAGMA user_version = 9");
    CHECK(says(patient.problems(1),
               "PROBLEM: the key store in " + patient.store +
                   " has format version 9; this program knows versions 1 to 3\n  What to do: use the "
                   "program that wrote it, or a newer one\n"));
  }
  SUBCASE("the master key is damaged") {
    write_file(patient.file("master.key"), read_file(patient.file("master.key")) + "x");
    CHECK(says(patient.problems(1), "PROBLEM: " + patient.file("master.key") + " is damaged\n"));
  }
  SUBCASE("the master key is missing") {
    fs::remove(patient.file("master.key"));
    CHECK(says(patient.problems(1), "PROBLEM: " + patient.file("master.key") + " is missing\n"));
  }
  SUBCASE("the folder is open to others") {
    fs::permissions(patient.store, fs::perms(0755));
    const std::string answer = patient.problems(1);
    CHECK(says(answer, "PROBLEM: " + patient.store + " is open to other users (mode 0755): run chmod 700 "));
    CHECK(says(answer, kWhole));
  }
  SUBCASE("the master key is open to others") {
    fs::permissions(patient.file("master.key"), fs::perms(0644));
    const std::string answer = patient.problems(1);
    CHECK(
        says(answer, "PROBLEM: " + patient.file("master.key") + " is open to other users (mode 0644): run chmod 600 "));
    CHECK(says(answer, kWhole));
  }
}

TEST_CASE("sks doctor: files that are not what they should be, with what can be done") {
  const Patient patient;
  const std::string key = patient.file("master.key");
  const std::string database = patient.file("store.db");
  SUBCASE("the master key is a link to nothing") {
    fs::remove(key);
    fs::create_symlink("/nowhere/master.key", key);
    CHECK(says(patient.problems(1), "PROBLEM: " + key +
                                        " is a link to a file that is not there\n  What to do: make that file "
                                        "available, on a medium that is not mounted perhaps, or bring "));
  }
  SUBCASE("the master key is a link to a file") {
    fs::rename(key, patient.dir.file("elsewhere"));
    fs::create_symlink(patient.dir.file("elsewhere"), key);
    CHECK(says(patient.healthy(), kWhole));
  }
  SUBCASE("the database is a pipe") {
    fs::remove(database);
    REQUIRE(::mkfifo(database.c_str(), 0600) == 0);
    const ProgramRun run = patient.sks({"doctor"});
    CHECK(run.exit_code == 1);
    CHECK(says(run.out, "PROBLEM: " + database + " is not a file\n  What to do: bring the file back to this place "));
    CHECK(patient.sks({"list"}).exit_code == 1);
  }
  SUBCASE("the database is missing, and the master key is there") {
    fs::remove(database);
    CHECK(says(patient.problems(1), "PROBLEM: " + database + " is missing\n  What to do: nobody can mend it: "));
  }
  SUBCASE("the master key is much too long") {
    write_file(key, std::string(1000000, 'x'));
    CHECK(says(patient.problems(1), "PROBLEM: " + key + " is too long\n  What to do: nobody can mend it: "));
  }
}

TEST_CASE("sks: without a standard output nothing that is meant for it gets into the files of the key store") {
  const Patient patient;
  const std::string database = read_file(patient.file("store.db"));
  const ProgramRun run = run_program_process(SKS_PROGRAM, {"--store", patient.store, "list"}, [] {
    ::close(STDIN_FILENO);
    ::close(STDOUT_FILENO);
  });
  CHECK(run.exit_code == 1);
  CHECK(run.err == "sks: all was done, but what there is to tell cannot be written\n");
  CHECK(read_file(patient.file("lock")).find_first_not_of("0123456789\n") == std::string::npos);
  CHECK(read_file(patient.file("store.db")) == database);
}

TEST_CASE("sks doctor: a key store of another user") {
  const Patient patient;
  const ProgramRun run = run_program_process(SKS_PROGRAM, {"--store", patient.store, "doctor"}, [] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) std::abort();
  });
  CHECK(run.exit_code == 1);
  CHECK(says(run.out, "PROBLEM: this user may not work in " + patient.store +
                          "\n  What to do: run this as the user whom the key store belongs to, "));
}

TEST_CASE("sks doctor: a file with the passphrase that cannot be used says nothing of the key store") {
  const Patient patient;
  const std::string file = patient.dir.file("passphrase");
  write_file(file, "right");
  fs::permissions(file, fs::perms(0600));
  CHECK(patient.sks({"reprotect", "--protect", "passphrase", "--new-passphrase-file", file}).exit_code == 0);
  const auto check = [&](const std::string& sentence) {
    CHECK(says(patient.problems(1, file), "PROBLEM: " + sentence + "\n  What to do: give the passphrase: "));
  };
  SUBCASE("missing") {
    fs::remove(file);
    check(file + " is missing");
  }
  SUBCASE("empty") {
    write_file(file, "");
    check(file + " holds no passphrase");
  }
  SUBCASE("open to others") {
    fs::permissions(file, fs::perms(0644));
    check(file + " is open to other users (mode 0644): run chmod 600 " + file);
  }
}

TEST_CASE("sks doctor: a passphrase that is wrong or nowhere, with what can be done") {
  const Patient patient;
  const std::string right = patient.dir.file("right");
  const std::string wrong = patient.dir.file("wrong");
  for (const std::string& file : {right, wrong}) {
    write_file(file, file);
    fs::permissions(file, fs::perms(0600));
  }
  CHECK(patient.sks({"reprotect", "--protect", "passphrase", "--new-passphrase-file", right}).exit_code == 0);
  CHECK(says(patient.problems(1, wrong),
             "PROBLEM: the passphrase of the key store is wrong\n  What to do: give the right passphrase"));
  const std::string nowhere = patient.problems(1);
  CHECK(says(nowhere, "PROBLEM: the key store in " + patient.store + " needs a passphrase, and there is none: "));
  CHECK(says(nowhere, "  What to do: give the passphrase: --passphrase-file"));
  const ProgramRun good = patient.sks({"doctor"}, right);
  CHECK(good.exit_code == 0);
  CHECK(says(good.out, "good: the master key opens the store; it is protected by: passphrase\n"));
}

TEST_CASE("sks doctor: a store that is not there, in use, of an earlier version, or half made") {
  const Patient patient;
  {
    const auto held = SqliteStore::open(patient.store);
    REQUIRE(held);
    const ProgramRun run = patient.sks({"doctor"});
    CHECK(run.exit_code == 0);
    CHECK(says(run.out, "note: the key store is in use by process " + std::to_string(::getpid()) +
                            "\n  What to do: ask again when it has ended to have the store looked at; a sksd ends"));
  }
  fs::create_directory(patient.store + ".new-abcdef");
  write_file(patient.file("master.key.new"), "x");
  const std::string answer = patient.healthy();
  CHECK(says(answer, "note: a change of the protection was interrupted; the one before it holds\n"));
  CHECK(
      says(answer, "note: the making of a key store was interrupted and has left " + patient.store + ".new-abcdef\n"));
  CHECK(fs::exists(patient.file("master.key.new")));

  fs::remove_all(patient.store);
  fs::copy(source_file("tests/vectors/sealed-storage/store-v2"), patient.store);
  fs::permissions(patient.store, fs::perms(0700));
  fs::permissions(patient.file("master.key"), fs::perms(0600));
  CHECK(says(patient.sks({"doctor"}).out,
             "note: the key store has format version 2\n  What to do: nothing: the next "
             "opening brings it to version 3\n"));

  fs::remove_all(patient.store);
  const ProgramRun none = patient.sks({"doctor"});
  CHECK(none.exit_code == 1);
  CHECK(says(none.out, "PROBLEM: there is no key store in " + patient.store + "\n"));
}

}  // namespace sks::test
