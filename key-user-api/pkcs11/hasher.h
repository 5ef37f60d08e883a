#pragma once

#include "sks-core/crypto/algorithms.h"
#include "sks-core/crypto/ossl.h"

namespace sks::p11 {

/// A hash over data that arrives in parts, so that multi-part signatures have no size limit.
class Hasher {
 public:
  /// `hash` must not be HashId::none. Fails with crypto.
  static Result<Hasher> create(HashId hash);
  Result<void> update(ByteView part);
  /// The digest. The hasher is used up.
  Result<Bytes> finish();

 private:
  explicit Hasher(ossl::MdCtx context) : context_(std::move(context)) {}
  ossl::MdCtx context_;
};

}  // namespace sks::p11
