#include "attestation/device_identity.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/attestation/certificates.h"
#include "tests/support/fakes.h"

namespace sks::attestation {
namespace {

constexpr std::int64_t kNow = 1700000000;

TEST_CASE("a new device identity has a self-signed certificate of 25 years and signs with its key") {
  const test::FakeClock clock(kNow);
  for (const AttestationKeyType type : {AttestationKeyType::p256, AttestationKeyType::rsa2048}) {
    const Result<SoftwareIdentity> identity = SoftwareIdentity::create("My phone", type, clock);
    REQUIRE(identity);
    const auto parsed = crypto::parse_path(identity->certificate_path());
    REQUIRE(parsed);
    REQUIRE(parsed->size() == 1);
    const crypto::Certificate& device = parsed->front();
    CHECK(device.subject() == "CN=My phone");
    CHECK(device.is_issued_by(device));
    CHECK_FALSE(device.is_ca());
    CHECK(device.not_before() == kNow);
    CHECK(device.not_after() == 2488918400);  // 9131 days later

    const Bytes data(1000, 3);
    const Result<Bytes> signature = identity->sign(data);
    REQUIRE(signature);
    CHECK(signature->size() == (type == AttestationKeyType::p256 ? 64 : 256));
    CHECK(crypto::verify_signature(device.public_key().value(), data, *signature));
  }
}

TEST_CASE("a device identity lives on in its parts") {
  const test::FakeClock clock(kNow);
  const Result<SoftwareIdentity> first = SoftwareIdentity::create("Jo", AttestationKeyType::p256, clock);
  REQUIRE(first);
  const Result<SecureBytes> key = first->private_key_pkcs8();
  REQUIRE(key);
  const Result<SoftwareIdentity> second = SoftwareIdentity::from_parts(first->certificate_path(), key->view());
  REQUIRE(second);
  CHECK(second->certificate_path() == first->certificate_path());
  const Result<Bytes> signature = second->sign(as_bytes("data"));
  REQUIRE(signature);
  const auto device = crypto::Certificate::from_der(first->certificate_path().front());
  CHECK(crypto::verify_signature(device->public_key().value(), as_bytes("data"), *signature));
}

TEST_CASE("certificates and keys made by openssl become a device identity") {
  for (const char* name : {"lone", "rsa_device", "ec384_device"}) {
    CAPTURE(name);
    CHECK(SoftwareIdentity::from_parts(test::path({name}), test::private_key(name)));
  }
}

TEST_CASE("a device identity is refused when its parts do not fit") {
  struct Case {
    const char* name;
    std::vector<Bytes> path;
    Bytes key;
    Status status;
  };
  Bytes trailing = test::private_key("lone");
  trailing.push_back(0);
  Bytes other_scalar = test::private_key("lone");
  constexpr std::uint8_t kBeforeScalar[] = {0x02, 0x01, 0x01, 0x04, 0x20};  // version of ECPrivateKey, then its key
  const auto before =
      std::search(other_scalar.begin(), other_scalar.end(), std::begin(kBeforeScalar), std::end(kBeforeScalar));
  REQUIRE(before != other_scalar.end());
  *(before + std::size(kBeforeScalar) + 31) ^= 1U;
  const Case cases[] = {
      {"private key of another point", test::path({"lone"}), other_scalar, Status::option},
      {"no certificate", {}, test::private_key("lone"), Status::crypto},
      {"no certificate but garbage", {Bytes(100, 0x30)}, test::private_key("lone"), Status::crypto},
      {"broken link", test::path({"lone", "root"}), test::private_key("lone"), Status::crypto},
      {"no key", test::path({"lone"}), {}, Status::crypto},
      {"bytes after the key", test::path({"lone"}), trailing, Status::crypto},
      {"key of another device", test::path({"lone"}), test::private_key("ec384_device"), Status::option},
      {"key of another type", test::path({"lone"}), test::private_key("rsa_device"), Status::option},
      {"key that cannot attest", test::path({"ed25519"}), test::private_key("ed25519"), Status::option},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Result<SoftwareIdentity> identity = SoftwareIdentity::from_parts(c.path, c.key);
    REQUIRE_FALSE(identity);
    CHECK(to_string(identity.error().status) == to_string(c.status));
  }
}

TEST_CASE("a device name that X.509 does not allow is refused") {
  const test::FakeClock clock(kNow);
  CHECK_FALSE(SoftwareIdentity::create("", AttestationKeyType::p256, clock));
  CHECK_FALSE(SoftwareIdentity::create(std::string(65, 'x'), AttestationKeyType::p256, clock));
}

}  // namespace
}  // namespace sks::attestation
