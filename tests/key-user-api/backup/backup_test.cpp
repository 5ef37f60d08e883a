#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "key-user-api/cli/backup_collection.h"
#include "tests/key-user-api/backup/filled_store.h"
#include "tests/key-user-api/protection/program_run.h"
#include "tests/sealed-storage/child_process.h"
#include "tests/sealed-storage/killed_process.h"
#include "tests/sealed-storage/secrets.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_issuer.h"
#include "tests/support/vectors.h"

/// `sks backup` and `sks restore` as processes, on key stores with keys of every kind.
namespace sks::test {
namespace {

namespace fs = std::filesystem;

using Arguments = std::vector<std::string>;
const Arguments kRightPasswords{"--pin", "1234", "--pin", "5678", "--puk", "99999"};

struct Place {
  Place() {
    fs::create_directory(dir.file("out"));
    secret_file("passphrase", "Sesam\n");
  }

  std::string secret_file(const std::string& name, const std::string& content) const {
    write_file(dir.file(name), content);
    fs::permissions(dir.file(name), fs::perms(0600));
    return dir.file(name);
  }

  ProgramRun sks(const std::string& folder, Arguments arguments) const {
    arguments.insert(arguments.begin(), {"--store", folder});
    return run_program_process(SKS_PROGRAM, std::move(arguments));
  }

  ProgramRun backup(Arguments more, const std::string& phrase = "passphrase") const {
    more.insert(more.begin(), {"backup", file, "--backup-passphrase-file", dir.file(phrase)});
    return sks(store, std::move(more));
  }

  ProgramRun restore(Arguments more, const std::string& phrase = "passphrase") const {
    more.insert(more.begin(), {"restore", file, "--backup-passphrase-file", dir.file(phrase)});
    return sks(target, std::move(more));
  }

  void init_target() const { REQUIRE(LocalStore::create(target, "New laptop")); }

  std::vector<std::string> files_of_backups() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(dir.file("out"))) names.push_back(entry.path().filename());
    return names;
  }

  TempDir dir;
  std::string store = dir.file("store");
  std::string target = dir.file("target");
  std::string file = dir.file("out/keys.sks");
};

void check_refused(const ProgramRun& run, int exit_code, const std::string& part) {
  CAPTURE(run.err);
  CHECK(run.exit_code == exit_code);
  CHECK(run.err.starts_with("sks: "));
  CHECK(std::ranges::count(run.err, '\n') == 1);
  CHECK(run.err.find(part) != std::string::npos);
}

void check_succeeded(const ProgramRun& run) { CHECK_MESSAGE(run.exit_code == 0, run.out, run.err); }

/// Whether some line has all of these.
bool has_line(const std::string& text, const std::vector<std::string>& parts) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    if (std::ranges::all_of(parts, [&](const std::string& part) { return line.find(part) != std::string::npos; }))
      return true;
    at = end + 1;
  }
  return false;
}

std::uint8_t key_backup(const std::string& folder, const std::string& name) {
  LocalStore store = LocalStore::open(folder).value();
  return store.engine().get_key_protection_info(find_key_named(store.engine(), name)).value().key_backup;
}

/// The backup of the vectors with a change, under the passphrase that Place::restore() gives.
void write_changed_vector(const Place& place, void (*change)(sealed::Backup&)) {
  const auto blocks = read_vectors("backup/backups.vec");
  auto backup = sealed::decode_backup_content(blocks.front().hex("Content"));
  REQUIRE(backup);
  for (const char* const name : {"File", "Passphrase", "EcCertificate", "CaCertificate", "RsaCertificate",
                                 "MacCertificate", "MacKey", "PropertyBag"})
    blocks.front().hex(name);
  change(*backup);
  FixedSecrets secrets("Sesam", "Sesam");
  constexpr std::array<std::uint8_t, 8> kMagic{'S', 'K', 'S', 'B', 'A', 'C', 'K', 0};
  const SecureBytes content = sealed::encode_backup_content(*backup);
  const auto file = sealed::seal_passphrase_file({kMagic, 1, "", ""}, content.view(), place.file, secrets,
                                                 system_random(), crypto::ScryptCosts{10, 8, 1});
  REQUIRE(file);
  write_file(place.file, to_string(file->view()));
}

/// Gives the store one more key, whose certificate path has 65 certificates.
void add_key_with_long_path(const std::string& folder) {
  LocalStore store = LocalStore::open(folder).value();
  TestIssuer issuer(store.engine());
  REQUIRE(issuer.open());
  KeyEntryRequest key;
  key.id = "Long";
  key.friendly_name = "Long";
  key.key_entry_algorithm = "https://webpki.github.io/sks/algorithm#key.1";
  key.key_algorithm = "https://webpki.github.io/sks/algorithm#ec.nist.p256";
  const CreatedKey created = issuer.create_key_entry(std::move(key)).value();
  const std::vector<Bytes> path(65, certify(created.public_key));
  REQUIRE(issuer.set_certificate_path(created, "Long", path));
  REQUIRE(issuer.close());
}

void check_unmarked(const std::string& folder) {
  for (const char* const name : {"Login", "Mail", "Archive", "Vault", "Free", "Mac"}) {
    CAPTURE(name);
    CHECK((key_backup(folder, name) & kExported) == 0);
  }
}

std::size_t count_keys(const std::string& folder) {
  LocalStore store = LocalStore::open(folder).value();
  std::size_t count = 0;
  for (KeyHandle last;; ++count) {
    const auto next = store.engine().enumerate_keys(last).value();
    if (!next) return count;
    last = next->handle;
  }
}

}  // namespace

TEST_CASE("sks backup and restore: what may leave comes back, and the rest is named with its reason") {
  const Place place;
  const FilledStore filled(place.store);
  const ProgramRun made = place.backup(kRightPasswords);
  check_succeeded(made);
  CHECK(made.err.empty());
  CHECK(
      has_line(made.out, {"Login", "CN=Somebody", "ec.nist.p256", "authentication", "https://issuer.example.com/sks"}));
  CHECK(has_line(made.out, {"Free", "rsa2048", "none"}));
  CHECK(has_line(made.out, {"Mac", "symmetric256"}));
  CHECK(has_line(made.out, {"Fixed", "its issuer made it non-exportable"}));
  CHECK(has_line(made.out, {"Asleep", "it is suspended"}));
  CHECK(made.out.ends_with("Written to " + place.file +
                           " and read back. Who has the file and its passphrase has these keys.\n"));
  struct stat info {};
  REQUIRE(::stat(place.file.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  CHECK(place.files_of_backups() == std::vector<std::string>{"keys.sks"});
  CHECK((key_backup(place.store, "Login") & kExported) != 0);
  CHECK(key_backup(place.store, "Fixed") == 0);

  place.init_target();
  const ProgramRun restored = place.restore({"--pin", "4321", "--pin", "8765"});
  check_succeeded(restored);
  CHECK(has_line(restored.out, {"Vault"}));
  CHECK(has_line(restored.out, {"Fixed", "non-exportable", "https://issuer.example.com/sks"}));
  CHECK(count_keys(place.target) == 6);

  LocalStore opened = LocalStore::open(place.target).value();
  Engine& engine = opened.engine();
  const auto certificate = [&](const char* name) -> ByteView { return filled.certificates.at(name); };
  CHECK(signs_for(engine, "Login", certificate("Login"), "4321"));
  CHECK(signs_for(engine, "Mail", certificate("Mail"), "4321"));
  CHECK(signs_for(engine, "Archive", certificate("Archive"), "4321"));
  CHECK(signs_for(engine, "Vault", certificate("Vault"), "8765"));
  CHECK(signs_for(engine, "Free", certificate("Free"), ""));
  CHECK_FALSE(signs_for(engine, "Login", certificate("Login"), "1234"));
  const KeyHandle mac = find_key_named(engine, "Mac");
  CHECK(equal(engine.export_key(mac, {}).value().view(), Bytes(32, 0x0b)));
  const KeyHandle free = find_key_named(engine, "Free");
  CHECK(to_string(engine.get_extension(free, "https://example.com/plain").value().data.view()) == "hello");
  CHECK(engine.set_property(free, "https://example.com/bag", "n", "new"));
  CHECK(engine.get_key_protection_info(find_key_named(engine, "Archive")).value().export_protection == 1);
}

TEST_CASE("sks restore: a second time changes nothing, and neither does a restore into the store of the backup") {
  const Place place;
  const FilledStore filled(place.store);
  check_succeeded(place.backup(kRightPasswords));
  place.init_target();
  check_succeeded(place.restore({"--pin", "4321", "--pin", "8765"}));
  const ProgramRun again = place.restore({"--pin", "1111", "--pin", "2222"});
  check_succeeded(again);
  CHECK(again.out.find("Restored:") == std::string::npos);
  CHECK(again.out.find("In this key store already:") != std::string::npos);
  CHECK(again.out.find("Not needed: 2 of the PINs") != std::string::npos);
  CHECK(count_keys(place.target) == 6);
  const ProgramRun same =
      place.sks(place.store, {"restore", place.file, "--backup-passphrase-file", place.dir.file("passphrase")});
  check_succeeded(same);
  CHECK(count_keys(place.store) == 8);
}

TEST_CASE("sks backup --list: shows what the file holds, needs no store, and shows no secret") {
  const Place place;
  const FilledStore filled(place.store);
  check_succeeded(place.backup(kRightPasswords));
  for (const char* const command : {"backup", "restore"}) {
    const ProgramRun listed =
        place.sks(place.dir.file("none"),
                  {command, place.file, "--list", "--backup-passphrase-file", place.dir.file("passphrase")});
    check_succeeded(listed);
    CHECK(has_line(listed.out, {"Backup of CN=Laptop"}));
    CHECK(has_line(listed.out, {"Mac", "symmetric256"}));
    CHECK(has_line(listed.out, {"Asleep", "it is suspended"}));
    CHECK(listed.out.find("1234") == std::string::npos);
  }
}

TEST_CASE("sks backup and restore --list: options that a list has no use for are refused") {
  const Place place;
  for (const char* const option : {"--pin", "--pin-file", "--puk"}) {
    CAPTURE(option);
    check_refused(place.backup({"--list", option, "1234"}), 2, "--list");
  }
  check_refused(place.backup({"--list", "--skip-protected"}), 2, "--list");
  check_refused(place.restore({"--list", "--pin", "1234"}), 2, "--list");
  check_refused(place.restore({"--pin-file", "pins", "--list"}), 2, "--list");
}

TEST_CASE("sks backup: a wrong PIN or PUK stops it before any key has left, and says what is left of the tries") {
  const Place place;
  const FilledStore filled(place.store);
  check_refused(place.backup({"--pin", "1234", "--pin", "9999", "--puk", "99999"}), 1,
                "the PIN is wrong; 2 tries are left");
  check_refused(place.backup({"--pin", "1234", "--pin", "5678", "--puk", "11111"}), 1,
                "the PUK is wrong; 2 tries are left");
  CHECK(place.files_of_backups().empty());
  check_unmarked(place.store);
}

TEST_CASE("sks backup: missing and surplus PINs cost no try") {
  const Place place;
  const FilledStore filled(place.store);
  check_refused(place.backup({}), 1,
                "the PIN of key 1 (Login) is needed, and there is no terminal to ask at; --skip-protected leaves such "
                "keys behind");
  check_refused(place.backup({"--pin", "1234", "--puk", "99999"}), 1,
                "one more PIN is needed: the PIN of key 4 (Vault)");
  check_refused(place.backup({"--pin", "1234", "--pin", "5678"}), 1, "the PUK of key 3 (Archive) is needed");
  check_refused(place.backup({"--pin", "1234", "--pin", "5678", "--pin", "1", "--puk", "99999"}), 1,
                "more PINs are given than the 2 that the export of these keys takes");
  check_refused(place.backup({"--pin", ""}), 2, "--pin is empty");
  check_refused(place.backup({"--puk", ""}), 2, "--puk is empty");
  LocalStore store = LocalStore::open(place.store).value();
  const KeyHandle login = find_key_named(store.engine(), "Login");
  CHECK(store.engine().get_key_protection_info(login).value().pin_error_count == 0);
  CHECK(place.files_of_backups().empty());
}

TEST_CASE("sks backup --skip-protected: leaves keys behind whose export takes a PIN or PUK, and says so") {
  const Place place;
  const FilledStore filled(place.store);
  const ProgramRun made = place.backup({"--skip-protected"});
  check_succeeded(made);
  for (const char* const name : {"Login", "Archive", "Vault"})
    CHECK(has_line(made.out, {name, "its export takes a PIN or PUK"}));
  place.init_target();
  check_succeeded(place.restore({"--pin", "4321"}));
  CHECK(count_keys(place.target) == 3);
}

TEST_CASE("sks backup: a blocked PIN leaves its keys behind") {
  const Place place;
  const FilledStore filled(place.store);
  {
    LocalStore store = LocalStore::open(place.store).value();
    const KeyHandle vault = find_key_named(store.engine(), "Vault");
    for (int i = 0; i < 3; ++i) CHECK_FALSE(store.engine().verify_pin(vault, SecureBytes::copy_of(as_bytes("0000"))));
  }
  const ProgramRun made = place.backup({"--pin", "1234", "--puk", "99999"});
  check_succeeded(made);
  CHECK(has_line(made.out, {"Vault", "its PIN or PUK is blocked"}));
}

TEST_CASE("sks backup: an existing file is not overwritten, whatever it is") {
  const Place place;
  const FilledStore filled(place.store);
  write_file(place.file, "mine");
  check_refused(place.backup(kRightPasswords), 1, place.file + " is there already, and is not overwritten");
  CHECK(read_file(place.file) == "mine");
  fs::remove(place.file);
  fs::create_symlink(place.dir.file("elsewhere"), place.file);
  check_refused(place.backup(kRightPasswords), 1, "is there already");
  CHECK_FALSE(fs::exists(place.dir.file("elsewhere")));
  CHECK(key_backup(place.store, "Mail") == 0);
}

TEST_CASE("sks backup: a full disk leaves nothing half-written, and no key marked as exported") {
  const Place place;
  const FilledStore filled(place.store);
  const std::string script =
      "\"$0\" --store \"$1\" backup \"$2/keys.sks\" --backup-passphrase-file \"$3\" "
      "--skip-protected; code=$?; ls \"$2\"; exit $code";
  const ProgramRun run = run_program_process(
      "/bin/sh", {"-c", script, SKS_PROGRAM, place.store, place.dir.file("out"), place.dir.file("passphrase")}, [&] {
        if (!mount_small_disk(place.dir.file("out"))) ::_exit(77);
        write_until_full(place.dir.file("out/filling"));
      });
  if (run.exit_code == 77) {
    MESSAGE("no mounts here");
    return;
  }
  check_refused(run, 1, "No space left on device");
  CHECK(run.out == "filling\n");
  check_unmarked(place.store);
}

TEST_CASE("sks backup: what no file can hold is refused while no key has left") {
  const Place place;
  const FilledStore filled(place.store);
  add_key_with_long_path(place.store);
  check_refused(place.backup(kRightPasswords), 1,
                "in key 7 of the backup (Long), the number of certificates is 65, more than 64");
  CHECK(place.files_of_backups().empty());
  check_unmarked(place.store);
}

TEST_CASE("sks backup: a plan has room for every key that leaves, and no key in it") {
  const Place place;
  const FilledStore filled(place.store);
  LocalStore store = LocalStore::open(place.store).value();
  const auto pin_group_of = [&](KeyHandle key) { return store.engine().pin_group(key); };
  const auto candidates = cli::find_candidates(store.engine(), pin_group_of, cli::ProtectedKeys::skip).value();
  const cli::BackupPlan plan = cli::plan_backup(candidates, store.engine(), 1790000000).value();
  REQUIRE(plan.sources.size() == 3);
  CHECK(plan.backup.left_behind.size() == 5);
  for (std::size_t i = 0; i < plan.sources.size(); ++i) {
    const SecureBytes& room = plan.backup.keys[i].key;
    CAPTURE(plan.sources[i]->key.friendly_name);
    CHECK(store.engine().export_key(plan.sources[i]->key.handle, {}).value().size() <= room.size());
    CHECK(std::ranges::count(room.view(), 0) == static_cast<std::ptrdiff_t>(room.size()));
  }
}

TEST_CASE("sks backup: the file is synced, and its pages dropped, before it is read back") {
  const Place place;
  const FilledStore filled(place.store);
  std::vector<std::uint64_t> calls;
  const auto run = [&] {
    ::setsid();
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO}) ::dup2(nowhere, fd);
    ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);  // which is done with ptrace, and one process has one tracer
    const std::string phrase = place.dir.file("passphrase");
    ::execl(SKS_PROGRAM, SKS_PROGRAM, "--store", place.store.c_str(), "backup", place.file.c_str(),
            "--backup-passphrase-file", phrase.c_str(), "--skip-protected", nullptr);
    return false;
  };
  REQUIRE_FALSE(killed_at(std::numeric_limits<std::size_t>::max(), calls, run));
  CHECK(place.files_of_backups() == std::vector<std::string>{"keys.sks"});

  const auto dropped = std::ranges::find(calls, SYS_fadvise64);
  REQUIRE(dropped != calls.end());
  const auto renamed = std::find(std::reverse_iterator(dropped), calls.rend(), SYS_renameat2).base();
  REQUIRE(renamed != calls.begin());
  const auto written = std::find(std::reverse_iterator(renamed), calls.rend(), SYS_write).base();
  CHECK(std::find(written, renamed, SYS_fsync) != renamed);
  CHECK(std::find(renamed, dropped, SYS_read) == dropped);
  CHECK(std::find(dropped, calls.end(), SYS_read) != calls.end());
}

TEST_CASE("sks backup: refuses without a key, a store, a folder for the file or a passphrase") {
  const Place place;
  check_refused(place.backup({}), 1, "no key store in " + place.store);
  REQUIRE(LocalStore::create(place.store, "Empty"));
  check_refused(place.backup({}), 1, "there is no key in this key store");
  CHECK(place.files_of_backups().empty());
  const Place other;
  const FilledStore filled(other.store);
  check_refused(other.sks(other.store, {"backup", other.file}), 1,
                "the backup " + other.file +
                    " needs a passphrase: there is no --backup-passphrase-file, and no terminal to ask at");
  check_refused(other.backup({}, "absent"), 1, "absent is missing");
  other.secret_file("empty", "\n");
  check_refused(other.backup({}, "empty"), 1, "empty holds no passphrase");
  other.secret_file("long", std::string(1025, 'x'));
  check_refused(other.backup({"--skip-protected"}, "long"), 1, "the passphrase is longer than 1024 bytes");
  CHECK(key_backup(other.store, "Mail") == 0);
  check_refused(other.sks(other.store, {"backup", other.dir.file("no/where"), "--backup-passphrase-file",
                                        other.dir.file("passphrase"), "--skip-protected"}),
                1, "No such file or directory");
  check_unmarked(other.store);
  check_refused(other.sks(other.store, {"backup"}), 2, "FILE");
  check_refused(other.sks(other.store, {"backup", ""}), 2, "empty");
}

TEST_CASE("sks restore: damaged, foreign, newer and missing files are refused, and the store is as before") {
  const Place place;
  place.init_target();
  const auto blocks = read_vectors("backup/backups.vec");
  const std::string whole = to_string(blocks.front().hex("File"));
  for (const char* const name : {"Passphrase", "EcCertificate", "CaCertificate", "RsaCertificate", "MacCertificate",
                                 "MacKey", "PropertyBag", "Content"})
    blocks.front().hex(name);
  const auto check = [&](const std::string& content, const std::string& part) {
    write_file(place.file, content);
    check_refused(place.restore({}), 1, part);
  };
  check(whole.substr(0, whole.size() - 1), " is damaged");
  std::string newer = whole;
  newer[8] = 2;
  check(newer, " is a backup of a key store of version 2: a newer program is needed to read it");
  check("hello", " is not a backup of a key store");
  check(whole, "the passphrase of the backup is wrong");
  fs::remove(place.file);
  check_refused(place.restore({}), 1, " is missing");
  fs::create_directory(place.file);
  check_refused(place.restore({}), 1, " is not a file");
  CHECK(count_keys(place.target) == 0);
}

TEST_CASE("sks restore: a foreign file is told as one, however long it is") {
  const Place place;
  place.init_target();
  write_file(place.file,
             "\x7f"
             "ELF");
  fs::resize_file(place.file, (std::uintmax_t{64} << 20) + 100);
  check_refused(place.restore({}), 1, place.file + " is not a backup of a key store");
  write_file(place.file, std::string("SKSBACK\0\1", 9));
  fs::resize_file(place.file, (std::uintmax_t{64} << 20) + 100);
  check_refused(place.restore({}), 1, place.file + " is too long");
}

TEST_CASE("sks restore: certificates that do not decode hide nothing of what was restored") {
  const Place place;
  place.init_target();
  write_changed_vector(place, [](sealed::Backup& backup) {
    backup.keys[2].certificate_path = {{1, 2, 3}};  // becomes the former certificate of a symmetric key
    backup.left_behind[0].certificate_path = {{4, 5, 6}};
  });
  const ProgramRun restored = place.restore({"--pin", "1357"});
  check_succeeded(restored);
  CHECK(has_line(restored.out, {"MAC", "(unreadable)", "symmetric256"}));
  CHECK(has_line(restored.out, {"Stays", "(unreadable)", "non-exportable"}));
  CHECK(count_keys(place.target) == 3);
  const ProgramRun again = place.restore({});
  check_succeeded(again);
  CHECK(again.out.find("Restored:") == std::string::npos);
  const ProgramRun listed = place.restore({"--list"});
  check_succeeded(listed);
  CHECK(has_line(listed.out, {"MAC", "(unreadable)"}));
}

TEST_CASE("sks restore: PIN rules that no PIN can satisfy are refused before a PIN is taken") {
  const Place place;
  place.init_target();
  write_changed_vector(place, [](sealed::Backup& backup) { backup.pins[0].retry_limit = 0; });
  check_refused(place.restore({"--pin", "1357"}), 1,
                "holds no backup that this program understands: in PIN 1 of the backup, the number of tries is 0, less "
                "than 1");
  CHECK(count_keys(place.target) == 0);
}

TEST_CASE("sks restore: brings the keys of another implementation's file, which others may read") {
  const Place place;
  place.init_target();
  const auto blocks = read_vectors("backup/backups.vec");
  const VectorBlock& block = blocks.front();
  write_file(place.file, to_string(block.hex("File")));
  fs::permissions(place.file, fs::perms(0644));
  place.secret_file("passphrase", to_string(block.hex("Passphrase")));
  check_refused(place.restore({"--pin", "1122"}), 1, "the PIN for Sign");
  CHECK(count_keys(place.target) == 0);
  check_refused(place.restore({}), 1, "--pin or --pin-file gives it");
  check_succeeded(place.restore({"--pin", "1357"}));
  LocalStore opened = LocalStore::open(place.target).value();
  Engine& engine = opened.engine();
  CHECK(signs_for(engine, "Sign \xc3\xa4", block.hex("EcCertificate"), "1357"));
  CHECK(signs_for(engine, "", block.hex("RsaCertificate"), ""));
  CHECK(equal(engine.get_extension(find_key_named(engine, "MAC"), "urn:sks:former-certificate").value().data.view(),
              block.hex("MacCertificate")));
  for (const char* const name : {"CaCertificate", "MacKey", "PropertyBag", "Content"}) block.hex(name);
}

TEST_CASE("sks backup and restore: ask at the terminal for what is not given") {
  const Place place;
  const FilledStore filled(place.store);
  const ProgramRun made = run_at_terminal(SKS_PROGRAM, {"--store", place.store, "backup", place.file},
                                          {{"New passphrase of the backup " + place.file + ": ", "Sesam\n"},
                                           {"Once more: ", "Sesan\n"},
                                           {"differ", ""},
                                           {"New passphrase", "Sesam\n"},
                                           {"Once more: ", "Sesam\n"},
                                           {"PIN of key 1 (Login): ", "1234\n"},
                                           {"PUK of key 3 (Archive): ", "99999\n"},
                                           {"PIN of key 4 (Vault): ", "5678\n"}});
  CHECK(made.exit_code == 0);
  CHECK(made.out.find("Sesam") == std::string::npos);
  place.init_target();
  const ProgramRun restored = run_at_terminal(SKS_PROGRAM, {"--store", place.target, "restore", place.file},
                                              {{"Passphrase of the backup " + place.file + ": ", "Sesam\n"},
                                               {"New PIN: ", "4321\n"},
                                               {"Once more: ", "4321\n"},
                                               {"New PIN: ", "8765\n"},
                                               {"Once more: ", "8765\n"}});
  CHECK_MESSAGE(restored.exit_code == 0, restored.out);
  CHECK(count_keys(place.target) == 6);
}

}  // namespace sks::test
