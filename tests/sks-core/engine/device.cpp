#include "tests/sks-core/engine/device.h"

#include <doctest/doctest.h>

#ifdef SKS_TEST_REMOTE
#include "sks-core/wire/client.h"
#endif

namespace sks::test {

class MoodyStorage::MoodyTransaction final : public Storage::Transaction {
 public:
  MoodyTransaction(MoodyStorage& storage, std::unique_ptr<Transaction> inner)
      : storage_(storage), inner_(std::move(inner)) {}
  Result<std::optional<SecureBytes>> get(RecordId id) override { return inner_->get(id); }
  Result<void> put(RecordId id, ByteView value) override { return inner_->put(id, value); }
  Result<void> erase(RecordId id) override { return inner_->erase(id); }
  Result<void> scan(RecordKind kind, const std::function<Result<void>(std::uint32_t, ByteView)>& visit) override {
    return inner_->scan(kind, visit);
  }
  Result<void> commit() override {
    if (storage_.good_commits > 0) {
      --storage_.good_commits;
      return inner_->commit();
    }
    if (storage_.mood == Mood::refuses) return Error{Status::storage, "no space left"};
    SKS_TRY(inner_->commit());
    const Mood today = storage_.mood;
    if (today == Mood::lies_once_then_refuses) storage_.mood = Mood::refuses;
    if (today == Mood::lies || today == Mood::lies_once_then_refuses)
      return Error{Status::storage, "no answer from the disk"};
    return {};
  }

 private:
  MoodyStorage& storage_;
  std::unique_ptr<Transaction> inner_;
};

Result<std::unique_ptr<Storage::Transaction>> MoodyStorage::begin() {
  SKS_LET(std::unique_ptr<Transaction> inner, memory.begin());
  return std::unique_ptr<Transaction>(std::make_unique<MoodyTransaction>(*this, std::move(inner)));
}

void Device::restart() {
  real_engine.reset();
  Result<std::unique_ptr<Engine>> opened = Engine::open({storage, identity, keys, random, clock}, config);
  REQUIRE_MESSAGE(static_cast<bool>(opened), opened.error().detail);
  real_engine = std::move(opened).value();
  engine = real_engine.get();
#ifdef SKS_TEST_REMOTE
  remote = std::make_unique<wire::RemoteKeyStore>(std::make_unique<wire::LocalChannel>(*real_engine));
  engine = remote.get();
#endif
}

SecureBytes secret(std::string_view text) { return SecureBytes::copy_of(as_bytes(text)); }
Authorization with_pin(std::string_view pin) { return {secret(pin), false}; }
Authorization biometric(std::string_view pin) { return {secret(pin), true}; }

PinPolicyRequest pin_policy_request(PukPolicyHandle puk) {
  PinPolicyRequest request;
  request.id = "PIN";
  request.puk_policy = puk;
  request.user_defined = true;
  request.user_modifiable = true;
  request.retry_limit = 3;
  request.min_length = 4;
  request.max_length = 8;
  return request;
}

KeyEntryRequest key_request() {
  KeyEntryRequest request;
  request.id = "Key";
  request.key_entry_algorithm = kSks + "key.1";
  request.app_usage = 1;
  request.friendly_name = "A key";
  request.key_algorithm = kSks + "ec.nist.p256";
  return request;
}

KeyEntryRequest key_request(PinPolicyHandle policy, std::string_view pin) {
  KeyEntryRequest request = key_request();
  request.pin_policy = policy;
  request.pin_value = secret(pin);
  return request;
}

bool is_open(SecureKeyStore& engine, ProvisioningHandle session) {
  const auto open = all_sessions(engine, SessionState::open);
  return std::find(open.begin(), open.end(), session) != open.end();
}

std::vector<KeyHandle> all_keys(SecureKeyStore& engine) {
  std::vector<KeyHandle> keys;
  for (KeyHandle last;;) {
    const std::optional<EnumeratedKey> next = engine.enumerate_keys(last).value();
    if (!next) return keys;
    last = next->handle;
    keys.push_back(last);
  }
}

std::vector<ProvisioningHandle> all_sessions(SecureKeyStore& engine, SessionState state) {
  std::vector<ProvisioningHandle> sessions;
  for (ProvisioningHandle last;;) {
    const std::optional<SessionInfo> next = engine.enumerate_provisioning_sessions(last, state).value();
    if (!next) return sessions;
    last = next->handle;
    sessions.push_back(last);
  }
}

std::uint16_t pin_errors(SecureKeyStore& engine, KeyHandle key) {
  return engine.get_key_protection_info(key).value().pin_error_count;
}
std::uint16_t puk_errors(SecureKeyStore& engine, KeyHandle key) {
  return engine.get_key_protection_info(key).value().puk_error_count;
}

std::optional<Status> try_to_sign(SecureKeyStore& engine, KeyHandle key, const Authorization& authorization) {
  return status_of(engine.sign_data(key, kEcdsaSha256, {}, authorization, as_bytes("message")));
}

PinKey provision_pin_key(SecureKeyStore& engine, PinKeyOptions options) {
  TestIssuer issuer(engine);
  PinKey made;
  made.session = issuer.open().value();
  const PukPolicyHandle puk =
      issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("99999")), 0, options.puk_retry_limit, {}}).value();
  const PinPolicyHandle pin = issuer.create_pin_policy(pin_policy_request(puk)).value();
  KeyEntryRequest request = key_request(pin, "1234");
  request.biometric_protection = options.biometric_protection;
  request.delete_protection = options.delete_protection;
  made.key = issuer.create_certified_key(std::move(request)).value().handle;
  REQUIRE(issuer.close());
  return made;
}

KeyHandle provision_plain_key(SecureKeyStore& engine, KeyEntryRequest request) {
  TestIssuer issuer(engine);
  REQUIRE(issuer.open());
  const KeyHandle key = issuer.create_certified_key(std::move(request)).value().handle;
  REQUIRE(issuer.close());
  return key;
}

}  // namespace sks::test
