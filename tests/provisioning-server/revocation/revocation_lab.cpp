#include "tests/provisioning-server/revocation/revocation_lab.h"

#include <doctest/doctest.h>

#include "provisioning-server/database/schema.h"
#include "sks-core/base/encoding.h"

namespace sks::test {
namespace {

crypto::Certificate lab_authority(const crypto::Signer& signer, std::int64_t now) {
  crypto::CertificateTemplate contents{};
  contents.kind = crypto::CertificateKind::ca;
  contents.subject = {{"CN", "Lab CA"}};
  contents.not_before = now - 1000;
  contents.not_after = now + std::int64_t{10} * 365 * 86400;
  auto made = crypto::issue_certificate(contents, signer.public_key(), nullptr, signer);
  REQUIRE(made);
  return std::move(made).value();
}

}  // namespace

RevocationLab::RevocationLab(const std::string& kind, const std::string& key)
    : database(kind),
      audit_log(*database, "lab", clock, system_random()),
      signer(std::make_shared<crypto::KeySigner>(new_key(key))),
      ca(lab_authority(*signer, clock.now())),
      id(issuer::authority_id(ca)),
      store(*database, audit_log),
      authorities{{ca, signer}},
      service(
          store, [this] { return authorities; }, config, clock, system_random()) {
  REQUIRE(issuer::bring_schema_forward(*database));
  database.execute(
      "INSERT INTO tickets (digest, profile, subject, cookie_digest, created, expires, used)"
      " VALUES ('t', 'p', 's', '', 0, 0, 0);"
      "INSERT INTO sessions (id, cookie_digest, ticket_digest, profile, profile_digest, subject, phase, version,"
      " sealed_state, sealed_puk, last_request, reply_kind, reply_text, created, expires, client_session_id,"
      " device_fingerprint) SELECT 's', 'c', 't', 'p', 'd', 's', 'done', 1, CAST('' AS " +
      std::string(kind == "sqlite" ? "BLOB" : "BYTEA") + "), CAST('' AS " + (kind == "sqlite" ? "BLOB" : "BYTEA") +
      "), '', 0, '', 0, 0, 'cs', '';");
  write_file(folder.file("ca"), to_pem(ca.der(), "CERTIFICATE"));
}

crypto::Certificate RevocationLab::certify(std::int64_t days) {
  static const crypto::PrivateKey key = new_key();
  crypto::CertificateTemplate contents{};
  contents.kind = crypto::CertificateKind::tls_client;
  contents.subject = {{"CN", "Jo"}};
  contents.not_before = clock.now() - 500;
  contents.not_after = clock.now() + days * 86400;
  auto made = crypto::issue_certificate(contents, key.public_key(), &ca, *signer);
  REQUIRE(made);
  return std::move(made).value();
}

RevocationLab::Issued RevocationLab::issue(const std::string& status, std::int64_t days) {
  Issued issued{certify(days), {}};
  issued.fingerprint = to_hex(issued.certificate.fingerprint());
  const Bytes serial = issued.certificate.serial_number_der();
  const std::string number = std::to_string(++count_);
  REQUIRE(database->write([&](issuer::SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(transaction.run(
        "INSERT INTO credentials (fingerprint, certificate, subject, profile, app_usage, friendly_name,"
        " public_key_digest, server_session_id, client_session_id, device_fingerprint, key_management_key,"
        " privacy_enabled, status, issued, revoked, owner, created, serial, issuer, not_after)"
        " VALUES ($1, $2, 'CN=Jo', 'p', 'authentication', '', $3, 's', 'cs', '', $4, 0, $5, $6, $7, 's', $6, $8,"
        " 'CN=Lab CA', $9)",
        {issued.fingerprint, issued.certificate.der(), number, Bytes(), status, clock.now(),
         std::int64_t{status == "issued" || status == "pending" || status == "abandoned" ? 0 : 1} * clock.now(),
         issuer::serial_text(ByteView(serial).subspan(2)), issued.certificate.not_after()}));
    return {};
  }));
  return issued;
}

issuer::AuditEntry RevocationLab::audit(const std::string& action) const {
  return {clock.now(), "officer", action, "", "", "ok", "credential"};
}

issuer::Response RevocationLab::get(const std::string& path) {
  for (const issuer::Route& route : service.routes()) {
    const std::size_t brace = route.path.find('{');
    if (route.method != "GET" || brace == std::string::npos || !path.starts_with(route.path.substr(0, brace))) continue;
    const std::string name = route.path.substr(brace + 1, route.path.size() - brace - 2);
    return route.run({}, {{name, path.substr(brace)}});
  }
  FAIL("no such route");
  return {};
}

issuer::Response RevocationLab::post_ocsp(const Bytes& request) {
  for (const issuer::Route& route : service.routes()) {
    if (route.method != "POST") continue;
    issuer::Request post;
    post.method = "POST";
    post.body = sks::to_string(request);
    return route.run(post, {});
  }
  FAIL("no such route");
  return {};
}

std::string RevocationLab::verify(const Issued& issued) {
  const issuer::Response list = get("/crl/" + id + ".crl");
  REQUIRE(list.status == 200);
  write_file(folder.file("crl"), to_pem(as_bytes(list.body), "X509 CRL"));
  write_file(folder.file("leaf"), to_pem(issued.certificate.der(), "CERTIFICATE"));
  return run("openssl verify -crl_check -attime " + std::to_string(clock.now()) + " -CRLfile " + folder.file("crl") +
             " -CAfile " + folder.file("ca") + ' ' + folder.file("leaf"));
}

Bytes RevocationLab::request(const crypto::Certificate& certificate, const std::string& options) {
  write_file(folder.file("leaf"), to_pem(certificate.der(), "CERTIFICATE"));
  const std::string output = run("openssl ocsp -issuer " + folder.file("ca") + ' ' + options + " -cert " +
                                 folder.file("leaf") + " -reqout " + folder.file("request"));
  CAPTURE(output);
  REQUIRE(output.find("exit") == std::string::npos);
  return to_bytes(as_bytes(read_file(folder.file("request"))));
}

std::string RevocationLab::judge(const crypto::Certificate& certificate, const std::string& response,
                                 const std::string& options) {
  write_file(folder.file("leaf"), to_pem(certificate.der(), "CERTIFICATE"));
  write_file(folder.file("response"), response);
  // The nonce is that of the request in the file: without -no_nonce a new one would take its place.
  return run("openssl ocsp -no_nonce -issuer " + folder.file("ca") + ' ' + options + " -cert " + folder.file("leaf") +
             " -respin " + folder.file("response") + " -reqin " + folder.file("request") + " -CAfile " +
             folder.file("ca"));
}

std::string RevocationLab::ask(const crypto::Certificate& certificate, const std::string& options) {
  const issuer::Response response = post_ocsp(request(certificate, options));
  CHECK(response.status == 200);
  return judge(certificate, response.body, options);
}

}  // namespace sks::test
