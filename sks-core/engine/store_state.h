#pragma once

#include <set>
#include <tuple>

#include "sks-core/engine/directory.h"
#include "sks-core/engine/object_cache.h"

namespace sks::engine {

/// The committed objects of a store: a row of each in memory, the objects themselves read when they are used and kept
/// in bounded caches.
///
/// Objects are immutable: a Change replaces them. So a pointer from find() is a snapshot that outlives later changes.
class StoreState {
 public:
  /// Reads the directory. A store written before there was one gets it now. Fails with storage, or with internal when
  /// records are malformed or rows contradict one another.
  static Result<std::unique_ptr<StoreState>> load(Storage& storage);

  /// The object, or null. Fails with storage, or with internal when its record is missing or contradicts its row.
  template <class T>
  Result<std::shared_ptr<const T>> find(typename T::Handle handle) const {
    const typename T::Row* const row = find_row<T>(handle);
    if (row == nullptr) return std::shared_ptr<const T>();
    if (std::shared_ptr<const T> cached = cache<T>().find(handle); cached != nullptr) return cached;
    return read<T>(handle, *row);
  }
  /// An object that another one refers to.
  template <class T>
  Result<std::shared_ptr<const T>> get(typename T::Handle handle) const {
    SKS_LET(std::shared_ptr<const T> object, find<T>(handle));
    if (object == nullptr) return Error{Status::internal, "the store contradicts itself: an object is missing"};
    return object;
  }

  /// The row of an object, or null. Valid until the next commit.
  template <class T>
  const typename T::Row* find_row(typename T::Handle handle) const {
    return directory_.table<T>().find(handle);
  }
  /// The object with the lowest handle above `previous`.
  template <class T>
  std::optional<typename T::Handle> next(typename T::Handle previous) const {
    return directory_.table<T>().next(previous);
  }
  /// The objects that point to `target`, in ascending order. Valid until the next commit.
  template <class Link>
  typename Relation<Link>::Sources linked(const typename Relation<Link>::Target& target) const {
    return directory_.linked<Link>(target);
  }

  const Directory& directory() const { return directory_; }
  const Counters& counters() const { return counters_; }

  /// PKCS#8, or the symmetric key, of a committed key. Fails with storage, or with internal when the record is missing.
  Result<SecureBytes> key_material(KeyHandle key) const;

  /// Brings the storage up to what an earlier failure kept from it. Fails with storage.
  Result<void> catch_up();
  bool is_behind() const { return !overdue_erasures_.empty() || !overdue_pages_.empty() || !overdue_records_.empty(); }

  /// Whether the storage knows nothing of an open session: see Change::keep_in_memory().
  bool is_unwritten(ProvisioningHandle session) const { return is_unwritten(Session::kKind, session.value); }

 private:
  friend class Change;
  explicit StoreState(Storage& storage) : storage_(storage) {}

  template <class T>
  Result<std::shared_ptr<const T>> read(typename T::Handle handle, const typename T::Row& row) const;
  template <class T>
  ObjectCache<T>& cache() const {
    return std::get<ObjectCache<T>>(caches_);
  }
  bool is_unwritten(RecordKind kind, std::uint32_t handle) const { return unwritten_.contains({kind, handle}); }
  /// The records of an unwritten session and of everything made in it.
  std::set<RecordId> unwritten_records(ProvisioningHandle session) const;
  /// All of them or, when there is no memory for them, none: nothing is allocated here.
  void add_unwritten(std::map<RecordId, SecureBytes> records) noexcept;
  void forget_unwritten(RecordId id);
  /// A page without the rows of what is not written.
  template <class T>
  DirectoryPage<T> stored_page(std::uint32_t number) const;
  Result<std::optional<SecureBytes>> read_record(RecordId id) const;
  Result<void> load_directory(Storage::Transaction& transaction);
  Result<void> make_directory(Storage::Transaction& transaction);

  Storage& storage_;
  Counters counters_;
  Directory directory_;
  mutable std::tuple<ObjectCache<Session>, ObjectCache<KeyEntry>, ObjectCache<PinPolicy>, ObjectCache<PukPolicy>,
                     ObjectCache<PinGroup>, ObjectCache<Extension>>
      caches_{kSmallCache, kKeyCache, kSmallCache, kSmallCache, kSmallCache, kSmallCache};
  /// Records of objects that are gone from memory while the storage would not let go of them. Every later commit tries
  /// again, so that an aborted session does not come back once the storage works.
  std::set<RecordId> overdue_erasures_;
  /// Pages that still name those objects.
  std::set<RecordId> overdue_pages_;
  /// Records that a failed commit would have replaced or erased, as they were. The storage may have done so in spite of
  /// the failure that it reported: until the next commit these are what holds.
  std::map<RecordId, SecureBytes> overdue_records_;
  /// Records that the storage has never been given, all of them of open sessions. A session is here as a whole or not
  /// at all.
  std::map<RecordId, SecureBytes> unwritten_;
  std::size_t unwritten_bytes_ = 0;
  /// Whether handles were given out of which the storage does not know.
  bool counters_unwritten_ = false;

  static constexpr std::size_t kKeyCache = 8 << 20;      // bytes of records
  static constexpr std::size_t kSmallCache = 1 << 20;    // bytes of records
  static constexpr std::size_t kMaxUnwritten = 1 << 20;  // bytes of records
};

/// Fails with internal when rows refer to what is not there, or to what does not belong to them, or when the objects of
/// an open session cannot be read.
Result<void> check_consistency(const StoreState& state);

/// Changes to the store, collected and then made all at once. Destroying a Change without commit() drops it.
class Change {
 public:
  explicit Change(StoreState& state);
  ~Change();

  /// A new object with a handle of its own. Fails with storage when the handles are used up.
  template <class T>
  Result<T*> create() {
    std::uint32_t& next = next_handle<T>(state_.counters_);
    if (next == UINT32_MAX) return Error{Status::storage, "no handles left"};
    const typename T::Handle handle{next++};
    auto object = std::make_shared<T>();
    object->handle = handle;
    handles_allocated_ = true;
    return staged<T>().insert_or_assign(handle, std::move(object)).first->second.get();
  }

  /// The object with the changes so far, to be changed further. It must exist. Fails as StoreState::get().
  template <class T>
  Result<T*> edit(typename T::Handle handle) {
    const auto found = staged<T>().find(handle);
    if (found != staged<T>().end()) {
      SKS_CHECK(found->second != nullptr);
      return found->second.get();
    }
    SKS_LET(const std::shared_ptr<const T> committed, state_.get<T>(handle));
    return staged<T>().emplace(handle, std::make_shared<T>(*committed)).first->second.get();
  }

  /// The object with the changes so far, or null.
  template <class T>
  Result<std::shared_ptr<const T>> find(typename T::Handle handle) {
    const auto found = staged<T>().find(handle);
    if (found != staged<T>().end()) return std::shared_ptr<const T>(found->second);
    return state_.find<T>(handle);
  }

  template <class T>
  void erase(typename T::Handle handle) {
    staged<T>().insert_or_assign(handle, nullptr);
  }

  /// Gives `object` the handle `handle` in place of its own; whatever had that handle is replaced.
  template <class T>
  void rename(T& object, typename T::Handle handle) {
    const auto node = staged<T>().find(object.handle);
    SKS_CHECK(node != staged<T>().end() && node->second.get() == &object);
    std::shared_ptr<T> moved = node->second;
    node->second = nullptr;
    moved->handle = handle;
    staged<T>().insert_or_assign(handle, std::move(moved));
  }

  /// The objects that point to `target` with the changes so far, in ascending order.
  template <class Link>
  std::vector<typename Relation<Link>::Source> linked(const typename Relation<Link>::Target& target) {
    using Source = typename Link::Source;
    std::set<typename Source::Handle> sources;
    for (const auto handle : state_.linked<Link>(target)) sources.insert(handle);
    for (const auto& [handle, object] : staged<Source>()) {
      if (object != nullptr && Link::target(object->row()) == target)
        sources.insert(handle);
      else
        sources.erase(handle);
    }
    return {sources.begin(), sources.end()};
  }
  /// Whether linked() has anything; takes no longer when there is much.
  template <class Link>
  bool any_linked(const typename Relation<Link>::Target& target) {
    using Source = typename Link::Source;
    for (const auto& [handle, object] : staged<Source>())
      if (object != nullptr && Link::target(object->row()) == target) return true;
    for (const auto handle : state_.linked<Link>(target))
      if (!staged<Source>().contains(handle)) return true;
    return false;
  }

  /// The private key (PKCS#8) or symmetric key that belongs to a key of this change.
  void set_key_material(KeyHandle key, SecureBytes material) { material_.insert_or_assign(key, std::move(material)); }

  /// The storage is asked to notice when an earlier copy of it is put back over this change.
  void forbid_return() { for_good_ = true; }

  /// Makes the changes durable, then visible. After a failure with storage nothing is changed.
  Result<void> commit();
  /// Makes the changes visible. Nobody may be told of them before Storage::make_durable() has succeeded.
  Result<void> commit_shared();
  /// Makes the changes visible and leaves the storage alone; as commit_shared() when too much is in memory already, or
  /// when the storage knows their session. What is changed belongs to one open session, which is new or whose steps
  /// all came here: a crash takes it as a whole, as an abort would. Nobody may be told of the changes before
  /// write_also() has brought them to the storage.
  Result<void> keep_in_memory();
  /// Writes what was kept in memory of a session together with this change.
  void write_also(ProvisioningHandle session);
  /// For erasures that hold whatever the storage says: on failure they are made in memory and the storage catches up
  /// with the next commit.
  void commit_or_catch_up_later();
  /// For erasures alone: makes them without the storage, if it knows nothing of what goes. Returns whether it did.
  bool erase_from_memory();

 private:
  template <class T>
  using Staged = std::map<typename T::Handle, std::shared_ptr<T>>;  // null = erased
  template <class T>
  Staged<T>& staged() {
    return std::get<Staged<T>>(staged_);
  }
  template <class T>
  static std::uint32_t& next_handle(Counters& counters);

  template <class Visitor>
  void for_each_staged(Visitor visit) {
    std::apply([&](auto&... table) { (visit(table), ...); }, staged_);
  }
  template <class T>
  using Replaced = std::map<typename T::Handle, std::shared_ptr<const T>>;
  template <class T>
  Replaced<T>& replaced() {
    return std::get<Replaced<T>>(replaced_);
  }
  template <class T>
  bool is_kept(typename T::Handle handle) const;
  bool fits_into_memory();
  bool replaces(RecordId id);
  void keep_replaced();
  enum class Durability : std::uint8_t { at_once, later };
  Result<void> commit_replacing(Durability durability);
  Result<void> write(Durability durability);
  Result<void> write_overdue(Storage::Transaction& transaction);
  Result<void> write_kept(Storage::Transaction& transaction);
  template <class T>
  Result<void> write_objects(Storage::Transaction& transaction, const Staged<T>& table);
  template <class T>
  Result<void> write_pages(Storage::Transaction& transaction, const Staged<T>& table);
  void forget_written();
  void publish();
  void remember_leftovers();

  StoreState& state_;
  std::tuple<Staged<Session>, Staged<KeyEntry>, Staged<PinPolicy>, Staged<PukPolicy>, Staged<PinGroup>,
             Staged<Extension>>
      staged_;
  std::map<KeyHandle, SecureBytes> material_;
  // What commit() is about to replace or erase.
  std::tuple<Replaced<Session>, Replaced<KeyEntry>, Replaced<PinPolicy>, Replaced<PukPolicy>, Replaced<PinGroup>,
             Replaced<Extension>>
      replaced_;
  std::map<KeyHandle, SecureBytes> replaced_material_;
  std::map<RecordId, std::size_t> sizes_;  // of the written objects
  std::set<RecordId> kept_;                // what write_also() found
  bool handles_allocated_ = false;
  bool for_good_ = false;
};

template <>
inline std::uint32_t& Change::next_handle<Session>(Counters& counters) {
  return counters.session;
}
template <>
inline std::uint32_t& Change::next_handle<KeyEntry>(Counters& counters) {
  return counters.key;
}
template <>
inline std::uint32_t& Change::next_handle<PinPolicy>(Counters& counters) {
  return counters.pin_policy;
}
template <>
inline std::uint32_t& Change::next_handle<PukPolicy>(Counters& counters) {
  return counters.puk_policy;
}
template <>
inline std::uint32_t& Change::next_handle<PinGroup>(Counters& counters) {
  return counters.pin_group;
}
template <>
inline std::uint32_t& Change::next_handle<Extension>(Counters& counters) {
  return counters.extension;
}

}  // namespace sks::engine
