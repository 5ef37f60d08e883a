#include "sks-core/base/random.h"

#include <openssl/rand.h>

#include "sks-core/base/encoding.h"
#include "sks-core/base/library_context.h"
#include "sks-core/base/result.h"

namespace sks {
namespace {

constexpr std::size_t kIdBytes = 24;  // 32 characters of base64url

class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) const override {
    SKS_CHECK(RAND_bytes_ex(library_context(), out.data(), out.size(), 0) == 1);
  }
};

}  // namespace

Bytes Random::bytes(std::size_t size) const {
  Bytes out(size);
  fill(out);
  return out;
}

const Random& system_random() {
  // Never destroyed: we may be part of a module that is unloaded, or used while the process ends.
  static const auto& random = *new SystemRandom;
  return random;
}

std::string random_id(const Random& random) { return to_base64url(random.bytes(kIdBytes)); }

}  // namespace sks
