#include "keygen2/distinguished_name.h"

#include <doctest/doctest.h>

#include <map>

#include "keygen2/enumerations.h"
#include "tests/keygen2/search_vectors.h"

using namespace sks;
using namespace sks::keygen2;

namespace {

Bytes from(std::string_view hex) { return from_hex(hex).value(); }

std::string text_of(ByteView name_der) {
  const Result<crypto::Name> name = crypto::parse_name(name_der);
  REQUIRE(name);
  return distinguished_name(*name);
}

crypto::Certificate certificate(const std::string& name) {
  return crypto::Certificate::from_der(test::search_certificate(name)).value();
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string joined(const std::optional<std::vector<std::string>>& words) { return words ? joined(*words) : "absent"; }

std::string key_usage_names(const crypto::Certificate& certificate) {
  const std::optional<std::uint16_t> bits = certificate.key_usage();
  if (!bits) return "absent";
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kKeyUsages.size(); ++i) {
    if ((*bits >> i & 1) != 0) names.emplace_back(kKeyUsages.at(i));
  }
  CHECK((*bits >> kKeyUsages.size()) == 0);
  return joined(names);
}

}  // namespace

TEST_CASE("distinguished_name: 6.3 rules 1 to 5, as Java writes names") {
  for (const test::VectorBlock& block : test::search_vectors("names")) {
    const Bytes der = block.hex("Name");
    CAPTURE(to_hex(der));
    CHECK(text_of(der) == test::search_text(block, "Text"));
  }
}

TEST_CASE("decode_utf8: ill-formed sequences become what they become in Java") {
  for (const test::VectorBlock& block : test::search_vectors("utf8")) {
    const Bytes bytes = block.hex("Bytes");
    CAPTURE(to_hex(bytes));
    CHECK(decode_utf8({reinterpret_cast<const char*>(bytes.data()), bytes.size()}) == block.text("Text"));
  }
}

TEST_CASE("distinguished_name: 6.3 rule 4, T61String and BMPString are taken as UTF-8") {
  // O=S<F6>n in Latin 1; O=A, in two bytes for each character.
  CHECK(text_of(from("300e310c300a060355040a140353f66e")) == "O=S\xEF\xBF\xBDn");
  CHECK(text_of(from("300f310d300b060355040a140453c3b66e")) == "O=S\xC3\xB6n");
  CHECK(text_of(from("300f310d300b060355040a1e040041002c")) == "O=\\00A\\00\\,");
}

TEST_CASE("parse_name: what does not decode is refused with crypto") {
  struct Case {
    const char* name;
    const char* der;
    bool ok;
  };
  const std::vector<Case> cases{
      {"CN=Jo", "300d310b300906035504030c024a6f", true},
      {"nothing", "", false},
      {"no SEQUENCE", "3100", false},
      {"a byte behind it", "300d310b300906035504030c024a6f00", false},
      {"a byte less", "300d310b300906035504030c024a", false},
      {"an RDN that is no SET", "300d300b300906035504030c024a6f", false},
      {"no value", "3009310730050603550403", false},
      {"UTF8String that is no UTF-8", "300d310b300906035504030c024ac3", false},
      {"GeneralString, which OpenSSL knows in no name", "300d310b300906035504031b024a6f", false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Result<crypto::Name> name = crypto::parse_name(from(c.der));
    CHECK(static_cast<bool>(name) == c.ok);
    if (!name) CHECK(name.error().status == Status::crypto);
  }
}

TEST_CASE("parse_name: an object identifier too long for OpenSSL has no text") {
  Bytes oid(600, 0x81);
  oid.back() = 0x01;
  oid.front() = 0x2a;
  Bytes der = from(
      "3082026c31820268308202640682"
      "0258");
  der.insert(der.end(), oid.begin(), oid.end());
  const Bytes value = from(
      "130602"
      "0000000000");
  der.insert(der.end(), value.begin(), value.end());
  const Result<crypto::Name> name = crypto::parse_name(der);
  REQUIRE(name);
  CHECK(name->front().front().type.empty());
  CHECK(distinguished_name(*name) == "=#" + to_hex(value));
}

TEST_CASE("Certificate: names, serial number and extensions as Java sees them") {
  // Java has no function for certificatePolicies: these are from the configuration that the certificates were made
  // with.
  const std::map<std::string, std::string> policies{
      {"root", "2.5.29.32.0"},
      {"intermediate", "1.3.6.1.4.1.99999.7"},
      {"person", "2.5.29.32.0 1.3.6.1.4.1.99999.1 2.23.140.1.2.1"},
      {"paired", "absent"},
      {"broken", "absent"},
      {"nameless", "absent"},
  };
  for (const test::VectorBlock& block : test::search_vectors("certificates")) {
    const std::string name = block.text("Certificate");
    CAPTURE(name);
    const crypto::Certificate subject = certificate(name);
    CHECK(text_of(subject.subject_der()) == block.text("Subject"));
    CHECK(text_of(subject.issuer_der()) == block.text("Issuer"));
    CHECK(subject.serial_number() == block.text("SerialNumber"));
    CHECK(subject.not_before() == block.number("NotBefore"));
    CHECK(key_usage_names(subject) == block.text("KeyUsage"));
    CHECK(joined(subject.extended_key_usages()) == block.text("ExtendedKeyUsage"));
    CHECK(joined(subject.alternative_emails()) == block.text("AlternativeEmails"));
    CHECK(joined(subject.policies()) == policies.at(name));
  }
}

TEST_CASE("email_addresses: 6.4, the subject's first address that is alone, then subjectAltName") {
  const std::map<std::string, std::string> expected{
      {"person", "jo@example.org jo.doe@example.org JO@EXAMPLE.ORG"},
      {"paired", "second@example.org"},
      {"intermediate", "ca@example.org"},
      {"nameless", "nobody@example.org"},
      {"root", ""},
      {"broken", ""},
  };
  for (const auto& [name, addresses] : expected) {
    const std::string& file = name;  // a lambda cannot capture a structured binding
    CAPTURE(file);
    const Result<std::vector<std::string>> found = email_addresses(certificate(name));
    REQUIRE(found);
    CHECK(joined(*found) == addresses);
  }
}
