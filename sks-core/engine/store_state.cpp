#include "sks-core/engine/store_state.h"

namespace sks::engine {
namespace {

constexpr RecordId kCountersRecord{RecordKind::counters, 0};

template <class To, class From>
void set_link(Relation<To, From>& relation, const To& target, From source, bool present) {
  if (present)
    relation.link(target, source);
  else
    relation.unlink(target, source);
}

}  // namespace

template <class T>
Result<void> StoreState::load_table(Storage::Transaction& transaction, StoreState& state) {
  return transaction.scan(T::kKind, [&state](std::uint32_t value, ByteView record) -> Result<void> {
    const typename T::Handle handle{value};
    SKS_LET(T object, T::decode(handle, record));
    state.replace<T>(handle, std::make_shared<const T>(std::move(object)));
    return {};
  });
}

Result<std::unique_ptr<StoreState>> StoreState::load(Storage& storage) {
  std::unique_ptr<StoreState> state(new StoreState(storage));
  SKS_LET(const std::unique_ptr<Storage::Transaction> transaction, storage.begin());
  SKS_LET(const std::optional<SecureBytes> counters, transaction->get(kCountersRecord));
  if (counters) {
    SKS_LET(state->counters_, Counters::decode(counters->view()));
  }
  SKS_TRY(load_table<Session>(*transaction, *state));
  SKS_TRY(load_table<PukPolicy>(*transaction, *state));
  SKS_TRY(load_table<PinPolicy>(*transaction, *state));
  SKS_TRY(load_table<PinGroup>(*transaction, *state));
  SKS_TRY(load_table<KeyEntry>(*transaction, *state));
  std::set<KeyHandle> material;
  SKS_TRY(transaction->scan(RecordKind::key_material, [&material](std::uint32_t handle, ByteView) -> Result<void> {
    material.insert(KeyHandle{handle});
    return {};
  }));
  SKS_TRY(check_consistency(*state, material));
  return state;
}

Result<SecureBytes> StoreState::key_material(KeyHandle key) const {
  SKS_LET(const std::unique_ptr<Storage::Transaction> transaction, storage_.begin());
  SKS_LET(std::optional<SecureBytes> pkcs8, transaction->get({RecordKind::key_material, key.value}));
  if (!pkcs8) return Error{Status::internal, "the private key of key " + std::to_string(key.value) + " is missing"};
  return std::move(*pkcs8);
}

template <class T>
void StoreState::replace(typename T::Handle handle, std::shared_ptr<const T> object) {
  Table<T>& table = std::get<Table<T>>(tables_);
  if (const auto found = table.find(handle); found != table.end()) {
    set_links(*found->second, false);
    table.erase(found);
  }
  if (object == nullptr) return;
  set_links(*object, true);
  table.emplace(handle, std::move(object));
}

void StoreState::set_links(const Session&, bool) {}

void StoreState::set_links(const KeyEntry& key, bool present) {
  set_link(index_.keys_of_session, key.session, key.handle, present);
  if (key.pin_policy) set_link(index_.keys_of_policy, key.pin_policy, key.handle, present);
  if (key.pin_group) set_link(index_.keys_of_group, key.pin_group, key.handle, present);
  if (key.has_certificate()) set_link(index_.keys_of_certificate, key.fingerprint(), key.handle, present);
}

void StoreState::set_links(const PinPolicy& policy, bool present) {
  set_link(index_.pin_policies_of_session, policy.session, policy.handle, present);
  if (policy.puk_policy) set_link(index_.pin_policies_of_puk, policy.puk_policy, policy.handle, present);
}

void StoreState::set_links(const PukPolicy& policy, bool present) {
  set_link(index_.puk_policies_of_session, policy.session, policy.handle, present);
}

void StoreState::set_links(const PinGroup& group, bool present) {
  set_link(index_.groups_of_policy, group.policy, group.handle, present);
}

Result<void> Change::write() {
  SKS_LET(const std::unique_ptr<Storage::Transaction> transaction, state_.storage_.begin());
  for (const RecordId id : state_.overdue_erasures_) SKS_TRY(transaction->erase(id));
  if (handles_allocated_) SKS_TRY(transaction->put(kCountersRecord, state_.counters_.encode().view()));
  Result<void> written;
  for_each_staged([&](const auto& table) {
    for (const auto& [handle, object] : table) {
      if (!written) return;
      const RecordId id{std::decay_t<decltype(*object)>::kKind, handle.value};
      written = object == nullptr ? transaction->erase(id) : transaction->put(id, object->encode().view());
    }
  });
  SKS_TRY(std::move(written));
  for (const auto& [handle, pkcs8] : material_)
    SKS_TRY(transaction->put({RecordKind::key_material, handle.value}, pkcs8.view()));
  for (const auto& [handle, key] : staged<KeyEntry>())
    if (key == nullptr) SKS_TRY(transaction->erase({RecordKind::key_material, handle.value}));
  return transaction->commit();
}

void Change::publish() {
  for_each_staged([&](auto& table) {
    for (auto& [handle, object] : table) {
      using Object = std::decay_t<decltype(*object)>;
      state_.replace<Object>(handle, std::move(object));
    }
  });
}

Result<void> Change::commit() {
  Result<void> written = write();
  if (written) {
    state_.overdue_erasures_.clear();
    publish();
    return {};
  }
  // Whoever reports a failure after the fact must not leave behind records that nothing knows about.
  for_each_staged([&](const auto& table) {
    for (const auto& [handle, object] : table) {
      using Object = std::decay_t<decltype(*object)>;
      if (state_.find<Object>(handle) == nullptr) state_.overdue_erasures_.insert({Object::kKind, handle.value});
    }
  });
  for (const auto& [handle, pkcs8] : material_)
    if (state_.find<KeyEntry>(handle) == nullptr)
      state_.overdue_erasures_.insert({RecordKind::key_material, handle.value});
  return written;
}

void Change::commit_or_catch_up_later() {
  if (commit()) return;
  if (state_.storage_.make_room() && commit()) return;
  for_each_staged([&](const auto& table) {
    for (const auto& [handle, object] : table) {
      SKS_CHECK(object == nullptr);
      state_.overdue_erasures_.insert({std::decay_t<decltype(*object)>::kKind, handle.value});
    }
  });
  for (const auto& [handle, key] : staged<KeyEntry>())
    state_.overdue_erasures_.insert({RecordKind::key_material, handle.value});
  publish();
}

}  // namespace sks::engine
