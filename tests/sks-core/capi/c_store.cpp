#include "tests/sks-core/capi/c_store.h"

#include <algorithm>

namespace sks::test {
namespace {

class TransactChannel final : public wire::Channel {
 public:
  explicit TransactChannel(sks_store* store) : store_(store) {}
  Result<SecureBytes> transact(ByteView request) override {
    sks_buffer response{};
    sks_error error;
    if (sks_transact(store_, request.data(), request.size(), &response, &error) != SKS_OK)
      return Error{Status::external, error.text};
    SecureBytes body = SecureBytes::copy_of({response.data, response.size});
    sks_buffer_free(&response);
    return body;
  }

 private:
  sks_store* store_;
};

int sign(void* context, const std::uint8_t* data, std::size_t size, std::uint8_t* signature, std::size_t* room) {
  const auto& device = *static_cast<const CDevice*>(context);
  if (device.signer == CDevice::Signer::fails) return 99;
  if (device.signer == CDevice::Signer::other_data) --size;
  const Bytes made = device.test_identity.sign(ByteView(data, size)).value();
  REQUIRE(made.size() <= *room);
  std::ranges::copy(made, signature);
  *room = made.size() - (device.signer == CDevice::Signer::too_short ? 1 : 0);
  return 0;
}

}  // namespace

/// Fails the test when two threads are in callbacks at once.
class CStorage::InCall {
 public:
  explicit InCall(CStorage& storage) : storage_(storage) { REQUIRE(!storage.in_call_.test_and_set()); }
  ~InCall() { storage_.in_call_.clear(); }
  InCall(const InCall&) = delete;
  InCall& operator=(const InCall&) = delete;

 private:
  CStorage& storage_;
};

CStorage::CStorage() {
  callbacks.struct_size = sizeof callbacks;
  callbacks.context = this;
  callbacks.begin = [](void* context) {
    auto& storage = *static_cast<CStorage*>(context);
    const InCall in_call(storage);
    REQUIRE(!storage.transaction_);
    if (storage.during_begin) storage.during_begin();
    if (const int code = storage.fails(); code != 0) return code;
    storage.transaction_.emplace();
    return 0;
  };
  callbacks.get = [](void* context, sks_record_id id, sks_visit visit, void* visitor) {
    return static_cast<CStorage*>(context)->get(id, visit, visitor);
  };
  callbacks.put = [](void* context, sks_record_id id, const std::uint8_t* value, std::size_t size) {
    auto& storage = *static_cast<CStorage*>(context);
    const InCall in_call(storage);
    REQUIRE(value != nullptr);
    if (const int code = storage.fails(); code != 0) return code;
    storage.transaction_.value().insert_or_assign({id.kind, id.handle}, Bytes(value, value + size));
    return 0;
  };
  callbacks.erase = [](void* context, sks_record_id id) {
    auto& storage = *static_cast<CStorage*>(context);
    const InCall in_call(storage);
    if (const int code = storage.fails(); code != 0) return code;
    storage.transaction_.value().insert_or_assign({id.kind, id.handle}, std::nullopt);
    return 0;
  };
  callbacks.scan = [](void* context, std::uint8_t kind, sks_visit visit, void* visitor) {
    return static_cast<CStorage*>(context)->scan(kind, visit, visitor);
  };
  callbacks.commit = [](void* context) {
    auto& storage = *static_cast<CStorage*>(context);
    const InCall in_call(storage);
    REQUIRE(storage.transaction_);
    if (const int code = storage.fails(); code != 0) {
      storage.transaction_.reset();
      return code;
    }
    storage.records = storage.seen();
    storage.transaction_.reset();
    return 0;
  };
  callbacks.rollback = [](void* context) {
    auto& storage = *static_cast<CStorage*>(context);
    const InCall in_call(storage);
    REQUIRE(storage.transaction_);
    storage.transaction_.reset();
  };
  callbacks.make_room = [](void* context) {
    auto& storage = *static_cast<CStorage*>(context);
    const InCall in_call(storage);
    REQUIRE(!storage.transaction_);
    ++storage.rooms_made;
    return std::exchange(storage.has_room_aside, false) ? 1 : 0;
  };
}

int CStorage::fails() { return ++calls == fail_at ? kFailure : 0; }

std::map<CStorage::Id, Bytes> CStorage::seen() const {
  std::map<Id, Bytes> all = records;
  for (const auto& [id, value] : transaction_.value()) {
    if (value)
      all.insert_or_assign(id, *value);
    else
      all.erase(id);
  }
  return all;
}

int CStorage::get(sks_record_id id, sks_visit visit, void* visitor) {
  const InCall in_call(*this);
  if (const int code = fails(); code != 0) return code;
  const auto all = seen();
  const auto found = all.find({id.kind, id.handle});
  if (found == all.end()) return 0;
  if (visits == Visits::other_record) return visit(visitor, id.handle + 1, found->second.data(), found->second.size());
  if (visits == Visits::without_data) return visit(visitor, id.handle, nullptr, 5);
  const int code = visit(visitor, id.handle, found->second.data(), found->second.size());
  if (visits != Visits::twice) return code;
  return visit(visitor, id.handle, found->second.data(), found->second.size());
}

int CStorage::scan(std::uint8_t kind, sks_visit visit, void* visitor) {
  const InCall in_call(*this);
  if (const int code = fails(); code != 0) return code;
  std::vector<std::pair<std::uint32_t, Bytes>> of_kind;
  for (const auto& [id, value] : seen())
    if (id.first == kind) of_kind.emplace_back(id.second, value);
  if (visits == Visits::descending) std::ranges::reverse(of_kind);
  for (const auto& [handle, value] : of_kind) {
    const int code = visit(visitor, handle, value.data(), value.size());
    if (code != 0 && visits != Visits::go_on_after_stop) return code;
  }
  return 0;
}

CDevice::CDevice() {
  certificate = to_c(test_identity.certificate_path().front());
  identity.struct_size = sizeof identity;
  identity.certificate_path = &certificate;
  identity.certificate_count = 1;
  identity.sign = sign;
  identity.context = this;
  options.struct_size = sizeof options;
  options.storage = &storage.callbacks;
  options.identity = &identity;
}

CDevice::~CDevice() { sks_close(store, nullptr); }

sks_status CDevice::try_to_open() { return sks_open(&options, &store, &error); }

void CDevice::open() {
  try_to_open();
  REQUIRE_MESSAGE(error.status == SKS_OK, error.text);
  api = std::make_unique<wire::RemoteKeyStore>(std::make_unique<TransactChannel>(store));
}

void CDevice::close() {
  REQUIRE(sks_close(store, &error) == SKS_OK);
  api.reset();
}

sks_bytes to_c(ByteView bytes) { return {bytes.data(), bytes.size()}; }

sks_operation operation(KeyHandle key, const std::string& algorithm, std::string_view pin) {
  sks_operation made{};
  made.struct_size = sizeof made;
  made.algorithm = algorithm.c_str();
  made.pin = to_c(as_bytes(pin));
  made.key = key.value;
  return made;
}

Bytes take(sks_buffer& buffer) {
  const Bytes bytes = to_bytes({buffer.data, buffer.size});
  sks_buffer_free(&buffer);
  CHECK(buffer.data == nullptr);
  return bytes;
}

}  // namespace sks::test
