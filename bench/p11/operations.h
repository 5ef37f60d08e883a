#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "tests/support/pkcs11/client.h"

/// What a thread of a figure does again and again with a module.
namespace sks::bench {

namespace client = pkcs11_client;

/// Labels of the keys that the figures use; a module that cannot make them may have them already.
inline constexpr std::string_view kP256Label = "bench-p256";
inline constexpr std::string_view kRsaLabel = "bench-rsa2048";
inline constexpr std::string_view kAesLabel = "bench-aes256";
inline constexpr std::string_view kHmacLabel = "bench-hmac";
/// Of the pairs that the store is filled with, and how their CKA_ID follows from their number.
inline constexpr std::string_view kPairLabel = "bench-pair";
Bytes pair_id(std::size_t number);

struct Scene {
  client::Module module;
  client::TokenChoice token;
  std::size_t pairs = 0;  ///< key pairs in the token, for the figures that search
};

class Operation {
 public:
  virtual ~Operation() = default;
  virtual client::Answer<void> run() = 0;
  /// After the time is over: leaves the token as it was.
  virtual client::Answer<void> clean() { return {}; }
};

/// One for a thread. Fails with SKS's own text for an unknown name; names as in figures.h.
client::Answer<std::unique_ptr<Operation>> make_operation(std::string_view figure, const Scene& scene, unsigned thread);

/// Makes the four keys of the figures that the token does not have. What it refuses is in the text; the other keys are
/// there then.
std::string make_keys(const Scene& scene);

/// Adds pairs until there are as many as scene.pairs.
client::Answer<void> fill(const Scene& scene, unsigned threads);

}  // namespace sks::bench
