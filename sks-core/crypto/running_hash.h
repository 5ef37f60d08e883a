#pragma once

#include "sks-core/crypto/hash.h"
#include "sks-core/crypto/ossl.h"

namespace sks::crypto {

/// SHA-256 of data that comes in parts.
class RunningSha256 {
 public:
  RunningSha256();
  void add(ByteView part);
  /// Once.
  Sha256Digest finish();

 private:
  ossl::MdCtx context_;
};

}  // namespace sks::crypto
