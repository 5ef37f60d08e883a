#pragma once

#include <optional>

#include "sks-core/crypto/private_key.h"

/// The argument `parameters` of the user methods. Spec: sks-api.md 4.28 to 4.32; sks-extensions.md, Algorithms.
namespace sks::engine {

/// Whether `parameters` are of the form that the algorithm asks for. Fails with option.
Result<void> check_parameters(const Algorithm& algorithm, ByteView parameters);

struct CtrParameters {
  std::size_t counter_bits = 0;
  ByteView block;
};

struct GcmParameters {
  ByteView iv;
  std::size_t tag_size = 0;
  ByteView associated_data;
};

/// What parameters of one form say, as views into them; none when they are not of the form.
std::optional<CtrParameters> read_ctr(ByteView parameters);
std::optional<GcmParameters> read_gcm(ByteView parameters);
std::optional<crypto::Oaep> read_oaep(ByteView parameters);
/// The length of the salt for a signature with `hash`.
std::optional<std::size_t> read_salt_length(HashId hash, ByteView parameters);

}  // namespace sks::engine
