#include "sealed-storage/tpm2/sealed_part.h"

#include "tests/fuzz/checks.h"

/// The TPM's part of a master key file: what is read is written again byte by byte, and everything else is refused.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sks;
  const auto part = sealed::decode_sealed_part({data, size});
  if (!part) {
    fuzz::require(part.error().status == Status::crypto, "status of a malformed part");
    return 0;
  }
  fuzz::require(equal(sealed::encode_sealed_part(*part), ByteView(data, size)), "a part has one form");
  fuzz::require(sealed::pcr_policy(*part).empty() == (part->pcrs == 0), "registers make a policy");
  return 0;
}
