#include <doctest/doctest.h>
#include <sys/stat.h>

#include <sstream>
#include <thread>

#include "provisioning-server/authority/renewal.h"
#include "provisioning-server/init.h"
#include "provisioning-server/issuer.h"
#include "provisioning-server/operations/check_issuer.h"
#include "sks-core/base/encoding.h"
#include "tests/provisioning-server/authority/authority_lab.h"
#include "tests/provisioning-server/authority/soft_token.h"
#include "tests/support/fakes.h"

namespace sks::issuer {
namespace {

/// An issuer whose CA key is key "ca" of a token, and its server.
struct TokenLab {
  test::TempDir folder;
  test::FakeClock clock{test::kLabStart};
  test::SoftToken token;
  std::unique_ptr<Issuer> server;

  TokenLab() {
    auto url = MainUrl::parse("https://localhost:8443/keygen2");
    REQUIRE(init_issuer({path(), std::move(url).value(), DeviceTrustMode::open, {}}, clock, system_random()));
    test::write_file(path() + "/keys/pin", "1234");
    REQUIRE(chmod((path() + "/keys/pin").c_str(), 0600) == 0);
    token.make_key("EC:secp256r1", "ca", "01");
    configure("key = \"file\"", "key = \"pkcs11\"\nmodule = \"" + std::string(test::kSoftHsm) +
                                    "\"\ntoken_label = \"issuer\"\nkey_label = \"ca\"\npin_file = \"keys/pin\"\n"
                                    "timeout_seconds = 300");
    renew_with_new_key();
    server = open();
  }
  std::string path() const { return folder.file("i"); }
  void configure(const std::string& from, const std::string& to) const {
    std::string config = test::read_file(path() + "/issuer.toml");
    const std::size_t at = config.find(from);
    REQUIRE(at != std::string::npos);
    test::write_file(path() + "/issuer.toml", config.replace(at, from.size(), to));
  }
  std::unique_ptr<Issuer> open() const {
    auto opened = Issuer::open(path(), clock);
    REQUIRE(opened);
    return std::move(opened).value();
  }
  /// As the command does it, beside the server.
  void renew_with_new_key() const {
    const auto made = renew_credential_authority(open()->renewal_place("operator"), RenewalKey::fresh);
    if (!made) MESSAGE(made.error().detail);
    REQUIRE(made);
  }
  /// Whether relying parties take what the server issues, under the authority that it says it has.
  static bool issues(const Issuer& issuer, const test::FakeClock& clock) {
    const auto path = issuer.authority().issue({{{"CN", "Jo"}}, {}, 30}, test::new_key().public_key());
    if (!path) MESSAGE(path.error().detail);
    return path && test::openssl_accepts(path->der(), "-attime " + std::to_string(clock.now()));
  }
};

TEST_CASE("LiveAuthority: goes on with its key in the token until it is told of the new one") {
  TokenLab lab;
  const Bytes old = lab.server->credential_authority().der();
  REQUIRE(TokenLab::issues(*lab.server, lab.clock));
  lab.token.make_key("EC:secp256r1", "ca2", "02");
  lab.configure("key_label = \"ca\"", "key_label = \"ca2\"");
  lab.renew_with_new_key();

  const Result<bool> refused = lab.server->reload_certificates();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().status == Status::crypto);
  CHECK(refused.error().detail.find("is not taken up, the certificate before it stays in use") != std::string::npos);
  CHECK_FALSE(lab.server->reload_certificates().value());  // and said once
  CHECK(lab.server->credential_authority().der() == old);
  CHECK(TokenLab::issues(*lab.server, lab.clock));
  CHECK(lab.server->authority().prove_key());

  // With the settings of before, the new certificate is one without its key.
  lab.configure("key_label = \"ca2\"", "key_label = \"ca\"");
  CHECK(lab.open()->authority().prove_key().error().status == Status::crypto);
  std::ostringstream findings;
  CHECK_FALSE(check_issuer(lab.path(), findings));
  CHECK(findings.str().find("problem: the key that [authority] names does not fit") != std::string::npos);
  lab.configure("key_label = \"ca\"", "key_label = \"ca2\"");
  auto reloaded = Issuer::reopen(*lab.server);
  REQUIRE(reloaded);
  CHECK((*reloaded)->authority().prove_key());
  CHECK((*reloaded)->credential_authority().der() != old);
  CHECK(TokenLab::issues(**reloaded, lab.clock));
}

TEST_CASE("LiveAuthority: lists of an authority whose key was replaced in the token go on with the earlier key") {
  TokenLab lab;
  const crypto::Certificate old = lab.server->credential_authority();
  lab.token.make_key("EC:secp256r1", "ca2", "02");
  lab.configure("key_label = \"ca\"", "key_label = \"ca2\"");
  lab.renew_with_new_key();
  lab.server.reset();
  const std::unique_ptr<Issuer> issuer = lab.open();
  const auto list_of = [&](const crypto::Certificate& authority) {
    const auto crl = issuer->revocations().find_crl(authority_id(authority), RevocationStore::Part::whole);
    return crl && *crl ? (*crl)->der : Bytes();
  };
  // That of the file with which the issuer began has its list as well.
  CHECK(issuer->revocation_service().publisher().publish_due().value() == 3);
  for (const crypto::Certificate& authority : {old, issuer->credential_authority()}) {
    test::write_file(lab.folder.file("ca"), to_pem(authority.der(), "CERTIFICATE"));
    test::write_file(lab.folder.file("crl"), to_pem(list_of(authority), "X509 CRL"));
    CHECK(test::run("openssl crl -noout -in " + lab.folder.file("crl") + " -CAfile " + lab.folder.file("ca"))
              .find("verify OK") != std::string::npos);
  }
  // Without it nothing else stops.
  const Bytes last = list_of(old);
  lab.token.remove_key("ca");
  lab.clock.set(lab.clock.now() + 20 * 3600);
  const std::unique_ptr<Issuer> later = lab.open();
  CHECK(later->revocation_service().publisher().publish_due().value() == 2);
  CHECK(list_of(old) == last);
}

}  // namespace
}  // namespace sks::issuer
