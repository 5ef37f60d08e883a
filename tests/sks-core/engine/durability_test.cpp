#include <doctest/doctest.h>

#include <algorithm>

#include "sks-core/engine/records.h"
#include "tests/sks-core/engine/device.h"

// What survives a restart, and what a store must look like to be opened: spec/sks-api.md 1.3, 1.5.
namespace sks::test {
namespace {

std::map<RecordId, Bytes> read_all(Storage& storage) {
  std::map<RecordId, Bytes> records;
  const auto transaction = storage.begin().value();
  for (std::uint8_t kind = 1; kind <= 9; ++kind) {
    const auto visited =
        transaction->scan(static_cast<RecordKind>(kind), [&](std::uint32_t handle, ByteView value) -> Result<void> {
          records[{static_cast<RecordKind>(kind), handle}] = to_bytes(value);
          return {};
        });
    REQUIRE(visited);
  }
  return records;
}

// What the first of all look-ups fails with.
std::optional<Status> first_failure(SecureKeyStore& store) {
  for (const SessionState state : {SessionState::open, SessionState::closed}) {
    ProvisioningHandle session;
    for (;;) {
      const auto next = store.enumerate_provisioning_sessions(session, state);
      if (!next) return status_of(next);
      if (!*next) break;
      session = (*next)->handle;
    }
  }
  for (const KeyHandle key : all_keys(store)) {
    if (const auto failure = status_of(store.get_key_attributes(key)); failure) return failure;
    if (const auto failure = status_of(store.get_key_protection_info(key)); failure) return failure;
    if (const auto failure = try_to_sign(store, key, with_pin("1234")); failure) return failure;
  }
  return std::nullopt;
}

// Opens a store with these records and uses everything in it.
std::optional<Status> try_to_open(const std::map<RecordId, Bytes>& records, const Device& device) {
  InMemoryStorage storage;
  {
    const auto transaction = storage.begin().value();
    for (const auto& [id, value] : records) REQUIRE(transaction->put(id, value));
    REQUIRE(transaction->commit());
  }
  const auto engine = Engine::open({storage, device.identity, device.keys, device.random, device.clock});
  return engine ? first_failure(*engine.value()) : status_of(engine);
}

// One closed session with a PIN key, one open session with everything.
void fill(Device& device) {
  provision_pin_key(*device.engine);
  TestIssuer issuer(*device.engine);
  REQUIRE(issuer.open());
  const PukPolicyHandle puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("1")), 0, 3, {}}).value();
  const PinPolicyHandle pin = issuer.create_pin_policy(pin_policy_request(puk)).value();
  KeyEntryRequest request = key_request(pin, "1234");
  request.endorsed_algorithms = {kEcdsaSha256};
  REQUIRE(issuer.create_certified_key(std::move(request)));
}

}  // namespace

TEST_CASE("Engine: a session goes on after a restart between any two calls") {
  Device device;
  TestIssuer issuer(*device.engine);
  issuer.request.session_key_limit = 9;  // exactly what the calls below need
  const auto restart = [&] {
    device.restart();
    issuer.use(*device.engine);
  };
  const ProvisioningHandle session = issuer.open().value();
  restart();
  const PukPolicyHandle puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("99999")), 0, 3, {}}).value();
  restart();
  PinPolicyRequest policy = pin_policy_request(puk);
  policy.user_defined = false;
  const PinPolicyHandle pin = issuer.create_pin_policy(policy).value();
  restart();
  KeyEntryRequest request = key_request(pin, "");
  request.pin_value = issuer.encrypted_pin("1234");
  const CreatedKey key = issuer.create_key_entry(std::move(request)).value();
  restart();
  CHECK(device.engine->get_key_handle(session, "Key").value() == key.handle);
  REQUIRE(issuer.set_certificate_path(key, "Key", {certify(key.public_key)}));
  restart();
  CHECK(all_keys(*device.engine).empty());
  REQUIRE(issuer.close());
  restart();
  CHECK(all_sessions(*device.engine, SessionState::closed) == std::vector{session});
  CHECK(try_to_sign(*device.engine, key.handle, with_pin("0000")) == Status::authorization);
  restart();
  CHECK(pin_errors(*device.engine, key.handle) == 1);
  CHECK(try_to_sign(*device.engine, key.handle, with_pin("1234")) == std::nullopt);
  restart();
  CHECK(pin_errors(*device.engine, key.handle) == 0);
}

TEST_CASE("Engine: the operations of a session stay spent after a restart") {
  Device device;
  TestIssuer issuer(*device.engine);
  issuer.request.session_key_limit = 1;
  const ProvisioningHandle session = issuer.open().value();
  REQUIRE(issuer.create_pin_policy(pin_policy_request()));
  device.restart();
  issuer.use(*device.engine);
  PinPolicyRequest second = pin_policy_request();
  second.id = "PIN2";
  CHECK(status_of(issuer.create_pin_policy(second)) == Status::option);
  CHECK_FALSE(is_open(*device.engine, session));
}

TEST_CASE("Engine: names, references and duplicate certificates are known after a restart") {
  Device device;
  TestIssuer issuer(*device.engine);
  REQUIRE(issuer.open());
  REQUIRE(issuer.create_pin_policy(pin_policy_request()));
  device.restart();
  issuer.use(*device.engine);
  CHECK(status_of(issuer.create_pin_policy(pin_policy_request())) == Status::option);

  TestIssuer next(*device.engine);
  REQUIRE(next.open());
  REQUIRE(next.create_pin_policy(pin_policy_request()));
  device.restart();
  next.use(*device.engine);
  CHECK(status_of(next.close()) == Status::option);
}

TEST_CASE("Engine: handles are not reused after abort and restart, and an aborted session stays away") {
  Device device;
  TestIssuer issuer(*device.engine);
  const ProvisioningHandle session = issuer.open().value();
  const PinPolicyHandle policy = issuer.create_pin_policy(pin_policy_request()).value();
  const KeyHandle key = issuer.create_key_entry(key_request(policy, "1234")).value().handle;
  REQUIRE(device.engine->abort_provisioning_session(session));
  device.restart();
  CHECK_FALSE(is_open(*device.engine, session));
  const PinKey made = provision_pin_key(*device.engine);
  CHECK(made.session > session);
  CHECK(made.key > key);
  CHECK(device.real_engine->pin_group(made.key).value().value().value == 2);
}

TEST_CASE("Engine: the session key leaves the store at close") {
  Device device;
  TestIssuer issuer(*device.engine);
  REQUIRE(issuer.open());
  REQUIRE(issuer.create_certified_key(key_request()));
  const auto holds_key = [&] {
    const ByteView key = issuer.session_key().view();
    return std::ranges::any_of(read_all(device.storage), [key](const auto& record) {
      return std::search(record.second.begin(), record.second.end(), key.begin(), key.end()) != record.second.end();
    });
  };
  CHECK(holds_key());
  REQUIRE(issuer.close());
  CHECK_FALSE(holds_key());
}

TEST_CASE("Engine: every record is needed") {
  Device device;
  fill(device);
  const std::map<RecordId, Bytes> sound = read_all(device.storage);
  CHECK(try_to_open(sound, device) == std::nullopt);
  CHECK(try_to_open({}, device) == std::nullopt);
  for (const auto& record : sound) {
    const RecordId id = record.first;
    CAPTURE(static_cast<int>(id.kind));
    CAPTURE(id.handle);
    // The key of an open session is read when the session is closed.
    if (id == RecordId{RecordKind::key_material, 2}) continue;
    std::map<RecordId, Bytes> damaged = sound;
    damaged.erase(id);
    CHECK(try_to_open(damaged, device) == Status::internal);
  }
}

TEST_CASE("Engine: a record under another handle is refused") {
  Device device;
  fill(device);
  const std::map<RecordId, Bytes> sound = read_all(device.storage);
  for (const auto& record : sound) {
    const RecordId id = record.first;
    const Bytes& value = record.second;
    if (id.kind == RecordKind::counters) continue;
    // The key of an open session is read when the session is closed.
    if (id == RecordId{RecordKind::key_material, 2}) continue;
    for (const std::uint32_t handle : {0U, 3U, 4711U}) {
      CAPTURE(static_cast<int>(id.kind));
      std::map<RecordId, Bytes> damaged = sound;
      damaged.erase(id);
      damaged[{id.kind, handle}] = value;
      CHECK(try_to_open(damaged, device) == Status::internal);
    }
  }
}

TEST_CASE("Engine: records cut short or too long are refused") {
  Device device;
  fill(device);
  const std::map<RecordId, Bytes> sound = read_all(device.storage);
  for (const auto& record : sound) {
    const RecordId id = record.first;
    const Bytes& value = record.second;
    if (id.kind == RecordKind::key_material) continue;
    CAPTURE(static_cast<int>(id.kind));
    std::map<RecordId, Bytes> damaged = sound;
    for (std::size_t size = 0; size < value.size(); ++size) {
      damaged[id] = Bytes(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(size));
      CHECK(try_to_open(damaged, device) == Status::internal);
    }
    damaged[id] = value;
    damaged[id].push_back(0);
    CHECK(try_to_open(damaged, device) == Status::internal);
    damaged[id] = value;
    damaged[id].front() = 3;  // a version of the future
    CHECK(try_to_open(damaged, device) == Status::internal);
  }
}

TEST_CASE("Engine: no changed byte makes it crash or fail otherwise than with internal") {
  Device device;
  fill(device);
  const std::map<RecordId, Bytes> sound = read_all(device.storage);
  std::size_t refused = 0;
  for (const auto& record : sound) {
    const RecordId id = record.first;
    const Bytes& value = record.second;
    std::map<RecordId, Bytes> damaged = sound;
    for (std::size_t i = 0; i < value.size(); ++i) {
      damaged[id] = value;
      damaged[id][i] ^= 0xFF;
      const std::optional<Status> status = try_to_open(damaged, device);
      // A PIN, or the counter of its errors, cannot be told from another one.
      const bool harmless = id.kind == RecordKind::pin_group && status == Status::authorization;
      CHECK((status == std::nullopt || status == Status::internal || harmless));
      if (status) ++refused;
    }
  }
  CHECK(refused > 100);
}

TEST_CASE("Engine: well-formed records that contradict one another are refused") {
  Device device;
  fill(device);
  const std::map<RecordId, Bytes> sound = read_all(device.storage);
  const auto with = [&](RecordKind kind, std::uint32_t handle, const SecureBytes& record) {
    std::map<RecordId, Bytes> changed = sound;
    changed[{kind, handle}] = to_bytes(record.view());
    return try_to_open(changed, device);
  };
  const auto key_with = [&](const std::function<void(engine::KeyEntry&)>& change) {
    engine::KeyEntry key = engine::KeyEntry::decode(KeyHandle{1}, sound.at({RecordKind::key, 1})).value();
    change(key);
    return with(RecordKind::key, 1, key.encode());
  };
  CHECK(key_with([](auto&) {}) == std::nullopt);
  CHECK(key_with([](auto& k) { k.session = ProvisioningHandle{9}; }) == Status::internal);
  CHECK(key_with([](auto& k) { k.session = ProvisioningHandle{2}; }) == Status::internal);
  CHECK(key_with([](auto& k) { k.pin_policy = {}; }) == Status::internal);
  CHECK(key_with([](auto& k) { k.pin_policy = PinPolicyHandle{2}; }) == Status::internal);
  CHECK(key_with([](auto& k) { k.pin_group = {}; }) == Status::internal);
  CHECK(key_with([](auto& k) { k.pin_group = PinGroupHandle{2}; }) == Status::internal);
  CHECK(key_with([](auto& k) { k.device_pin_protection = true; }) == Status::internal);
  CHECK(key_with([](auto& k) { k.certificate_path.clear(); }) == Status::internal);

  const auto group_with = [&](const std::function<void(engine::PinGroup&)>& change) {
    engine::PinGroup group = engine::PinGroup::decode(PinGroupHandle{1}, sound.at({RecordKind::pin_group, 1})).value();
    change(group);
    return with(RecordKind::pin_group, 1, group.encode());
  };
  CHECK(group_with([](auto&) {}) == std::nullopt);
  CHECK(group_with([](auto& g) { g.error_count = 4; }) == Status::authorization);  // blocked
  CHECK(group_with([](auto& g) { g.policy = PinPolicyHandle{2}; }) == Status::internal);
  CHECK(group_with([](auto& g) { g.group_class = 1; }) == Status::internal);
  for (const std::size_t size : {std::size_t{0}, std::size_t{129}}) {
    CAPTURE(size);
    CHECK(group_with([&](auto& g) { g.value = engine::share(SecureBytes(size)); }) == Status::internal);
    engine::PukPolicy puk =
        engine::PukPolicy::decode(PukPolicyHandle{1}, sound.at({RecordKind::puk_policy, 1})).value();
    puk.value = engine::share(SecureBytes(size));
    CHECK(with(RecordKind::puk_policy, 1, puk.encode()) == Status::internal);
  }

  const auto policy_with = [&](std::uint32_t handle, const std::function<void(engine::PinPolicy&)>& change) {
    engine::PinPolicy policy =
        engine::PinPolicy::decode(PinPolicyHandle{handle}, sound.at({RecordKind::pin_policy, handle})).value();
    change(policy);
    return with(RecordKind::pin_policy, handle, policy.encode());
  };
  CHECK(policy_with(1, [](auto&) {}) == std::nullopt);
  CHECK(policy_with(1, [](auto& p) { p.min_length = 0; }) == Status::internal);
  CHECK(policy_with(1, [](auto& p) { p.min_length = 9; }) == Status::internal);
  CHECK(policy_with(1, [](auto& p) { p.max_length = 129; }) == Status::internal);
  CHECK(policy_with(1, [](auto& p) { p.retry_limit = 10001; }) == Status::internal);
  CHECK(policy_with(1, [](auto& p) { p.id = "Other"; }) == std::nullopt);
  CHECK(policy_with(2, [](auto& p) { p.id = "Other"; }) == Status::internal);

  engine::PukPolicy puk = engine::PukPolicy::decode(PukPolicyHandle{1}, sound.at({RecordKind::puk_policy, 1})).value();
  puk.error_count = 4;
  CHECK(with(RecordKind::puk_policy, 1, puk.encode()) == Status::internal);
  engine::Counters counters = engine::Counters::decode(sound.at({RecordKind::counters, 0})).value();
  CHECK(with(RecordKind::counters, 0, counters.encode()) == std::nullopt);
  --counters.key;
  CHECK(with(RecordKind::counters, 0, counters.encode()) == Status::internal);
}

TEST_CASE("signData: a private key whose record is damaged is an internal failure") {
  Device device;
  const KeyHandle key = provision_plain_key(*device.engine);
  auto transaction = device.storage.begin().value();
  REQUIRE(transaction->put({RecordKind::key_material, key.value}, Bytes{1, 2, 3}));
  REQUIRE(transaction->commit());
  transaction.reset();
  CHECK(try_to_sign(*device.engine, key, {}) == Status::internal);
}

TEST_CASE("signData: a private key that is not the key's own is an internal failure") {
  Device device;
  const KeyHandle key = provision_plain_key(*device.engine);
  const SecureBytes other = generate_key(kSks + "ec.nist.p256").to_pkcs8().value();
  auto transaction = device.storage.begin().value();
  REQUIRE(transaction->put({RecordKind::key_material, key.value}, other.view()));
  REQUIRE(transaction->commit());
  transaction.reset();
  CHECK(try_to_sign(*device.engine, key, {}) == Status::internal);
}

TEST_CASE("Engine::open: a device without a certificate is refused") {
  class NoIdentity final : public DeviceIdentity {
   public:
    const std::vector<Bytes>& certificate_path() const override { return none_; }
    Result<Bytes> sign(ByteView) const override { return Error{Status::crypto, "no key"}; }

   private:
    std::vector<Bytes> none_;
  };
  InMemoryStorage storage;
  const NoIdentity identity;
  CHECK(status_of(Engine::open({storage, identity})) == Status::internal);
}

}  // namespace sks::test
