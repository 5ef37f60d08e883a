#include "sealed-storage/sqlite_store.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "sealed-storage/folder_lock.h"
#include "sealed-storage/log_sync.h"
#include "sealed-storage/record.h"
#include "sealed-storage/schema.h"
#include "sealed-storage/sqlite.h"
#include "sealed-storage/store_index.h"
#include "sealed-storage/upgrade.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/cipher.h"

namespace sks {
namespace {

using sealed::Database;
using sealed::RecordSealer;
using sealed::Statement;
using sealed::StoreIndex;

/// The kinds that belong to the engine; the others are the store's own.
constexpr std::uint8_t kFirstEngineKind = 1;
constexpr std::uint8_t kLastEngineKind = 127;

/// No store gets there by writing, but the header's generation is not sealed.
constexpr std::int64_t kLastGeneration = std::numeric_limits<std::int64_t>::max();

struct Files {
  explicit Files(std::string path) : folder(std::move(path)) {}

  std::string folder;
  std::string database = folder + "/store.db";
  std::string master_key = folder + "/master.key";
  std::string lock = folder + "/lock";
  std::string room = folder + "/room";
};

/// What SQLite's log needs to erase the records of a whole session, several times over.
constexpr std::size_t kRoomSetAside = std::size_t{256} * 1024;

bool exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

/// Durability and locking of a connection. Exclusive locking keeps SQLite from sharing its index through a file: nobody
/// else uses the store anyway.
Result<void> configure(Database& database) {
  return database.execute(
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; "
      "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY");
}

Bytes seal_now(const RecordSealer& sealer, sealed::RecordLabel label, ByteView plaintext) {
  const Bytes nonce = system_random().bytes(crypto::kGcmNonce);
  return sealer.seal(label, nonce, plaintext);
}

/// A new store as a whole, in an empty folder.
Result<void> write_store(const Files& files, ByteView identity_plaintext, const SecureBytes& master_key) {
  sealed::StoreId store_id{};
  system_random().fill(store_id);
  const RecordSealer sealer(master_key.view(), store_id);

  SKS_TRY(sealed::write_new_file(files.database, {}));  // SQLite takes over the mode of a file that is there
  SKS_LET(Database database, Database::open(files.database));
  SKS_TRY(configure(database));
  SKS_TRY(database.execute("PRAGMA journal_mode = WAL"));
  SKS_TRY(database.execute("BEGIN IMMEDIATE"));
  SKS_TRY(sealed::create_tables(database));

  constexpr std::int64_t kIdentityGeneration = sealed::kFirstGeneration;
  const Bytes record = seal_now(sealer, {sealed::kIdentityKind, 0, kIdentityGeneration}, identity_plaintext);
  SKS_LET(Statement put, database.prepare(sealed::kPutRecord));
  SKS_TRY(put.bind(1, sealed::kIdentityKind).bind(2, 0).bind(3, kIdentityGeneration).bind(4, record).run());

  SKS_LET(const std::unique_ptr<StoreIndex> index, StoreIndex::make(database, sealer));
  SKS_TRY(index->tree().set(sealed::kIdentityKind, 0, sealed::tag_of_record(record)));
  constexpr std::int64_t kRootGeneration = kIdentityGeneration + 1;
  SKS_TRY(index->write(kRootGeneration));
  SKS_TRY(sealed::write_header(database, {store_id, to_bytes(sealer.key_check().view()), kRootGeneration}));
  return database.execute("COMMIT");
}

/// Removes the folder with all its content, unless it was given its final place.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }

  /// The error with `name` instead of a folder that nobody else knows.
  Error renamed(Error error, const std::string& name) const {
    if (const std::size_t at = error.detail.find(path_); at != std::string::npos)
      error.detail.replace(at, path_.size(), name);
    return error;
  }

  /// Replaces an empty folder and nothing else.
  Result<void> move_to(const Files& target) {
    if (std::rename(path_.c_str(), target.folder.c_str()) == 0) {
      path_.clear();
      return {};
    }
    if (errno == EEXIST || errno == ENOTEMPTY) {
      return Error{Status::option, exists(target.database)
                                       ? "there is a key store in " + target.folder + " already"
                                       : target.folder + " is not empty: a key store needs a folder of its own"};
    }
    if (errno == EBUSY || errno == EXDEV) {
      return Error{Status::option, target.folder + " is a mount point: name a folder in it for the key store"};
    }
    if (errno == ENOTDIR) return Error{Status::option, target.folder + " is not a folder"};
    return sealed::system_error("cannot create " + target.folder);
  }

 private:
  std::string path_;
};

/// The absolute path of a folder that need not exist, without a slash at its end.
Result<std::filesystem::path> absolute_path(const std::string& folder) {
  if (folder.empty()) return Error{Status::option, "a key store needs the name of a folder"};
  std::error_code failure;
  const std::filesystem::path absolute = std::filesystem::absolute(folder, failure);
  if (failure) return Error{Status::storage, "cannot use " + folder + ": " + failure.message()};
  std::filesystem::path path = std::filesystem::weakly_canonical(absolute, failure);
  if (failure) return Error{Status::storage, "cannot use " + folder + ": " + failure.message()};
  return path.has_filename() ? path : path.parent_path();
}

Result<void> check_place(const Files& files) {
  if (!exists(files.database)) {
    if (errno == ENOENT || errno == ENOTDIR)
      return Error{Status::not_available, "there is no key store in " + files.folder};
    return sealed::system_error("cannot read " + files.database);
  }
  return sealed::check_private_folder(files.folder);
}

/// The master key of a store, which has been found to be its.
Result<SecureBytes> load_master_key(const Files& files, std::uint32_t version, const sealed::Header& header,
                                    SecretSource& secrets) {
  SKS_LET(SecureBytes master_key, sealed::MasterKeyFile(files.master_key, files.folder).load(secrets));
  const RecordSealer found(master_key.view(), header.store_id, version);
  if (equal_constant_time(found.key_check().view(), header.key_check)) return master_key;
  return Error{Status::crypto, "the master key does not belong to the key store in " + files.folder};
}

/// The sealer of a store, which is brought to the current format version before.
Result<RecordSealer> unlock(Database& database, std::uint32_t version, sealed::Header& header, const Files& files,
                            SecretSource& secrets) {
  SKS_LET(const SecureBytes master_key, load_master_key(files, version, header, secrets));
  SKS_TRY(database.execute("PRAGMA journal_mode = WAL"));  // a database put back from a dump may have lost it
  if (version != sealed::kFormatVersion) SKS_TRY(sealed::upgrade(database, master_key.view(), version, header));
  return RecordSealer(master_key.view(), header.store_id);
}

struct Statements {
  Statement get;
  Statement put;
  Statement erase;
  Statement set_generation;
  Statement begin;
  Statement commit;
  Statement rollback;

  static Result<Statements> prepare(Database& database) {
    SKS_LET(Statement get, database.prepare("SELECT generation, sealed FROM record WHERE kind = ?1 AND handle = ?2"));
    SKS_LET(Statement put, database.prepare(sealed::kPutRecord));
    SKS_LET(Statement erase, database.prepare("DELETE FROM record WHERE kind = ?1 AND handle = ?2"));
    SKS_LET(Statement set_generation, database.prepare("UPDATE store SET generation = ?1"));
    SKS_LET(Statement begin, database.prepare("BEGIN IMMEDIATE"));
    SKS_LET(Statement commit, database.prepare("COMMIT"));
    SKS_LET(Statement rollback, database.prepare("ROLLBACK"));
    return Statements{std::move(get),   std::move(put),    std::move(erase),   std::move(set_generation),
                      std::move(begin), std::move(commit), std::move(rollback)};
  }
};

std::uint8_t engine_kind(RecordKind kind) {
  const auto number = static_cast<std::uint8_t>(kind);
  SKS_CHECK(number >= kFirstEngineKind && number <= kLastEngineKind);
  return number;
}

}  // namespace

// Members are destroyed from the end: the statements before the database, the lock last.
struct SqliteStore::Impl {
  sealed::FolderLock lock;
  Database database;
  Statements statements;
  std::unique_ptr<RecordSealer> sealer;
  std::unique_ptr<StoreIndex> index;
  std::int64_t committed_generation;
  std::string room;
  bool in_transaction = false;
  std::unique_ptr<sealed::LogSync> log = nullptr;

  /// An SQLite connection must not be used across a fork.
  Result<void> check_process() const {
    if (lock.held()) return {};
    return Error{Status::not_available, "this process was forked off by the one that opened the key store"};
  }

  /// The plaintext of a record. What the index does not know of is not there, whatever the table has.
  Result<std::optional<SecureBytes>> read(std::uint8_t kind, std::uint32_t handle, std::int64_t newest) {
    SKS_TRY(check_process());
    SKS_LET(const std::optional<sealed::Tag> tag, index->tree().find(kind, handle));
    const sealed::StatementReset guard(statements.get);
    SKS_LET(const bool row, statements.get.bind(1, kind).bind(2, handle).step());
    const std::string name = "the sealed record " + std::to_string(kind) + "/" + std::to_string(handle);
    if (!row && !tag) return std::optional<SecureBytes>();
    if (!row) return Error{Status::crypto, name + " is missing"};
    if (!tag) return Error{Status::crypto, name + " was altered or does not belong there"};
    const std::int64_t generation = statements.get.integer(0);
    if (generation < 1 || generation > newest)
      return Error{Status::crypto, name + " claims to be newer than the key store"};
    const ByteView sealed_record = statements.get.blob(1);
    SKS_LET(SecureBytes plaintext, sealer->open({kind, handle, static_cast<std::uint64_t>(generation)}, sealed_record));
    if (!equal_constant_time(sealed::tag_of_record(sealed_record), *tag))
      return Error{Status::crypto, name + " was replaced by an earlier one"};
    return std::optional(std::move(plaintext));
  }

  /// `expect` says how the transaction will be committed.
  Result<std::unique_ptr<Transaction>> begin(Result<void> (sealed::LogSync::*expect)());

  class SealedTransaction;
};

class SqliteStore::Impl::SealedTransaction final : public Storage::Transaction {
 public:
  /// `store` is inside BEGIN IMMEDIATE already.
  explicit SealedTransaction(Impl& store) : store_(store), generation_(store.committed_generation) {
    store_.in_transaction = true;
  }
  SealedTransaction(const SealedTransaction&) = delete;
  SealedTransaction& operator=(const SealedTransaction&) = delete;

  ~SealedTransaction() override {
    // After some errors SQLite has rolled back by itself. When ROLLBACK fails, the next BEGIN says why.
    if (store_.lock.held() && store_.database.in_transaction()) static_cast<void>(store_.statements.rollback.run());
    store_.index->tree().drop();
    store_.in_transaction = false;
  }

  Result<std::optional<SecureBytes>> get(RecordId id) override {
    SKS_LET(const std::optional<SecureBytes> plaintext, store_.read(engine_kind(id.kind), id.handle, generation_));
    if (!plaintext) return std::optional<SecureBytes>();
    SKS_LET(const ByteView value, sealed::decode_value(plaintext->view()));
    return std::optional(SecureBytes::copy_of(value));
  }

  Result<void> put(RecordId id, ByteView value) override {
    if (value.size() > sealed::kMaxValue) return Error{Status::storage, "a record is too large for the key store"};
    const std::uint8_t kind = engine_kind(id.kind);
    SKS_LET(const std::int64_t generation, next_generation());
    const SecureBytes plaintext = sealed::encode_value(value);
    const Bytes record =
        seal_now(*store_.sealer, {kind, id.handle, static_cast<std::uint64_t>(generation)}, plaintext.view());
    SKS_TRY(write(store_.statements.put.bind(1, kind).bind(2, id.handle).bind(3, generation).bind(4, record)));
    return enter(store_.index->tree().set(kind, id.handle, sealed::tag_of_record(record)));
  }

  Result<void> erase(RecordId id) override {
    const std::uint8_t kind = engine_kind(id.kind);
    SKS_TRY(write(store_.statements.erase.bind(1, kind).bind(2, id.handle)));
    return enter(store_.index->tree().erase(kind, id.handle));
  }

  /// Each row is searched anew, so that `visit` may write.
  Result<void> scan(RecordKind kind, const std::function<Result<void>(std::uint32_t, ByteView)>& visit) override {
    const std::uint8_t number = engine_kind(kind);
    SKS_TRY(store_.check_process());
    for (std::uint64_t from = 0;;) {
      SKS_LET(const std::optional<std::uint32_t> handle, store_.index->tree().next(number, from));
      if (!handle) return {};
      from = std::uint64_t{*handle} + 1;
      SKS_LET(const std::optional<SecureBytes> plaintext, store_.read(number, *handle, generation_));
      SKS_CHECK(plaintext.has_value());
      SKS_LET(const ByteView value, sealed::decode_value(plaintext->view()));
      SKS_TRY(visit(*handle, value));
    }
  }

  Result<void> commit() override {
    if (store_.index->tree().changed()) {
      SKS_LET(const std::int64_t generation, next_generation());
      SKS_TRY(check_running());
      SKS_TRY(enter(store_.index->write(generation)));
      SKS_TRY(write(store_.statements.set_generation.bind(1, generation)));
    }
    SKS_TRY(check_running());
    Result<void> done = enter(store_.statements.commit.run());
    if (done) {
      store_.committed_generation = generation_;
      store_.index->tree().keep();
    }
    return store_.log->committed(std::move(done));
  }

 private:
  Result<std::int64_t> next_generation() {
    if (generation_ == kLastGeneration)
      return Error{Status::storage, "the key store has used up the generations of its records"};
    return ++generation_;
  }

  /// After a failed write SQLite may have rolled back: what followed would then be durable one by one.
  Result<void> check_running() const {
    if (!failed_ && store_.lock.held() && store_.database.in_transaction()) return {};
    return Error{Status::storage, "the transaction has failed or ended before"};
  }

  Result<void> write(Statement& statement) {
    if (Result<void> running = check_running(); !running) {
      statement.reset();
      return running;
    }
    return enter(statement.run());
  }

  Result<void> enter(Result<void> done) {
    failed_ = failed_ || !done;
    return done;
  }

  Impl& store_;
  std::int64_t generation_;
  bool failed_ = false;
};

Result<std::unique_ptr<Storage::Transaction>> SqliteStore::Impl::begin(Result<void> (sealed::LogSync::*expect)()) {
  SKS_TRY(check_process());
  if (in_transaction) return Error{Status::storage, "a transaction is open already"};
  SKS_TRY(log->restore_order());
  SKS_TRY(((*log).*expect)());
  SKS_TRY(statements.begin.run());
  return std::unique_ptr<Transaction>(std::make_unique<SealedTransaction>(*this));
}

SqliteStore::SqliteStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SqliteStore::~SqliteStore() {
  SKS_CHECK(!impl_->in_transaction);
  // It belongs to the process that forked this one off, or closing would move what is in doubt into the database.
  if (!impl_->lock.held() || !impl_->log->restore_order()) impl_->database.leave_log();
}

Result<void> SqliteStore::create(const std::string& folder, const StoredIdentity& identity,
                                 const sealed::MasterKeyProvider& protection, SecretSource& secrets) {
  const std::vector<ByteView> path(identity.certificate_path.begin(), identity.certificate_path.end());
  SKS_LET(const SecureBytes plaintext, sealed::encode_identity({path, identity.private_key.view()}));
  SKS_LET(const std::filesystem::path place, absolute_path(folder));
  const Files target(place.string());
  if (exists(target.database)) return Error{Status::option, "there is a key store in " + target.folder + " already"};

  const std::string parent = place.parent_path().string();
  std::error_code failure;
  std::filesystem::create_directories(parent, failure);
  if (failure) return Error{Status::storage, "cannot create " + parent + ": " + failure.message()};

  std::string pattern = target.folder + ".new-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) return sealed::system_error("cannot create " + target.folder);
  TemporaryFolder temporary(pattern);
  const Files files(temporary.path());
  const auto master_key =
      sealed::MasterKeyFile(files.master_key, target.folder).create(protection, secrets, system_random());
  if (!master_key) return temporary.renamed(master_key.error(), target.folder);
  if (Result<void> written = write_store(files, plaintext.view(), *master_key); !written) {
    return temporary.renamed(std::move(written).error(), target.folder);
  }
  SKS_TRY(sealed::sync_folder(temporary.path()));
  SKS_TRY(temporary.move_to(target));
  return sealed::sync_folder(parent);
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& folder, SecretSource& secrets,
                                                       std::chrono::milliseconds patience) {
  SKS_LET(const std::filesystem::path place, absolute_path(folder));
  const Files files(place.string());
  SKS_TRY(check_place(files));
  SKS_LET(sealed::FolderLock lock, sealed::FolderLock::acquire(files.lock, patience));
  sealed::MasterKeyFile(files.master_key, files.folder).remove_leftovers();
  SKS_LET(Database database, Database::open(files.database));
  SKS_TRY(configure(database));
  SKS_LET(const std::uint32_t version, sealed::check_format(database, files.folder));
  SKS_LET(sealed::Header header, sealed::read_header(database, files.folder));
  SKS_LET(RecordSealer unlocked, unlock(database, version, header, files, secrets));
  SKS_LET(Statements statements, Statements::prepare(database));
  auto sealer = std::make_unique<RecordSealer>(std::move(unlocked));
  auto impl = std::unique_ptr<Impl>(new Impl{std::move(lock), std::move(database), std::move(statements),
                                             std::move(sealer), nullptr, header.generation, files.room});
  SKS_LET(impl->index, StoreIndex::open(impl->database, *impl->sealer, header.generation));
  SKS_LET(impl->log, sealed::LogSync::open(impl->database));
  sealed::set_room_aside(files.room, kRoomSetAside);
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(impl)));
}

Result<void> SqliteStore::reprotect(const std::string& folder, const sealed::MasterKeyProvider& protection,
                                    SecretSource& secrets, std::chrono::milliseconds patience) {
  SKS_LET(const std::filesystem::path place, absolute_path(folder));
  const Files files(place.string());
  SKS_TRY(check_place(files));
  SKS_LET(const sealed::FolderLock lock, sealed::FolderLock::acquire(files.lock, patience));
  SKS_LET(Database database, Database::open(files.database));
  SKS_TRY(configure(database));
  SKS_LET(const std::uint32_t version, sealed::check_format(database, files.folder));
  SKS_LET(const sealed::Header header, sealed::read_header(database, files.folder));
  SKS_LET(const SecureBytes master_key, load_master_key(files, version, header, secrets));
  return sealed::MasterKeyFile(files.master_key, files.folder)
      .replace(master_key.view(), protection, secrets, system_random());
}

Result<std::unique_ptr<Storage::Transaction>> SqliteStore::begin() {
  return impl_->begin(&sealed::LogSync::expect_commit);
}

Result<std::unique_ptr<Storage::Transaction>> SqliteStore::begin_shared() {
  return impl_->begin(&sealed::LogSync::expect_shared_commit);
}

Result<void> SqliteStore::make_durable() {
  SKS_TRY(impl_->check_process());
  return impl_->log->make_durable();
}

bool SqliteStore::make_room() { return impl_->lock.held() && ::unlink(impl_->room.c_str()) == 0; }

Result<StoredIdentity> SqliteStore::identity() {
  SKS_LET(const std::optional<SecureBytes> plaintext,
          impl_->read(sealed::kIdentityKind, 0, impl_->committed_generation));
  if (!plaintext) return Error{Status::crypto, "the key store has lost its device identity"};
  SKS_LET(const sealed::IdentityView view, sealed::decode_identity(plaintext->view()));
  StoredIdentity identity;
  for (const ByteView certificate : view.certificate_path) identity.certificate_path.push_back(to_bytes(certificate));
  identity.private_key = SecureBytes::copy_of(view.private_key);
  return identity;
}

}  // namespace sks
