#include "tests/sks-core/replay/gaps.h"

#include <doctest/doctest.h>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/x509.h"
#include "tests/sks-core/replay/public_half.h"
#include "tests/support/test_issuer.h"

namespace sks::test {

/// A session that is not on record. Recorded calls name the keys; handles that no recorded call returned belong to
/// objects of these sessions.
struct Gaps::Session {
  std::uint32_t handle;
  bool is_kept;  ///< or aborted: it had vanished by the next recorded call
  std::vector<std::uint32_t> keys;
  std::uint32_t pin_policy = 0;
  std::uint8_t pin_grouping = 0;
  std::uint32_t puk_policy = 0;
  std::uint32_t deleted_key = 0;  ///< of `keys`: had vanished although its session had not
};

const std::vector<Gaps::Session>& Gaps::sessions() {
  static const std::vector<Session> all{
      {2, false, {}, 0, 0, 0, 0},       {3, true, {3}, 2, 0, 0, 0},        {9, false, {}, 0, 0, 0, 0},
      {10, true, {9, 10}, 8, 1, 0, 10}, {21, true, {20}, 14, 0, 1, 0},     {22, true, {21}, 15, 0, 2, 0},
      {23, true, {22}, 0, 0, 0, 0},     {24, true, {23}, 0, 0, 0, 0},      {26, true, {26}, 17, 0, 0, 0},
      {27, true, {27}, 18, 0, 0, 0},    {28, true, {28}, 0, 0, 0, 0},      {29, true, {29}, 0, 0, 0, 0},
      {35, false, {}, 0, 0, 0, 0},      {36, true, {35, 36}, 22, 0, 0, 0}, {38, false, {38}, 0, 0, 0, 0},
      {39, true, {39}, 0, 0, 0, 0},
  };
  return all;
}

Gaps::Gaps(const std::vector<Recording>& recordings) {
  for (const Recording& recording : recordings)
    for (const RecordedCall& call : recording.calls) {
      if (call.method == "enumerateProvisioningSessions" && !call.out.is_null())
        sessions_seen_[handle<ProvisioningHandle>(call.out["provisioningHandle"])] = call.out;
      if (call.method == "getKeyAttributes") attributes_seen_[handle<KeyHandle>(call.in["keyHandle"])] = call.out;
    }
}

void Gaps::fill_up_to(ProvisioningHandle next, const ScriptedStore& device) {
  for (; next_ < sessions().size() && sessions()[next_].handle < next.value; ++next_) make(sessions()[next_], device);
}

void Gaps::make(const Session& session, const ScriptedStore& device) const {
  CAPTURE(session.handle);
  TestIssuer issuer(device.store);
  issuer.request.privacy_enabled = false;
  if (const auto seen = sessions_seen_.find(ProvisioningHandle{session.handle}); seen != sessions_seen_.end()) {
    const Json& was = seen->second;
    issuer.request.privacy_enabled = was["privacyEnabled"];
    issuer.request.server_session_id = was["serverSessionId"];
    issuer.request.issuer_uri = was["issuerUri"];
    issuer.request.key_management_key = base64(was["keyManagementKey"]);
    issuer.request.client_time = was["clientTime"];
    issuer.request.session_life_time = was["sessionLifeTime"];
    device.random.queue(from_base64url(text(was["clientSessionId"])).value());
  }
  REQUIRE(issuer.open(device.identity.certificate_path().front()).value().value == session.handle);
  PukPolicyHandle puk;
  PinPolicyHandle pin;
  if (session.puk_policy != 0)
    puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("99")), 0, 3, {}}).value();
  CHECK(puk.value == session.puk_policy);
  if (session.pin_policy != 0)
    pin = issuer.create_pin_policy({"PIN", puk, true, true, 0, 3, session.pin_grouping, 0, 4, 8, 0, {}}).value();
  CHECK(pin.value == session.pin_policy);
  for (const std::uint32_t key : session.keys) make_key(issuer, KeyHandle{key}, pin, device);
  if (!session.is_kept) {
    REQUIRE(device.store.abort_provisioning_session(issuer.handle()));
    return;
  }
  REQUIRE(issuer.close());
  if (session.deleted_key != 0) REQUIRE(device.store.delete_key(KeyHandle{session.deleted_key}, {}));
}

void Gaps::make_key(TestIssuer& issuer, KeyHandle key, PinPolicyHandle policy, const ScriptedStore& device) const {
  KeyEntryRequest request;
  request.id = "Key." + std::to_string(key.value);
  request.key_entry_algorithm = "https://webpki.github.io/sks/algorithm#key.1";
  request.key_algorithm = "https://webpki.github.io/sks/algorithm#ec.nist.p256";
  request.pin_policy = policy;
  if (policy) request.pin_value = SecureBytes::copy_of(as_bytes("015354"));
  request.export_protection = 3;
  request.app_usage = 1;
  const auto seen = attributes_seen_.find(key);
  std::vector<Bytes> path;
  if (seen != attributes_seen_.end()) {
    path = key_attributes(seen->second).certificate_path;
    const Bytes spki = crypto::Certificate::from_der(path.front()).value().public_key().value().spki();
    device.keys.queue(key_with_public_half(spki));
  }
  const CreatedKey created = issuer.create_key_entry(std::move(request)).value();
  REQUIRE(created.handle == key);
  if (path.empty()) path = {certify(created.public_key)};
  REQUIRE(issuer.set_certificate_path(created, "Key." + std::to_string(key.value), path));
}

}  // namespace sks::test
