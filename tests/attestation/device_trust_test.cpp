#include <doctest/doctest.h>

#include "attestation/verifier.h"
#include "tests/attestation/certificates.h"
#include "tests/support/fakes.h"

/// Which devices an issuer accepts: keygen2.md 9.2, with certificates that openssl made.
namespace sks::attestation {
namespace {

using test::path;

constexpr std::int64_t k2025 = 1735689600;  // 2025-01-01T00:00:00Z, UTC
constexpr std::int64_t k2022 = 1640995200;
constexpr std::int64_t k2041 = 2240524800;
constexpr std::int64_t k2055 = 2682374400;

DeviceTrust authorities(std::initializer_list<const char*> names) {
  DeviceCaTrust trust;
  for (const char* name : names)
    trust.authorities.push_back(crypto::Certificate::from_der(test::certificate(name)).value());
  return trust;
}

DeviceTrust registered(std::initializer_list<const char*> names) {
  RegisteredTrust trust;
  for (const char* name : names) trust.fingerprints.insert(crypto::sha256(test::certificate(name)));
  return trust;
}

Result<void> check(const std::vector<Bytes>& certificates, const DeviceTrust& trust, std::int64_t now = k2025) {
  return check_device(certificates, trust, test::FakeClock(now));
}

void check_refused(const std::vector<Bytes>& certificates, const DeviceTrust& trust, const std::string& reason,
                   std::int64_t now = k2025) {
  const Result<void> checked = check(certificates, trust, now);
  REQUIRE_FALSE(checked);
  CHECK(to_string(checked.error().status) == "ERROR_NOT_ALLOWED");
  CHECK_MESSAGE(checked.error().detail.find(reason) != std::string::npos, checked.error().detail);
}

TEST_CASE("device CA: a device under a configured authority is accepted") {
  CHECK(check(path({"direct"}), authorities({"root"})));
  CHECK(check(path({"direct", "root"}), authorities({"root"})));
  CHECK(check(path({"device", "intermediate"}), authorities({"root"})));
  CHECK(check(path({"device", "intermediate", "root"}), authorities({"root"})));
  CHECK(check(path({"device", "intermediate"}), authorities({"other_root", "same_name_root", "root"})));
}

TEST_CASE("device CA: an authority may be an intermediate, and then is enough") {
  CHECK(check(path({"device"}), authorities({"intermediate"})));
  CHECK(check(path({"device", "intermediate"}), authorities({"intermediate"})));
  CHECK(check(path({"device", "intermediate", "root"}), authorities({"intermediate"})));
  check_refused(path({"direct", "root"}), authorities({"intermediate"}), "no path to a device CA of this issuer");
}

TEST_CASE("device CA: without a path to an authority a device is refused") {
  const std::string no_path = "no path to a device CA of this issuer";
  check_refused(path({"direct"}), authorities({"other_root"}), no_path);
  check_refused(path({"direct"}), authorities({}), no_path);
  check_refused(path({"direct"}), authorities({"same_name_root"}), no_path);
  check_refused(path({"direct", "root"}), authorities({"other_root"}), no_path);
  check_refused(path({"direct", "root"}), authorities({"same_name_root"}), no_path);
  check_refused(path({"device"}), authorities({"root"}), no_path);  // the intermediate is missing
  check_refused(path({"lone"}), authorities({"root"}), no_path);
}

TEST_CASE("device CA: time decides by the clock that was given") {
  const DeviceTrust trust = authorities({"root"});
  check_refused(path({"expired", "intermediate"}), trust, "the device certificate: certificate has expired");
  CHECK(check(path({"expired", "intermediate"}), trust, k2022));
  check_refused(path({"future", "intermediate"}), trust, "the device certificate: certificate is not yet valid");
  CHECK(check(path({"future", "intermediate"}), trust, k2041));
  check_refused(path({"under_old", "old_intermediate"}), trust,
                "certificate 1 above the device certificate: certificate has expired");
  check_refused(path({"under_old"}), authorities({"old_intermediate"}), "certificate has expired");
  check_refused(path({"direct"}), trust, "certificate has expired", k2055);
}

TEST_CASE("device CA: only a CA may issue") {
  const DeviceTrust trust = authorities({"root"});
  for (const char* issuer : {"leaf", "plain", "nosign"}) {
    CAPTURE(issuer);
    const std::string name = issuer;
    const std::vector<Bytes> certificates{test::certificate("under_" + name),
                                          test::certificate(name == "leaf" ? "leaf_as_ca" : name)};
    check_refused(certificates, trust,
                  "no path to a device CA of this issuer: certificate 1 above the device certificate");
    DeviceCaTrust no_ca;
    no_ca.authorities.push_back(crypto::Certificate::from_der(certificates[1]).value());
    check_refused(certificates, no_ca, "no path to a device CA of this issuer");
  }
}

TEST_CASE("device CA: a device certificate among the authorities is not its own trust") {
  check_refused(path({"lone"}), authorities({"lone"}), "no path to a device CA of this issuer");
  check_refused(path({"direct"}), authorities({"direct"}), "no path to a device CA of this issuer");
  check_refused(path({"root"}), authorities({"root"}), "not issued by a device CA of this issuer");
}

TEST_CASE("device CA: weak signatures and keys are refused") {
  check_refused(path({"sha1"}), authorities({"root"}), "too weak");
  check_refused(path({"rsa1024"}), authorities({"root"}), "key too weak");
}

TEST_CASE("registered: the fingerprint of the device certificate decides") {
  CHECK(check(path({"lone"}), registered({"lone"})));
  CHECK(check(path({"device", "intermediate"}), registered({"root", "device"})));
  CHECK(check(path({"expired", "intermediate"}), registered({"expired"})));
  check_refused(path({"lone"}), registered({}), "the device is not registered with this issuer");
  check_refused(path({"lone"}), registered({"device"}), "the device is not registered with this issuer");
  check_refused(path({"device", "intermediate"}), registered({"intermediate", "root"}),
                "the device is not registered with this issuer");
}

TEST_CASE("open: every well-formed path is accepted") {
  CHECK(check(path({"lone"}), OpenTrust{}));
  CHECK(check(path({"expired", "intermediate", "root"}), OpenTrust{}));
}

TEST_CASE("a malformed path is refused under every policy") {
  struct Case {
    const char* name;
    std::vector<Bytes> certificates;
  };
  Bytes trailing = test::certificate("direct");
  trailing.push_back(0);
  Bytes cut = test::certificate("direct");
  cut.pop_back();
  const std::vector<Bytes> long_path(11, test::certificate("root"));
  Bytes huge(16385, 0);
  const Case cases[] = {
      {"empty path", {}},
      {"empty certificate", {Bytes()}},
      {"garbage", {Bytes(200, 0x30)}},
      {"byte after the certificate", {trailing}},
      {"cut certificate", {cut}},
      {"broken link", path({"direct", "intermediate"})},
      {"link of the same name and another key", path({"direct", "same_name_root"})},
      {"wrong order", path({"intermediate", "device"})},
      {"garbage behind a good certificate", {test::certificate("direct"), Bytes(10, 1)}},
      {"eleven certificates", long_path},
      {"certificate above 16384 bytes", {huge}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    for (const DeviceTrust& trust : {DeviceTrust(OpenTrust{}), authorities({"root"}), registered({"direct", "root"})}) {
      const Result<void> checked = check(c.certificates, trust);
      REQUIRE_FALSE(checked);
      CHECK(to_string(checked.error().status) == "ERROR_CRYPTO");
    }
  }
}

}  // namespace
}  // namespace sks::attestation
