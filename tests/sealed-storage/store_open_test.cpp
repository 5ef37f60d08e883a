#include <doctest/doctest.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "sealed-storage/sqlite.h"
#include "sks-core/base/encoding.h"
#include "tests/sealed-storage/store_fixture.h"
#include "tests/support/vectors.h"

namespace sks::test {
namespace {

namespace fs = std::filesystem;

constexpr RecordId kKey1{RecordKind::key, 1};

void check_error(const Error& error, Status status, const std::string& detail) {
  CHECK(to_string(error.status) == to_string(status));
  CHECK(error.detail == detail);
}

Error create_error(const std::string& folder) {
  Result<void> created = SqliteStore::create(folder, sample_identity());
  REQUIRE_FALSE(created);
  return std::move(created).error();
}

Error open_error(const std::string& folder) {
  Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(folder);
  REQUIRE_FALSE(store);
  return std::move(store).error();
}

std::string flip_bit(std::string content, std::size_t bit) {
  content[bit / 8] = static_cast<char>(static_cast<unsigned char>(content[bit / 8]) ^ (1U << (bit % 8)));
  return content;
}

TEST_CASE("SqliteStore::create makes a closed folder with a database and a master key, whatever the umask") {
  const TempDir dir;
  const std::string folder = dir.file("store");
  const mode_t old_mask = ::umask(0);
  const Result<void> created = SqliteStore::create(folder, sample_identity());
  Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(folder);
  ::umask(old_mask);
  REQUIRE(created);
  REQUIRE(store);
  REQUIRE((*store)->begin());
  CHECK(entries(folder) == "lock master.key room store.db store.db-wal");
  CHECK(mode_of(folder) == 0700U);
  for (const char* name : {"lock", "master.key", "store.db", "store.db-wal"}) {
    CAPTURE(name);
    CHECK(mode_of(folder + "/" + name) == 0600U);
  }
  *store = nullptr;
  CHECK(entries(folder) == "lock master.key room store.db");
  CHECK(entries(dir.path()) == "store");
}

TEST_CASE("SqliteStore::create makes the folders above, uses an empty folder and takes a slash at the end") {
  const TempDir dir;
  CHECK(SqliteStore::create(dir.file("a/b/store"), sample_identity()));
  CHECK(SqliteStore::open(dir.file("a/b/store")));
  fs::create_directory(dir.file("empty"));
  CHECK(SqliteStore::create(dir.file("empty"), sample_identity()));
  CHECK(SqliteStore::open(dir.file("empty/")));
  CHECK(mode_of(dir.file("empty")) == 0700U);
  CHECK(SqliteStore::create(dir.file("slash/"), sample_identity()));
  CHECK(SqliteStore::open(dir.file("slash")));
  CHECK(entries(dir.path()) == "a empty slash");
}

TEST_CASE("SqliteStore::create never touches a store that is there") {
  const StoreFixture fixture;
  fixture.put(kKey1, "one");
  const std::string key = read_file(fixture.file("master.key"));
  const std::string database = read_file(fixture.file("store.db"));
  check_error(create_error(fixture.folder()), Status::option,
              "there is a key store in " + fixture.folder() + " already");
  {
    const auto in_use = fixture.open();
    check_error(create_error(fixture.folder()), Status::option,
                "there is a key store in " + fixture.folder() + " already");
  }
  CHECK(read_file(fixture.file("master.key")) == key);
  CHECK(read_file(fixture.file("store.db")) == database);
}

TEST_CASE("SqliteStore::create refuses a folder with other things in it and leaves it as it was") {
  const TempDir dir;
  const std::string folder = dir.file("home");
  fs::create_directory(folder);
  fs::permissions(folder, fs::perms(0755));
  write_file(folder + "/letter.txt", "Dear");
  check_error(create_error(folder), Status::option, folder + " is not empty: a key store needs a folder of its own");
  CHECK(entries(folder) == "letter.txt");
  CHECK(mode_of(folder) == 0755U);
  CHECK(entries(dir.path()) == "home");
}

TEST_CASE("SqliteStore::create refuses what cannot be a store and leaves nothing behind") {
  const TempDir dir;
  write_file(dir.file("file"), "x");
  check_error(create_error(dir.file("file")), Status::option, dir.file("file") + " is not a folder");
  check_error(create_error(""), Status::option, "a key store needs the name of a folder");
  CHECK(create_error(dir.file("file/below")).status == Status::storage);

  const Result<void> no_path = SqliteStore::create(dir.file("store"), {{}, SecureBytes(10)});
  REQUIRE_FALSE(no_path);
  CHECK(no_path.error().status == Status::option);
  const Result<void> no_key = SqliteStore::create(dir.file("store"), {{Bytes(10, 1)}, SecureBytes()});
  REQUIRE_FALSE(no_key);
  CHECK(no_key.error().status == Status::option);
  CHECK(entries(dir.path()) == "file");
}

TEST_CASE("SqliteStore::open says when there is no store") {
  const TempDir dir;
  fs::create_directory(dir.file("empty"));
  write_file(dir.file("file"), "x");
  for (const std::string name : {"missing", "empty", "file", "missing/below"}) {
    CAPTURE(name);
    check_error(open_error(dir.file(name)), Status::not_available, "there is no key store in " + dir.file(name));
  }
  CHECK(entries(dir.path()) == "empty file");
  CHECK(entries(dir.file("empty")).empty());
  check_error(open_error(""), Status::option, "a key store needs the name of a folder");
}

TEST_CASE("SqliteStore::open refuses a store that others may read") {
  const StoreFixture fixture;
  for (const unsigned mode : {0750U, 0705U, 0710U, 0701U, 0720U}) {
    CAPTURE(mode);
    fs::permissions(fixture.folder(), fs::perms(mode));
    const Error error = fixture.open_error();
    CHECK(error.status == Status::storage);
    CHECK(error.detail.find("is open to other users (mode 0" + std::string(1, '7')) != std::string::npos);
    CHECK(error.detail.find("chmod 700 " + fixture.folder()) != std::string::npos);
  }
  fs::permissions(fixture.folder(), fs::perms(0700));

  const std::string key = fixture.file("master.key");
  for (const unsigned mode : {0640U, 0604U, 0620U, 0602U}) {
    CAPTURE(mode);
    fs::permissions(key, fs::perms(mode));
    const Error error = fixture.open_error();
    CHECK(error.status == Status::storage);
    CHECK(error.detail.find(key + " is open to other users (mode 06") == 0);
    CHECK(error.detail.find("run chmod 600 " + key) != std::string::npos);
  }
  fs::permissions(key, fs::perms(0600));
  CHECK(fixture.open());
}

TEST_CASE("SqliteStore::open refuses a master key of another store") {
  const StoreFixture mine;
  const StoreFixture other;
  write_file(mine.file("master.key"), read_file(other.file("master.key")));
  check_error(mine.open_error(), Status::crypto, "the master key does not belong to the key store in " + mine.folder());
}

TEST_CASE("SqliteStore::open says when the master key is missing or no file") {
  const StoreFixture fixture;
  fs::rename(fixture.file("master.key"), fixture.beside("kept"));
  check_error(fixture.open_error(), Status::not_available, fixture.file("master.key") + " is missing");
  fs::create_directory(fixture.file("master.key"));
  check_error(fixture.open_error(), Status::storage, fixture.file("master.key") + " is not a file");
  fs::remove(fixture.file("master.key"));
  REQUIRE(::mkfifo(fixture.file("master.key").c_str(), 0600) == 0);  // which must not make the program wait
  check_error(fixture.open_error(), Status::storage, fixture.file("master.key") + " is not a file");
  fs::remove(fixture.file("master.key"));
  fs::rename(fixture.beside("kept"), fixture.file("master.key"));
  CHECK(fixture.open());
}

TEST_CASE("SqliteStore::open refuses a master key file with any one bit changed") {
  const StoreFixture fixture;
  const std::string path = fixture.file("master.key");
  const std::string original = read_file(path);
  REQUIRE(original.size() == 46);
  for (std::size_t bit = 0; bit < original.size() * 8; ++bit) {
    CAPTURE(bit);
    write_file(path, flip_bit(original, bit));
    CHECK(fixture.open_error().status == Status::crypto);
  }
  struct Case {
    std::string content;
    std::string sentence;
  };
  for (const Case& c :
       {Case{"", " is not a master key file"}, Case{"SKSMKEY", " is not a master key file"},
        Case{flip_bit(original, 0), " is not a master key file"},
        Case{flip_bit(original, 8 * 8 + 1), " is a master key file of a kind that this program does not know"},
        Case{flip_bit(original, 9 * 8 + 1), " is damaged"}, Case{flip_bit(original, 20 * 8), " is damaged"},
        Case{original.substr(0, 45), " is damaged"}, Case{original + "x", " is damaged"}}) {
    write_file(path, c.content);
    check_error(fixture.open_error(), Status::crypto, path + c.sentence);
  }
  write_file(path, std::string(5000, 'x'));
  check_error(fixture.open_error(), Status::storage, path + " is too long");
  write_file(path, original);
  CHECK(fixture.open());
}

TEST_CASE("SqliteStore::open refuses databases that are no key store and does not change them") {
  const StoreFixture fixture;
  const std::string path = fixture.file("store.db");
  fs::remove(path);

  write_file(path,
             "This is not a database, and it is longer than the header of one would be. " + std::string(200, '.'));
  check_error(fixture.open_error(), Status::option, "cannot use " + path + ": the file is not a database");
  write_file(path, "short");
  check_error(fixture.open_error(), Status::option, "cannot use " + path + ": the file is not a database");
  write_file(path, "");
  check_error(fixture.open_error(), Status::option, path + " is not a key store");
  CHECK(read_file(path).empty());

  fs::remove(path);
  run_sql(path, "CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('https://example.com')");
  const std::string foreign = read_file(path);
  check_error(fixture.open_error(), Status::option, path + " is not a key store");
  CHECK(read_file(path) == foreign);
}

TEST_CASE("SqliteStore::open refuses a database with our name and another schema") {
  for (const char* statement :
       {"DROP TABLE record", "DROP TABLE store", "DELETE FROM store", "CREATE TABLE more (a)",
        "CREATE INDEX by_kind ON record (kind)", "CREATE VIEW v AS SELECT * FROM record",
        "CREATE TRIGGER t AFTER INSERT ON record BEGIN DELETE FROM record; END",
        "ALTER TABLE record ADD COLUMN extra TEXT", "ALTER TABLE store RENAME COLUMN generation TO writes"}) {
    CAPTURE(statement);
    const StoreFixture fixture;
    fixture.sql(statement);
    check_error(fixture.open_error(), Status::option, fixture.file("store.db") + " is not a key store");
  }
}

TEST_CASE("SqliteStore::open refuses another format version") {
  const StoreFixture fixture;
  for (const char* version : {"4", "0", "255"}) {
    CAPTURE(version);
    fixture.sql(std::string("PRAGMA user_version = ") + version);
    check_error(fixture.open_error(), Status::option,
                "the key store in " + fixture.folder() + " has format version " + version +
                    "; this program knows versions 1 to 3");
  }
  fixture.sql("PRAGMA user_version = 3");
  CHECK(fixture.open());
}

TEST_CASE("SqliteStore::open refuses an altered store id or key check") {
  for (const char* statement :
       {"UPDATE store SET store_id = randomblob(16)", "UPDATE store SET key_check = randomblob(32)"}) {
    const StoreFixture fixture;
    fixture.sql(statement);
    check_error(fixture.open_error(), Status::crypto,
                "the master key does not belong to the key store in " + fixture.folder());
  }
}

TEST_CASE("SqliteStore: a damaged page is reported as damage") {
  const StoreFixture fixture;
  fixture.put(kKey1, std::string(20000, 'x'));
  std::string content = read_file(fixture.file("store.db"));
  constexpr std::size_t kPage = 4096;
  REQUIRE(content.size() > 4 * kPage);
  content.replace(2 * kPage, kPage, kPage, '\xFF');  // page 3, the root of the records
  write_file(fixture.file("store.db"), content);
  Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(fixture.folder());
  REQUIRE(store);
  const Result<StoredIdentity> identity = (*store)->identity();
  REQUIRE_FALSE(identity);
  check_error(identity.error(), Status::storage,
              "cannot use " + fixture.file("store.db") + ": the database is damaged");
}

TEST_CASE("SqliteStore::open reports a database of a later schema format with a reason that helps") {
  const StoreFixture fixture;
  std::string content = read_file(fixture.file("store.db"));
  constexpr std::size_t kSchemaFormat = 47;  // last byte of a number in SQLite's header: 1 to 4 exist
  content[kSchemaFormat] = 9;
  write_file(fixture.file("store.db"), content);
  check_error(fixture.open_error(), Status::storage,
              "cannot use " + fixture.file("store.db") + ": the database is damaged or was written by a newer SQLite");
}

TEST_CASE("SqliteStore::open says when another program holds the database") {
  const StoreFixture fixture;
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(fixture.file("store.db").c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE; UPDATE store SET generation = 9", nullptr, nullptr, nullptr) ==
          SQLITE_OK);
  check_error(fixture.open_error(), Status::storage,
              "cannot use " + fixture.file("store.db") + ": another program holds the database");
  REQUIRE(sqlite3_close(other) == SQLITE_OK);
  CHECK(fixture.open());
}

TEST_CASE("SqliteStore opens stores of each version that another implementation made from the specification") {
  std::string version;
  SUBCASE("version 1") { version = "1"; }
  SUBCASE("version 2") { version = "2"; }
  SUBCASE("version 3") { version = "3"; }
  const TempDir dir;
  const std::string folder = dir.file("store");
  fs::copy(source_file("tests/vectors/sealed-storage/store-v" + version), folder);
  fs::permissions(folder, fs::perms(0700));
  fs::permissions(folder + "/master.key", fs::perms(0600));

  Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(folder);
  REQUIRE_MESSAGE(static_cast<bool>(store), (store ? std::string() : store.error().detail));
  const Result<StoredIdentity> identity = (*store)->identity();
  REQUIRE(identity);
  REQUIRE(identity->certificate_path.size() == 2);
  CHECK(identity->certificate_path[0].size() == 400);
  CHECK(to_hex(ByteView(identity->certificate_path[0]).first(4)) == "30313233");
  CHECK(identity->certificate_path[1].size() == 20);
  CHECK(identity->private_key.size() == 138);
  CHECK(to_hex(identity->private_key.view().first(4)) == "80818283");

  const auto transaction = (*store)->begin();
  REQUIRE(transaction);
  const auto vectors = read_vectors("sealed-storage/records.vec");
  std::size_t found = 0;
  for (const VectorBlock& block : vectors) {
    for (const char* unused : {"MasterKey", "StoreId", "KeyCheck", "Generation", "Nonce", "Sealed"}) block.text(unused);
    const RecordId id{static_cast<RecordKind>(block.number("Kind")),
                      static_cast<std::uint32_t>(block.number("Handle"))};
    const Result<std::optional<SecureBytes>> value = (*transaction)->get(id);
    REQUIRE(value);
    const Bytes expected = block.hex("Value");
    if (block.text("Version") != version || !*value) continue;
    ++found;
    CHECK(equal((*value)->view(), expected));
  }
  CHECK(found == 3);
  CHECK_FALSE((*transaction)->get({RecordKind::key, 7}).value());  // the tree of version 3 has it, its changes do not
  CHECK(list(**transaction, RecordKind::key).starts_with("1=x 4294967295="));
  CHECK((*transaction)->put(kKey1, as_bytes("rewritten")));
  CHECK((*transaction)->commit());
}

TEST_CASE("sqlite_error has a sentence for what a person can do something about") {
  struct Case {
    int code;
    Status status;
    const char* detail;
  };
  for (const Case& c :
       {Case{SQLITE_FULL, Status::storage, "cannot use D: the disk is full"},
        Case{SQLITE_READONLY_DIRECTORY, Status::storage, "cannot use D: the file or its folder is read-only"},
        Case{SQLITE_IOERR_FSYNC, Status::storage, "cannot use D: the disk reports an error"},
        Case{SQLITE_CORRUPT_INDEX, Status::storage, "cannot use D: the database is damaged"},
        Case{SQLITE_CANTOPEN, Status::storage, "cannot use D: the file cannot be opened"},
        Case{SQLITE_NOTADB, Status::option, "cannot use D: the file is not a database"},
        Case{SQLITE_LOCKED, Status::storage, "cannot use D: database table is locked"}}) {
    check_error(sealed::sqlite_error("D", c.code), c.status, c.detail);
  }
}

}  // namespace
}  // namespace sks::test
