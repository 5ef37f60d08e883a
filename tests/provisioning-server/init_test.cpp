#include "provisioning-server/init.h"

#include <doctest/doctest.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>

#include "provisioning-server/issuer.h"
#include "sks-core/base/encoding.h"
#include "tests/support/fakes.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::issuer;

namespace {

constexpr std::int64_t kNow = 1'790'000'000;

Result<void> init(const std::string& folder, const char* url = "https://localhost:8443/keygen2",
                  DeviceTrustMode trust = DeviceTrustMode::registered, const std::string& device_ca = "") {
  auto parsed = MainUrl::parse(url);
  REQUIRE(parsed);
  const test::FakeClock clock(kNow);
  return init_issuer({folder, std::move(parsed).value(), trust, device_ca}, clock, system_random());
}

mode_t mode_of(const std::string& file) {
  struct stat status {};
  REQUIRE(stat(file.c_str(), &status) == 0);
  return status.st_mode & 0777;
}

std::size_t entries(const std::string& folder) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

}  // namespace

TEST_CASE("init_issuer: makes a folder that only its owner can enter, with private keys that only he can read") {
  const test::TempDir folder;
  const std::string path = folder.file("deep/er/issuer/");
  REQUIRE(init(path));
  const IssuerPaths paths(path);
  CHECK(mode_of(paths.folder) == 0700);
  CHECK(mode_of(paths.keys) == 0700);
  for (const std::string& secret : {paths.kek, paths.tls_key, paths.tls_ca_key, paths.credential_ca_key,
                                    paths.key_management_key, paths.audit_key, paths.database, paths.config})
    CHECK(mode_of(secret) == 0600);
  CHECK(test::read_file(paths.kek).size() == 32);
  const test::FakeClock clock(kNow);
  CHECK(Issuer::open(path, clock));
}

TEST_CASE("init_issuer: clients trust both authorities, and the server certificate comes from the first") {
  const test::TempDir folder;
  REQUIRE(init(folder.file("i")));
  const IssuerPaths paths(folder.file("i"));
  const auto anchors = from_pem(test::read_file(paths.trust_anchors), "CERTIFICATE");
  REQUIRE(anchors);
  REQUIRE(anchors->size() == 2);
  const auto tls_ca = crypto::Certificate::from_der((*anchors)[0]);
  const auto tls = crypto::Certificate::from_der((*from_pem(test::read_file(paths.tls_certificate), "CERTIFICATE"))[0]);
  REQUIRE(tls_ca);
  REQUIRE(tls);
  CHECK(tls_ca->is_ca());
  CHECK(tls->is_issued_by(*tls_ca));
  CHECK_FALSE(tls->is_ca());
  for (const char* const name : {"localhost", "127.0.0.1", "::1"}) {
    CAPTURE(name);
    const bool matches =
        X509_check_host(tls->openssl(), name, 0, 0, nullptr) == 1 || X509_check_ip_asc(tls->openssl(), name, 0) == 1;
    CHECK(matches);
  }
  CHECK((*anchors)[1] == (*from_pem(test::read_file(paths.credential_ca), "CERTIFICATE"))[0]);
}

TEST_CASE("init_issuer: hosts that are addresses or long names get certificates that fit") {
  const std::string long_name = std::string(60, 'a') + "." + std::string(60, 'b') + ".example";
  for (const std::string& host : {std::string("10.1.2.3"), std::string("[2001:db8::1]"), long_name}) {
    CAPTURE(host);
    const test::TempDir folder;
    REQUIRE(init(folder.file("i"), ("https://" + host + "/k").c_str()));
    const auto tls = crypto::Certificate::from_der(
        (*from_pem(test::read_file(IssuerPaths(folder.file("i")).tls_certificate), "CERTIFICATE"))[0]);
    REQUIRE(tls);
    const std::string plain = host.front() == '[' ? host.substr(1, host.size() - 2) : host;
    const bool matches = X509_check_host(tls->openssl(), plain.c_str(), 0, 0, nullptr) == 1 ||
                         X509_check_ip_asc(tls->openssl(), plain.c_str(), 0) == 1;
    CHECK(matches);
  }
}

TEST_CASE("init_issuer: refuses a folder that is in use and leaves it as it was") {
  const test::TempDir folder;
  REQUIRE(init(folder.file("i")));
  const std::string kek = test::read_file(IssuerPaths(folder.file("i")).kek);
  const auto again = init(folder.file("i"));
  REQUIRE_FALSE(again);
  CHECK(again.error().detail == folder.file("i") + " already holds an issuer");
  CHECK(test::read_file(IssuerPaths(folder.file("i")).kek) == kek);

  std::filesystem::create_directory(folder.file("used"));
  test::write_file(folder.file("used") + "/letter", "x");
  CHECK_FALSE(init(folder.file("used")));
  CHECK(entries(folder.file("used")) == 1);
  test::write_file(folder.file("file"), "x");
  CHECK_FALSE(init(folder.file("file")));
  std::filesystem::create_directory(folder.file("empty"));
  CHECK(init(folder.file("empty")));
  CHECK(entries(folder.path()) == 4);  // no half-made folder beside them
}

TEST_CASE("init_issuer: a failure leaves nothing behind") {
  const test::TempDir folder;
  CHECK_FALSE(init(folder.file("i"), "https://localhost/k", DeviceTrustMode::ca, folder.file("absent.pem")));
  test::write_file(folder.file("bad.pem"), "no certificate");
  CHECK_FALSE(init(folder.file("i"), "https://localhost/k", DeviceTrustMode::ca, folder.file("bad.pem")));
  CHECK_FALSE(init("/proc/issuer"));
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("Issuer::open: names the file that is missing or broken") {
  const test::TempDir folder;
  const test::FakeClock clock(kNow);
  CHECK(Issuer::open(folder.file("absent"), clock).error().status == Status::not_available);
  struct Case {
    std::string IssuerPaths::*file;
    const char* content;
  };
  const std::array<Case, 8> cases{
      {{&IssuerPaths::config, "url = 1\n"},
       {&IssuerPaths::kek, "short"},
       {&IssuerPaths::tls_certificate, "no certificate"},
       {&IssuerPaths::credential_ca, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
       {&IssuerPaths::credential_ca_key, ""},
       {&IssuerPaths::key_management_key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
       {&IssuerPaths::registered_devices, "x\n"},
       {&IssuerPaths::database, "not a database, but long enough to look like one"}}};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    const std::string path = folder.file("i" + std::to_string(i));
    REQUIRE(init(path));
    const std::string file = IssuerPaths(path).*cases[i].file;
    test::write_file(file, cases[i].content);
    const auto broken = Issuer::open(path, clock);
    REQUIRE_FALSE(broken);
    CHECK(broken.error().detail.find(file) != std::string::npos);
    std::filesystem::remove(file);
    const auto missing = Issuer::open(path, clock);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().detail.find(cases[i].file == &IssuerPaths::config ? path : file) != std::string::npos);
  }
}

TEST_CASE("Issuer::open: refuses secrets that others may open, and says what to run") {
  const test::TempDir folder;
  const test::FakeClock clock(kNow);
  REQUIRE(init(folder.file("i")));
  const IssuerPaths paths(folder.file("i"));
  for (const std::string& file :
       {paths.kek, paths.tls_key, paths.tls_ca_key, paths.credential_ca_key, paths.key_management_key}) {
    for (const mode_t mode : {0640U, 0604U, 0620U, 0611U}) {
      CAPTURE(file);
      CAPTURE(mode);
      REQUIRE(chmod(file.c_str(), mode) == 0);
      const auto opened = Issuer::open(folder.file("i"), clock);
      REQUIRE_FALSE(opened);
      CHECK(opened.error().detail == file + " is open to other users: run chmod 600 " + file);
    }
    REQUIRE(chmod(file.c_str(), 0400) == 0);
    CHECK(Issuer::open(folder.file("i"), clock));
  }
  std::filesystem::remove(paths.tls_ca_key);  // kept elsewhere: it is needed for new TLS certificates only
  CHECK(Issuer::open(folder.file("i"), clock));
}

TEST_CASE("Issuer::open: refuses a key management key whose halves do not belong together") {
  const test::TempDir folder;
  const test::FakeClock clock(kNow);
  REQUIRE(init(folder.file("a")));
  const IssuerPaths paths(folder.file("a"));
  Bytes pkcs8;
  {
    const auto issuer = Issuer::open(folder.file("a"), clock);
    REQUIRE(issuer);
    const auto key = read_key_file(paths.key_management_key, (*issuer)->file_seal());
    REQUIRE(key);
    pkcs8 = to_bytes(key->to_pkcs8()->view());
  }
  const std::size_t last_of_scalar = pkcs8.size() - 65 - 5 - 1;  // behind it A1 44 03 42 00 and the point
  pkcs8[last_of_scalar] ^= 1U;
  test::write_file(paths.key_management_key, to_pem(pkcs8, "PRIVATE KEY"));
  const auto opened = Issuer::open(folder.file("a"), clock);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().status == Status::option);
  CHECK(opened.error().detail.starts_with(paths.key_management_key + ": "));
}

TEST_CASE("Issuer::open: refuses sealed keys that have changed places") {
  const test::TempDir folder;
  const test::FakeClock clock(kNow);
  REQUIRE(init(folder.file("a")));
  const IssuerPaths paths(folder.file("a"));
  CHECK(test::read_file(paths.credential_ca_key).starts_with("-----BEGIN OPENSKS SEALED FILE-----"));
  test::write_file(paths.credential_ca_key, test::read_file(paths.tls_ca_key));
  const auto opened = Issuer::open(folder.file("a"), clock);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().status == Status::crypto);
  CHECK(opened.error().detail.starts_with(paths.credential_ca_key + ": "));
}

TEST_CASE("Issuer::open: refuses a CA key that belongs to another certificate") {
  const test::TempDir folder;
  const test::FakeClock clock(kNow);
  REQUIRE(init(folder.file("a")));
  const IssuerPaths paths(folder.file("a"));
  {
    const auto issuer = Issuer::open(folder.file("a"), clock);
    REQUIRE(issuer);
    const auto other = read_key_file(paths.key_management_key, (*issuer)->file_seal());
    REQUIRE(other);
    test::write_file(paths.credential_ca_key, sks::to_string(key_to_pem(*other)->view()));
  }
  const auto opened = Issuer::open(folder.file("a"), clock);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().detail == paths.credential_ca_key + ": the key is not the one of the certificate");
}
