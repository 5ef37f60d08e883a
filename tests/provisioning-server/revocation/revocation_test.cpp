#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <thread>

#include "provisioning-server/database/schema.h"
#include "provisioning-server/revocation/crl.h"
#include "sks-core/base/encoding.h"
#include "tests/provisioning-server/revocation/revocation_lab.h"

namespace sks::issuer {
namespace {

using test::RevocationLab;

bool holds(const std::string& text, const std::string& part) {
  if (text.find(part) == std::string::npos) MESSAGE(text);
  return text.find(part) != std::string::npos;
}

/// How many entries the list that is out has, as OpenSSL reads it.
std::size_t entries_of(RevocationLab& lab) {
  const Response list = lab.get("/crl/" + lab.id + ".crl");
  test::write_file(lab.folder.file("crl"), to_pem(as_bytes(list.body), "X509 CRL"));
  const std::string text = test::run("openssl crl -noout -text -in " + lab.folder.file("crl"));
  std::size_t count = 0;
  for (std::size_t at = text.find("Serial Number"); at != std::string::npos; at = text.find("Serial Number", at + 1))
    ++count;
  return count;
}

SKS_CONTRACT_TEST("Revocation: revoke, suspend and resume change credential, answers and audit log together") {
  RevocationLab lab(kind);
  const auto a = lab.issue();
  const auto b = lab.issue();
  CHECK(lab.service.publisher().publish_due().value() == 1);
  CHECK(lab.store.revoke(a.fingerprint, RevocationReason::key_compromise, lab.audit("revoke")).value() ==
        RevocationOutcome::done);
  CHECK(lab.store.suspend(b.fingerprint, lab.audit("suspend")).value() == RevocationOutcome::done);
  CHECK(holds(lab.ask(a.certificate), "revoked"));
  CHECK(holds(lab.ask(a.certificate, "-sha256"), "Reason: keyCompromise"));
  CHECK(holds(lab.ask(b.certificate), "Reason: certificateHold"));
  lab.advance(400);
  CHECK(lab.service.publisher().publish_due().value() == 1);
  CHECK(holds(lab.verify(a), "certificate revoked"));
  CHECK(holds(lab.verify(b), "certificate revoked"));
  CHECK(lab.database.count("SELECT count(*) FROM audit WHERE action IN ('revoke', 'suspend')") == 2);

  CHECK(lab.store.resume(b.fingerprint, lab.audit("resume")).value() == RevocationOutcome::done);
  lab.advance(400);
  CHECK(lab.service.publisher().publish_due().value() == 1);
  CHECK(holds(lab.verify(b), ": OK"));
  CHECK(holds(lab.verify(a), "certificate revoked"));
  CHECK(lab.database.count("SELECT count(*) FROM revocations") == 1);
  CHECK(lab.database.count("SELECT count(*) FROM credentials WHERE status = 'issued' AND revoked = 0") == 1);

  // Suspended once more, then revoked for good: there is no way back.
  CHECK(lab.store.suspend(b.fingerprint, lab.audit("suspend")).value() == RevocationOutcome::done);
  CHECK(lab.store.revoke(b.fingerprint, RevocationReason::superseded, lab.audit("revoke")).value() ==
        RevocationOutcome::done);
  CHECK(lab.store.resume(b.fingerprint, lab.audit("resume")).value() == RevocationOutcome::not_possible);
}

SKS_CONTRACT_TEST("Revocation: what cannot be is refused, and leaves no trace") {
  RevocationLab lab(kind);
  const auto issued = lab.issue();
  const auto pending = lab.issue("pending");
  const auto abandoned = lab.issue("abandoned");
  const auto revoked = lab.issue("revoked");
  const auto count = [&] {
    return lab.database.count("SELECT count(*) FROM audit") + lab.database.count("SELECT count(*) FROM revocations");
  };
  const std::int64_t before = count();
  const std::string nobody(64, '0');
  CHECK(lab.store.revoke(nobody, RevocationReason::unspecified, lab.audit("x")).value() == RevocationOutcome::unknown);
  CHECK(lab.store.suspend(nobody, lab.audit("x")).value() == RevocationOutcome::unknown);
  CHECK(lab.store.resume(nobody, lab.audit("x")).value() == RevocationOutcome::unknown);
  CHECK(lab.store.resume(issued.fingerprint, lab.audit("x")).value() == RevocationOutcome::not_possible);
  for (const auto& unfinished : {pending, abandoned}) {
    CHECK(lab.store.suspend(unfinished.fingerprint, lab.audit("x")).value() == RevocationOutcome::not_possible);
    CHECK(lab.store.resume(unfinished.fingerprint, lab.audit("x")).value() == RevocationOutcome::not_possible);
  }
  CHECK(lab.store.revoke(revoked.fingerprint, RevocationReason::unspecified, lab.audit("x")).value() ==
        RevocationOutcome::not_possible);
  CHECK(lab.store.suspend(revoked.fingerprint, lab.audit("x")).value() == RevocationOutcome::not_possible);
  CHECK(count() == before);
}

SKS_CONTRACT_TEST("Revocation: a certificate that was sent can be revoked, however its session ended") {
  RevocationLab lab(kind);
  for (const char* const status : {"pending", "abandoned"}) {
    CAPTURE(status);
    const auto one = lab.issue(status);
    CHECK(lab.store.revoke(one.fingerprint, RevocationReason::key_compromise, lab.audit("revoke")).value() ==
          RevocationOutcome::done);
    CHECK(holds(lab.ask(one.certificate), "Reason: keyCompromise"));
    lab.advance(400);
    CHECK(lab.service.publisher().publish_due().value() == 1);
    CHECK(holds(lab.verify(one), "certificate revoked"));
  }
  CHECK(lab.database.count("SELECT count(*) FROM credentials WHERE status = 'revoked'") == 2);
}

SKS_CONTRACT_TEST("Revocation: what was abandoned is on hold by itself, until somebody revokes it or it expires") {
  RevocationLab lab(kind);
  const auto pending = lab.issue("pending");
  const auto abandoned = lab.issue("abandoned");
  const auto expired = lab.issue("abandoned", -1);
  CHECK(holds(lab.ask(pending.certificate), ": unknown"));
  CHECK(holds(lab.ask(abandoned.certificate), "Reason: certificateHold"));
  CHECK(lab.service.publisher().publish_due().value() == 1);
  CHECK(holds(lab.verify(abandoned), "certificate revoked"));
  CHECK(holds(lab.verify(pending), ": OK"));
  CHECK(entries_of(lab) == 1);
  CHECK(lab.database.count("SELECT count(*) FROM revocations WHERE reason = 6") == 1);
  CHECK(lab.store.adopt(100, lab.clock.now()).value() == 0);
  CHECK(lab.store.revoke(abandoned.fingerprint, RevocationReason::superseded, lab.audit("revoke")).value() ==
        RevocationOutcome::done);
  CHECK(lab.database.count("SELECT count(*) FROM revocations WHERE reason = 4") == 1);
}

SKS_CONTRACT_TEST("Revocation: what was suspended and is deleted, replaced or revoked since is held no longer") {
  RevocationLab lab(kind);
  struct Row {
    const char* status;
    const char* answer;
    int reason;
  };
  std::vector<std::string> fingerprints;
  for (const Row& row : {Row{"removed", "Reason: cessationOfOperation", 5}, Row{"replaced", "Reason: superseded", 4},
                         Row{"revoked", "revoked", 0}}) {
    CAPTURE(row.status);
    const auto one = lab.issue();
    REQUIRE(lab.store.suspend(one.fingerprint, lab.audit("suspend")));
    lab.advance(400);
    CHECK(lab.service.publisher().publish_due().value() == 1);
    CHECK(holds(lab.ask(one.certificate), "Reason: certificateHold"));
    lab.database.execute("UPDATE credentials SET status = '" + std::string(row.status) + "', revoked = " +
                         std::to_string(lab.clock.now() - 7) + " WHERE fingerprint = '" + one.fingerprint + "'");
    const std::string answer = lab.ask(one.certificate);
    CHECK(holds(answer, row.answer));
    CHECK(answer.find("certificateHold") == std::string::npos);
    lab.advance(400);
    CHECK(lab.service.publisher().publish_due().value() == 1);
    CHECK(holds(lab.verify(one), "certificate revoked"));
    CHECK(lab.database.count("SELECT reason FROM revocations WHERE fingerprint = '" + one.fingerprint + "'") ==
          row.reason);
    CHECK(lab.store.adopt(100, lab.clock.now()).value() == 0);
  }
  const std::string list = test::run("openssl crl -noout -text -in " + lab.folder.file("crl"));
  CHECK(holds(list, "Cessation Of Operation"));
  CHECK(holds(list, "Superseded"));
  CHECK(list.find("Certificate Hold") == std::string::npos);
}

SKS_CONTRACT_TEST("Revocation: what has its entry is not looked at again, and the reason that was given stays") {
  RevocationLab lab(kind);
  const auto abandoned = lab.issue("abandoned");
  const auto expired = lab.issue("abandoned", -1);
  const auto removed = lab.issue("removed");
  const auto revoked = lab.issue();
  REQUIRE(lab.store.revoke(revoked.fingerprint, RevocationReason::key_compromise, lab.audit("revoke")));
  CHECK(lab.store.adopt(1, lab.clock.now()).value() == 1);
  CHECK(lab.store.adopt(2, lab.clock.now()).value() == 1);
  CHECK(lab.store.adopt(2, lab.clock.now()).value() == 0);
  CHECK(lab.database.count("SELECT count(*) FROM revocations") == 3);
  const auto reason_of = [&](const RevocationLab::Issued& one) {
    return lab.database.count("SELECT reason FROM revocations WHERE fingerprint = '" + one.fingerprint + "'");
  };
  // The database of an earlier program, or one that such a program uses at the same time.
  lab.database.execute(
      "DROP INDEX credentials_unlisted; ALTER TABLE credentials DROP COLUMN on_list;"
      "DELETE FROM schema_version WHERE step = 'unlisted credentials';");
  REQUIRE(bring_schema_forward(*lab.database));
  CHECK(lab.store.adopt(100, lab.clock.now()).value() == 0);
  lab.database.execute("UPDATE credentials SET on_list = 0");
  CHECK(lab.store.adopt(100, lab.clock.now()).value() == 3);
  CHECK(reason_of(abandoned) == 6);
  CHECK(reason_of(removed) == 5);
  CHECK(reason_of(revoked) == 1);
  CHECK(lab.database.count("SELECT count(*) FROM revocations WHERE fingerprint = '" + expired.fingerprint + "'") == 0);
  // Nobody does this; it tells what is looked at.
  lab.database.execute("DELETE FROM revocations");
  CHECK(lab.store.adopt(100, lab.clock.now()).value() == 0);
  // The clock stood ahead, and is set right.
  lab.advance(-2 * 86400);
  CHECK(lab.store.adopt(100, lab.clock.now()).value() == 1);
  CHECK(reason_of(expired) == 6);
}

SKS_CONTRACT_TEST("CrlPublisher: many revocations within an interval come with one list, none with no list") {
  RevocationLab lab(kind);
  std::vector<RevocationLab::Issued> all;
  for (int i = 0; i < 20; ++i) all.push_back(lab.issue());
  CHECK(lab.service.publisher().publish_due().value() == 1);
  for (const auto& one : all) {
    REQUIRE(lab.store.revoke(one.fingerprint, RevocationReason::superseded, lab.audit("revoke")));
    CHECK(lab.service.publisher().publish_due().value() == 0);
  }
  lab.advance(lab.config.crl_interval_seconds);
  CHECK(lab.service.publisher().publish_due().value() == 1);
  lab.advance(lab.config.crl_interval_seconds);
  CHECK(lab.service.publisher().publish_due().value() == 0);
  CHECK(lab.store.find_crl(lab.id, RevocationStore::Part::head).value()->number == 2);
  for (const auto& one : all) CHECK(holds(lab.verify(one), "certificate revoked"));
  // A third of its life before it ends, it is replaced, whether or not anything has changed.
  lab.advance(lab.config.crl_hours * 3600 * 2 / 3);
  CHECK(lab.service.publisher().publish_due().value() == 1);
}

SKS_CONTRACT_TEST("CrlPublisher: a list made while the clock was ahead is replaced once it is right again") {
  RevocationLab lab(kind);
  const auto one = lab.issue("issued", 3000);
  CHECK(lab.service.publisher().publish_due().value() == 1);
  lab.advance(365 * 86400);
  CHECK(lab.service.publisher().publish_due().value() == 1);
  lab.advance(-365 * 86400);
  REQUIRE(lab.store.revoke(one.fingerprint, RevocationReason::superseded, lab.audit("revoke")));
  CHECK(lab.service.publisher().publish_due().value() == 1);
  CHECK(holds(lab.verify(one), "certificate revoked"));
  CHECK(lab.store.find_crl(lab.id, RevocationStore::Part::head).value()->number == 3);
  CHECK(lab.service.publisher().publish_due().value() == 0);
}

SKS_CONTRACT_TEST("CrlPublisher: a certificate leaves the list after it has expired, and not before") {
  RevocationLab lab(kind);
  const auto brief = lab.issue("issued", 1);
  const auto lasting = lab.issue("issued", 100);
  for (const auto& one : {brief, lasting})
    REQUIRE(lab.store.revoke(one.fingerprint, RevocationReason::superseded, lab.audit("revoke")));
  const auto entries = [&] { return entries_of(lab); };
  REQUIRE(lab.service.publisher().publish_due());
  CHECK(entries() == 2);
  lab.advance(86400 - 3600);
  REQUIRE(lab.service.publisher().publish_due());
  CHECK(entries() == 2);
  lab.advance(18 * 3600);  // it has expired since the last list
  REQUIRE(lab.service.publisher().publish_due());
  CHECK(entries() == 2);
  lab.advance(18 * 3600);
  REQUIRE(lab.service.publisher().publish_due());
  CHECK(entries() == 1);
}

SKS_CONTRACT_TEST(
    "CrlPublisher: of two processes one makes each list, and what changes meanwhile comes with the next") {
  RevocationLab lab(kind);
  const auto early = lab.issue();
  const auto late = lab.issue();
  REQUIRE(lab.store.revoke(early.fingerprint, RevocationReason::superseded, lab.audit("revoke")));
  REQUIRE(lab.store.claim_changes(lab.id, -1));
  const Bytes entries = lab.store.read_entries(lab.id, lab.clock.now()).value();
  // Behind the back of the first process: a revocation, then a complete list of the second one.
  REQUIRE(lab.store.revoke(late.fingerprint, RevocationReason::superseded, lab.audit("revoke")));
  CHECK(lab.service.publisher().publish_due().value() == 1);
  StoredCrl stale{1, lab.clock.now(), lab.clock.now() + 3600,
                  *sign_crl({1, lab.clock.now(), lab.clock.now() + 3600, entries}, lab.ca, *lab.signer)};
  CHECK_FALSE(lab.store.store_crl(lab.id, 0, stale, -1).value());
  CHECK(holds(lab.verify(late), "certificate revoked"));
  CHECK_FALSE(lab.store.has_changes(lab.id).value());

  // The other way round: a list is stored that does not know of a change since its claim.
  const auto third = lab.issue();
  REQUIRE(lab.store.claim_changes(lab.id, -2));
  REQUIRE(lab.store.revoke(third.fingerprint, RevocationReason::superseded, lab.audit("revoke")));
  stale.number = 2;
  CHECK(lab.store.store_crl(lab.id, 1, stale, -2).value());
  CHECK(lab.store.has_changes(lab.id).value());
  // A process that died with a claim leaves changes behind.
  REQUIRE(lab.store.claim_changes(lab.id, -3));
  CHECK(lab.store.has_changes(lab.id).value());
}

SKS_CONTRACT_TEST("CrlPublisher: a hundred thousand certificates that are revoked at one time come with one list") {
  RevocationLab lab(kind);
  const auto one = lab.issue();
  REQUIRE(lab.store.revoke(one.fingerprint, RevocationReason::superseded, lab.audit("revoke")));
  // Every eighth of them was resumed meanwhile.
  lab.database.execute(
      "WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 100000)"
      " INSERT INTO revocations (fingerprint, authority, entry, reason, time, expires, in_force, listed)"
      " SELECT CAST(i AS TEXT), authority, entry, reason, time, expires + i % 3, CASE i % 8 WHEN 0 THEN 0 ELSE 1 END, 0"
      " FROM numbers, revocations;");
  CHECK(lab.service.publisher().publish_due().value() == 1);
  CHECK_FALSE(lab.store.has_changes(lab.id).value());
  CHECK(entries_of(lab) == 87501);
  CHECK(lab.database.count("SELECT count(*) FROM revocations WHERE listed = 1") == 87501);
  CHECK(lab.database.count("SELECT count(*) FROM revocations") == 87501);
}

SKS_CONTRACT_TEST("CrlPublisher: lists also what was revoked or deleted without an entry") {
  RevocationLab lab(kind);
  const auto revoked = lab.issue("revoked");
  const auto removed = lab.issue("removed");
  CHECK(holds(lab.ask(removed.certificate), "Reason: cessationOfOperation"));
  CHECK(lab.service.publisher().publish_due().value() == 1);
  CHECK(holds(lab.verify(revoked), "certificate revoked"));
  CHECK(holds(lab.verify(removed), "certificate revoked"));
  CHECK(lab.store.adopt(100, lab.clock.now()).value() == 0);
}

TEST_CASE("CrlPublisher: publishes by itself, and goes on when the authority's key cannot be reached") {
  RevocationLab lab;
  struct Broken final : crypto::Signer {
    explicit Broken(crypto::PublicKey its_key) : key(std::move(its_key)) {}
    const crypto::PublicKey& public_key() const override { return key; }
    Result<Bytes> sign(ByteView) const override { return gone(); }
    Result<void> check() const override { return gone(); }
    static Error gone() { return {Status::not_available, "the token is gone"}; }
    crypto::PublicKey key;
  };
  lab.authorities[0].signer = std::make_shared<Broken>(lab.signer->public_key());
  const auto one = lab.issue();
  REQUIRE(lab.store.revoke(one.fingerprint, RevocationReason::superseded, lab.audit("revoke")));
  CHECK(lab.service.publisher().publish_due().error().detail == "the token is gone");
  CHECK(lab.get("/crl/" + lab.id + ".crl").status == 404);
  CHECK(holds(lab.ask(one.certificate), "trylater"));
  lab.authorities[0].signer = lab.signer;
  lab.service.publisher().start();
  while (lab.get("/crl/" + lab.id + ".crl").status != 200) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(holds(lab.verify(one), "certificate revoked"));
  CHECK(holds(lab.ask(one.certificate), "revoked"));
}

SKS_CONTRACT_TEST("OCSP: good, revoked, unknown, with the nonce, by a delegate that OpenSSL accepts") {
  RevocationLab lab(kind);
  const auto good = lab.issue();
  const auto pending = lab.issue("pending");
  for (const char* const options : {"", "-no_nonce", "-sha256"}) {
    CAPTURE(options);
    const std::string verdict = lab.ask(good.certificate, options);
    CHECK(holds(verdict, "Response verify OK"));
    CHECK(holds(verdict, ": good"));
    CHECK(verdict.find("WARNING") == std::string::npos);  // which is about a nonce that is missing
    CHECK(holds(lab.ask(pending.certificate, options), ": unknown"));
    CHECK(holds(lab.ask(lab.certify(), options), ": unknown"));
  }
  // Several at once.
  REQUIRE(lab.store.revoke(good.fingerprint, RevocationReason::affiliation_changed, lab.audit("revoke")));
  const auto other = lab.issue();
  test::write_file(lab.folder.file("other"), to_pem(other.certificate.der(), "CERTIFICATE"));
  const std::string verdict = lab.ask(good.certificate, "-cert " + lab.folder.file("other"));
  CHECK(holds(verdict, "other: good"));
  CHECK(holds(verdict, "leaf: revoked"));
  CHECK(holds(verdict, "Reason: affiliationChanged"));
}

TEST_CASE("OCSP: authorities with P-384 and RSA keys") {
  for (const char* const key : {"ec.nist.p384", "rsa2048"}) {
    RevocationLab lab("sqlite", key);
    const auto one = lab.issue();
    const std::string verdict = lab.ask(one.certificate);
    CHECK(holds(verdict, "Response verify OK"));
    CHECK(holds(verdict, ": good"));
  }
}

TEST_CASE("OCSP: questions about others, and no questions, get the status of RFC 6960") {
  RevocationLab lab;
  const auto one = lab.issue();
  const RevocationLab foreign;
  const Bytes request = lab.request(one.certificate);
  test::write_file(lab.folder.file("ca"), to_pem(foreign.ca.der(), "CERTIFICATE"));
  CHECK(lab.post_ocsp(lab.request(one.certificate)).body == std::string("\x30\x03\x0a\x01\x06", 5));
  CHECK(lab.post_ocsp({}).body == std::string("\x30\x03\x0a\x01\x01", 5));
  CHECK(lab.post_ocsp(Bytes(request.begin(), request.end() - 1)).body == std::string("\x30\x03\x0a\x01\x01", 5));
  lab.database.execute("ALTER TABLE credentials RENAME TO gone;");
  CHECK(lab.post_ocsp(request).body == std::string("\x30\x03\x0a\x01\x03", 5));
}

TEST_CASE("OCSP: by GET, with headers for caches, answered again from memory until the time is over") {
  RevocationLab lab;
  const auto one = lab.issue();
  const Bytes request = lab.request(one.certificate, "-no_nonce");
  std::string encoded(request.size() * 2, '\0');
  encoded.resize(static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                                          request.data(), static_cast<int>(request.size()))));
  const Response first = lab.get("/ocsp/" + encoded);
  CHECK(holds(lab.judge(one.certificate, first.body, ""), ": good"));
  const auto header = [](const Response& response, const std::string& name) {
    for (const auto& [key, value] : response.headers)
      if (key == name) return value;
    return std::string();
  };
  CHECK(header(first, "Content-Type") == "application/ocsp-response");
  CHECK(header(first, "Cache-Control") == "public, no-transform, must-revalidate, max-age=30");
  REQUIRE(lab.store.revoke(one.fingerprint, RevocationReason::superseded, lab.audit("revoke")));
  lab.advance(29);
  CHECK(lab.get("/ocsp/" + encoded).body == first.body);
  lab.advance(1);
  CHECK(holds(lab.judge(one.certificate, lab.get("/ocsp/" + encoded).body, ""), ": revoked"));
  CHECK(lab.get("/ocsp/%%").body == std::string("\x30\x03\x0a\x01\x01", 5));
  CHECK(header(lab.get("/ocsp/%%"), "Cache-Control") == "no-store");
}

TEST_CASE("OCSP: the responder's certificate is renewed before it ends") {
  RevocationLab lab;
  const auto one = lab.issue("issued", 100);
  const Bytes request = lab.request(one.certificate, "-no_nonce");
  const auto responder = [&] {
    test::write_file(lab.folder.file("response"), lab.post_ocsp(request).body);
    const std::string text = test::run("openssl ocsp -noverify -resp_text -respin " + lab.folder.file("response"));
    CHECK(holds(text, "OCSP Signing"));
    CHECK(holds(text, "OCSP No Check"));
    const std::size_t at = text.rfind("Serial Number:");  // behind those of the answers
    return text.substr(at, 80);
  };
  const std::string first = responder();
  lab.advance(4 * 86400);
  CHECK(responder() == first);
  lab.advance(86400);
  CHECK(responder() != first);
}

TEST_CASE("Revocation addresses: the authority's certificate can be had, others and odd names cannot") {
  RevocationLab lab;
  const Response certificate = lab.get("/ca/" + lab.id + ".cer");
  CHECK(certificate.status == 200);
  CHECK(certificate.body == sks::to_string(lab.ca.der()));
  REQUIRE(lab.service.publisher().publish_due());
  for (const char* const path : {"/ca/x.cer", "/ca/.cer", "/crl/x.crl", "/crl/.crl", "/crl/../x"}) {
    CAPTURE(path);
    CHECK(lab.get(path).status == 404);
  }
  CHECK(lab.get("/crl/" + lab.id).status == 404);
  const Response list = lab.get("/crl/" + lab.id + ".crl");
  bool has_type = false;
  for (const auto& [key, value] : list.headers) has_type |= key == "Content-Type" && value == "application/pkix-crl";
  CHECK(has_type);
  for (const Route& route : lab.service.routes()) {
    if (route.path != "/crl/{name}") continue;
    for (const char* const tag : {"\"1\"", "\"0\""}) {
      Request request;
      request.headers["if-none-match"] = tag;
      const Response again = route.run(request, {{"name", lab.id + ".crl"}});
      CHECK(again.status == (std::string(tag) == "\"1\"" ? 304 : 200));
      CHECK(again.body.empty() == (again.status == 304));
    }
  }
  lab.database.execute("ALTER TABLE crls RENAME TO gone;");
  CHECK(lab.get("/crl/" + lab.id + ".crl").status == 503);
}

}  // namespace
}  // namespace sks::issuer
