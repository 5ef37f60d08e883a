#include "sks-core/crypto/algorithms.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

// The table of spec/sks-api.md 6.1, and that of spec/sks-extensions.md.
namespace sks {
namespace {

const std::string kSks = "https://webpki.github.io/sks/algorithm#";
const std::string kXmlEnc = "http://www.w3.org/2001/04/xmlenc#";
const std::string kDsig = "http://www.w3.org/2000/09/xmldsig#";
const std::string kDsigMore = "http://www.w3.org/2001/04/xmldsig-more#";
const std::string kDsigMore2007 = "http://www.w3.org/2007/05/xmldsig-more#";
const std::string kExt = "urn:sks:ext:";

TEST_CASE(
    "all_algorithms: everything required, in the order of the specification, the optional keys and the extensions") {
  const std::vector<std::string> expected{
      kXmlEnc + "aes128-cbc",
      kXmlEnc + "aes192-cbc",
      kXmlEnc + "aes256-cbc",
      kSks + "aes.ecb.nopad",
      kSks + "aes.cbc",
      kDsig + "hmac-sha1",
      kDsigMore + "hmac-sha256",
      kDsigMore + "hmac-sha384",
      kDsigMore + "hmac-sha512",
      kSks + "rsa.es.pkcs1_5",
      kSks + "rsa.oaep.sha1",
      kSks + "rsa.oaep.sha256",
      kSks + "ecdh.raw",
      kDsigMore + "rsa-sha256",
      kDsigMore + "rsa-sha384",
      kDsigMore + "rsa-sha512",
      kDsigMore + "ecdsa-sha256",
      kDsigMore + "ecdsa-sha384",
      kDsigMore + "ecdsa-sha512",
      kSks + "rsa.pkcs1.none",
      kSks + "ecdsa.none",
      kSks + "ec.nist.p256",
      kSks + "ec.nist.p384",
      kSks + "ec.nist.p521",
      kSks + "rsa1024",
      kSks + "rsa1024.exp",
      kSks + "rsa2048",
      kSks + "rsa2048.exp",
      kSks + "ed25519",
      kSks + "rsa3072",
      kSks + "rsa3072.exp",
      kSks + "rsa4096",
      kSks + "rsa4096.exp",
      kSks + "ec.brainpool.p256r1",
      kSks + "ec.secg.p256k1",
      kSks + "ed448",
      kSks + "x25519",
      kSks + "x448",
      kSks + "session.1",
      kSks + "key.1",
      kSks + "none",
      kDsigMore2007 + "sha256-rsa-MGF1",
      kDsigMore2007 + "sha384-rsa-MGF1",
      kDsigMore2007 + "sha512-rsa-MGF1",
      "http://www.w3.org/2009/xmlenc11#rsa-oaep",
      kExt + "aes.cbc.nopad",
      kExt + "aes.ctr",
      kExt + "aes.gcm",
      kExt + "aes.kw",
      kExt + "aes.kwp",
  };
  std::vector<std::string> actual;
  for (const Algorithm& row : all_algorithms()) actual.emplace_back(row.uri);
  CHECK(actual == expected);
}

TEST_CASE("find_algorithm: compares byte for byte, and knows nothing that it does not announce") {
  for (const Algorithm& row : all_algorithms()) {
    CHECK(find_algorithm(row.uri) == &row);
    CHECK(find_algorithm(row.uri.substr(1)) == nullptr);
    CHECK(find_algorithm(std::string(row.uri) + "x") == nullptr);
    CHECK(find_algorithm(std::string(row.uri) + '\0') == nullptr);
  }
  for (const std::string& unsupported :
       {std::string(), kXmlEnc + "kw-aes128", kXmlEnc + "kw-aes256", kSks + "aes.ecb", kSks + "aes.cbc.nopad",
        kDsig + "rsa-sha1", kDsigMore2007 + "sha1-rsa-MGF1", kDsigMore2007 + "sha224-rsa-MGF1", kExt + "aes.cbc",
        kSks + "ec.secg.p256k", kSks + "RSA2048", kSks + "AES.CBC"}) {
    CAPTURE(unsupported);
    CHECK(find_algorithm(unsupported) == nullptr);
  }
}

TEST_CASE("all_algorithms: a row says of what it is made") {
  for (const Algorithm& row : all_algorithms()) {
    CAPTURE(row.uri);
    const bool generates = row.category == Category::key_generation;
    CHECK(row.kind.has_value() == generates);
    CHECK(row.curve.has_value() == (row.kind == KeyKind::ec));
    const bool symmetric = row.category == Category::cipher || row.category == Category::hmac;
    CHECK((row.family == KeyFamily::symmetric) == symmetric);
    CHECK((row.family == KeyFamily::none) == (row.category == Category::special));
    if (generates) CHECK((row.family == KeyFamily::rsa) == (row.kind == KeyKind::rsa));
    if (row.takes_parameters) CHECK(row.kind == KeyKind::rsa);
    if (row.category == Category::cipher)
      CHECK((row.parameters != Parameters::none) == (row.iv == IvSource::parameters));
    if (row.parameters == Parameters::pss) CHECK((row.category == Category::signature && row.hash != HashId::none));
    if (row.parameters == Parameters::oaep) CHECK(row.category == Category::decryption);
  }
}

}  // namespace
}  // namespace sks
