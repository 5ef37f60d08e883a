#include "sealed-storage/tpm2/sealed_part.h"

#include <doctest/doctest.h>

#include <array>

#include "sks-core/base/encoding.h"

namespace sks::test {

TEST_CASE("parse_pcrs: takes lists of registers, and refuses everything else") {
  CHECK(*sealed::parse_pcrs("7") == 0x80U);
  CHECK(*sealed::parse_pcrs("23,0,7,2") == 0x800085U);
  for (const char* const wrong : {"", ",", "7,", ",7", "24", "-1", "+7", "07", "0x7", "7 ", "7, 2", "7;2", "sha256:7",
                                  "4294967303", "99999999999999999999"}) {
    CAPTURE(wrong);
    const auto parsed = sealed::parse_pcrs(wrong);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().status == Status::option);
    CHECK(parsed.error().detail == "PCRs are a list of numbers from 0 to 23, such as 0,2,7");
  }
  CHECK(sealed::parse_pcrs("7,0,7").error().detail == "PCR 7 is named twice");
}

TEST_CASE("pcr_policy: the digest that tpm2_createpolicy --policy-pcr gives") {
  sealed::SealedPart part;
  CHECK(sealed::pcr_policy(part).empty());
  part.pcrs = 1U << 7;
  part.pcr_values.resize(1);
  CHECK(to_hex(sealed::pcr_policy(part)) == "8b5682d81b29435d08d79278150611dc7e5923b2fefcce684a09577b40130a8b");
  part.pcrs = 1U << 0 | 1U << 9 | 1U << 23;
  part.pcr_values.resize(3);
  part.pcr_values[1].fill(0x55);
  part.pcr_values[2].fill(0xAA);
  CHECK(to_hex(sealed::pcr_policy(part)) == "6e1d23358a6bf61e14b91f82bf3a7ab58c26886a6dfe8cdb707440543bc0baa6");
}

}  // namespace sks::test
