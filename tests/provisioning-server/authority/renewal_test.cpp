#include "provisioning-server/authority/renewal.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "provisioning-server/authority/certificate_files.h"
#include "provisioning-server/init.h"
#include "provisioning-server/issuer.h"
#include "tests/provisioning-server/authority/authority_lab.h"
#include "tests/support/fakes.h"
#include "tests/support/temp_dir.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kDay = 86400;

/// A new issuer whose server runs, by a clock of its own.
struct Lab {
  test::TempDir folder;
  test::FakeClock clock{test::kLabStart};
  std::unique_ptr<Issuer> issuer;

  Lab() {
    auto url = MainUrl::parse("https://localhost:8443/keygen2");
    REQUIRE(init_issuer({folder.file("i"), std::move(url).value(), DeviceTrustMode::open, {}}, clock, system_random()));
    issuer = open();
  }
  std::unique_ptr<Issuer> open() const {
    auto opened = Issuer::open(folder.file("i"), clock);
    REQUIRE(opened);
    return std::move(opened).value();
  }
  void advance(std::int64_t seconds) { clock.set(clock.now() + seconds); }
  RenewalPlace place() const { return issuer->renewal_place("issuer"); }
  const IssuerPaths& paths() const { return issuer->paths(); }
  std::vector<crypto::Certificate> anchors() const { return *read_certificates(paths().trust_anchors); }
  bool tls_is_trusted() const {
    return test::run("openssl verify -purpose sslserver -verify_hostname localhost -attime " +
                     std::to_string(clock.now()) + " -CAfile " + paths().trust_anchors + ' ' + paths().tls_certificate)
               .find(": OK") != std::string::npos;
  }
  bool issues_what_relying_parties_accept() const {
    const auto path = issuer->authority().issue({{{"CN", "Jo"}}, {}, 30}, test::new_key().public_key());
    REQUIRE(path);
    return test::openssl_accepts(path->der(), "-attime " + std::to_string(clock.now()));
  }
};

crypto::Certificate other_than(const std::vector<crypto::Certificate>& list, const crypto::Certificate& known) {
  for (const crypto::Certificate& certificate : list)
    if (certificate.der() != known.der()) return certificate;
  return known;
}

TEST_CASE("renew_tls_when_due: renews after two thirds of the certificate's life, once") {
  Lab lab;
  const Bytes first = lab.issuer->tls_certificate().der();
  lab.advance(825 * kDay / 3 * 2 - 1000);
  CHECK_FALSE(renew_tls_when_due(lab.place()).value());
  lab.advance(1000);
  const auto renewed = renew_tls_when_due(lab.place());
  REQUIRE(renewed);
  REQUIRE(*renewed);
  CHECK((*renewed)->spki() == lab.issuer->tls_certificate().spki());
  CHECK_FALSE(renew_tls_when_due(lab.place()).value());
  CHECK(lab.tls_is_trusted());

  // The running server takes it up, and remembers the old one for the sessions that began under it.
  CHECK(lab.issuer->tls_certificate().der() == first);
  CHECK(lab.issuer->reload_certificates().value());
  CHECK_FALSE(lab.issuer->reload_certificates().value());
  CHECK(lab.issuer->tls_certificate().der() == (*renewed)->der());
  CHECK(lab.issuer->ports().server.leaves() == std::vector<Bytes>{(*renewed)->der(), first});
  CHECK(lab.open()->ports().server.leaves() == std::vector<Bytes>{(*renewed)->der(), first});
  lab.advance(2 * kDay);
  CHECK(lab.issuer->ports().server.leaves() == std::vector<Bytes>{(*renewed)->der()});
}

TEST_CASE("Renewal: is on record with its certificate, also where nobody has asked for it") {
  Lab lab;
  lab.advance(800 * kDay);
  REQUIRE(renew_tls_when_due(lab.place()).value());
  REQUIRE(renew_credential_authority(lab.issuer->renewal_place("operator"), RenewalKey::fresh));
  const auto print = [](const std::string& file) {
    return test::run("openssl x509 -noout -fingerprint -sha256 -in " + file + " | sed 's/.*=//' | tr -d ':\n'" +
                     " | tr A-F a-f");
  };
  const auto rows = lab.issuer->database().select(
      "SELECT actor, result, detail, time FROM audit WHERE action = 'renew' ORDER BY actor", {});
  REQUIRE(rows);
  REQUIRE(rows->size() == 2);
  CHECK(rows->front().text(0) == "issuer");
  CHECK(rows->front().text(1) == "ok");
  CHECK(rows->front().text(2) == "tls certificate " + print(lab.paths().tls_certificate));
  CHECK(rows->front().integer(3) == lab.clock.now());
  CHECK(rows->back().text(0) == "operator");
  CHECK(rows->back().text(2) == "credential-ca certificate " + print(lab.paths().credential_ca) + " with a new key");
}

TEST_CASE("Renewal: what cannot be put on record does not happen") {
  using Renew = Result<crypto::Certificate> (*)(const RenewalPlace&, RenewalKey);
  for (const Renew renew : std::initializer_list<Renew>{renew_tls, renew_credential_authority, renew_tls_authority})
    for (const RenewalKey key : {RenewalKey::keep, RenewalKey::fresh}) {
      Lab lab;
      const auto files = [&] {
        return test::read_file(lab.paths().tls_certificate) + test::read_file(lab.paths().trust_anchors) +
               test::read_file(lab.paths().credential_ca);
      };
      const std::string before = files();
      RenewalPlace place = lab.place();
      place.note = [](const std::string&) { return Result<void>(Error{Status::storage, "away"}); };
      const auto refused = renew(place, key);
      REQUIRE_FALSE(refused);
      CHECK(refused.error().detail == "away");
      CHECK(files() == before);
      CHECK(lab.open()->tls_identity());
      CHECK(lab.issues_what_relying_parties_accept());
      REQUIRE(renew(lab.place(), key));
      CHECK(files() != before);
    }
}

TEST_CASE("Renewal: of what cannot be written nothing is on record, however often it is tried, and what is done once") {
  struct Case {
    const char* name;
    Result<crypto::Certificate> (*renew)(const RenewalPlace&, RenewalKey);
    std::string IssuerPaths::*file;
  };
  for (const Case& c : {Case{"tls.pem", renew_tls, &IssuerPaths::tls_certificate},
                        Case{"the earlier tls.pem", renew_tls, &IssuerPaths::tls_previous},
                        Case{"credential-ca.pem", renew_credential_authority, &IssuerPaths::credential_ca},
                        Case{"ca.pem for the CA", renew_credential_authority, &IssuerPaths::trust_anchors},
                        Case{"ca.pem", renew_tls_authority, &IssuerPaths::trust_anchors}})
    for (const RenewalKey key : {RenewalKey::keep, RenewalKey::fresh}) {
      CAPTURE(c.name);
      Lab lab;
      const auto on_record = [&] {
        const auto rows = lab.issuer->database().select("SELECT count(*) FROM audit WHERE action = 'renew'", {});
        REQUIRE(rows);
        return rows->front().integer(0);
      };
      // In the way of the file that is to be moved to its name.
      const std::string in_the_way = lab.paths().*c.file + ".new-" + std::to_string(getpid());
      std::filesystem::create_directory(in_the_way);
      for (int minute = 0; minute < 3; ++minute) {
        const auto refused = c.renew(lab.place(), key);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().status == Status::storage);
        CHECK(lab.open()->tls_identity());
      }
      CHECK(on_record() == 0);
      CHECK(lab.issues_what_relying_parties_accept());
      std::filesystem::remove(in_the_way);
      REQUIRE(c.renew(lab.place(), key));
      CHECK(on_record() == 1);
      CHECK(lab.open()->tls_identity());
    }
}

TEST_CASE("renew_tls_when_due: waits for a process that is at it, and needs the key of the TLS CA") {
  Lab lab;
  lab.advance(800 * kDay);
  const int other = open(lab.paths().renewal_lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(flock(other, LOCK_EX) == 0);
  CHECK_FALSE(renew_tls_when_due(lab.place()).value());
  close(other);
  std::filesystem::rename(lab.paths().tls_ca_key, lab.folder.file("away"));
  const auto refused = renew_tls_when_due(lab.place());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().status == Status::not_available);
  CHECK(refused.error().detail.starts_with(lab.paths().tls_ca_key));
  std::filesystem::rename(lab.folder.file("away"), lab.paths().tls_ca_key);
  CHECK(renew_tls_when_due(lab.place()).value());
}

TEST_CASE("renew_tls: a fresh key comes with its certificate, sealed like the one before") {
  Lab lab;
  const Bytes old = lab.issuer->tls_certificate().spki();
  REQUIRE(renew_tls(lab.place(), RenewalKey::fresh));
  REQUIRE(lab.issuer->reload_certificates());
  CHECK(lab.issuer->tls_certificate().spki() != old);
  CHECK(lab.issuer->tls_identity());
  CHECK(lab.tls_is_trusted());
  CHECK(test::read_file(lab.paths().tls_key).find("OPENSKS SEALED FILE") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(next_key_file(lab.paths().tls_key)));
}

TEST_CASE("Renewal: a running server takes a certificate up when its key has come, however late") {
  const Lab lab;
  const crypto::Certificate before = lab.issuer->tls_certificate();
  const std::string old_key = test::read_file(lab.paths().tls_key);
  REQUIRE(renew_tls(lab.place(), RenewalKey::fresh));
  const std::string new_key = test::read_file(lab.paths().tls_key);
  const auto copy_key = [&](const std::string& content) { test::write_file(lab.paths().tls_key, content); };
  copy_key(old_key);
  for (int minute = 0; minute < 2; ++minute) {
    CHECK_FALSE(lab.issuer->reload_certificates());
    CHECK(lab.issuer->tls_certificate().der() == before.der());
    CHECK(lab.issuer->tls_identity());
  }
  copy_key(new_key);
  CHECK(lab.issuer->reload_certificates().value());
  CHECK(lab.issuer->tls_certificate().der() != before.der());
  CHECK(lab.issuer->tls_identity());
}

TEST_CASE("Renewal: a crash before or behind the new certificate leaves a key that fits, and the next renewal works") {
  for (const bool certificate_in_place : {false, true}) {
    CAPTURE(certificate_in_place);
    Lab lab;
    const std::string old_key = test::read_file(lab.paths().tls_key);
    const std::string old_certificate = test::read_file(lab.paths().tls_certificate);
    REQUIRE(renew_tls(lab.place(), RenewalKey::fresh));
    // As if the process had died there: the key is still beside its name.
    std::filesystem::rename(lab.paths().tls_key, next_key_file(lab.paths().tls_key));
    test::write_file(lab.paths().tls_key, old_key);
    REQUIRE(chmod(lab.paths().tls_key.c_str(), 0600) == 0);
    if (!certificate_in_place) test::write_file(lab.paths().tls_certificate, old_certificate);
    CHECK(lab.open()->tls_identity());
    REQUIRE(renew_tls(lab.place(), RenewalKey::fresh));
    CHECK_FALSE(std::filesystem::exists(next_key_file(lab.paths().tls_key)));
    CHECK(lab.open()->tls_identity());
  }
}

TEST_CASE("renew_credential_authority: with the same key, old credentials hold under the new certificate") {
  Lab lab;
  const auto path = lab.issuer->authority().issue({{{"CN", "Jo"}}, {}, 700}, test::new_key().public_key());
  REQUIRE(path);
  const crypto::Certificate old = lab.issuer->credential_authority();
  lab.advance(100 * kDay);
  const auto made = renew_credential_authority(lab.place(), RenewalKey::keep);
  REQUIRE(made);
  CHECK(made->spki() == old.spki());
  CHECK(made->not_after() == old.not_after() + 100 * kDay);
  CHECK(test::openssl_accepts({path->der().front(), made->der()}, "-attime " + std::to_string(lab.clock.now())));
  CHECK(lab.anchors().size() == 2);
  CHECK(lab.issuer->reload_certificates().value());
  CHECK(lab.issuer->credential_authority().der() == made->der());
  CHECK(lab.issues_what_relying_parties_accept());
}

TEST_CASE("renew_credential_authority: with a fresh key, both authorities are trusted until the old one has expired") {
  Lab lab;
  const crypto::Certificate old = lab.issuer->credential_authority();
  const auto made = renew_credential_authority(lab.place(), RenewalKey::fresh);
  REQUIRE(made);
  CHECK(made->spki() != old.spki());
  CHECK(lab.anchors().size() == 3);
  CHECK(lab.issuer->reload_certificates().value());
  const std::vector<AuthorityKey> authorities = lab.issuer->authority().authorities();
  REQUIRE(authorities.size() == 2);
  CHECK(authorities[1].certificate.der() == old.der());
  REQUIRE(authorities[1].signer != nullptr);
  CHECK(authorities[1].signer->public_key().spki() == old.spki());
  CHECK(lab.issuer->credential_authority().der() == made->der());
  CHECK(lab.issues_what_relying_parties_accept());
  CHECK(lab.open()->credential_authority().der() == made->der());
  lab.advance(20 * 365 * kDay - 1);
  REQUIRE(renew_credential_authority(lab.place(), RenewalKey::fresh));
  lab.advance(2);
  REQUIRE(renew_credential_authority(lab.place(), RenewalKey::keep));
  for (const crypto::Certificate& anchor : lab.anchors()) CHECK(anchor.der() != old.der());
}

TEST_CASE("renew_tls_authority: clients with either file trust the server until its certificate is renewed, too") {
  Lab lab;
  const std::string old_file = test::read_file(lab.paths().trust_anchors);
  const crypto::Certificate old = lab.anchors().front();
  const auto made = renew_tls_authority(lab.place(), RenewalKey::fresh);
  REQUIRE(made);
  CHECK(other_than(lab.anchors(), old).der() == made->der());
  CHECK(lab.tls_is_trusted());
  REQUIRE(renew_tls(lab.place(), RenewalKey::keep));
  CHECK(lab.tls_is_trusted());
  test::write_file(lab.folder.file("old.pem"), old_file);
  CHECK(test::run("openssl verify -attime " + std::to_string(lab.clock.now()) + " -CAfile " +
                  lab.folder.file("old.pem") + ' ' + lab.paths().tls_certificate)
            .find(": OK") == std::string::npos);
  const auto same = renew_tls_authority(lab.place(), RenewalKey::keep);
  REQUIRE(same);
  CHECK(same->spki() == made->spki());
  CHECK(lab.tls_is_trusted());
  CHECK(lab.anchors().size() == 3);
}

}  // namespace
}  // namespace sks::issuer
