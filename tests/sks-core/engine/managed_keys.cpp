#include "tests/sks-core/engine/managed_keys.h"

#include <doctest/doctest.h>

#include "sks-core/crypto/x509.h"

namespace sks::test {

ManagedDevice::ManagedDevice() {
  config.device_pin = &device_pin;
  config.biometric_support = true;
  restart();
}

Owner provision_owner(Device& device, const OwnerOptions& options) {
  Owner owner{generate_key(kSks + options.kmk_algorithm), {}, {}};
  TestIssuer issuer(*device.engine);
  issuer.request.privacy_enabled = options.privacy_enabled;
  if (options.has_kmk) issuer.request.key_management_key = owner.kmk.public_key().spki();
  owner.session = issuer.open(device.identity.certificate_path().front()).value();
  PinPolicyHandle policy;
  if (options.pin == PinKind::local) {
    const PukPolicyHandle puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("99999")), 0, 3, {}}).value();
    PinPolicyRequest request = pin_policy_request(puk);
    request.grouping = options.grouping;
    policy = issuer.create_pin_policy(request).value();
  }
  for (int i = 1; i <= options.keys; ++i) {
    KeyEntryRequest request = key_request();
    request.id = "Key-" + std::to_string(i);
    request.app_usage = options.app_usage;
    request.device_pin_protection = options.pin == PinKind::device;
    request.pin_policy = policy;
    if (policy) request.pin_value = secret("1234");
    const KeyHandle handle = issuer.create_certified_key(std::move(request)).value().handle;
    owner.keys.push_back({handle, issuer.end_entity(handle)});
  }
  REQUIRE(issuer.close());
  return owner;
}

TestIssuer open_issuer(Device& device, const IssuerOptions& options) {
  TestIssuer issuer(*device.engine);
  issuer.request.privacy_enabled = options.privacy_enabled;
  issuer.request.session_key_limit = options.session_key_limit;
  if (options.kmk != nullptr) issuer.request.key_management_key = options.kmk->public_key().spki();
  REQUIRE(issuer.open(device.identity.certificate_path().front()));
  return issuer;
}

ManagedKey add_key(TestIssuer& issuer, const std::string& id, std::uint8_t app_usage) {
  KeyEntryRequest request = key_request();
  request.id = id;
  request.app_usage = app_usage;
  const KeyHandle handle = issuer.create_certified_key(std::move(request)).value().handle;
  return {handle, issuer.end_entity(handle)};
}

TargetAuthorization aim_at(const TestIssuer& issuer, const Owner& owner) { return aim_at(issuer, owner, owner.key()); }

TargetAuthorization aim_at(const TestIssuer& issuer, const Owner& owner, const ManagedKey& key) {
  return {key.handle, issuer.target_authorization(owner.kmk, key.certificate), {}};
}

ProvisioningHandle owner_of(SecureKeyStore& store, KeyHandle key) {
  for (KeyHandle last;;) {
    const std::optional<EnumeratedKey> next = store.enumerate_keys(last).value();
    REQUIRE(next);
    if (next->handle == key) return next->session;
    last = next->handle;
  }
}

void enter_wrong_pins(SecureKeyStore& store, KeyHandle key, int errors) {
  for (int i = 0; i < errors; ++i) CHECK(try_to_sign(store, key, with_pin("0000")) == Status::authorization);
}

void enter_wrong_puks(SecureKeyStore& store, KeyHandle key, int errors) {
  for (int i = 0; i < errors; ++i) CHECK(status_of(store.unlock_key(key, secret("0"))) == Status::authorization);
}

bool signs_as(SecureKeyStore& store, KeyHandle key, ByteView certificate, std::string_view pin) {
  const Bytes message = to_bytes(as_bytes("message"));
  const Result<Bytes> signature = store.sign_data(key, kEcdsaSha256, {}, with_pin(pin), message);
  if (!signature) return false;
  const crypto::PublicKey certified = crypto::Certificate::from_der(certificate)->public_key().value();
  return static_cast<bool>(crypto::verify_signature(certified, message, *signature));
}

}  // namespace sks::test
