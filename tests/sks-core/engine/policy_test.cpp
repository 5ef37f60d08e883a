#include <doctest/doctest.h>

#include "tests/sks-core/engine/device.h"

// createPukPolicy and createPinPolicy: spec/sks-api.md 4.7 and 4.8.
namespace sks::test {

TEST_CASE("createPukPolicy: refuses what the specification refuses and aborts the session") {
  struct Case {
    const char* name;
    Status status;
    std::function<void(TestIssuer&, PukPolicyRequest&)> change;
  };
  const auto puk_of = [](const char* value, std::uint8_t format) {
    return [=](TestIssuer& i, PukPolicyRequest& r) {
      r.encrypted_puk = i.encrypt(as_bytes(value));
      r.format = format;
    };
  };
  const std::vector<Case> cases{
      {"format 4", Status::option, [](auto&, auto& r) { r.format = 4; }},
      {"retryLimit 10001", Status::option, [](auto&, auto& r) { r.retry_limit = 10001; }},
      {"15 encrypted bytes", Status::internal, [](auto&, auto& r) { r.encrypted_puk.resize(15); }},
      {"no encrypted PUK", Status::internal, [](auto&, auto& r) { r.encrypted_puk.clear(); }},
      {"broken block", Status::crypto, [](auto&, auto& r) { r.encrypted_puk.push_back(0); }},
      {"IV alone, so an empty PUK", Status::option, [](auto&, auto& r) { r.encrypted_puk.resize(16); }},
      {"empty PUK", Status::option, puk_of("", 0)},
      {"PUK of 129 bytes", Status::option, [](auto& i, auto& r) { r.encrypted_puk = i.encrypt(Bytes(129, '1')); }},
      {"letters in a numeric PUK", Status::option, puk_of("12A", 0)},
      {"lower case in an alphanumeric PUK", Status::option, puk_of("12a", 1)},
      {"blank in an alphanumeric PUK", Status::option, puk_of("A 1", 1)},
      {"wrong MAC", Status::mac, [](auto&, auto& r) { r.mac = Bytes(32); }},
      {"short MAC", Status::mac, [](auto&, auto& r) { r.mac = Bytes(16); }},
      {"MAC under the name of the method", Status::mac,
       [](auto& i, auto& r) { r.mac = i.mac("createPukPolicy", Bytes()); }},
      {"bad PUK and wrong MAC", Status::option,
       [](auto& i, auto& r) {
         r.encrypted_puk = i.encrypt(as_bytes("x"));
         r.mac = Bytes(32);
       }},
      {"bad id and wrong MAC", Status::mac,
       [](auto&, auto& r) {
         r.id = "";
         r.mac = Bytes(32);
       }},
      {"id in use", Status::option, [](auto&, auto& r) { r.id = "used"; }},
      {"empty id", Status::option, [](auto&, auto& r) { r.id = ""; }},
      {"id of 33", Status::option, [](auto&, auto& r) { r.id.assign(33, 'i'); }},
      {"id with blank", Status::option, [](auto&, auto& r) { r.id = "a b"; }},
  };
  Device device;
  for (const Case& c : cases) {
    CAPTURE(c.name);
    TestIssuer issuer(*device.engine);
    const ProvisioningHandle session = issuer.open().value();
    PinPolicyRequest other = pin_policy_request();
    other.id = "used";
    REQUIRE(issuer.create_pin_policy(other));
    PukPolicyRequest request{"PUK", issuer.encrypt(as_bytes("12345")), 0, 3, {}};
    c.change(issuer, request);
    CHECK(status_of(issuer.create_puk_policy(request)) == c.status);
    CHECK_FALSE(is_open(*device.engine, session));
    CHECK(device.storage.memory.record_count() == 1);
  }
}

TEST_CASE("createPukPolicy: the limits themselves are accepted and handles are never reused") {
  Device device;
  TestIssuer issuer(*device.engine);
  REQUIRE(issuer.open());
  std::uint32_t expected = 1;
  const auto create = [&](const char* id, ByteView puk, std::uint8_t format, std::uint16_t limit) {
    const auto handle = issuer.create_puk_policy({id, issuer.encrypt(puk), format, limit, {}});
    REQUIRE(handle);
    CHECK(handle->value == expected++);
  };
  create("!", as_bytes("0"), 0, 0);
  create("~", as_bytes("AZ09"), 1, 10000);
  create("abcdefghijklmnopqrstuvwxyz012345", as_bytes("a\xFF"), 2, 1);
  create("d", Bytes(128, 0), 3, 3);
  REQUIRE(device.engine->abort_provisioning_session(issuer.handle()));
  TestIssuer next(*device.engine);
  CHECK(next.open()->value == 2);
  CHECK(next.create_puk_policy({"a", next.encrypt(as_bytes("1")), 0, 3, {}})->value == 5);
}

TEST_CASE("createPukPolicy: an argument without serialised form is refused without abort") {
  Device device;
  TestIssuer issuer(*device.engine);
  const ProvisioningHandle session = issuer.open().value();
  PukPolicyRequest request{"PUK", issuer.encrypt(as_bytes("12345")), 0, 3, Bytes(32)};
  request.id = "\xC3";
  CHECK(status_of(device.engine->create_puk_policy(session, request)) == Status::option);
  request.id = "PUK";
  request.encrypted_puk.resize(65536);
  CHECK(status_of(device.engine->create_puk_policy(session, request)) == Status::option);
  CHECK(is_open(*device.engine, session));
}

TEST_CASE("createPinPolicy: refuses what the specification refuses and aborts the session") {
  struct Case {
    const char* name;
    Status status;
    std::function<void(PinPolicyRequest&)> change;
  };
  const std::vector<Case> cases{
      {"grouping 4", Status::option, [](auto& r) { r.grouping = 4; }},
      {"inputMethod 3", Status::option, [](auto& r) { r.input_method = 3; }},
      {"format 4", Status::option, [](auto& r) { r.format = 4; }},
      {"retryLimit 0", Status::option, [](auto& r) { r.retry_limit = 0; }},
      {"retryLimit 10001", Status::option, [](auto& r) { r.retry_limit = 10001; }},
      {"unknown pattern 0x20", Status::option, [](auto& r) { r.pattern_restrictions = 0x20; }},
      {"unknown pattern 0x80", Status::option, [](auto& r) { r.pattern_restrictions = 0x80; }},
      {"unknown PUK policy", Status::option, [](auto& r) { r.puk_policy = PukPolicyHandle{77}; }},
      {"PUK policy of another session", Status::option, [](auto& r) { r.puk_policy = PukPolicyHandle{1}; }},
      {"missing-group with numeric", Status::option, [](auto& r) { r.pattern_restrictions = 0x10; }},
      {"missing-group with binary", Status::option,
       [](auto& r) {
         r.pattern_restrictions = 0x10;
         r.format = 3;
       }},
      {"minLength 0", Status::option, [](auto& r) { r.min_length = 0; }},
      {"maxLength 129", Status::option, [](auto& r) { r.max_length = 129; }},
      {"maxLength below minLength", Status::option, [](auto& r) { r.max_length = 3; }},
      {"wrong MAC", Status::mac, [](auto& r) { r.mac = Bytes(32); }},
      {"short MAC", Status::mac, [](auto& r) { r.mac = Bytes(1); }},
      {"bad length and wrong MAC", Status::option,
       [](auto& r) {
         r.min_length = 0;
         r.mac = Bytes(32);
       }},
      {"id in use and wrong MAC", Status::mac,
       [](auto& r) {
         r.id = "used";
         r.mac = Bytes(32);
       }},
      {"id in use", Status::option, [](auto& r) { r.id = "used"; }},
      {"empty id", Status::option, [](auto& r) { r.id = ""; }},
      {"id of 33", Status::option, [](auto& r) { r.id.assign(33, 'i'); }},
  };
  Device device;
  provision_pin_key(*device.engine);  // owns PUK policy 1
  const std::size_t records = device.storage.memory.record_count();
  for (const Case& c : cases) {
    CAPTURE(c.name);
    TestIssuer issuer(*device.engine);
    const ProvisioningHandle session = issuer.open().value();
    REQUIRE(issuer.create_puk_policy({"used", issuer.encrypt(as_bytes("1")), 0, 3, {}}));
    PinPolicyRequest request = pin_policy_request();
    c.change(request);
    CHECK(status_of(issuer.create_pin_policy(request)) == c.status);
    CHECK_FALSE(is_open(*device.engine, session));
    CHECK(device.storage.memory.record_count() == records);
  }
}

TEST_CASE("createPinPolicy: the limits themselves are accepted") {
  Device device;
  TestIssuer issuer(*device.engine);
  REQUIRE(issuer.open());
  PinPolicyRequest request = pin_policy_request();
  request.id = "a";
  request.retry_limit = 10000;
  request.min_length = 1;
  request.max_length = 128;
  request.pattern_restrictions = 0x1F;
  request.format = 2;
  request.grouping = 3;
  request.input_method = 2;
  CHECK(issuer.create_pin_policy(request)->value == 1);
  request.id = "b";
  request.retry_limit = 1;
  request.min_length = 128;
  request.format = 1;
  request.user_defined = false;
  request.user_modifiable = false;
  CHECK(issuer.create_pin_policy(request)->value == 2);
}

}  // namespace sks::test
