#include "provisioning-server/signature_profiles/signature_profile.h"

#include "tests/fuzz/checks.h"

/// What is accepted is written the same way again, byte for byte, and is bounded.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sks;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto profile = issuer::SignatureProfile::parse(text);
  if (!profile) {
    fuzz::require(profile.error().status == Status::option, "status of what is no profile");
    fuzz::require(profile.error().detail.size() < 200, "a refusal does not repeat what it refuses");
    return 0;
  }
  fuzz::require(profile->uri() == text, "a profile is written as it was read");
  fuzz::require(text.size() <= 263, "a profile is short");
  return 0;
}
