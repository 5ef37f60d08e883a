#pragma once

#include <cstdint>
#include <vector>

#include "keygen2/failure.h"
#include "sks-core/crypto/hash.h"

namespace sks::keygen2 {

/// What can be done to a key of an earlier session.
enum class TargetOperation : std::uint8_t { clone, update, unlock, remove, activate, deactivate };

/// Which operations of one session may have the same target. Spec: keygen2.md 7.11, sks-extensions.md.
class TargetRules {
 public:
  /// Fails with value when an operation that was added before excludes this one.
  Outcome<void> add(ByteView target_certificate, TargetOperation operation);

 private:
  struct Planned {
    crypto::Sha256Digest target;
    TargetOperation operation;
  };
  std::vector<Planned> planned_;
};

}  // namespace sks::keygen2
