#include "sks-core/engine/key_source.h"

#include <openssl/rand.h>

#include "sks-core/base/library_context.h"

namespace sks {
namespace {

class SystemKeySource final : public KeySource {
 public:
  Result<crypto::PrivateKey> generate(const Algorithm& algorithm, ByteView parameters, ByteView seed) const override {
    if (!seed.empty()) SKS_TRY(mix_in(seed));
    return crypto::PrivateKey::generate(algorithm, parameters);
  }

 private:
  // The seed comes from the issuer: it enters as additional input beside fresh entropy, so it can only add to what the
  // generator knows, never decide it.
  static Result<void> mix_in(ByteView seed) {
    EVP_RAND_CTX* const generator = RAND_get0_private(library_context());
    if (generator == nullptr || EVP_RAND_reseed(generator, 0, nullptr, 0, seed.data(), seed.size()) != 1)
      return ossl::take_error("the random generator does not accept a seed");
    return {};
  }
};

}  // namespace

const KeySource& system_key_source() {
  // Never destroyed: other threads may still make keys while the process or our module goes down.
  static const KeySource* const source = new SystemKeySource;
  return *source;
}

}  // namespace sks
