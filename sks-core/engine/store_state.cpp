#include "sks-core/engine/store_state.h"

namespace sks::engine {
namespace {

constexpr RecordId kCountersRecord{RecordKind::counters, 0};

template <class T>
RecordId record_of(typename T::Handle handle) {
  return {T::kKind, handle.value};
}

// Puts a page, or erases the record of an empty one.
template <class T>
Result<void> write_page(Storage::Transaction& transaction, std::uint32_t number, const DirectoryPage<T>& page) {
  const RecordId id = page_record<T>(number);
  return page.empty() ? transaction.erase(id) : transaction.put(id, encode_page<T>(page));
}

}  // namespace

Result<std::unique_ptr<StoreState>> StoreState::load(Storage& storage) {
  std::unique_ptr<StoreState> state(new StoreState(storage));
  SKS_LET(std::unique_ptr<Storage::Transaction> transaction, storage.begin());
  SKS_LET(const std::optional<SecureBytes> counters, transaction->get(kCountersRecord));
  if (counters) {
    SKS_LET(state->counters_, Counters::decode(counters->view()));
  }
  const bool before_directories = counters && !state->counters_.with_directory;
  SKS_TRY(before_directories ? state->make_directory(*transaction) : state->load_directory(*transaction));
  if (before_directories) SKS_TRY(transaction->commit());
  transaction.reset();  // the check reads objects, in transactions of their own
  SKS_TRY(check_consistency(*state));
  return state;
}

Result<void> StoreState::load_directory(Storage::Transaction& transaction) {
  SKS_TRY(transaction.scan(RecordKind::directory,
                           [this](std::uint32_t handle, ByteView page) { return directory_.load_page(handle, page); }));
  directory_.finish_loading();
  return {};
}

Result<void> StoreState::make_directory(Storage::Transaction& transaction) {
  Result<void> made;
  const auto make_rows = [&]<class T>(const DirectoryTable<T>&) {
    if (!made) return;
    made = transaction.scan(T::kKind, [this](std::uint32_t value, ByteView record) -> Result<void> {
      const typename T::Handle handle{value};
      SKS_LET(const T object, T::decode(handle, record));
      const typename T::Row row = object.row();
      directory_.set<T>(handle, &row);
      return {};
    });
  };
  directory_.for_each_table(make_rows);
  SKS_TRY(std::move(made));
  const auto write_rows = [&]<class T>(const DirectoryTable<T>& table) {
    table.for_each_page([&](std::uint32_t number, const DirectoryPage<T>& page) {
      if (made) made = write_page<T>(transaction, number, page);
    });
  };
  directory_.for_each_table(write_rows);
  SKS_TRY(std::move(made));
  counters_.with_directory = true;
  return transaction.put(kCountersRecord, counters_.encode().view());
}

Result<std::optional<SecureBytes>> StoreState::read_record(RecordId id) const {
  if (const auto kept = unwritten_.find(id); kept != unwritten_.end())
    return std::optional(SecureBytes::copy_of(kept->second.view()));
  const auto overdue = overdue_records_.find(id);
  if (overdue != overdue_records_.end()) return std::optional(SecureBytes::copy_of(overdue->second.view()));
  SKS_LET(const std::unique_ptr<Storage::Transaction> transaction, storage_.begin());
  return transaction->get(id);
}

template <class T>
Result<std::shared_ptr<const T>> StoreState::read(typename T::Handle handle, const typename T::Row& row) const {
  SKS_LET(const std::optional<SecureBytes> record, read_record(record_of<T>(handle)));
  if (!record) return Error{Status::internal, "the record of an object is missing"};
  SKS_LET(T object, T::decode(handle, record->view()));
  if (object.row() != row) return Error{Status::internal, "the record of an object contradicts the directory"};
  auto shared = std::make_shared<const T>(std::move(object));
  cache<T>().insert(handle, shared, record->size());
  return shared;
}

template Result<std::shared_ptr<const Session>> StoreState::read<Session>(ProvisioningHandle,
                                                                          const Session::Row&) const;
template Result<std::shared_ptr<const KeyEntry>> StoreState::read<KeyEntry>(KeyHandle, const KeyEntry::Row&) const;
template Result<std::shared_ptr<const PinPolicy>> StoreState::read<PinPolicy>(PinPolicyHandle,
                                                                              const PinPolicy::Row&) const;
template Result<std::shared_ptr<const PukPolicy>> StoreState::read<PukPolicy>(PukPolicyHandle,
                                                                              const PukPolicy::Row&) const;
template Result<std::shared_ptr<const PinGroup>> StoreState::read<PinGroup>(PinGroupHandle, const PinGroup::Row&) const;
template Result<std::shared_ptr<const Extension>> StoreState::read<Extension>(ExtensionHandle,
                                                                              const Extension::Row&) const;

Result<SecureBytes> StoreState::key_material(KeyHandle key) const {
  SKS_LET(std::optional<SecureBytes> material, read_record({RecordKind::key_material, key.value}));
  if (!material) return Error{Status::internal, "the private key of key " + std::to_string(key.value) + " is missing"};
  return std::move(*material);
}

std::set<RecordId> StoreState::unwritten_records(ProvisioningHandle session) const {
  std::set<RecordId> records;
  if (!is_unwritten(session)) return records;
  records.insert(record_of<Session>(session));
  for (const KeyHandle key : linked<KeysOfSession>(session)) {
    records.insert(record_of<KeyEntry>(key));
    records.insert({RecordKind::key_material, key.value});
    for (const ExtensionHandle extension : linked<ExtensionsOfKey>(key))
      records.insert(record_of<Extension>(extension));
  }
  for (const PinPolicyHandle policy : linked<PinPoliciesOfSession>(session)) {
    records.insert(record_of<PinPolicy>(policy));
    for (const PinGroupHandle group : linked<GroupsOfPolicy>(policy)) records.insert(record_of<PinGroup>(group));
  }
  for (const PukPolicyHandle policy : linked<PukPoliciesOfSession>(session))
    records.insert(record_of<PukPolicy>(policy));
  return records;
}

void StoreState::add_unwritten(std::map<RecordId, SecureBytes> records) noexcept {
  for (const auto& [id, record] : records) {
    forget_unwritten(id);
    unwritten_bytes_ += record.size();
  }
  unwritten_.merge(records);
}

void StoreState::forget_unwritten(RecordId id) {
  const auto kept = unwritten_.find(id);
  if (kept == unwritten_.end()) return;
  unwritten_bytes_ -= kept->second.size();
  unwritten_.erase(kept);
}

template <class T>
DirectoryPage<T> StoreState::stored_page(std::uint32_t number) const {
  DirectoryPage<T> page = directory_.table<T>().page(number);
  const auto is_not_stored = [this](const auto& entry) { return this->is_unwritten(T::kKind, entry.first.value); };
  if (!unwritten_.empty()) std::erase_if(page, is_not_stored);
  return page;
}

template <class T>
Result<void> Change::write_objects(Storage::Transaction& transaction, const Staged<T>& table) {
  for (const auto& [handle, object] : table) {
    const RecordId id = record_of<T>(handle);
    if (object == nullptr) {
      SKS_TRY(transaction.erase(id));
      continue;
    }
    const SecureBytes record = object->encode();
    sizes_[id] = record.size();
    SKS_TRY(transaction.put(id, record.view()));
  }
  return {};
}

// The pages as they will be, of those objects whose rows change.
template <class T>
Result<void> Change::write_pages(Storage::Transaction& transaction, const Staged<T>& table) {
  std::map<std::uint32_t, DirectoryPage<T>> pages;
  const auto set = [&](typename T::Handle handle, const typename T::Row* row) {
    const std::uint32_t number = page_number(handle.value);
    auto page = pages.find(number);
    if (page == pages.end()) page = pages.emplace(number, state_.stored_page<T>(number)).first;
    set_row<T>(page->second, handle, row);
  };
  for (const RecordId id : kept_) {
    const typename T::Handle handle{id.handle};
    if (id.kind == T::kKind) set(handle, state_.find_row<T>(handle));
  }
  for (const auto& [handle, object] : table) {
    const typename T::Row* const old = state_.find_row<T>(handle);
    std::optional<typename T::Row> row;
    if (object != nullptr) row = object->row();
    const bool same = row ? old != nullptr && *old == *row : old == nullptr;
    if (!same || state_.is_unwritten(T::kKind, handle.value)) set(handle, row ? &*row : nullptr);
  }
  for (const auto& [number, page] : pages) SKS_TRY(write_page<T>(transaction, number, page));
  return {};
}

// What cannot be read cannot be put back either; it is left to the failure that it is.
// Out of line, as every method would hold the code of all these tables otherwise.
Change::Change(StoreState& state) : state_(state) {}
Change::~Change() = default;

void Change::keep_replaced() {
  for_each_staged([&](const auto& table) {
    for (const auto& [handle, object] : table) {
      using T = std::decay_t<decltype(*object)>;
      if (state_.find_row<T>(handle) == nullptr || state_.is_unwritten(T::kKind, handle.value)) continue;
      if (Result<std::shared_ptr<const T>> before = state_.find<T>(handle))
        replaced<T>().insert_or_assign(handle, std::move(before).value());
    }
  });
  const auto keep_material = [&](KeyHandle key) {
    if (state_.find_row<KeyEntry>(key) == nullptr || state_.is_unwritten(KeyEntry::kKind, key.value)) return;
    if (Result<SecureBytes> before = state_.key_material(key))
      replaced_material_.insert_or_assign(key, std::move(before).value());
  };
  for (const auto& [key, material] : material_) keep_material(key);
  for (const auto& [handle, key] : staged<KeyEntry>())
    if (key == nullptr) keep_material(handle);
}

Result<void> StoreState::catch_up() {
  if (!is_behind()) return {};
  Change change(*this);
  change.forbid_return();  // it may take back what was reported as failed
  return change.commit();
}

Result<void> Change::write_overdue(Storage::Transaction& transaction) {
  for (const auto& [id, record] : state_.overdue_records_) {
    SKS_LET(const std::optional<SecureBytes> stored, transaction.get(id));
    if (!stored || !equal_constant_time(stored->view(), record.view())) SKS_TRY(transaction.put(id, record.view()));
  }
  for (const RecordId id : state_.overdue_erasures_) SKS_TRY(transaction.erase(id));
  Result<void> written;
  const auto write_overdue_pages = [&]<class T>(const DirectoryTable<T>&) {
    for (const RecordId id : state_.overdue_pages_) {
      const std::uint32_t number = id.handle & ((1U << kPageNumberBits) - 1);
      if (written && page_record<T>(number) == id)
        written = write_page<T>(transaction, number, state_.stored_page<T>(number));
    }
  };
  if (!state_.overdue_pages_.empty()) state_.directory_.for_each_table(write_overdue_pages);
  return written;
}

// What is overdue has been promised already, and leaves the lists here: that must not wait.
Result<void> Change::write(Durability durability) {
  const bool later = durability == Durability::later && !state_.is_behind();
  SKS_LET(const std::unique_ptr<Storage::Transaction> transaction,
          later ? state_.storage_.begin_shared() : state_.storage_.begin());
  SKS_TRY(write_overdue(*transaction));
  Result<void> written;
  if (handles_allocated_ || state_.counters_unwritten_)
    SKS_TRY(transaction->put(kCountersRecord, state_.counters_.encode().view()));
  const auto write_table = [&]<class T>(const std::map<typename T::Handle, std::shared_ptr<T>>& table) {
    if (written) written = write_objects<T>(*transaction, table);
    if (written) written = write_pages<T>(*transaction, table);
  };
  write_table.operator()<Session>(staged<Session>());
  write_table.operator()<KeyEntry>(staged<KeyEntry>());
  write_table.operator()<PinPolicy>(staged<PinPolicy>());
  write_table.operator()<PukPolicy>(staged<PukPolicy>());
  write_table.operator()<PinGroup>(staged<PinGroup>());
  write_table.operator()<Extension>(staged<Extension>());
  SKS_TRY(std::move(written));
  for (const auto& [handle, material] : material_)
    SKS_TRY(transaction->put({RecordKind::key_material, handle.value}, material.view()));
  for (const auto& [handle, key] : staged<KeyEntry>())
    if (key == nullptr) SKS_TRY(transaction->erase({RecordKind::key_material, handle.value}));
  SKS_TRY(write_kept(*transaction));
  if (for_good_) transaction->forbid_return();
  return transaction->commit();
}

bool Change::replaces(RecordId id) {
  if (id.kind == RecordKind::key_material) {
    const KeyHandle key{id.handle};
    const auto entry = staged<KeyEntry>().find(key);
    return material_.contains(key) || (entry != staged<KeyEntry>().end() && entry->second == nullptr);
  }
  bool found = false;
  for_each_staged([&](const auto& table) {
    using T = typename std::decay_t<decltype(table)>::mapped_type::element_type;
    found = found || (id.kind == T::kKind && table.contains(typename T::Handle{id.handle}));
  });
  return found;
}

Result<void> Change::write_kept(Storage::Transaction& transaction) {
  for (const RecordId id : kept_)
    if (!replaces(id)) SKS_TRY(transaction.put(id, state_.unwritten_.at(id).view()));
  return {};
}

void Change::publish() {
  for_each_staged([&](auto& table) {
    for (auto& [handle, object] : table) {
      using T = std::decay_t<decltype(*object)>;
      if (object == nullptr) {
        state_.directory_.set<T>(handle, nullptr);
        state_.cache<T>().erase(handle);
        state_.forget_unwritten(record_of<T>(handle));
        if constexpr (std::is_same_v<T, KeyEntry>) state_.forget_unwritten({RecordKind::key_material, handle.value});
        continue;
      }
      const typename T::Row row = object->row();
      state_.directory_.set<T>(handle, &row);
      state_.cache<T>().insert(handle, std::move(object), sizes_[record_of<T>(handle)]);
    }
  });
}

Result<void> Change::commit() {
  keep_replaced();
  return commit_replacing(Durability::at_once);
}

Result<void> Change::commit_shared() {
  keep_replaced();
  return commit_replacing(Durability::later);
}

void Change::write_also(ProvisioningHandle session) { kept_ = state_.unwritten_records(session); }

template <class T>
bool Change::is_kept(typename T::Handle handle) const {
  return state_.find_row<T>(handle) == nullptr || state_.is_unwritten(T::kKind, handle.value);
}

bool Change::fits_into_memory() {
  bool fits = state_.unwritten_bytes_ < StoreState::kMaxUnwritten;
  for_each_staged([&](const auto& table) {
    using T = typename std::decay_t<decltype(table)>::mapped_type::element_type;
    for (const auto& [handle, object] : table) fits = fits && object != nullptr && is_kept<T>(handle);
  });
  return fits;
}

Result<void> Change::keep_in_memory() {
  SKS_CHECK(staged<Session>().size() == 1);
  if (!fits_into_memory()) {
    write_also(staged<Session>().begin()->first);
    return commit_shared();
  }
  std::map<RecordId, SecureBytes> records;
  for_each_staged([&](const auto& table) {
    using T = typename std::decay_t<decltype(table)>::mapped_type::element_type;
    for (const auto& [handle, object] : table) {
      SecureBytes record = object->encode();
      sizes_[record_of<T>(handle)] = record.size();
      records.emplace(record_of<T>(handle), std::move(record));
    }
  });
  for (auto& [key, material] : material_)
    records.emplace(RecordId{RecordKind::key_material, key.value}, std::move(material));
  state_.add_unwritten(std::move(records));
  state_.counters_unwritten_ = state_.counters_unwritten_ || handles_allocated_;
  publish();
  return {};
}

bool Change::erase_from_memory() {
  if (state_.is_behind()) return false;
  bool unwritten = true;
  for_each_staged([&](const auto& table) {
    using T = typename std::decay_t<decltype(table)>::mapped_type::element_type;
    for (const auto& [handle, object] : table) {
      SKS_CHECK(object == nullptr);
      unwritten = unwritten && state_.is_unwritten(T::kKind, handle.value);
    }
  });
  if (unwritten) publish();
  return unwritten;
}

Result<void> Change::commit_replacing(Durability durability) {
  Result<void> written = write(durability);
  if (written) {
    state_.overdue_erasures_.clear();
    state_.overdue_pages_.clear();
    state_.overdue_records_.clear();
    state_.counters_unwritten_ = false;
    forget_written();
    publish();
    return {};
  }
  remember_leftovers();
  return written;
}

void Change::forget_written() {
  for (const RecordId id : kept_) state_.forget_unwritten(id);
}

// Whoever reports a failure after the fact must not leave behind records that nothing knows about, nor take away those
// that are known.
void Change::remember_leftovers() {
  for_each_staged([&](const auto& table) {
    using T = typename std::decay_t<decltype(table)>::mapped_type::element_type;
    for (const RecordId id : kept_)
      if (id.kind == T::kKind) state_.overdue_pages_.insert(page_record<T>(page_number(id.handle)));
    for (const auto& [handle, object] : table) {
      state_.overdue_pages_.insert(page_record<T>(page_number(handle.value)));
      if (is_kept<T>(handle)) state_.overdue_erasures_.insert(record_of<T>(handle));
      if (const auto before = replaced<T>().find(handle); before != replaced<T>().end())
        state_.overdue_records_.insert_or_assign(record_of<T>(handle), before->second->encode());
    }
  });
  for (const auto& [handle, material] : material_)
    if (is_kept<KeyEntry>(handle)) state_.overdue_erasures_.insert({RecordKind::key_material, handle.value});
  state_.overdue_erasures_.insert(kept_.begin(), kept_.end());
  for (auto& [handle, material] : replaced_material_)
    state_.overdue_records_.insert_or_assign({RecordKind::key_material, handle.value}, std::move(material));
}

void Change::commit_or_catch_up_later() {
  if (commit_replacing(Durability::at_once)) return;
  if (state_.storage_.make_room() && commit_replacing(Durability::at_once)) return;
  const auto erase_later = [&](RecordId id) {
    state_.overdue_erasures_.insert(id);
    state_.overdue_records_.erase(id);
  };
  for_each_staged([&](const auto& table) {
    for (const auto& [handle, object] : table) {
      SKS_CHECK(object == nullptr);
      erase_later(record_of<std::decay_t<decltype(*object)>>(handle));
    }
  });
  for (const auto& [handle, key] : staged<KeyEntry>()) erase_later({RecordKind::key_material, handle.value});
  publish();
}

}  // namespace sks::engine
