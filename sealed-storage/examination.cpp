#include "sealed-storage/examination.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "sealed-storage/master_key.h"
#include "sealed-storage/persona.h"
#include "sealed-storage/store_folder.h"

namespace sks {
namespace {

namespace fs = std::filesystem;
using Level = Finding::Level;
using sealed::Files;

/// Of records that cannot be used, those that are named one by one.
constexpr std::size_t kNamed = 5;

constexpr const char* kBring =
    "nobody can mend it: bring back store.db and master.key together from a copy; without one, move the folder away, "
    "make a new key store with 'sks init', restore what a backup file has with 'sks restore', and enrol anew for the "
    "rest";
constexpr const char* kBeOwner = "run this as the user whom the key store belongs to, or give it back to this user";
constexpr const char* kGiveKeyPassphrase =
    "give the passphrase: --passphrase-file with a file of one line for nobody else to read, the systemd credential "
    "sks-passphrase, the key sks:passphrase in the kernel's keyring, or a terminal to ask at";

/// Remembers whether a secret could be had: where not, nothing is known of the key that it opens.
class WatchedSecrets final : public SecretSource {
 public:
  explicit WatchedSecrets(SecretSource& source) : source_(source) {}
  Result<SecureBytes> get(Secret secret, const std::string& store) override {
    auto given = source_.get(secret, store);
    missing_ = !given;
    return given;
  }
  bool missing() const { return missing_; }

 private:
  SecretSource& source_;
  bool missing_ = false;
};

/// Those that hold what a store is.
std::array<std::string, 3> kept_files(const Files& files) {
  return {files.database, files.database + "-wal", files.master_key};
}

/// A copy of the files of a store that goes with the object.
class Copy {
 public:
  Copy() = default;
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  ~Copy() {
    std::error_code ignored;
    if (path_.empty()) return;
    sealed::wipe_file(path_ + "/master.key");
    fs::remove_all(path_, ignored);
  }

  Result<void> make(const Files& files) {
    std::error_code failure;
    std::string pattern = fs::temp_directory_path(failure).string() + "/sks-doctor-XXXXXX";
    if (failure || ::mkdtemp(pattern.data()) == nullptr)
      return sealed::system_error("cannot make a temporary folder " + pattern);
    path_ = pattern;
    for (const std::string& file : kept_files(files)) {
      if (!sealed::exists(file)) continue;
      const fs::path copy = fs::path(path_) / fs::path(file).filename();
      fs::copy_file(file, copy, failure);
      if (!failure) fs::permissions(copy, fs::perms::owner_read | fs::perms::owner_write, failure);
      if (failure) return Error{Status::storage, "cannot copy " + file + ": " + failure.message()};
    }
    return {};
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// What the checks share.
struct Patient {
  Files files;
  WatchedSecrets& secrets;
  Copy& copy;
  Examination& examination;

  void add(Level level, std::string text, std::string advice = {}) const {
    // Whoever reads this knows nothing of the copy.
    for (std::size_t at; !copy.path().empty() && (at = text.find(copy.path())) != std::string::npos;)
      text.replace(at, copy.path().size(), files.folder);
    examination.findings.push_back({level, std::move(text), std::move(advice)});
  }
};

/// Whether it makes sense to go on.
enum class Next : std::uint8_t { go_on, stop };

Next check_folder(Patient& patient) {
  const Files& files = patient.files;
  const Result<void> place = sealed::check_place(files);
  if (!place && place.error().status == Status::not_available) {
    const bool has_key = sealed::exists(files.master_key);
    patient.add(Level::problem, has_key ? files.database + " is missing" : place.error().detail,
                has_key ? kBring : "'sks init' makes one; --store and --persona choose another");
    return Next::stop;
  }
  // Permissions are no reason not to look further.
  if (!place)
    patient.add(Level::problem, place.error().detail, "do so, unless others may have copied the keys: then enrol anew");
  if (place) patient.add(Level::good, "the folder " + files.folder + " is closed to others");
  return Next::go_on;
}

bool leads_somewhere(const std::string& link) {
  struct stat info {};
  return ::stat(link.c_str(), &info) == 0;
}

/// What a file of a key store cannot be.
struct Unusable {
  bool (*holds)(const struct stat& info, const std::string& path);
  const char* what;
  const char* advice;
};
constexpr auto kUnusable = std::to_array<Unusable>({
    {[](const struct stat& info, const std::string& path) { return S_ISLNK(info.st_mode) && !leads_somewhere(path); },
     " is a link to a file that is not there",
     "make that file available, on a medium that is not mounted perhaps, or bring the file itself to this place"},
    {[](const struct stat& info, const std::string&) { return !S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode); },
     " is not a file", "bring the file back to this place from a copy of the key store"},
    {[](const struct stat&, const std::string& path) { return ::access(path.c_str(), R_OK | W_OK) != 0; },
     " may not be read and written by this user", kBeOwner},
});

Next check_files(Patient& patient) {
  Next next = Next::go_on;
  for (const std::string& path : kept_files(patient.files)) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) continue;  // what is missing, others tell
    const auto found = std::ranges::find_if(kUnusable, [&](const Unusable& row) { return row.holds(info, path); });
    if (found == kUnusable.end()) continue;
    patient.add(Level::problem, path + found->what, found->advice);
    next = Next::stop;
  }
  return next;
}

Next check_use(Patient& patient) {
  const auto holder = sealed::FolderLock::holder(patient.files.lock);
  if (!holder) return Next::go_on;
  patient.add(
      Level::note, "the key store is in use by " + *holder,
      "ask again when it has ended to have the store looked at; a sksd ends 10 minutes after its last application");
  return Next::stop;
}

/// Also where the store is not: an interrupted import did not come to make it.
Next check_imports(Patient& patient) {
  for (const std::string& left : sealed::interrupted_imports(sealed::folder_of(patient.files.folder)))
    patient.add(Level::note,
                "an import was interrupted and has left " + left + ", maybe with a master key; its file is whole",
                "delete that folder, or import the file again, which removes the folder");
  return Next::go_on;
}

Next check_leftovers(Patient& patient) {
  if (sealed::exists(patient.files.master_key + ".new"))
    patient.add(Level::note, "a change of the protection was interrupted; the one before it holds",
                "nothing: the next opening removes what is left of it");
  const std::string prefix = fs::path(patient.files.folder).filename().string() + ".new-";
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(fs::path(patient.files.folder).parent_path(), ignored))
    if (entry.path().filename().string().starts_with(prefix))
      patient.add(Level::note, "the making of a key store was interrupted and has left " + entry.path().string(),
                  "delete that folder");
  return Next::go_on;
}

Next check_database(Patient& patient) {
  const Result<void> sound = [&]() -> Result<void> {
    SKS_LET(sealed::Database database, sealed::Database::open(patient.copy.path() + "/store.db"));
    SKS_TRY(sealed::configure(database));
    SKS_LET(const std::uint32_t version, sealed::check_format(database, patient.files.folder));
    SKS_LET(sealed::Statement check, database.prepare("PRAGMA integrity_check(1)"));
    SKS_LET(const bool row, check.step());
    if (!row || check.text(0) != "ok")
      return Error{Status::storage,
                   "the database " + patient.files.database + " is damaged: " + (row ? check.text(0) : "")};
    if (version < sealed::kFormatVersion)
      patient.add(Level::note, "the key store has format version " + std::to_string(version),
                  "nothing: the next opening brings it to version " + std::to_string(sealed::kFormatVersion));
    return {};
  }();
  if (!sound) {
    const bool newer = sound.error().detail.find("format version") != std::string::npos;
    patient.add(Level::problem, sound.error().detail, newer ? "use the program that wrote it, or a newer one" : kBring);
    return Next::stop;
  }
  patient.add(Level::good, "the database is sound");
  return Next::go_on;
}

/// What can be done about a master key that cannot be had, by the status of the failure.
std::string key_advice(Status status, std::string_view provider) {
  struct Row {
    std::string_view provider;
    Status status;
    const char* advice;
  };
  constexpr auto kRows = std::to_array<Row>({
      {"passphrase", Status::authorization, "give the right passphrase; nobody can bring back a forgotten one"},
      {"tpm2", Status::authorization,
       "boot the machine as it was when the key was sealed; after an update that changed it for "
       "good, only a backup and new enrolments help"},
      {"tpm2", Status::not_available, "make the TPM available to this user, or set SKS_TPM2_TCTI when it is elsewhere"},
      {"tpm2", Status::no_key,
       "bring the folder back to the machine with that TPM; if it was cleared, nobody can open this key store: move "
       "the "
       "folder away, make a new one with 'sks init', restore what a backup file has with 'sks restore', and enrol anew "
       "for the rest"},
  });
  for (const Row& row : kRows)
    if (row.provider == provider && row.status == status) return row.advice;
  return kBring;
}

Next check_master_key(Patient& patient) {
  const sealed::MasterKeyFile file(patient.files.master_key, patient.files.folder);
  const auto provider = file.provider();
  if (!provider) {
    // Permissions are no reason not to look further here either.
    struct stat info {};
    const bool open_to_others = ::stat(patient.files.master_key.c_str(), &info) == 0 && (info.st_mode & 077) != 0;
    patient.add(Level::problem, provider.error().detail,
                open_to_others ? "do so, unless others may have copied it" : kBring);
    if (!open_to_others) return Next::stop;
  }
  auto store = SqliteStore::open_without_anchor(patient.copy.path(), patient.secrets);
  if (!store) {
    const std::string_view name = provider ? (*provider)->name : std::string_view();
    patient.add(Level::problem, store.error().detail,
                patient.secrets.missing() ? kGiveKeyPassphrase : key_advice(store.error().status, name));
    return Next::stop;
  }
  patient.examination.store = std::move(*store);
  if (provider)
    patient.add(Level::good, "the master key opens the store; it is protected by: " + std::string((*provider)->name));
  return Next::go_on;
}

Next check_records(Patient& patient) {
  std::vector<std::string> bad;
  const auto good = patient.examination.store->check_records([&](const Error& error) { bad.push_back(error.detail); });
  if (!good) patient.add(Level::problem, good.error().detail, kBring);
  for (std::size_t i = 0; i < std::min(bad.size(), kNamed); ++i)
    patient.add(Level::problem, bad[i], i == 0 ? kBring : "");
  if (bad.size() > kNamed)
    patient.add(Level::problem, "and " + std::to_string(bad.size() - kNamed) + " more like these");
  patient.examination.records_are_good = good && bad.empty();
  if (patient.examination.records_are_good)
    patient.add(Level::good, "all " + std::to_string(*good) + " sealed records are whole, and none is missing");
  return Next::go_on;
}

Next check_anchor(Patient& patient) {
  const auto name = patient.examination.store->anchor_name();
  if (!name) {
    patient.add(Level::problem, name.error().detail, kBring);
    return Next::stop;
  }
  if (*name == sealed::to_string(sealed::AnchorChoice{})) {
    patient.add(Level::note,
                "the key store has no anchor: nothing notices when all of it is put back to an earlier state",
                "'sks anchor file:PATH' with a path on another medium, or 'sks anchor tpm2'");
    return Next::go_on;
  }
  const Result<void> agrees = patient.examination.store->check_anchor();
  if (agrees) {
    patient.add(Level::good, "the key store is as new as its anchor knows it (" + *name + ")");
    return Next::go_on;
  }
  const auto state = patient.examination.store->compare_with_anchor();
  const bool store_is_older = state && *state == sealed::AnchorState::rolled_back;
  const bool out_of_reach = agrees.error().status == Status::not_available;
  patient.add(
      Level::problem, agrees.error().detail,
      store_is_older ? "bring back the latest copy; if you put an earlier one back yourself and there is no later "
                       "one, 'sks anchor --lost none' accepts that PIN tries and deletions since then are forgotten"
      : out_of_reach ? "bring the anchor back into reach; if it is lost for good, 'sks anchor --lost none' gives up "
                       "what it protected"
                     : "the anchor and not the key store is wrong: bring back the right one; if there is none, 'sks "
                       "anchor --lost none' gives up what it protected");
  return Next::go_on;
}

using Check = Next (*)(Patient&);
constexpr auto kBeforeCopying =
    std::to_array<Check>({check_imports, check_folder, check_files, check_use, check_leftovers});
constexpr auto kOnTheCopy = std::to_array<Check>({check_database, check_master_key, check_records, check_anchor});

bool run_all(std::span<const Check> checks, Patient& patient) {
  return std::ranges::all_of(checks, [&](Check check) { return check(patient) == Next::go_on; });
}

}  // namespace

Result<Examination> examine_store(const std::string& folder, SecretSource& secrets) {
  Examination examination;
  if (::access(folder.c_str(), R_OK | W_OK | X_OK) != 0 && errno == EACCES) {
    examination.findings.push_back({Level::problem, "this user may not work in " + folder, kBeOwner});
    return examination;
  }
  SKS_LET(const fs::path place, sealed::absolute_path(folder));
  const auto copy = std::make_shared<Copy>();
  examination.folder = copy;
  WatchedSecrets watched(secrets);
  Patient patient{Files(place.string()), watched, *copy, examination};
  if (!run_all(kBeforeCopying, patient)) return examination;
  SKS_TRY(copy->make(patient.files));
  if (check_use(patient) == Next::stop) return examination;  // whoever came meanwhile may have written to it
  run_all(kOnTheCopy, patient);
  return examination;
}

}  // namespace sks
