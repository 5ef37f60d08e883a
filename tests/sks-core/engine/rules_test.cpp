#include <doctest/doctest.h>

#include "sks-core/engine/algorithm_rules.h"
#include "tests/sks-core/engine/device.h"

// Rules of spec/sks-api.md chapter 6 about symmetric keys.
namespace sks::test {
namespace {

engine::KeyEntry symmetric_key(std::uint16_t length) {
  engine::KeyEntry key;
  key.handle = KeyHandle{1};
  key.certificate_kind = KeyKind::ec;
  key.symmetric_key_length = length;
  return key;
}

}  // namespace

TEST_CASE("algorithm rules: a symmetric key takes no asymmetric algorithm") {
  engine::KeyEntry key = symmetric_key(16);
  CHECK(status_of(engine::check_usable(key, kEcdsaSha256, "signData", is_signature)) == Status::algorithm);
  key.endorsed_algorithms = {kEcdsaSha256};
  CHECK(status_of(engine::check_endorsed_fit(key)) == Status::option);
  key.endorsed_algorithms = {kSks + "none"};
  CHECK(status_of(engine::check_endorsed_fit(key)) == std::nullopt);
}

TEST_CASE("algorithm rules: a cipher takes its own key length, or those of AES when it names none") {
  const Algorithm any{"any", Category::cipher, KeyFamily::symmetric};
  Algorithm aes192 = any;
  aes192.size = 24;
  const Algorithm hmac{"hmac", Category::hmac, KeyFamily::symmetric};
  struct Case {
    std::size_t length;
    bool with_any;
    bool with_aes192;
  };
  for (const Case& c : {Case{0, false, false}, Case{15, false, false}, Case{16, true, false}, Case{24, true, true},
                        Case{32, true, false}, Case{33, false, false}}) {
    CAPTURE(c.length);
    CHECK(engine::takes_key_length(any, c.length) == c.with_any);
    CHECK(engine::takes_key_length(aes192, c.length) == c.with_aes192);
    CHECK(engine::takes_key_length(hmac, c.length));
  }
}

}  // namespace sks::test
