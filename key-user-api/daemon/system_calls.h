#pragma once

#include <cstdint>
#include <span>

namespace sks::daemon {

/// A system call that sksd may make, under a condition on one of its arguments.
struct AllowedCall {
  int number;
  enum class Condition : std::uint8_t {
    none,
    has_bits,    ///< argument & value == value
    lacks_bits,  ///< argument & value == 0
    equals,
    is_own_process,  ///< argument == getpid(); `value` is not looked at
  };
  Condition condition;
  unsigned argument;
  std::uint64_t value;
  const char* reason;
};

/// What every sksd may do.
std::span<const AllowedCall> calls_of_sksd();
/// What one may do in addition whose store counts its commits in a TPM.
std::span<const AllowedCall> calls_of_tpm();

}  // namespace sks::daemon
