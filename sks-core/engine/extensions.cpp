#include "sks-core/engine/core.h"

/// Extensions and property bags: sks-api.md 4.14, 4.20 and 4.21.
namespace sks {

Result<void> Engine::add_extension(KeyHandle, const ExtensionRequest&) {
  return Error{Status::not_allowed, "not offered by this store"};
}

Result<ExtensionContent> Engine::get_extension(KeyHandle, std::string_view) {
  return Error{Status::not_allowed, "not offered by this store"};
}

Result<void> Engine::set_property(KeyHandle, std::string_view, std::string_view, std::string_view) {
  return Error{Status::not_allowed, "not offered by this store"};
}

}  // namespace sks
