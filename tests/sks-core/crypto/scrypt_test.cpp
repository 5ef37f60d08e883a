#include "sks-core/crypto/scrypt.h"

#include <doctest/doctest.h>

#include "sks-core/base/encoding.h"

namespace sks::test {

TEST_CASE("scrypt: the vectors of RFC 7914 chapter 12") {
  struct Case {
    const char* passphrase;
    const char* salt;
    crypto::ScryptCosts costs;
    const char* key;
  };
  for (const Case& c : {
           Case{"",
                "",
                {4, 1, 1},
                "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"},
           Case{"password",
                "NaCl",
                {10, 8, 16},
                "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"},
           Case{"pleaseletmein",
                "SodiumChloride",
                {14, 8, 1},
                "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"},
       }) {
    CAPTURE(c.salt);
    const auto key = crypto::scrypt(as_bytes(c.passphrase), as_bytes(c.salt), c.costs, 64);
    REQUIRE(key);
    CHECK(to_hex(key->view()) == c.key);
  }
}

TEST_CASE("scrypt: costs that it does not have are refused") {
  for (const crypto::ScryptCosts costs :
       {crypto::ScryptCosts{0, 8, 1}, crypto::ScryptCosts{10, 0, 1}, crypto::ScryptCosts{10, 8, 0},
        crypto::ScryptCosts{16, 1, 1}, crypto::ScryptCosts{32, 8, 1}, crypto::ScryptCosts{255, 8, 1}}) {
    CAPTURE(static_cast<int>(costs.log2_n));
    CAPTURE(static_cast<int>(costs.r));
    const auto key = crypto::scrypt(as_bytes("x"), as_bytes("y"), costs, 32);
    REQUIRE_FALSE(key);
    CHECK(key.error().status == Status::crypto);
  }
}

}  // namespace sks::test
