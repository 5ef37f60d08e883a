#include "provisioning-server/revocation/crl.h"

#include <doctest/doctest.h>

#include "sks-core/base/encoding.h"
#include "tests/provisioning-server/authority/authority_lab.h"
#include "tests/support/temp_dir.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kNow = test::kLabStart + 1000;

crypto::Certificate issue(const crypto::Certificate& ca, const crypto::Signer& signer) {
  crypto::CertificateTemplate contents{};
  contents.kind = crypto::CertificateKind::tls_client;
  contents.subject = {{"CN", "Jo"}};
  contents.not_before = test::kLabStart;
  contents.not_after = test::kLabStart + 86400;
  auto made = crypto::issue_certificate(contents, test::new_key().public_key(), &ca, signer);
  REQUIRE(made);
  return std::move(made).value();
}

/// What OpenSSL says about a certificate under this list.
std::string verify(const crypto::Certificate& ca, ByteView crl, const crypto::Certificate& leaf) {
  const test::TempDir folder;
  test::write_file(folder.file("ca"), to_pem(ca.der(), "CERTIFICATE"));
  test::write_file(folder.file("crl"), to_pem(crl, "X509 CRL"));
  test::write_file(folder.file("leaf"), to_pem(leaf.der(), "CERTIFICATE"));
  return test::run("openssl verify -x509_strict -crl_check -attime " + std::to_string(kNow) + " -CRLfile " +
                   folder.file("crl") + " -CAfile " + folder.file("ca") + ' ' + folder.file("leaf"));
}

std::string text_of(ByteView crl) {
  const test::TempDir folder;
  test::write_file(folder.file("crl"), to_pem(crl, "X509 CRL"));
  return test::run("openssl crl -noout -text -in " + folder.file("crl"));
}

TEST_CASE("sign_crl: OpenSSL accepts the list, and rejects what stands in it and nothing else") {
  for (const char* const name : {"ec.nist.p256", "ec.nist.p384", "rsa2048"}) {
    CAPTURE(name);
    const crypto::KeySigner signer(test::new_key(name));
    const crypto::Certificate ca = test::ca_certificate(signer);
    const crypto::Certificate good = issue(ca, signer);
    const crypto::Certificate bad = issue(ca, signer);
    const auto none = sign_crl({1, kNow - 300, kNow + 3600, {}}, ca, signer);
    REQUIRE(none);
    CHECK(verify(ca, *none, bad).find(": OK") != std::string::npos);
    CHECK(text_of(*none).find("No Revoked Certificates.") != std::string::npos);
    const Bytes entry = encode_crl_entry(bad.serial_number_der(), kNow - 100, RevocationReason::key_compromise);
    const auto list = sign_crl({2, kNow - 300, kNow + 3600, entry}, ca, signer);
    REQUIRE(list);
    CHECK(verify(ca, *list, good).find(": OK") != std::string::npos);
    CHECK(verify(ca, *list, bad).find("certificate revoked") != std::string::npos);
  }
}

TEST_CASE("sign_crl: number, times and reasons are what OpenSSL reads") {
  const crypto::KeySigner signer(test::new_key());
  const crypto::Certificate ca = test::ca_certificate(signer);
  const crypto::Certificate leaf = issue(ca, signer);
  Bytes entries;
  for (const RevocationReasonRow& row : kRevocationReasons) {
    const Bytes entry = encode_crl_entry(leaf.serial_number_der(), kNow, row.reason);
    entries.insert(entries.end(), entry.begin(), entry.end());
  }
  const auto list = sign_crl({0x8000, kNow, 4102444800, entries}, ca, signer);
  REQUIRE(list);
  const std::string text = text_of(*list);
  for (const char* const part :
       {"Version 2", "Last Update: Nov 14 22:30:00 2023 GMT", "Next Update: Jan  1 00:00:00 2100 GMT",
        "X509v3 CRL Number: \n                32768", "Key Compromise", "CA Compromise", "Affiliation Changed",
        "Superseded", "Cessation Of Operation", "Certificate Hold", "Privilege Withdrawn",
        "X509v3 Authority Key Identifier"}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK(text.find("Unspecified") == std::string::npos);
}

TEST_CASE("sign_crl: a list of 100,000 entries is one that OpenSSL reads") {
  const crypto::KeySigner signer(test::new_key());
  const crypto::Certificate ca = test::ca_certificate(signer);
  const crypto::Certificate bad = issue(ca, signer);
  Bytes entries;
  for (std::uint32_t i = 0; i < 100000; ++i) {
    const std::uint8_t serial[]{2,
                                4,
                                0x40,
                                static_cast<std::uint8_t>(i >> 16),
                                static_cast<std::uint8_t>(i >> 8),
                                static_cast<std::uint8_t>(i)};
    const Bytes entry = encode_crl_entry(serial, kNow, RevocationReason::superseded);
    entries.insert(entries.end(), entry.begin(), entry.end());
  }
  const Bytes last = encode_crl_entry(bad.serial_number_der(), kNow, RevocationReason::unspecified);
  entries.insert(entries.end(), last.begin(), last.end());
  const auto list = sign_crl({7, kNow - 300, kNow + 3600, entries}, ca, signer);
  REQUIRE(list);
  CHECK(verify(ca, *list, bad).find("certificate revoked") != std::string::npos);
  CHECK(verify(ca, *list, issue(ca, signer)).find(": OK") != std::string::npos);
}

}  // namespace
}  // namespace sks::issuer
