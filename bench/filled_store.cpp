#include "bench/filled_store.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>

#include "sks-core/engine/pin_rules.h"
#include "sks-core/engine/store_state.h"

namespace sks::bench {
namespace {

constexpr std::string_view kSks = "https://webpki.github.io/sks/algorithm#";
constexpr std::uint32_t kKeysPerSession = 10;

std::unique_ptr<SqliteStore> new_store(const std::string& folder) {
  const StoredIdentity identity{{{1}}, SecureBytes::copy_of(Bytes{1})};
  SKS_CHECK(static_cast<bool>(SqliteStore::create(folder, identity)));
  return std::move(SqliteStore::open(folder).value());
}

// The certificate with the last bytes of its serial number replaced.
Bytes with_serial(const Bytes& certificate, std::uint32_t serial) {
  Bytes changed = certificate;
  // SEQUENCE, SEQUENCE, [0] version (5 bytes), INTEGER: the serial number begins behind the first INTEGER of 16 bytes
  // or more.
  const std::array<std::uint8_t, 5> version{0xa0, 0x03, 0x02, 0x01, 0x02};
  const auto found = std::search(changed.begin(), changed.end(), version.begin(), version.end());
  SKS_CHECK(found != changed.end());
  const std::ptrdiff_t length_at = found - changed.begin() + 6;
  const std::ptrdiff_t end = length_at + 1 + changed.at(static_cast<std::size_t>(length_at));
  for (std::ptrdiff_t i = 1; i <= 4; ++i, serial >>= 8)
    changed.at(static_cast<std::size_t>(end - i)) = static_cast<std::uint8_t>(serial);
  return changed;
}

struct Sample {
  crypto::PrivateKey key = test::generate_key(std::string(kSks) + "ec.nist.p256");
  Bytes certificate = test::certify(key.public_key().spki());
  SecureBytes pkcs8 = std::move(key.to_pkcs8().value());
};

engine::KeyEntry& add_key(engine::Change& change, const Sample& sample, ProvisioningHandle session,
                          std::uint32_t serial) {
  using namespace engine;
  KeyEntry& key = *change.create<KeyEntry>().value();
  key.session = session;
  key.id = "Key." + std::to_string(serial);
  key.kind = KeyKind::ec;
  key.public_key = sample.key.public_key().spki();
  key.certificate_path = {with_serial(sample.certificate, serial)};
  key.certificate_kind = KeyKind::ec;
  key.certificate_public_key = key.public_key;
  key.friendly_name = "A credential";
  key.endorsed_algorithms = {"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"};
  change.set_key_material(key.handle, SecureBytes::copy_of(sample.pkcs8.view()));
  return key;
}

void add_session(engine::Change& change, const Sample& sample, std::uint32_t first, std::uint32_t keys) {
  using namespace engine;
  Session& session = *change.create<Session>().value();
  session.state = SessionState::closed;
  session.server_session_id = "S-" + std::to_string(first);
  session.client_session_id = "C-" + std::to_string(first);
  session.issuer_uri = "https://issuer.example.com/sks";
  session.key_management_key = sample.key.public_key().spki();
  PukPolicy& puk = *change.create<PukPolicy>().value();
  puk.session = session.handle;
  puk.id = "PUK.1";
  puk.retry_limit = 3;
  puk.value = share(SecureBytes::copy_of(as_bytes("0123456789")));
  PinPolicy& policy = *change.create<PinPolicy>().value();
  policy.session = session.handle;
  policy.id = "PIN.1";
  policy.puk_policy = puk.handle;
  policy.retry_limit = 3;
  policy.grouping = Grouping::shared;
  policy.min_length = 4;
  policy.max_length = 8;
  PinGroup& group = *change.create<PinGroup>().value();
  group.policy = policy.handle;
  group.value = share(SecureBytes::copy_of(as_bytes("1234")));
  for (std::uint32_t i = 0; i < keys; ++i) {
    KeyEntry& key = add_key(change, sample, session.handle, first + i);
    key.pin_policy = policy.handle;
    key.pin_group = group.handle;
  }
}

}  // namespace

KeyEntryRequest key_request(std::string_view algorithm) {
  KeyEntryRequest request;
  request.id = "Key";
  request.key_entry_algorithm = std::string(kSks) + "key.1";
  request.key_algorithm = std::string(kSks) + std::string(algorithm);
  return request;
}

namespace {

EngineConfig service() {
  EngineConfig config;
  config.prepay_pin_attempts = true;
  return config;
}

}  // namespace

DurableStore::DurableStore() : storage_(new_store(folder_.file("store"))) {
  engine_ = std::move(Engine::open({*storage_, identity_}, service()).value());
}

KeyHandle DurableStore::provision(std::string_view algorithm, std::string_view pin) const {
  test::TestIssuer issuer(*engine_);
  SKS_CHECK(static_cast<bool>(issuer.open()));
  KeyEntryRequest request = key_request(algorithm);
  if (!pin.empty()) {
    PinPolicyRequest policy;
    policy.id = "PIN";
    policy.user_defined = true;
    policy.retry_limit = 3;
    policy.min_length = 4;
    policy.max_length = 8;
    request.pin_policy = issuer.create_pin_policy(policy).value();
    request.pin_value = SecureBytes::copy_of(as_bytes(pin));
  }
  const KeyHandle key = issuer.create_certified_key(std::move(request)).value().handle;
  SKS_CHECK(static_cast<bool>(issuer.close()));
  return key;
}

KeyHandle DurableStore::provision_symmetric(ByteView value) const {
  test::TestIssuer issuer(*engine_);
  SKS_CHECK(static_cast<bool>(issuer.open()));
  const KeyHandle key = issuer.create_certified_key(key_request("ec.nist.p256")).value().handle;
  SKS_CHECK(static_cast<bool>(issuer.import_symmetric_key(key, issuer.encrypt(value))));
  SKS_CHECK(static_cast<bool>(issuer.close()));
  return key;
}

void fill(Storage& storage, std::uint32_t keys) {
  constexpr std::uint32_t kKeysPerCommit = 1000;
  const Sample sample;
  const std::unique_ptr<engine::StoreState> state = std::move(engine::StoreState::load(storage).value());
  for (std::uint32_t first = 0; first < keys;) {
    engine::Change change(*state);
    const std::uint32_t end = std::min(keys, first + kKeysPerCommit);
    for (; first < end; first += std::min(kKeysPerSession, end - first))
      add_session(change, sample, first, std::min(kKeysPerSession, end - first));
    SKS_CHECK(static_cast<bool>(change.commit()));
  }
}

std::unique_ptr<SqliteStore> make_filled_store(const std::string& folder, std::uint32_t keys) {
  std::unique_ptr<SqliteStore> store = new_store(folder);
  fill(*store, keys);
  return store;
}

void add_sample_key(engine::Change& change, std::uint32_t serial) {
  static const Sample* const sample = new Sample;  // for the life of the program
  add_key(change, *sample, ProvisioningHandle{1}, serial);
}

const std::string& filled_folder(std::uint32_t keys) {
  static const test::TempDir parent;
  static std::map<std::uint32_t, std::string> folders;
  const auto [at, added] = folders.try_emplace(keys, parent.file(std::to_string(keys)));
  if (added) make_filled_store(at->second, keys);
  return at->second;
}

int report_opening(const std::string& folder) {
  const test::TestIdentity identity;
  const auto start = std::chrono::steady_clock::now();
  const auto storage = SqliteStore::open(folder);
  SKS_CHECK(static_cast<bool>(storage));
  const auto engine = Engine::open({*storage.value(), identity});
  SKS_CHECK(static_cast<bool>(engine));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::ifstream status("/proc/self/status");
  std::string line;
  long peak = 0;
  while (std::getline(status, line)) std::sscanf(line.c_str(), "VmHWM: %ld kB", &peak);
  std::cout << seconds.count() << ' ' << peak * 1024 << '\n';
  return 0;
}

}  // namespace sks::bench
