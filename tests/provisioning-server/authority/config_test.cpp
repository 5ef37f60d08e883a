#include <doctest/doctest.h>

#include "provisioning-server/authority/live_authority.h"
#include "provisioning-server/default_files.h"
#include "provisioning-server/policy.h"
#include "tests/provisioning-server/authority/authority_lab.h"

namespace sks::issuer {
namespace {

constexpr const char* kHead = "url = \"https://ca.example/k\"\ndevice_trust = \"open\"\n";
constexpr const char* kToken =
    "[authority]\nkey = \"pkcs11\"\nmodule = \"m.so\"\ntoken_label = \"t\"\nkey_label = \"k\"\n";

Result<IssuerConfig> parse(const std::string& text) { return parse_config(kHead + text, "issuer.toml"); }

TEST_CASE("[authority], [renewal], [revocation]: what is not said has a value") {
  const auto config = parse("");
  REQUIRE(config);
  CHECK(config->authority.home == AuthorityConfig::Home::file);
  CHECK(config->renewal.automatic);
  CHECK_FALSE(config->renewal.new_key);
  CHECK_FALSE(config->revocation.addresses_in_certificates);
  CHECK(config->revocation.plain_listen.empty());
}

TEST_CASE("[authority]: a token by label or serial number, a key by label or identifier") {
  const auto config = parse(
      "[authority]\nkey = \"pkcs11\"\nmodule = \"/m.so\"\ntoken_serial = \"0815\"\nkey_id = \"01aF\"\npin_file = "
      "\"keys/pin\"\ntimeout_seconds = 3\nqueue = 7\n");
  REQUIRE(config);
  CHECK(config->authority.home == AuthorityConfig::Home::pkcs11);
  CHECK(config->authority.location.token_serial == "0815");
  CHECK(config->authority.location.key_id == Bytes{0x01, 0xaf});
  CHECK(config->authority.pin_file == "keys/pin");
  CHECK(config->authority.timeout_seconds == 3);
  CHECK(config->authority.queue == 7);
}

TEST_CASE("[authority], [renewal], [revocation]: what cannot be is refused with its line") {
  struct Row {
    std::string text;
    const char* part;
  };
  const std::string pkcs11 = "[authority]\nkey = \"pkcs11\"\nmodule = \"m.so\"\n";
  const Row rows[]{
      {"[authority]\nkey = \"cloud\"\n", "issuer.toml:4: "},
      {"[authority]\nmodule = \"m.so\"\n", "module"},
      {"[authority]\nkey = \"pkcs11\"\ntoken_label = \"t\"\nkey_label = \"k\"\n", "module"},
      {pkcs11 + "key_label = \"k\"\n", "needs a token_label or a token_serial"},
      {pkcs11 + "token_label = \"t\"\n", "needs a key_label or a key_id"},
      {pkcs11 + "token_label = \"t\"\nkey_id = \"0g\"\n", "key_id must be hexadecimal"},
      {kToken + std::string("timeout_seconds = 0\n"), "timeout_seconds"},
      {kToken + std::string("queue = 0\n"), "queue"},
      {kToken + std::string("pin = \"1234\"\n"), "pin"},
      {"[renewal]\ntls = \"never\"\n", "tls"},
      {"[renewal]\ntls_days = 0\n", "tls_days"},
      {"[revocation]\nbase_url = \"ftp://x\"\n", "base_url must be"},
      {"[revocation]\nbase_url = \"http://x/\"\n", "base_url must be"},
      {"[revocation]\nbase_url = \"http://x y\"\n", "base_url must be"},
      {"[revocation]\ncrl_interval_seconds = 0\n", "crl_interval_seconds"},
      {"[revocation]\ncrl_hours = 0\n", "crl_hours"},
      {"[revocation]\nocsp_cache_seconds = -1\n", "ocsp_cache_seconds"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto refused = parse(row.text);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().detail.starts_with("issuer.toml:"));
    CHECK(refused.error().detail.find(row.part) != std::string::npos);
  }
}

TEST_CASE("status_addresses: below the origin of the main URL or below base_url, or nothing") {
  const crypto::KeySigner signer(test::new_key());
  const crypto::Certificate ca = test::ca_certificate(signer);
  const std::string id = authority_id(ca);
  CHECK(id.size() == 40);
  const auto url = MainUrl::parse("https://ca.example:8443/keygen2");
  REQUIRE(url);
  RevocationConfig config;
  CHECK(status_addresses(config, *url, ca).crl.empty());
  config.addresses_in_certificates = true;
  CHECK(status_addresses(config, *url, ca).crl.front() == "https://ca.example:8443/crl/" + id + ".crl");
  config.base_url = "http://crl.example";
  CHECK(status_addresses(config, *url, ca).ocsp.front() == "http://crl.example/ocsp");
  CHECK(status_addresses(config, *url, ca).issuer.front() == "http://crl.example/ca/" + id + ".cer");
}

}  // namespace
}  // namespace sks::issuer
