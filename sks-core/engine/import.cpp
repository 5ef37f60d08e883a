#include "sks-core/engine/core.h"

/// Keys made by the issuer: sks-api.md 4.12 and 4.13.
namespace sks {

Result<void> Engine::import_symmetric_key(KeyHandle, ByteView, ByteView) {
  return Error{Status::not_allowed, "not offered by this store"};
}

Result<void> Engine::import_private_key(KeyHandle, ByteView, ByteView) {
  return Error{Status::not_allowed, "not offered by this store"};
}

}  // namespace sks
