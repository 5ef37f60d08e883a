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

}  // namespace sks::test
