#include "sealed-storage/sqlite_store.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <limits>

#include "sealed-storage/log_sync.h"
#include "sealed-storage/record.h"
#include "sealed-storage/schema.h"
#include "sealed-storage/sqlite.h"
#include "sealed-storage/store_anchor.h"
#include "sealed-storage/store_folder.h"
#include "sealed-storage/store_index.h"
#include "sealed-storage/upgrade.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/cipher.h"

namespace sks {
namespace {

using sealed::Database;
using sealed::Files;
using sealed::RecordSealer;
using sealed::Statement;
using sealed::StoreAnchor;
using sealed::StoreIndex;

/// The kinds that belong to the engine; the others are the store's own.
constexpr std::uint8_t kFirstEngineKind = 1;
constexpr std::uint8_t kLastEngineKind = 127;

/// No store gets there by writing, but the header's generation is not sealed.
constexpr std::int64_t kLastGeneration = std::numeric_limits<std::int64_t>::max();

/// What SQLite's log needs to erase the records of a whole session, several times over.
constexpr std::size_t kRoomSetAside = std::size_t{256} * 1024;

Bytes seal_now(const RecordSealer& sealer, sealed::RecordLabel label, ByteView plaintext) {
  const Bytes nonce = system_random().bytes(crypto::kGcmNonce);
  return sealer.seal(label, nonce, plaintext);
}

/// A record of a new store, in its table and in its index.
Result<void> write_record(Database& database, const RecordSealer& sealer, StoreIndex& index, sealed::RecordLabel label,
                          ByteView plaintext) {
  const Bytes record = seal_now(sealer, label, plaintext);
  SKS_LET(Statement put, database.prepare(sealed::kPutRecord));
  const auto generation = static_cast<std::int64_t>(label.generation);
  SKS_TRY(put.bind(1, label.kind).bind(2, label.handle).bind(3, generation).bind(4, record).run());
  index.set({label.kind, label.handle}, sealed::tag_of_record(record));
  return {};
}

/// An anchor that goes again, unless the store that it was made for came to be.
class NewStoreAnchor {
 public:
  NewStoreAnchor() = default;
  NewStoreAnchor(const NewStoreAnchor&) = delete;
  NewStoreAnchor& operator=(const NewStoreAnchor&) = delete;
  ~NewStoreAnchor() { static_cast<void>(anchor_.remove()); }

  /// What the store is to remember. `store`: the folder that the store will have.
  Result<sealed::AnchorRecord> make(const sealed::AnchorChoice& choice, const RecordSealer& sealer,
                                    const sealed::StoreId& store_id, const std::string& store, std::uint64_t& epoch) {
    SecureBytes key = sealer.anchor_key();
    SKS_LET(sealed::NewAnchor made, choice.kind->create(choice.place, {store_id, key.view(), store}));
    sealed::AnchorRecord record{choice.kind->number, std::move(made.parameters)};
    SKS_LET(anchor_, StoreAnchor::open(record, store_id, std::move(key), store));
    epoch = made.epoch;
    return record;
  }
  void keep() { anchor_ = StoreAnchor(); }

 private:
  StoreAnchor anchor_;
};

/// A new store as a whole, in an empty folder. `store`: the folder that it will have.
Result<void> write_store(const Files& files, ByteView identity_plaintext, const SecureBytes& master_key,
                         const sealed::AnchorChoice& choice, const std::string& store, NewStoreAnchor& anchor) {
  sealed::StoreId store_id{};
  system_random().fill(store_id);
  const RecordSealer sealer(master_key.view(), store_id);

  SKS_TRY(sealed::write_new_file(files.database, {}));  // SQLite takes over the mode of a file that is there
  SKS_LET(Database database, Database::open(files.database));
  SKS_TRY(sealed::configure(database));
  SKS_TRY(database.execute("PRAGMA journal_mode = WAL"));
  SKS_TRY(database.execute("BEGIN IMMEDIATE"));
  SKS_TRY(sealed::create_tables(database));

  SKS_LET(const std::unique_ptr<StoreIndex> index, StoreIndex::open(database, sealer, {}));
  std::uint64_t generation = sealed::kFirstGeneration;
  SKS_TRY(write_record(database, sealer, *index, {sealed::kIdentityKind, 0, generation++}, identity_plaintext));
  if (choice.kind != nullptr) {
    std::uint64_t epoch = 0;
    SKS_LET(const sealed::AnchorRecord record, anchor.make(choice, sealer, store_id, store, epoch));
    SKS_TRY(write_record(database, sealer, *index, {sealed::kAnchorKind, 0, generation++}, record.encode().view()));
    index->set_epoch(epoch);
  }
  const auto last = static_cast<std::int64_t>(generation);
  SKS_LET(Bytes root, index->seal(last));
  SKS_TRY(sealed::write_header(database, {store_id, to_bytes(sealer.key_check().view()), last, std::move(root)}));
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

  Result<void> move_to(const Files& target) {
    SKS_TRY(sealed::move_into_place(path_, target));
    path_.clear();
    return {};
  }

 private:
  std::string path_;
};

/// The sealer of a store, which is brought to the current format version before.
Result<RecordSealer> unlock(Database& database, std::uint32_t version, sealed::Header& header, const Files& files,
                            SecretSource& secrets) {
  SKS_LET(const SecureBytes master_key, sealed::load_master_key(files, version, header, secrets));
  SKS_TRY(database.execute("PRAGMA journal_mode = WAL"));  // a database put back from a dump may have lost it
  if (version != sealed::kFormatVersion) SKS_TRY(sealed::upgrade(database, master_key.view(), version, header));
  return RecordSealer(master_key.view(), header.store_id);
}

struct Statements {
  Statement get;
  Statement put;
  Statement erase;
  Statement set_root;
  Statement begin;
  Statement commit;
  Statement rollback;

  static Result<Statements> prepare(Database& database) {
    SKS_LET(Statement get, database.prepare("SELECT generation, sealed FROM record WHERE kind = ?1 AND handle = ?2"));
    SKS_LET(Statement put, database.prepare(sealed::kPutRecord));
    SKS_LET(Statement erase, database.prepare("DELETE FROM record WHERE kind = ?1 AND handle = ?2"));
    SKS_LET(Statement set_root, database.prepare("UPDATE store SET generation = ?1, root = ?2"));
    SKS_LET(Statement begin, database.prepare("BEGIN IMMEDIATE"));
    SKS_LET(Statement commit, database.prepare("COMMIT"));
    SKS_LET(Statement rollback, database.prepare("ROLLBACK"));
    return Statements{std::move(get),   std::move(put),    std::move(erase),   std::move(set_root),
                      std::move(begin), std::move(commit), std::move(rollback)};
  }
};

std::uint8_t engine_kind(RecordKind kind) {
  const auto number = static_cast<std::uint8_t>(kind);
  SKS_CHECK(number >= kFirstEngineKind && number <= kLastEngineKind);
  return number;
}

/// A seal has a nonce of its own, so that equal values have different tags too.
RecordMark mark_of(const sealed::Tag& tag) {
  RecordMark mark = 0;
  for (std::size_t i = 0; i < sizeof(mark); ++i) mark = mark << 8U | tag.at(i);
  return mark;
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
  sealed::StoreId store_id;
  std::string folder;
  StoreAnchor anchor = {};
  bool in_transaction = false;
  std::unique_ptr<sealed::LogSync> log = nullptr;
  /// Whether the transaction that runs may write. A log in doubt on a disk that takes nothing keeps nobody from
  /// reading.
  Result<void> order = {};

  /// An SQLite connection must not be used across a fork.
  Result<void> check_process() const {
    if (lock.held()) return {};
    return Error{Status::not_available, "this process was forked off by the one that opened the key store"};
  }

  /// The plaintext of a record. What the index does not know of is not there, whatever the table has.
  Result<std::optional<SecureBytes>> read(std::uint8_t kind, std::uint32_t handle, std::int64_t newest) {
    SKS_TRY(check_process());
    SKS_LET(const std::optional<sealed::Tag> tag, index->find({kind, handle}));
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

  /// What the store remembers of its anchor, if it has one. Fails with crypto.
  Result<std::optional<sealed::AnchorRecord>> anchor_record() {
    SKS_LET(const std::optional<sealed::Tag> tag, index->find({sealed::kAnchorKind, 0}));
    if (tag.has_value() != (index->epoch() > 0))
      return Error{Status::crypto, "the key store in " + folder + " contradicts itself about its anchor"};
    if (!tag) return std::optional<sealed::AnchorRecord>();
    SKS_LET(const std::optional<SecureBytes> plaintext, read(sealed::kAnchorKind, 0, committed_generation));
    SKS_CHECK(plaintext.has_value());
    SKS_LET(sealed::AnchorRecord record, sealed::AnchorRecord::decode(plaintext->view()));
    return std::optional(std::move(record));
  }

  Result<void> open_anchor(AnchorCheck check) {
    SKS_LET(const std::optional<sealed::AnchorRecord> record, anchor_record());
    if (!record || check == AnchorCheck::skipped) return {};
    SKS_LET(anchor, StoreAnchor::open(*record, store_id, sealer->anchor_key(), folder));
    return anchor.check(index->epoch());
  }

  Result<void> replace_anchor(const sealed::AnchorChoice& choice, AnchorCheck check);

  using Report = std::function<void(const Error&)>;
  /// Those that the index knows.
  std::size_t check_indexed(std::uint8_t kind, const Report& report);
  /// Those that the index does not know.
  Result<void> check_strangers(const Report& report);

  /// Begins a transaction of the database. `expect` says how it will be committed.
  Result<void> start(Result<void> (sealed::LogSync::*expect)());
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
    store_.index->drop();
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
    return put_record({engine_kind(id.kind), id.handle}, sealed::encode_value(value).view());
  }

  Result<void> erase(RecordId id) override { return erase_record({engine_kind(id.kind), id.handle}); }

  void forbid_return() override { for_good_ = true; }

  /// None: the store has no anchor from now on.
  Result<void> set_anchor(const std::optional<sealed::AnchorRecord>& record, std::uint64_t epoch) {
    constexpr sealed::RecordPlace kPlace{sealed::kAnchorKind, 0};
    store_.index->set_epoch(epoch);
    anchor_replaced_ = true;
    return record ? put_record(kPlace, record->encode().view()) : erase_record(kPlace);
  }

  /// Each row is searched anew, so that `visit` may write.
  Result<void> scan(RecordKind kind, const std::function<Result<void>(std::uint32_t, ByteView)>& visit) override {
    const std::uint8_t number = engine_kind(kind);
    SKS_TRY(store_.check_process());
    for (std::uint64_t from = 0;;) {
      SKS_LET(const std::optional<std::uint32_t> handle, store_.index->next(number, from));
      if (!handle) return {};
      from = std::uint64_t{*handle} + 1;
      SKS_LET(const std::optional<SecureBytes> plaintext, store_.read(number, *handle, generation_));
      SKS_CHECK(plaintext.has_value());
      SKS_LET(const ByteView value, sealed::decode_value(plaintext->view()));
      SKS_TRY(visit(*handle, value));
    }
  }

  Result<void> commit() override {
    const bool new_epoch =
        store_.index->changed() && !anchor_replaced_ && store_.anchor && (for_good_ || store_.anchor.due());
    if (!new_epoch) return commit_now();
    SKS_TRY(begin_epoch());
    if (!for_good_) return {};
    // Of an epoch that has just begun there may be other stores: made out of a copy, and cut off before they reached
    // the anchor. A second epoch is one that none of them has.
    SKS_TRY(enter(store_.log->expect_commit()));
    SKS_TRY(enter(store_.statements.begin.run()));
    return begin_epoch();
  }

 private:
  Result<void> put_record(sealed::RecordPlace place, ByteView plaintext) {
    SKS_LET(const std::int64_t generation, next_generation());
    const sealed::RecordLabel label{place.kind, place.handle, static_cast<std::uint64_t>(generation)};
    const Bytes record = seal_now(*store_.sealer, label, plaintext);
    Statement& put = store_.statements.put;
    SKS_TRY(write(put.bind(1, place.kind).bind(2, place.handle).bind(3, generation).bind(4, record)));
    store_.index->set(place, sealed::tag_of_record(record));
    return {};
  }

  Result<void> erase_record(sealed::RecordPlace place) {
    SKS_TRY(write(store_.statements.erase.bind(1, place.kind).bind(2, place.handle)));
    return enter(store_.index->erase(place));
  }

  // The store goes ahead and the anchor follows: a crash in between leaves one epoch between them, which is allowed.
  Result<void> begin_epoch() {
    SKS_TRY(enter(store_.anchor.prepare(store_.index->epoch())));
    store_.index->set_epoch(store_.index->epoch() + 1);
    SKS_TRY(commit_now());
    SKS_TRY(store_.log->make_durable());
    return enter(store_.anchor.advance(store_.index->epoch()));
  }

  Result<void> commit_now() {
    if (store_.index->changed()) SKS_TRY(write_root());
    SKS_TRY(check_running());
    Result<void> done = enter(store_.statements.commit.run());
    if (done) {
      store_.committed_generation = generation_;
      store_.index->keep();
    }
    return store_.log->committed(std::move(done));
  }

  Result<void> write_root() {
    SKS_LET(const std::int64_t generation, next_generation());
    SKS_TRY(check_running());
    const Result<Bytes> root = enter(store_.index->seal(generation));
    if (!root) return root.error();
    return write(store_.statements.set_root.bind(1, generation).bind(2, *root));
  }

  Result<std::int64_t> next_generation() {
    if (generation_ == kLastGeneration)
      return Error{Status::storage, "the key store has used up the generations of its records"};
    return ++generation_;
  }

  /// After a failed write SQLite may have rolled back: what followed would then be durable one by one.
  Result<void> check_running() const {
    SKS_TRY(store_.order);
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

  template <class T>
  Result<T> enter(Result<T> done) {
    failed_ = failed_ || !done;
    return done;
  }

  Impl& store_;
  std::int64_t generation_;
  bool failed_ = false;
  bool for_good_ = false;
  bool anchor_replaced_ = false;
};

Result<void> SqliteStore::Impl::replace_anchor(const sealed::AnchorChoice& choice, AnchorCheck check) {
  SKS_LET(const std::optional<sealed::AnchorRecord> before, anchor_record());
  std::optional<sealed::AnchorRecord> after;
  std::uint64_t epoch = 0;
  if (choice.kind != nullptr) {
    const SecureBytes key = sealer->anchor_key();
    const bool same_kind = before && before->number == choice.kind->number;
    SKS_LET(sealed::NewAnchor made,
            choice.kind->create(choice.place,
                                {store_id, key.view(), folder, static_cast<std::uint64_t>(committed_generation),
                                 index->epoch(), same_kind ? ByteView(before->parameters) : ByteView()}));
    after = sealed::AnchorRecord{choice.kind->number, std::move(made.parameters)};
    epoch = made.epoch;
  }
  if (before != after || epoch != index->epoch()) {
    SKS_TRY(start(&sealed::LogSync::expect_commit));
    SealedTransaction transaction(*this);
    SKS_TRY(transaction.set_anchor(after, epoch));
    SKS_TRY(transaction.commit());  // a new anchor stays behind when this fails: the commit may have been made
  }
  if (before == after || check == AnchorCheck::skipped) return {};
  if (Result<void> removed = anchor.remove(); !removed)
    return Error{Status::storage,
                 "the anchor was changed, but the earlier one is still there: " + removed.error().detail};
  return {};
}

std::size_t SqliteStore::Impl::check_indexed(std::uint8_t kind, const Report& report) {
  std::size_t good = 0;
  for (std::uint64_t from = 0;;) {
    const Result<std::optional<std::uint32_t>> handle = index->next(kind, from);
    if (!handle) report(handle.error());
    if (!handle || !*handle) return good;
    from = std::uint64_t{**handle} + 1;
    const auto record = read(kind, **handle, committed_generation);
    if (!record) report(record.error());
    if (record) ++good;
  }
}

Result<void> SqliteStore::Impl::check_strangers(const Report& report) {
  SKS_LET(Statement rows, database.prepare("SELECT kind, handle FROM record"));
  while (true) {
    SKS_LET(const bool row, rows.step());
    if (!row) return {};
    const std::int64_t kind = rows.integer(0);
    const std::int64_t handle = rows.integer(1);
    const bool possible = kind >= 1 && kind <= UINT8_MAX && handle >= 0 && handle <= UINT32_MAX;
    if (possible) {
      const auto tag = index->find({static_cast<std::uint8_t>(kind), static_cast<std::uint32_t>(handle)});
      if (!tag || *tag) continue;  // known, or its part of the index was reported before
    }
    report({Status::crypto, "the sealed record " + std::to_string(kind) + "/" + std::to_string(handle) +
                                " was altered or does not belong there"});
  }
}

Result<void> SqliteStore::Impl::start(Result<void> (sealed::LogSync::*expect)()) {
  SKS_TRY(check_process());
  if (in_transaction) return Error{Status::storage, "a transaction is open already"};
  order = log->restore_order();
  SKS_TRY(((*log).*expect)());
  return statements.begin.run();
}

Result<std::unique_ptr<Storage::Transaction>> SqliteStore::Impl::begin(Result<void> (sealed::LogSync::*expect)()) {
  SKS_TRY(start(expect));
  return std::unique_ptr<Transaction>(std::make_unique<SealedTransaction>(*this));
}

SqliteStore::SqliteStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SqliteStore::~SqliteStore() {
  SKS_CHECK(!impl_->in_transaction);
  // It belongs to the process that forked this one off, or closing would move what is in doubt into the database.
  if (!impl_->lock.held() || !impl_->log->restore_order()) impl_->database.leave_log();
}

Result<void> SqliteStore::create(const std::string& folder, const StoredIdentity& identity,
                                 const sealed::Protection& protection, SecretSource& secrets,
                                 const sealed::AnchorChoice& anchor) {
  const std::vector<ByteView> path(identity.certificate_path.begin(), identity.certificate_path.end());
  SKS_LET(const SecureBytes plaintext, sealed::encode_identity({path, identity.private_key.view()}));
  SKS_LET(const std::filesystem::path place, sealed::absolute_path(folder));
  const Files target(place.string());
  if (sealed::exists(target.database))
    return Error{Status::option, "there is a key store in " + target.folder + " already"};

  SKS_TRY(sealed::make_parents(place));
  std::string pattern = target.folder + ".new-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) return sealed::system_error("cannot create " + target.folder);
  TemporaryFolder temporary(pattern);
  const Files files(temporary.path());
  const auto master_key =
      sealed::MasterKeyFile(files.master_key, target.folder).create(protection, secrets, system_random());
  if (!master_key) return temporary.renamed(master_key.error(), target.folder);
  NewStoreAnchor made;
  Result<void> written = write_store(files, plaintext.view(), *master_key, anchor, target.folder, made);
  if (!written) return temporary.renamed(std::move(written).error(), target.folder);
  SKS_TRY(sealed::sync_folder(temporary.path()));
  SKS_TRY(temporary.move_to(target));
  made.keep();
  return sealed::sync_name(target.folder);
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::open_with(const std::string& folder, SecretSource& secrets,
                                                            std::chrono::milliseconds patience, AnchorCheck check) {
  SKS_LET(const std::filesystem::path place, sealed::absolute_path(folder));
  const Files files(place.string());
  SKS_LET(sealed::HeldStore held, sealed::hold_store(files, patience));
  SKS_LET(RecordSealer unlocked, unlock(held.database, held.version, held.header, files, secrets));
  SKS_LET(Statements statements, Statements::prepare(held.database));
  auto sealer = std::make_unique<RecordSealer>(std::move(unlocked));
  auto impl = std::unique_ptr<Impl>(new Impl{std::move(held.lock), std::move(held.database), std::move(statements),
                                             std::move(sealer), nullptr, held.header.generation, files.room,
                                             held.header.store_id, files.folder});
  SKS_LET(sealed::RootRecord root, sealed::open_root(*impl->sealer, held.header.generation, held.header.root));
  SKS_LET(impl->index, StoreIndex::open(impl->database, *impl->sealer, std::move(root)));
  SKS_LET(impl->log, sealed::LogSync::open(impl->database));
  SKS_TRY(impl->open_anchor(check));
  sealed::set_room_aside(files.room, kRoomSetAside);
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(impl)));
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& folder, SecretSource& secrets,
                                                       std::chrono::milliseconds patience) {
  return open_with(folder, secrets, patience, AnchorCheck::required);
}

Result<void> SqliteStore::set_anchor(const std::string& folder, const sealed::AnchorChoice& anchor,
                                     SecretSource& secrets, AnchorCheck check, std::chrono::milliseconds patience) {
  SKS_LET(const std::unique_ptr<SqliteStore> store, open_with(folder, secrets, patience, check));
  return store->impl_->replace_anchor(anchor, check);
}

Result<void> SqliteStore::reprotect(const std::string& folder, const sealed::Protection& protection,
                                    SecretSource& secrets, std::chrono::milliseconds patience) {
  SKS_LET(const std::filesystem::path place, sealed::absolute_path(folder));
  const Files files(place.string());
  SKS_LET(const sealed::HeldStore held, sealed::hold_store(files, patience));
  SKS_LET(const SecureBytes master_key, sealed::load_master_key(files, held.version, held.header, secrets));
  return sealed::MasterKeyFile(files.master_key, files.folder)
      .replace(master_key.view(), protection, secrets, system_random());
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::open_without_anchor(const std::string& folder,
                                                                      SecretSource& secrets) {
  return open_with(folder, secrets, {}, AnchorCheck::skipped);
}

Result<std::string> SqliteStore::anchor_name() {
  SKS_LET(const std::optional<sealed::AnchorRecord> record, impl_->anchor_record());
  if (!record) return sealed::to_string(sealed::AnchorChoice{});
  const sealed::AnchorKind* const kind = sealed::find_anchor_kind(record->number);
  if (kind == nullptr) return "number " + std::to_string(record->number);
  return sealed::to_string({kind, kind->takes_place ? to_string(record->parameters) : std::string()});
}

Result<void> SqliteStore::check_anchor() {
  SKS_LET(const std::optional<sealed::AnchorRecord> record, impl_->anchor_record());
  if (!record) return {};
  SKS_LET(StoreAnchor anchor, StoreAnchor::open(*record, impl_->store_id, impl_->sealer->anchor_key(), impl_->folder));
  return anchor.check(impl_->index->epoch());
}

Result<sealed::AnchorState> SqliteStore::compare_with_anchor() {
  SKS_LET(const std::optional<sealed::AnchorRecord> record, impl_->anchor_record());
  if (!record) return sealed::AnchorState::none;
  SKS_LET(StoreAnchor anchor, StoreAnchor::open(*record, impl_->store_id, impl_->sealer->anchor_key(), impl_->folder));
  return anchor.compare(impl_->index->epoch());
}

Result<std::size_t> SqliteStore::check_records(const std::function<void(const Error&)>& report) {
  SKS_TRY(impl_->check_process());
  std::size_t good = 0;
  for (unsigned kind = 1; kind <= UINT8_MAX; ++kind)
    good += impl_->check_indexed(static_cast<std::uint8_t>(kind), report);
  SKS_TRY(impl_->check_strangers(report));
  return good;
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

Result<bool> SqliteStore::visit_marks(RecordKind kind,
                                      const std::function<void(std::uint32_t handle, RecordMark mark)>& visit) {
  SKS_TRY(impl_->check_process());
  SKS_CHECK(!impl_->in_transaction);
  SKS_TRY(impl_->index->visit(engine_kind(kind),
                              [&](std::uint32_t handle, const sealed::Tag& tag) { visit(handle, mark_of(tag)); }));
  return true;
}

Result<std::optional<RecordMark>> SqliteStore::mark(RecordId id) {
  SKS_TRY(impl_->check_process());
  SKS_CHECK(!impl_->in_transaction);
  SKS_LET(const std::optional<sealed::Tag> tag, impl_->index->find({engine_kind(id.kind), id.handle}));
  return tag ? std::optional(mark_of(*tag)) : std::nullopt;
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
