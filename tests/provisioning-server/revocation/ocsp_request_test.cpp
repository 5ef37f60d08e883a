#include "provisioning-server/revocation/ocsp_request.h"

#include <doctest/doctest.h>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"
#include "tests/provisioning-server/authority/authority_lab.h"
#include "tests/support/temp_dir.h"

namespace sks::issuer {
namespace {

/// Requests as OpenSSL makes them.
struct Lab {
  test::TempDir folder;
  crypto::KeySigner signer{test::new_key()};
  crypto::Certificate ca = test::ca_certificate(signer);

  Lab() { test::write_file(folder.file("ca"), to_pem(ca.der(), "CERTIFICATE")); }
  Bytes request(const std::string& options) const {
    const std::string output =
        test::run("openssl ocsp -issuer " + folder.file("ca") + ' ' + options + " -reqout " + folder.file("request"));
    CAPTURE(output);
    REQUIRE(output.find("exit") == std::string::npos);
    return to_bytes(as_bytes(test::read_file(folder.file("request"))));
  }
};

TEST_CASE("parse_ocsp_request: reads what OpenSSL asks, by SHA-1 and SHA-256, with and without nonce") {
  const Lab lab;
  const auto one = parse_ocsp_request(lab.request("-serial 0x8123 -no_nonce"));
  REQUIRE(one);
  REQUIRE(one->certificates.size() == 1);
  CHECK(one->certificates[0].hash == HashId::sha1);
  CHECK(one->certificates[0].issuer_name_hash == crypto::sha1(lab.ca.subject_der()));
  CHECK(one->certificates[0].issuer_key_hash == crypto::key_identifier(*lab.ca.public_key()));
  CHECK(one->certificates[0].serial == Bytes{0x00, 0x81, 0x23});
  CHECK(one->nonce.empty());
  const auto several = parse_ocsp_request(lab.request("-serial 1 -sha256 -serial 2 -serial 3"));
  REQUIRE(several);
  REQUIRE(several->certificates.size() == 3);
  CHECK(several->certificates[1].hash == HashId::sha256);
  CHECK(several->certificates[1].issuer_name_hash == crypto::digest(HashId::sha256, lab.ca.subject_der()));
  CHECK(several->nonce.size() == 18);
  const auto other = parse_ocsp_request(lab.request("-sha512 -serial 1"));
  REQUIRE(other);
  CHECK(other->certificates[0].hash == HashId::none);
}

TEST_CASE("parse_ocsp_request: reads a signed request, whoever signed it") {
  const Lab lab;
  REQUIRE(test::run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout " +
                    lab.folder.file("k") + " -out " + lab.folder.file("c"))
              .find("exit") == std::string::npos);
  CHECK(parse_ocsp_request(
      lab.request("-serial 1 -signer " + lab.folder.file("c") + " -signkey " + lab.folder.file("k"))));
}

TEST_CASE("parse_ocsp_request: cuts, additions and changed structure are refused, whatever the byte") {
  const Lab lab;
  const Bytes good = lab.request("-serial 1");
  REQUIRE(parse_ocsp_request(good));
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK(parse_ocsp_request(ByteView(good).first(size)).error().status == Status::option);
  }
  Bytes longer = good;
  longer.push_back(0);
  CHECK_FALSE(parse_ocsp_request(longer));
  CHECK_FALSE(parse_ocsp_request(Bytes(kMaxOcspRequest + 1, 0x30)));
  // The lengths of the outermost elements: indefinite, and longer than need be.
  CHECK_FALSE(parse_ocsp_request(*from_hex("30800000")));
  Bytes padded{0x30, 0x81, good[1]};
  padded.insert(padded.end(), good.begin() + 2, good.end());
  CHECK_FALSE(parse_ocsp_request(padded));
}

TEST_CASE("parse_ocsp_request: limits on certificates, serial numbers, nonces and critical extensions hold") {
  const Lab lab;
  const auto ask = [&](std::size_t count) {
    std::string options;
    for (std::size_t i = 0; i < count; ++i) options += " -serial " + std::to_string(i + 1);
    return parse_ocsp_request(lab.request(options));
  };
  CHECK(ask(kMaxOcspCertificates)->certificates.size() == kMaxOcspCertificates);
  CHECK_FALSE(ask(kMaxOcspCertificates + 1));
  CHECK(parse_ocsp_request(lab.request("-serial 0x" + std::string(40, '7'))));
  CHECK_FALSE(parse_ocsp_request(lab.request("-serial 0x" + std::string(44, '7'))));

  // TBSRequest of one CertID with the extensions given; RFC 6960, 4.1.1.
  const auto with_extensions = [](const std::string& extensions) {
    const auto tlv = [](const std::string& tag, const std::string& hex) {
      std::string length = to_hex(Bytes{static_cast<std::uint8_t>(hex.size() / 2)});
      if (hex.size() / 2 > 127) length = "81" + length;
      return tag + length + hex;
    };
    const std::string id = tlv(
        "30", "300906052b0e03021a0500" + tlv("04", std::string(40, '0')) + tlv("04", std::string(40, '0')) + "020101");
    const std::string tbs = tlv("30", tlv("30", id)) + (extensions.empty() ? "" : tlv("a2", tlv("30", extensions)));
    return parse_ocsp_request(*from_hex(tlv("30", tlv("30", tbs))));
  };
  const std::string nonce = "06092b0601050507300102";
  CHECK(with_extensions(""));
  CHECK(with_extensions("300f" + nonce +
                        "0402"
                        "0400")
            .error()
            .detail.find("nonce") != std::string::npos);
  CHECK(with_extensions("3010" + nonce +
                        "0403"
                        "040155")
            ->nonce == Bytes{4, 1, 0x55});
  CHECK(with_extensions("3013" + nonce +
                        "0101ff"
                        "0403"
                        "040155"));
  CHECK_FALSE(with_extensions("3010" + nonce +
                              "0403"
                              "040155"
                              "3010" +
                              nonce +
                              "0403"
                              "040155"));
  CHECK_FALSE(with_extensions("3010" + nonce +
                              "0403"
                              "020155"));
  // 1.2.3.4, not critical and critical.
  CHECK(
      with_extensions("3007"
                      "06032a0304"
                      "0400"));
  CHECK(with_extensions("300a"
                        "06032a0304"
                        "0101ff"
                        "0400")
            .error()
            .detail.find("critical") != std::string::npos);
}

}  // namespace
}  // namespace sks::issuer
