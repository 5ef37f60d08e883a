#include "provisioning-server/device_registry.h"

#include <doctest/doctest.h>

#include "sks-core/base/encoding.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::issuer;

namespace {

constexpr const char* kFirst = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
constexpr const char* kSecond = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

std::string make_certificate(crypto::CertificateKind kind) {
  const auto key = crypto::PrivateKey::generate(*find_algorithm("https://webpki.github.io/sks/algorithm#ec.nist.p256"));
  REQUIRE(key);
  crypto::CertificateTemplate contents;
  contents.kind = kind;
  contents.subject = {{"CN", "Device CA"}};
  contents.not_before = 1700000000;
  contents.not_after = 1800000000;
  const auto certificate = crypto::issue_certificate(contents, key->public_key(), nullptr, *key);
  REQUIRE(certificate);
  return to_pem(certificate->der(), "CERTIFICATE");
}

}  // namespace

TEST_CASE("DeviceRegistry: reads fingerprints with comments, blank lines and colons") {
  const test::TempDir folder;
  const std::string file = folder.file("devices");
  std::string with_colons;
  for (std::size_t i = 0; i < 64; i += 2) with_colons += (i == 0 ? "" : ":") + std::string(kSecond).substr(i, 2);
  test::write_file(file, "# devices\n\n" + std::string(kFirst) + "  # first\r\n\t" + with_colons);
  auto registry = DeviceRegistry::open(DeviceTrustMode::registered, file);
  REQUIRE(registry);
  const auto trust = (*registry)->current();
  REQUIRE(trust);
  CHECK((*trust)->fingerprints() ==
        std::set<crypto::Sha256Digest>{*parse_fingerprint(kFirst), *parse_fingerprint(kSecond)});
}

TEST_CASE("DeviceRegistry: refuses a malformed line with its number") {
  const test::TempDir folder;
  const std::string file = folder.file("devices");
  for (const std::string& bad : {std::string("xyz"), std::string(kFirst).substr(2), std::string(kFirst) + "00",
                                 std::string(kFirst) + " " + kSecond}) {
    CAPTURE(bad);
    test::write_file(file, std::string(kFirst) + "\n" + bad + "\n");
    const auto registry = DeviceRegistry::open(DeviceTrustMode::registered, file);
    REQUIRE_FALSE(registry);
    CHECK(registry.error().detail.starts_with(file + ":2: "));
  }
  CHECK_FALSE(DeviceRegistry::open(DeviceTrustMode::registered, folder.file("absent")));
}

TEST_CASE("DeviceRegistry: takes up a device that was added while it runs") {
  const test::TempDir folder;
  const std::string file = folder.file("devices");
  test::write_file(file, std::string(kFirst));  // no line feed at the end: the next entry must not grow onto it
  auto registry = DeviceRegistry::open(DeviceTrustMode::registered, file);
  REQUIRE(registry);
  CHECK((*(*registry)->current())->fingerprints().size() == 1);
  CHECK(*DeviceRegistry::add_fingerprint(file, *parse_fingerprint(kSecond)));
  CHECK_FALSE(*DeviceRegistry::add_fingerprint(file, *parse_fingerprint(kSecond)));
  CHECK((*(*registry)->current())->fingerprints().size() == 2);
}

TEST_CASE("DeviceRegistry: never trusts more than the file says after it was broken") {
  const test::TempDir folder;
  const std::string file = folder.file("devices");
  test::write_file(file, std::string(kFirst) + "\n");
  auto registry = DeviceRegistry::open(DeviceTrustMode::registered, file);
  REQUIRE(registry);
  test::write_file(file, "broken\n");
  CHECK_FALSE((*registry)->current());
}

TEST_CASE("DeviceRegistry: the open and ca modes") {
  const test::TempDir folder;
  auto open = DeviceRegistry::open(DeviceTrustMode::open, folder.file("absent"));
  REQUIRE(open);
  CHECK((*(*open)->current())->accepts_all());

  const std::string file = folder.file("ca.pem");
  test::write_file(file, make_certificate(crypto::CertificateKind::ca) + make_certificate(crypto::CertificateKind::ca));
  auto by_ca = DeviceRegistry::open(DeviceTrustMode::ca, file);
  REQUIRE(by_ca);
  CHECK((*(*by_ca)->current())->authorities().at(0).certificates.size() == 2);

  for (const std::string& bad : {std::string(), std::string("text"), make_certificate(crypto::CertificateKind::device),
                                 std::string("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}) {
    test::write_file(file, bad);
    CHECK_FALSE(DeviceRegistry::open(DeviceTrustMode::ca, file));
  }
}
