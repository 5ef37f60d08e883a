#pragma once

#include <set>
#include <tuple>

#include "sks-core/engine/records.h"

namespace sks::engine {

/// Which objects refer to which: `of(x)` are the handles that point to x.
template <class To, class From>
class Relation {
 public:
  const std::set<From>& of(const To& target) const {
    const auto found = sources_.find(target);
    return found == sources_.end() ? none_ : found->second;
  }
  void link(const To& target, From source) { sources_[target].insert(source); }
  void unlink(const To& target, From source) {
    const auto found = sources_.find(target);
    if (found == sources_.end()) return;
    found->second.erase(source);
    if (found->second.empty()) sources_.erase(found);
  }

 private:
  std::map<To, std::set<From>> sources_;
  std::set<From> none_;  // a member, because statics are destroyed when a module is unloaded
};

/// Reverse references of the committed objects.
struct Index {
  Relation<ProvisioningHandle, KeyHandle> keys_of_session;
  Relation<PinPolicyHandle, KeyHandle> keys_of_policy;
  Relation<PinGroupHandle, KeyHandle> keys_of_group;
  Relation<crypto::Sha256Digest, KeyHandle> keys_of_certificate;  ///< by fingerprint
  Relation<ProvisioningHandle, PinPolicyHandle> pin_policies_of_session;
  Relation<ProvisioningHandle, PukPolicyHandle> puk_policies_of_session;
  Relation<PukPolicyHandle, PinPolicyHandle> pin_policies_of_puk;
  Relation<PinPolicyHandle, PinGroupHandle> groups_of_policy;
};

template <class T>
using Table = std::map<typename T::Handle, std::shared_ptr<const T>>;

/// Every committed object of the store in memory; private keys stay in their records.
///
/// Objects are immutable: a Change replaces them. So a pointer from find() is a snapshot that outlives later changes.
class StoreState {
 public:
  /// Reads everything the storage holds. Fails with storage, or with internal when records are malformed or contradict
  /// one another.
  static Result<std::unique_ptr<StoreState>> load(Storage& storage);

  /// The object, or null.
  template <class T>
  std::shared_ptr<const T> find(typename T::Handle handle) const {
    const auto found = all<T>().find(handle);
    return found == all<T>().end() ? nullptr : found->second;
  }
  template <class T>
  const Table<T>& all() const {
    return std::get<Table<T>>(tables_);
  }
  const Index& index() const { return index_; }
  const Counters& counters() const { return counters_; }

  /// PKCS#8 of a committed key. Fails with storage, or with internal when the record is missing.
  Result<SecureBytes> key_material(KeyHandle key) const;

 private:
  friend class Change;
  explicit StoreState(Storage& storage) : storage_(storage) {}

  template <class T>
  static Result<void> load_table(Storage::Transaction& transaction, StoreState& state);
  template <class T>
  void replace(typename T::Handle handle, std::shared_ptr<const T> object);
  void set_links(const Session& session, bool present);
  void set_links(const KeyEntry& key, bool present);
  void set_links(const PinPolicy& policy, bool present);
  void set_links(const PukPolicy& policy, bool present);
  void set_links(const PinGroup& group, bool present);

  Storage& storage_;
  Counters counters_;
  std::tuple<Table<Session>, Table<KeyEntry>, Table<PinPolicy>, Table<PukPolicy>, Table<PinGroup>> tables_;
  Index index_;
  /// Records of objects that are gone from memory while the storage would not let go of them. Every later commit tries
  /// again, so that an aborted session does not come back once the storage works.
  std::set<RecordId> overdue_erasures_;
};

/// Fails with internal when objects refer to what is not there, or to what does not belong to them.
Result<void> check_consistency(const StoreState& state, const std::set<KeyHandle>& key_material);

/// Changes to the store, collected and then made all at once. Destroying a Change without commit() drops it.
class Change {
 public:
  explicit Change(StoreState& state) : state_(state) {}

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

  /// The object with the changes so far, to be changed further. It must exist.
  template <class T>
  T& edit(typename T::Handle handle) {
    const auto found = staged<T>().find(handle);
    if (found != staged<T>().end()) {
      SKS_CHECK(found->second != nullptr);
      return *found->second;
    }
    const std::shared_ptr<const T> committed = state_.find<T>(handle);
    SKS_CHECK(committed != nullptr);
    return *staged<T>().emplace(handle, std::make_shared<T>(*committed)).first->second;
  }

  template <class T>
  void erase(typename T::Handle handle) {
    staged<T>().insert_or_assign(handle, nullptr);
  }

  /// How many of `handles` this change leaves in existence.
  template <class T>
  std::size_t surviving(const std::set<typename T::Handle>& handles) {
    std::size_t count = 0;
    for (const auto handle : handles) {
      const auto found = staged<T>().find(handle);
      if (found == staged<T>().end() || found->second != nullptr) ++count;
    }
    return count;
  }

  /// The private key (PKCS#8) that belongs to a key of this change.
  void set_key_material(KeyHandle key, SecureBytes pkcs8) { material_.insert_or_assign(key, std::move(pkcs8)); }

  /// Makes the changes durable, then visible. After a failure with storage nothing is changed.
  Result<void> commit();
  /// For erasures that hold whatever the storage says: on failure they are made in memory and the storage catches up
  /// with the next commit.
  void commit_or_catch_up_later();

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
  Result<void> write();
  void publish();

  StoreState& state_;
  std::tuple<Staged<Session>, Staged<KeyEntry>, Staged<PinPolicy>, Staged<PukPolicy>, Staged<PinGroup>> staged_;
  std::map<KeyHandle, SecureBytes> material_;
  bool handles_allocated_ = false;
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

}  // namespace sks::engine
