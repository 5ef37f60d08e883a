#include "sks-core/engine/core.h"

/// Suspending keys: activate and deactivate of sks-extensions.md.
namespace sks {

Result<std::uint8_t> Engine::activate(const ActivationRequest&) {
  return Error{Status::not_allowed, "not offered by this store"};
}

Result<std::uint8_t> Engine::deactivate(const ActivationRequest&) {
  return Error{Status::not_allowed, "not offered by this store"};
}

}  // namespace sks
