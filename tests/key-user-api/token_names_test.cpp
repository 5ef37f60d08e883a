#include "key-user-api/token_names.h"

#include <doctest/doctest.h>

#include <set>

using namespace sks;

// printf abc | sha256sum begins with ba7816bf (FIPS 180-2, appendix B.1).
constexpr std::string_view kDevice = "abc";

TEST_CASE("token_names: the label is the issuer's host and the slot, the serial number device and slot") {
  const TokenNames names = token_names(7, "https://issuer.example.com:8443/enrol?x=1", as_bytes(kDevice));
  CHECK(names.label == "issuer.example.com-7");
  CHECK(names.issuer == "issuer.example.com");
  CHECK(names.serial == "ba7816bf00000007");
  CHECK(token_names(0xfedcba98, "https://a", as_bytes(kDevice)).serial == "ba7816bffedcba98");
}

TEST_CASE("token_names: the keys without PIN have a token of their own, whoever issued them") {
  const TokenNames names = token_names(0, "https://issuer.example.com", as_bytes(kDevice));
  CHECK(names.label == "OpenSKS keys without PIN");
  CHECK(names.issuer.empty());
  CHECK(names.serial == "ba7816bf00000000");
}

TEST_CASE("token_names: whatever an issuer is called, labels fit, differ and need no quoting") {
  std::set<std::string> labels;
  std::size_t count = 0;
  for (const std::string& uri :
       {std::string("urn:sks:local-issuer"), std::string("https://") + std::string(300, 'x') + "/", std::string(),
        std::string("https://"), std::string("https:///path"), std::string("https://a b;c%2f\"\n\xc3\xa4/"),
        std::string("https://x-1"), std::string("https://x")})
    for (const std::uint32_t slot : {1U, 2U, 11U, 4294967295U}) {
      const TokenNames names = token_names(slot, uri, as_bytes(kDevice));
      CAPTURE(names.label);
      CHECK(names.label.size() <= kTokenLabelSize);
      CHECK(names.serial.size() == kTokenSerialSize);
      CHECK(names.label.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
            std::string::npos);
      labels.insert(names.label);
      ++count;
    }
  // Three of them are nobody: no store has a slot twice.
  CHECK(labels.size() == count - 2 * 4);
  CHECK(token_names(3, "urn:sks:local-issuer", as_bytes(kDevice)).label == "local-issuer-3");
}
