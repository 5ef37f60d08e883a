#include "sks-core/crypto/x509.h"

#include <doctest/doctest.h>
#include <openssl/err.h>

#include <array>
#include <cstdio>
#include <memory>

#include "sks-core/base/encoding.h"
#include "tests/support/temp_dir.h"

namespace sks::crypto {
namespace {

constexpr std::int64_t kStart = 1700000000;  // 2023-11-14T22:13:20Z
constexpr std::int64_t kEnd = 4102444800;    // 2100-01-01T00:00:00Z

PrivateKey new_key(const char* name = "ec.nist.p256") {
  return PrivateKey::generate(*find_algorithm(std::string("https://webpki.github.io/sks/algorithm#") + name)).value();
}

struct Authority {
  PrivateKey key = new_key();
  Certificate certificate =
      issue_certificate({CertificateKind::ca, parse_dn("CN=Test CA,O=Åre & Söner").value(), kStart, kEnd, {}, {}, {}},
                        key.public_key(), nullptr, key)
          .value();
};

/// What a command prints, and that it succeeded.
std::string run(const std::string& command) {
  std::string output;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen((command + " 2>&1").c_str(), "r"), pclose);
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> part{};
  while (std::fgets(part.data(), part.size(), pipe.get()) != nullptr) output += part.data();
  return output;
}

TEST_CASE("issue_certificate: OpenSSL's command line accepts the chain for its purposes") {
  const Authority ca;
  const PrivateKey server_key = new_key();
  const auto server = issue_certificate({CertificateKind::tls_server,
                                         parse_dn("CN=localhost").value(),
                                         kStart,
                                         kEnd,
                                         {"localhost"},
                                         {"127.0.0.1", "::1"},
                                         {}},
                                        server_key.public_key(), &ca.certificate, ca.key);
  REQUIRE(server);
  const PrivateKey client_key = new_key("rsa2048");
  const auto client = issue_certificate(
      {CertificateKind::tls_client, parse_dn("CN=Jo\\, Doe,C=SE").value(), kStart, kEnd, {}, {}, {"jo@example.com"}},
      client_key.public_key(), &ca.certificate, ca.key);
  REQUIRE(client);

  const test::TempDir dir;
  test::write_file(dir.file("ca.pem"), to_pem(ca.certificate.der(), "CERTIFICATE"));
  test::write_file(dir.file("server.pem"), to_pem(server->der(), "CERTIFICATE"));
  test::write_file(dir.file("client.pem"), to_pem(client->der(), "CERTIFICATE"));
  const std::string verify = "openssl verify -x509_strict -CAfile " + dir.file("ca.pem") + " ";
  CHECK(run(verify + "-purpose sslserver -verify_hostname localhost " + dir.file("server.pem")).find(": OK") !=
        std::string::npos);
  CHECK(run(verify + "-purpose sslserver -verify_ip 127.0.0.1 " + dir.file("server.pem")).find(": OK") !=
        std::string::npos);
  CHECK(run(verify + "-purpose sslclient -verify_email jo@example.com " + dir.file("client.pem")).find(": OK") !=
        std::string::npos);
  CHECK(run(verify + "-purpose sslserver " + dir.file("client.pem")).find(": OK") == std::string::npos);
  CHECK(run(verify + "-purpose sslclient " + dir.file("server.pem")).find(": OK") == std::string::npos);
  CHECK(run("openssl x509 -noout -subject -nameopt RFC2253,-esc_msb -in " + dir.file("client.pem")) ==
        "subject=" + client->subject() + "\n");

  CHECK(client->subject() == "C=SE,CN=Jo\\, Doe");
  CHECK(client->issuer() == "O=Åre & Söner,CN=Test CA");
  CHECK(client->not_before() == kStart);
  CHECK(client->not_after() == kEnd);
  CHECK(client->public_key()->spki() == client_key.public_key().spki());
  CHECK(ca.certificate.is_ca());
  CHECK_FALSE(client->is_ca());
  CHECK(client->is_issued_by(ca.certificate));
  CHECK_FALSE(client->is_issued_by(*server));
  CHECK(client->serial_number_der().size() == 18);
}

TEST_CASE(
    "issue_certificate: serial numbers are positive, of one length, in the order of not_before, and random behind it") {
  const PrivateKey key = new_key("ec.nist.p256");
  const auto serial_at = [&](std::int64_t not_before) {
    CertificateTemplate what{CertificateKind::ca, {{"CN", "Test CA"}}, not_before, not_before + 1000, {}, {}, {}};
    const auto made = issue_certificate(what, key.public_key(), nullptr, key);
    REQUIRE(made);
    return made->serial_number_der();
  };
  Bytes before;
  // 2026, 2050 and 2105: 31 bits of seconds end in 2038, and 32 bits in 2106.
  for (const std::int64_t not_before : {std::int64_t{1'790'000'000}, std::int64_t{1'790'000'002},
                                        std::int64_t{2'524'608'000}, std::int64_t{4'260'000'000}}) {
    const Bytes first = serial_at(not_before);
    const Bytes second = serial_at(not_before);
    REQUIRE(first.size() == 18);
    REQUIRE(second.size() == 18);
    CHECK(first[2] < 0x80);
    CHECK(std::equal(first.begin(), first.begin() + 6, second.begin()));
    // Eleven of the twelve random octets: one or the other may be the same.
    CHECK_FALSE(std::equal(first.begin() + 6, first.end() - 1, second.begin() + 6));
    CHECK(before < first);
    before = first;
  }
}

TEST_CASE("issue_certificate: keys of every kind that signs do so with the hash of their size") {
  struct Row {
    const char* key;
    const char* algorithm;
  };
  for (const Row& row : {Row{"ec.nist.p256", "ecdsa-with-SHA256"}, Row{"ec.nist.p384", "ecdsa-with-SHA384"},
                         Row{"ec.nist.p521", "ecdsa-with-SHA512"}, Row{"rsa2048", "sha256WithRSAEncryption"}}) {
    CAPTURE(row.key);
    const PrivateKey key = new_key(row.key);
    const auto ca = issue_certificate({CertificateKind::ca, parse_dn("CN=CA").value(), kStart, kEnd, {}, {}, {}},
                                      key.public_key(), nullptr, key);
    REQUIRE(ca);
    const auto leaf = issue_certificate({CertificateKind::device, parse_dn("CN=x").value(), kStart, kEnd, {}, {}, {}},
                                        new_key().public_key(), &*ca, key);
    REQUIRE(leaf);
    const test::TempDir dir;
    test::write_file(dir.file("ca.pem"), to_pem(ca->der(), "CERTIFICATE"));
    test::write_file(dir.file("leaf.pem"), to_pem(leaf->der(), "CERTIFICATE"));
    CHECK(run("openssl verify -x509_strict -CAfile " + dir.file("ca.pem") + ' ' + dir.file("leaf.pem")).find(": OK") !=
          std::string::npos);
    CHECK(run("openssl x509 -noout -text -in " + dir.file("leaf.pem")).find(row.algorithm) != std::string::npos);
  }
  const PrivateKey no_signer = new_key("ed25519");
  const auto refused = issue_certificate({CertificateKind::ca, parse_dn("CN=CA").value(), kStart, kEnd, {}, {}, {}},
                                         no_signer.public_key(), nullptr, no_signer);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().status == Status::option);
}

TEST_CASE("issue_certificate: says where to ask about a certificate, and what else it is told to say") {
  const Authority ca;
  CertificateTemplate contents{CertificateKind::tls_client, {}, kStart, kEnd, {}, {}, {}};
  contents.subject_der = ca.certificate.subject_der();
  contents.crl_urls = {"http://ca.example/crl/a.crl"};
  contents.ocsp_urls = {"http://ca.example/ocsp"};
  contents.issuer_urls = {"http://ca.example/ca/a.cer"};
  // Extension { 1.2.3.4, OCTET STRING { UTF8String "x" } }
  contents.extensions = {{0x30, 0x0a, 0x06, 0x03, 0x2a, 0x03, 0x04, 0x04, 0x03, 0x0c, 0x01, 'x'}};
  const auto leaf = issue_certificate(contents, new_key().public_key(), &ca.certificate, ca.key);
  REQUIRE(leaf);
  CHECK(leaf->subject_der() == ca.certificate.subject_der());
  const test::TempDir dir;
  test::write_file(dir.file("leaf.pem"), to_pem(leaf->der(), "CERTIFICATE"));
  CHECK(run("openssl x509 -noout -ocsp_uri -in " + dir.file("leaf.pem")) == "http://ca.example/ocsp\n");
  const std::string text = run("openssl x509 -noout -text -in " + dir.file("leaf.pem"));
  for (const char* const part : {"URI:http://ca.example/crl/a.crl", "OCSP - URI:http://ca.example/ocsp",
                                 "CA Issuers - URI:http://ca.example/ca/a.cer", "1.2.3.4:"})
    CHECK(text.find(part) != std::string::npos);
}

TEST_CASE("issue_certificate: names that cannot be are refused") {
  const Authority ca;
  const PublicKey& key = ca.key.public_key();
  const auto issue = [&](std::vector<std::string> dns, std::vector<std::string> ips, std::vector<std::string> emails) {
    return static_cast<bool>(issue_certificate({CertificateKind::tls_server, parse_dn("CN=x").value(), kStart, kEnd,
                                                std::move(dns), std::move(ips), std::move(emails)},
                                               key, &ca.certificate, ca.key));
  };
  CHECK(issue({"a.example"}, {}, {}));
  CHECK_FALSE(issue({""}, {}, {}));
  CHECK_FALSE(issue({"a b"}, {}, {}));
  CHECK_FALSE(issue({}, {"300.1.1.1"}, {}));
  CHECK(ERR_peek_error() == 0);
  CHECK_FALSE(issue({}, {}, {"jo\nx"}));
}

TEST_CASE("parse_dn: every malformed name is refused with option") {
  for (const char* bad : {"", "CN", "CN=", "=x", "CN=x,", ",CN=x", "XYZ=1", "CN=x\\", "C=SWE", "CN=a\nb"}) {
    CAPTURE(bad);
    const auto name = parse_dn(bad);
    REQUIRE_FALSE(name);
    CHECK(name.error().status == Status::option);
    CHECK(ERR_peek_error() == 0);  // what stays in OpenSSL's queue would be taken for a failure of the next TLS call
  }
  const auto name = parse_dn("CN=Jo=Doe, O = A\\,B ,emailAddress=jo@example.com");
  REQUIRE(name);
  REQUIRE(name->size() == 3);
  CHECK((*name)[0].value == "Jo=Doe");
  CHECK((*name)[1].type == "O");
  CHECK((*name)[1].value == "A,B");
}

TEST_CASE("Certificate: bytes after it, a cut and garbage are refused with crypto") {
  const Authority ca;
  Bytes der = ca.certificate.der();
  CHECK(Certificate::from_der(der)->fingerprint() == sha256(der));
  der.push_back(0);
  CHECK_FALSE(Certificate::from_der(der));
  CHECK_FALSE(Certificate::from_der(ByteView(der).first(der.size() - 2)));
  CHECK_FALSE(Certificate::from_der({}));
  CHECK_FALSE(Certificate::from_der(Bytes{0x30, 0x00}));
  const Result<Certificate> garbage = Certificate::from_der(Bytes(10, 0x30));
  REQUIRE_FALSE(garbage);
  CHECK(garbage.error().status == Status::crypto);
  CHECK(garbage.error().detail == "Certificate is malformed: nested asn1 error");  // people read this: no error codes
}

TEST_CASE("parse_path: each certificate must be issued by the next") {
  const Authority ca;
  const Authority other;
  const PrivateKey key = new_key();
  const Certificate leaf =
      issue_certificate({CertificateKind::device, parse_dn("CN=leaf").value(), kStart, kEnd, {}, {}, {}},
                        key.public_key(), &ca.certificate, ca.key)
          .value();
  CHECK(parse_path({leaf.der()}));
  CHECK(parse_path({leaf.der(), ca.certificate.der()}));
  // The same names, but another key.
  CHECK_FALSE(parse_path({leaf.der(), other.certificate.der()}));
  CHECK_FALSE(parse_path({ca.certificate.der(), leaf.der()}));
  CHECK_FALSE(parse_path({}));
  CHECK_FALSE(parse_path({leaf.der(), Bytes{1}}));
}

TEST_CASE("issue_below: the path holds, and its first link needs the issuer's own key") {
  const Authority ca;
  const Authority other;
  const PrivateKey key = new_key();
  const CertificateTemplate what{CertificateKind::device, parse_dn("CN=leaf").value(), kStart, kEnd, {}, {}, {}};
  const CertificatePath issuer(std::vector<Bytes>{ca.certificate.der()});

  const Result<CertificatePath> path = issue_below(issuer, what, key.public_key(), ca.key);
  REQUIRE(path);
  REQUIRE(path->der().size() == 2);
  CHECK(path->der()[1] == ca.certificate.der());
  CHECK(path->certificates()->front().der() == path->der().front());
  CHECK(parse_path(path->der()));  // verified anew, from the bytes alone

  const Result<CertificatePath> wrong_key = issue_below(issuer, what, key.public_key(), other.key);
  REQUIRE_FALSE(wrong_key);
  CHECK(wrong_key.error().status == Status::crypto);
  const Result<CertificatePath> nobody = issue_below(CertificatePath(), what, key.public_key(), ca.key);
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().status == Status::crypto);
  const CertificatePath broken(std::vector<Bytes>{ca.certificate.der(), other.certificate.der(), Bytes{1}});
  CHECK_FALSE(broken.certificates());
  CHECK_FALSE(issue_below(broken, what, key.public_key(), ca.key));
}

}  // namespace
}  // namespace sks::crypto
