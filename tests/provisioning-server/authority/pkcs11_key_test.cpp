#include "provisioning-server/authority/pkcs11_key.h"

#include <doctest/doctest.h>
#include <p11-kit/pkcs11.h>

#include "provisioning-server/authority/certificate_authority.h"
#include "provisioning-server/authority/queued_signer.h"
#include "sks-core/base/encoding.h"
#include "tests/provisioning-server/authority/authority_lab.h"
#include "tests/provisioning-server/authority/fake_token.h"
#include "tests/provisioning-server/authority/soft_token.h"
#include "tests/support/fakes.h"
#include "tests/support/temp_dir.h"

namespace sks::issuer {
namespace {

using test::kSoftHsm;
using test::SoftToken;
constexpr const char* kFake = test::kFakeModule;

Pkcs11Location location() { return {kFake, "fake", "0815", "key", {}}; }

SecureBytes pin(std::string_view text = "1234") { return SecureBytes::copy_of(as_bytes(text)); }

TEST_CASE("Pkcs11Key: certificates of an authority whose key is in SoftHSM hold for OpenSSL") {
  SoftToken token;
  struct Row {
    const char* type;
    const char* label;
    const char* id;
  };
  const test::FakeClock clock(test::kLabStart + 1000);
  for (const Row& row :
       {Row{"EC:secp256r1", "one", "01"}, Row{"EC:secp384r1", "two", "02"}, Row{"rsa:2048", "three", "03"}}) {
    CAPTURE(row.type);
    token.make_key(row.type, row.label, row.id);
    for (const bool by_label : {true, false}) {
      Pkcs11Location location{kSoftHsm, "issuer", "", by_label ? row.label : "",
                              by_label ? Bytes() : *from_hex(row.id)};
      const auto key = std::make_shared<Pkcs11Key>(location, pin());
      const auto public_key = key->public_key();
      REQUIRE(public_key);
      const auto signer = std::make_shared<QueuedSigner>(
          "token", *public_key, [key, half = *public_key](ByteView message) { return key->sign(half, message); },
          QueueLimits{std::chrono::minutes(5), 8});
      const crypto::Certificate ca = test::ca_certificate(*signer);
      const auto authority = SigningAuthority::from_parts(ca, signer, {}, clock);
      REQUIRE(authority);
      const auto path = authority->issue({{{"CN", "Jo"}}, {}, 30}, test::new_key().public_key());
      REQUIRE(path);
      CHECK(test::openssl_accepts(path->der(), "-attime " + std::to_string(clock.now())));
    }
  }
}

TEST_CASE("Pkcs11Key: says which of module, token, key and PIN is wrong") {
  SoftToken token;
  token.make_key("EC:secp256r1", "one", "01");
  token.make_key("EC:secp256r1", "twice", "02");
  token.make_key("EC:secp256r1", "twice", "03");
  struct Row {
    Pkcs11Location location;
    const char* secret;
    Status status;
    const char* part;
  };
  const Row rows[]{
      {{"/nowhere.so", "issuer", "", "one", {}}, "1234", Status::option, "cannot load the PKCS#11 module"},
      {{"libc.so.6", "issuer", "", "one", {}}, "1234", Status::option, "is not a PKCS#11 module"},
      {{kSoftHsm, "other", "", "one", {}}, "1234", Status::not_available, "token \"other\" is not there"},
      {{kSoftHsm, "issuer", "99", "one", {}}, "1234", Status::not_available, "is not there"},
      {{kSoftHsm, "issuer", "", "none", {}}, "1234", Status::option, "holds no private key \"none\""},
      {{kSoftHsm, "issuer", "", "twice", {}}, "1234", Status::option, "several objects private key \"twice\""},
      {{kSoftHsm, "issuer", "", "one", {}}, "9999", Status::not_allowed, "the token refused the PIN: wrong PIN (0xa0)"},
  };
  const crypto::PublicKey any = test::new_key().public_key();
  for (const Row& row : rows) {
    CAPTURE(row.part);
    Pkcs11Key key(row.location, pin(row.secret));
    const auto refused = key.sign(any, as_bytes("x"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().status == row.status);
    CHECK(refused.error().detail.find(row.part) != std::string::npos);
  }
}

TEST_CASE("Pkcs11Key: a session that was lost is opened again for the same signature, a failing device is reported") {
  test::FakeModule fake;
  Pkcs11Key key(location(), pin());
  REQUIRE(key.sign(fake.public_key(), as_bytes("x")));
  for (const CK_RV lost : {CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED, CKR_SESSION_HANDLE_INVALID}) {
    const int sessions = fake.token().sessions;
    fake.token().next_sign = lost;
    CHECK(key.sign(fake.public_key(), as_bytes("x")));
    CHECK(fake.token().sessions == sessions + 1);
  }
  fake.token().every_sign = CKR_DEVICE_ERROR;
  const auto broken = key.sign(fake.public_key(), as_bytes("x"));
  REQUIRE_FALSE(broken);
  CHECK(broken.error().status == Status::not_available);
  CHECK(broken.error().detail == "C_Sign failed: device error (0x30)");
  fake.token().is_there = false;
  CHECK(key.sign(fake.public_key(), as_bytes("x")).error().detail == "token \"fake\" is not there");
  fake.token().every_sign = CKR_OK;
  fake.token().is_there = true;
  CHECK(key.sign(fake.public_key(), as_bytes("x")));
}

TEST_CASE("Pkcs11Key: a check tells whether the key is there, and signs nothing") {
  test::FakeModule fake;
  Pkcs11Key key(location(), pin());
  const int signatures = fake.token().signatures;
  const int before = fake.token().sessions;
  for (int i = 0; i < 3; ++i) CHECK(key.check(fake.public_key()));
  CHECK(fake.token().sessions == before + 1);
  CHECK(key.check(test::new_key("ec.nist.p384").public_key()).error().status == Status::crypto);
  // What a token keeps to itself is there.
  for (const CK_RV kept : {CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID}) {
    fake.token().every_attribute = kept;
    CHECK(key.check(fake.public_key()));
  }
  for (const CK_RV lost : {CKR_SESSION_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID, CKR_DEVICE_REMOVED}) {
    fake.token().every_attribute = lost;
    CHECK(key.check(fake.public_key()).error().status == Status::not_available);
  }
  fake.token().is_there = false;
  CHECK(key.check(fake.public_key()).error().detail == "token \"fake\" is not there");
  fake.token().is_there = true;
  fake.token().every_attribute = CKR_OK;
  CHECK(key.check(fake.public_key()));
  CHECK(fake.token().signatures == signatures);
}

TEST_CASE("Pkcs11Key: a key that was deleted from SoftHSM is not there any more, and another one is not taken for it") {
  SoftToken token;
  token.make_key("EC:secp256r1", "one", "01");
  token.make_key("EC:secp384r1", "two", "02");
  token.make_key("rsa:2048", "three", "03");
  token.make_key("rsa:2048", "four", "04");
  token.make_key("EC:secp256r1", "five", "05");
  const auto opened = [](const char* label) {
    return std::make_unique<Pkcs11Key>(Pkcs11Location{kSoftHsm, "issuer", "", label, {}}, pin());
  };
  const auto half = [&](const char* label) { return opened(label)->public_key().value(); };
  const auto one = opened("one");
  const auto three = opened("three");
  CHECK(one->check(half("one")));
  CHECK(three->check(half("three")));
  CHECK(one->check(half("two")).error().status == Status::crypto);
  CHECK(one->check(half("five")).error().status == Status::crypto);
  CHECK(three->check(half("four")).error().status == Status::crypto);
  const crypto::PublicKey gone = half("one");
  token.remove_key("one");
  const auto checked = one->check(gone);
  REQUIRE_FALSE(checked);
  CHECK(checked.error().detail == "token \"issuer\" holds no private key \"one\"");
}

TEST_CASE("Pkcs11Key: a refused PIN is never tried twice") {
  test::FakeModule fake;
  Pkcs11Key key(location(), pin());
  const int before = fake.token().logins;
  fake.token().login = CKR_PIN_INCORRECT;
  for (int i = 0; i < 5; ++i) CHECK(key.sign(fake.public_key(), as_bytes("x")).error().status == Status::not_allowed);
  CHECK(fake.token().logins == before + 1);
  fake.token().login = CKR_OK;
  CHECK_FALSE(key.sign(fake.public_key(), as_bytes("x")));
}

TEST_CASE("Pkcs11Key: a token without PIN is not asked to log in, and a key that always asks gets its PIN") {
  test::FakeModule fake;
  const int before = fake.token().logins;
  Pkcs11Key open(location(), {});
  CHECK(open.sign(fake.public_key(), as_bytes("x")));
  CHECK(fake.token().logins == before);
  fake.token().asks_always = true;
  Pkcs11Key careful(location(), pin());
  CHECK(careful.sign(fake.public_key(), as_bytes("x")));
  CHECK(careful.sign(fake.public_key(), as_bytes("x")));
  CHECK(fake.token().pins_for_signatures == 2);
}

TEST_CASE("QueuedSigner: a module that hangs in C_Sign leads to a refusal, and signs again when it answers") {
  test::FakeModule fake;
  {
    const auto key = std::make_shared<Pkcs11Key>(location(), pin());
    const QueuedSigner signer("token", fake.public_key(),
                              [&, key](ByteView message) { return key->sign(fake.public_key(), message); },
                              {std::chrono::milliseconds(100), 4});
    while (!signer.sign(as_bytes("x"))) continue;  // connected
    fake.token().hangs = true;
    CHECK(signer.sign(as_bytes("x")).error().status == Status::not_available);
    fake.token().hangs = false;
    while (!signer.sign(as_bytes("x"))) continue;
  }
}

}  // namespace
}  // namespace sks::issuer
