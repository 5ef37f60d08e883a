#include "tests/sealed-storage/crash_world.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <functional>

#include "sks-core/base/byte_reader.h"
#include "tests/sealed-storage/fault_disk.h"
#include "tests/sks-core/engine/managed_keys.h"

namespace sks::test {
namespace {

constexpr auto kAllKinds = std::to_array<RecordKind>(
    {RecordKind::counters, RecordKind::session, RecordKind::key, RecordKind::key_material, RecordKind::pin_policy,
     RecordKind::puk_policy, RecordKind::pin_group, RecordKind::extension, RecordKind::directory, RecordKind::note});

/// The ids that keys of open sessions have in scripts.
constexpr auto kIds = std::to_array<const char*>({"A", "B", "C", "D", "C2", "D2"});

std::string describe_key(const Model& model, const std::string& name, const Model::Key& key) {
  std::string line = "key " + name + " of " + key.session;
  if (!key.group.empty()) {
    const Model::Group& group = model.groups.at(key.group);
    line += " pin " + std::to_string(group.errors) + " puk " + std::to_string(group.puk_errors);
  }
  for (const std::string& feature : key.features) line += " " + feature;
  return line + "\n";
}

std::string describe_session(const std::string& name, const Model::Session& session) {
  std::string line = "session " + name + (session.open ? " open" : " closed");
  for (const auto& [id, key] : session.unfinished) line += " " + id;
  return line + "\n";
}

std::string bag_value(ByteView bag) {
  ByteReader in(bag);
  in.text();
  in.boolean();
  return std::string(in.text());
}

/// A key of a store in the words of the model.
Model::Key read_key(SecureKeyStore& store, KeyHandle handle, const KeyAttributes& attributes,
                    const KeyProtectionInfo& info) {
  Model::Key key;
  if (attributes.symmetric_key_length > 0)
    key.features.insert("symmetric=" + std::to_string(attributes.symmetric_key_length));
  if ((info.key_backup & kImported) != 0) key.features.insert("imported");
  if ((info.key_backup & kExported) != 0) key.features.insert("exported");
  for (const std::string& type : attributes.extension_types) {
    CHECK(type == kBagType);
    key.features.insert("bag=" + bag_value(store.get_extension(handle, type).value().data.view()));
  }
  return key;
}

}  // namespace

void Model::tidy() {
  std::set<std::string> owners;
  std::set<std::string> used;
  for (const auto& [name, key] : keys) {
    owners.insert(key.session);
    used.insert(key.group);
  }
  std::erase_if(sessions, [&](const auto& entry) { return !entry.second.open && !owners.contains(entry.first); });
  std::erase_if(groups, [&](const auto& entry) { return !used.contains(entry.first); });
}

Model Model::after_crash() const {
  Model model = *this;
  for (auto& [name, group] : model.groups)
    if (std::exchange(group.prepaid, false)) ++group.errors;
  return model;
}

Model Model::after_end() const {
  Model model = *this;
  for (auto& [name, group] : model.groups) group.prepaid = false;
  return model;
}

std::string Model::text() const {
  std::string text;
  for (const auto& [name, session] : sessions) text += describe_session(name, session);
  for (const auto& [name, key] : keys) text += describe_key(*this, name, key);
  return text;
}

std::string observe(SecureKeyStore& store) {
  Model seen;
  std::map<ProvisioningHandle, std::string> names;
  for (const SessionState state : {SessionState::closed, SessionState::open}) {
    for (const ProvisioningHandle handle : all_sessions(store, state)) {
      ProvisioningHandle last;
      for (auto next = store.enumerate_provisioning_sessions(last, state).value(); next;
           next = store.enumerate_provisioning_sessions(last, state).value()) {
        last = next->handle;
        if (last == handle) names[handle] = next->server_session_id;
      }
      Model::Session& session = seen.sessions[names[handle]];
      session.open = state == SessionState::open;
      for (const char* id : kIds)
        if (session.open && store.get_key_handle(handle, id)) session.unfinished[id];
    }
  }
  for (const KeyHandle handle : all_keys(store)) {
    const KeyAttributes attributes = store.get_key_attributes(handle).value();
    const KeyProtectionInfo info = store.get_key_protection_info(handle).value();
    Model::Key key = read_key(store, handle, attributes, info);
    key.session = names[owner_of(store, handle)];
    if ((info.protection_status & kPinProtected) != 0) {
      key.group = attributes.friendly_name;
      seen.groups[key.group] = {"", info.pin_error_count, info.puk_error_count, false};
      CHECK(((info.protection_status & kPinBlocked) != 0) == seen.groups[key.group].locked());
    }
    seen.keys[attributes.friendly_name] = key;
  }
  return seen.text();
}

class RecordingStorage::RecordedTransaction final : public Storage::Transaction {
 public:
  RecordedTransaction(std::vector<Commit>& history, std::unique_ptr<Transaction> inner, bool shared)
      : history_(history), inner_(std::move(inner)), shared_(shared) {}

  Result<std::optional<SecureBytes>> get(RecordId id) override { return inner_->get(id); }
  Result<void> put(RecordId id, ByteView value) override {
    records()[id] = to_bytes(value);
    return inner_->put(id, value);
  }
  Result<void> erase(RecordId id) override {
    records().erase(id);
    return inner_->erase(id);
  }
  Result<void> scan(RecordKind kind, const std::function<Result<void>(std::uint32_t, ByteView)>& visit) override {
    return inner_->scan(kind, visit);
  }
  Result<void> commit() override {
    Records after = records();
    history_.push_back({FaultDisk::instance().log().size(), std::nullopt, std::move(after)});
    SKS_TRY(inner_->commit());
    history_.back().visible = true;
    if (!shared_) note_durable(history_);
    return {};
  }

 private:
  Records& records() {
    if (!records_) records_ = std::find_if(history_.rbegin(), history_.rend(), std::mem_fn(&Commit::visible))->records;
    return *records_;
  }

  std::vector<Commit>& history_;
  std::optional<Records> records_;
  std::unique_ptr<Transaction> inner_;
  bool shared_;
};

RecordingStorage::RecordingStorage(std::unique_ptr<SqliteStore> store, std::vector<Commit>& history)
    : store_(std::move(store)), history_(history) {
  if (history_.empty()) history_.push_back({0, 0, read_records(*store_), true});
}

Result<std::unique_ptr<Storage::Transaction>> RecordingStorage::begin() {
  SKS_LET(std::unique_ptr<Transaction> inner, store_->begin());
  return std::unique_ptr<Transaction>(std::make_unique<RecordedTransaction>(history_, std::move(inner), false));
}

Result<std::unique_ptr<Storage::Transaction>> RecordingStorage::begin_shared() {
  SKS_LET(std::unique_ptr<Transaction> inner, store_->begin_shared());
  return std::unique_ptr<Transaction>(std::make_unique<RecordedTransaction>(history_, std::move(inner), true));
}

Result<void> RecordingStorage::make_durable() {
  SKS_TRY(store_->make_durable());
  note_durable(history_);
  return {};
}

void RecordingStorage::note_durable(std::vector<Commit>& history) {
  for (auto commit = history.rbegin(); commit != history.rend() && !commit->done; ++commit)
    if (commit->visible) commit->done = FaultDisk::instance().log().size();
}

RecordingStorage::Records read_records(Storage& storage) {
  RecordingStorage::Records records;
  const auto transaction = storage.begin();
  REQUIRE(transaction);
  for (const RecordKind kind : kAllKinds) {
    const Result<void> scanned = (*transaction)->scan(kind, [&](std::uint32_t handle, ByteView value) -> Result<void> {
      records[{kind, handle}] = to_bytes(value);
      return {};
    });
    REQUIRE_MESSAGE(static_cast<bool>(scanned), (scanned ? std::string() : scanned.error().detail));
  }
  return records;
}

const TestIdentity& test_identity() {
  static const TestIdentity identity;
  return identity;
}

Result<void> World::open() {
  SKS_LET(std::unique_ptr<SqliteStore> store, SqliteStore::open(folder_));
  storage_ = std::make_unique<RecordingStorage>(std::move(store), history_);
  Result<std::unique_ptr<Engine>> opened =
      Engine::open({*storage_, test_identity(), system_key_source(), system_random(), clock_}, config_);
  if (!opened) {
    storage_.reset();
    return std::move(opened).error();
  }
  engine_ = std::move(opened).value();
  return {};
}

TestIssuer& World::new_issuer(const std::string& session) {
  turn_to(session);
  return issuers_.insert_or_assign(session, TestIssuer(*engine_)).first->second;
}

void World::close() {
  issuers_.clear();
  engine_.reset();
  storage_.reset();
}

Result<KeyHandle> World::find(const std::string& key) {
  for (KeyHandle last;;) {
    SKS_LET(const std::optional<EnumeratedKey> next, engine_->enumerate_keys(last));
    if (!next) return Error{Status::internal, "no key " + key};
    SKS_LET(const KeyAttributes attributes, engine_->get_key_attributes(next->handle));
    if (attributes.friendly_name == key) return next->handle;
    last = next->handle;
  }
}

namespace {

std::string try_key(SecureKeyStore& store, KeyHandle handle, const std::string& name, const Model& model,
                    const std::map<std::string, Bytes>& certificates) {
  const Model::Key& key = model.keys.at(name);
  const std::string pin = key.group.empty() ? "" : model.groups.at(key.group).pin;
  if (!key.group.empty() && model.groups.at(key.group).locked()) {
    const std::optional<Status> status = status_of(store.verify_pin(handle, secret(pin)));
    return status == Status::authorization ? "" : "the locked key " + name + " can be used";
  }
  if (!key.group.empty() && !store.verify_pin(handle, secret(pin))) return "the PIN of " + name + " is not right";
  const bool symmetric = store.get_key_attributes(handle)->symmetric_key_length > 0;
  if (!symmetric && !signs_as(store, handle, certificates.at(name), pin)) return "the key " + name + " does not sign";
  return "";
}

}  // namespace

std::string try_everything(SecureKeyStore& store, Model model, const std::map<std::string, Bytes>& certificates) {
  for (const KeyHandle handle : all_keys(store)) {
    const std::string name = store.get_key_attributes(handle)->friendly_name;
    if (std::string problem = try_key(store, handle, name, model, certificates); !problem.empty()) return problem;
  }
  for (auto& [name, group] : model.groups) group.errors = group.locked() ? group.errors : 0;
  for (const ProvisioningHandle session : all_sessions(store, SessionState::open))
    if (!store.abort_provisioning_session(session)) return "an open session cannot be aborted";
  model = aborted(std::move(model));
  if (observe(store) != model.text()) return "after the use of all keys the store is\n" + observe(store);
  static_cast<void>(provision_plain_key(store));
  return "";
}

}  // namespace sks::test
