#pragma once

#include <span>

#include "sks-core/base/bytes.h"

namespace sks {

/// Randomness as an input from the world, so that tests can fix it. Called by several threads at once.
class Random {
 public:
  virtual ~Random() = default;
  /// Fills `out` with unpredictable bytes. There is no failure: a generator that cannot deliver ends the process.
  virtual void fill(std::span<std::uint8_t> out) const = 0;

  Bytes bytes(std::size_t size) const;
};

/// OpenSSL's generator.
const Random& system_random();

/// An identifier of 32 characters out of A-Z a-z 0-9 - _ (192 random bits), as session ids are.
std::string random_id(const Random& random);

}  // namespace sks
