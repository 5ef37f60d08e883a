#include "sks-core/engine/key_notes.h"

#include <algorithm>
#include <bit>

#include "sks-core/engine/core.h"
#include "sks-core/engine/engine.h"

namespace sks {
namespace {

using engine::Extension;
using engine::KeyEntry;

/// Of a key and its extensions in their order. Nobody can foresee a mark, so nobody can choose them to fit together.
KeyMark joined(KeyMark mark, RecordMark extension) {
  constexpr KeyMark kOdd = 0x9E3779B97F4A7C15;
  return std::rotl(mark, 1) * kOdd ^ extension;
}

/// Of a key that anybody may see; else null.
const KeyEntry::Row* find_visible(const engine::Core& core, KeyHandle key) {
  const KeyEntry::Row* const row = core.state->find_row<KeyEntry>(key);
  return row == nullptr || core.is_open(row->session) ? nullptr : row;
}

}  // namespace

// While the storage is behind, its marks may be those of records that do not hold.
Result<std::optional<std::vector<MarkedKey>>> Engine::marked_keys() {
  engine::Core& core = impl_->core;
  const std::lock_guard lock(core.locks.store);
  const engine::StoreState& state = *core.state;
  if (state.is_behind()) return std::optional<std::vector<MarkedKey>>();
  std::vector<MarkedKey> keys;
  SKS_LET(const bool marked,
          core.ports.storage.visit_marks(RecordKind::key, [&](std::uint32_t handle, RecordMark mark) {
            const KeyHandle key{handle};
            if (const KeyEntry::Row* const row = find_visible(core, key)) keys.push_back({key, row->session, mark});
          }));
  if (!marked) return std::optional<std::vector<MarkedKey>>();
  SKS_TRY(core.ports.storage.visit_marks(RecordKind::extension, [&](std::uint32_t handle, RecordMark mark) {
    const Extension::Row* const row = state.find_row<Extension>(engine::ExtensionHandle{handle});
    if (row == nullptr) return;
    const auto key = std::ranges::lower_bound(keys, row->key, {}, &MarkedKey::key);
    if (key != keys.end() && key->key == row->key) key->mark = joined(key->mark, mark);
  }));
  return std::optional(std::move(keys));
}

Result<std::optional<KeyMark>> Engine::key_mark(KeyHandle key) {
  engine::Core& core = impl_->core;
  const std::lock_guard lock(core.locks.store);
  const engine::StoreState& state = *core.state;
  if (state.is_behind() || find_visible(core, key) == nullptr) return std::optional<KeyMark>();
  SKS_LET(std::optional<KeyMark> mark, core.ports.storage.mark({RecordKind::key, key.value}));
  if (!mark) return mark;
  for (const engine::ExtensionHandle extension : state.linked<engine::ExtensionsOfKey>(key)) {
    SKS_LET(const std::optional<RecordMark> own, core.ports.storage.mark({RecordKind::extension, extension.value}));
    if (!own) return Error{Status::crypto, "the record of an extension is missing"};
    mark = joined(*mark, *own);
  }
  return mark;
}

Result<void> Engine::visit_notes(const std::function<void(std::uint32_t number, ByteView note)>& visit) {
  engine::Core& core = impl_->core;
  const std::lock_guard lock(core.locks.store);
  SKS_LET(const std::unique_ptr<Storage::Transaction> transaction, core.ports.storage.begin());
  return transaction->scan(RecordKind::note, [&](std::uint32_t number, ByteView note) -> Result<void> {
    visit(number, note);
    return {};
  });
}

// Nobody waits for a note: without the latest ones a service has more to look at, and that is all.
Result<void> Engine::write_notes(const std::map<std::uint32_t, SecureBytes>& notes) {
  engine::Core& core = impl_->core;
  const std::lock_guard lock(core.locks.store);
  SKS_LET(const std::unique_ptr<Storage::Transaction> transaction, core.ports.storage.begin_shared());
  for (const auto& [number, note] : notes) {
    const RecordId id{RecordKind::note, number};
    SKS_TRY(note.empty() ? transaction->erase(id) : transaction->put(id, note.view()));
  }
  return transaction->commit();
}

}  // namespace sks
