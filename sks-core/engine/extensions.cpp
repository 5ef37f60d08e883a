#include <algorithm>

#include "sks-core/base/byte_writer.h"
#include "sks-core/engine/core.h"
#include "sks-core/engine/property_bag.h"
#include "sks-core/engine/session_crypto.h"

/// Extensions and property bags: sks-api.md 4.14, 4.20 and 4.21.
namespace sks {
namespace engine {
namespace {

constexpr std::size_t kMaxType = 1000;           // bytes; Spec: appendix E3
constexpr std::size_t kMaxQualifier = 128;       // bytes
constexpr std::size_t kMaxExtensions = 255;      // Spec: appendix E8
constexpr std::size_t kEncryptionOverhead = 32;  // IV and a block of padding

constexpr std::uint8_t kEncryptedExtension = 1;
constexpr std::uint8_t kPropertyBag = 2;
constexpr std::uint8_t kLogotype = 3;

Error option(std::string_view why) { return {Status::option, std::string(why)}; }

/// Null when the key has no extension of this type.
const ExtensionReference* find_extension(const KeyEntry& key, std::string_view type) {
  const auto found = std::ranges::find(key.extensions, type, &ExtensionReference::type);
  return found == key.extensions.end() ? nullptr : &*found;
}

Result<std::shared_ptr<const Extension>> get_extension(const Core& core, KeyHandle handle, std::string_view type) {
  SKS_LET(const std::shared_ptr<const KeyEntry> key, core.std_key(handle));
  const ExtensionReference* const reference = find_extension(*key, type);
  if (reference == nullptr) return option("Key " + std::to_string(handle.value) + " has no such extension");
  return core.state->get<Extension>(reference->handle);
}

// Steps 2 to 8.
Result<void> check_extension(const EngineConfig& config, const KeyEntry& key, const ExtensionRequest& request) {
  if (request.sub_type > kLastOfFour) return option("subType out of range: " + std::to_string(request.sub_type));
  if (request.type.empty() || request.type.size() > kMaxType) return option("type length");
  if (find_extension(key, request.type) != nullptr) return option("the key has an extension of this type already");
  if (key.extensions.size() >= kMaxExtensions) return option("the key has too many extensions");
  const bool encrypted = request.sub_type == kEncryptedExtension;
  if (request.data.size() > config.extension_data_size + (encrypted ? kEncryptionOverhead : 0))
    return option("extensionData is too long");
  if (request.qualifier.empty() == (request.sub_type == kLogotype) || request.qualifier.size() > kMaxQualifier)
    return option("qualifier length");
  if (request.sub_type == kPropertyBag) SKS_TRY(read_property_bag(request.data));
  if (!key.has_certificate()) return option("Certificate path missing: " + key.id);
  return {};
}

Result<void> add_extension(SessionCall& call, const KeyEntry& key, const ExtensionRequest& request) {
  const EngineConfig& config = call.core.config;
  SKS_TRY(check_extension(config, key, request));
  ByteWriter data;
  data.array(key.certificate_path.front()).text(request.type).u8(request.sub_type).text(request.qualifier);
  data.blob(request.data);
  SKS_TRY(check_mac(call.session, "addExtension", data.view(), request.mac));
  SecureBytes content;
  if (request.sub_type == kEncryptedExtension) {
    SKS_LET(content, next_decryption(call.session, request.data));
    if (content.size() > config.extension_data_size) return option("extensionData is too long");
  } else {
    content = SecureBytes::copy_of(request.data);
  }
  SKS_LET(Extension* const extension, call.change.create<Extension>());
  extension->key = key.handle;
  extension->sub_type = request.sub_type;
  extension->qualifier = request.qualifier;
  extension->data = share(std::move(content));
  SKS_LET(KeyEntry* const entry, call.change.edit<KeyEntry>(key.handle));
  entry->extensions.push_back({request.type, extension->handle});
  return {};
}

}  // namespace
}  // namespace engine

Result<void> Engine::add_extension(KeyHandle handle, const ExtensionRequest& request) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({request.mac}, {request.type, request.qualifier}));
  return core.in_session_of(handle, [&](engine::SessionCall& call, const engine::KeyEntry& key) {
    return engine::add_extension(call, key, request);
  });
}

Result<ExtensionContent> Engine::get_extension(KeyHandle handle, std::string_view type) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({}, {type}));
  const std::lock_guard lock(core.locks.store);
  SKS_LET(const std::shared_ptr<const engine::Extension> extension, engine::get_extension(core, handle, type));
  return ExtensionContent{extension->sub_type, extension->qualifier, SecureBytes::copy_of(extension->data->view())};
}

Result<void> Engine::set_property(KeyHandle handle, std::string_view type, std::string_view name,
                                  std::string_view value) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({}, {type, name, value}));
  const std::lock_guard lock(core.locks.store);
  SKS_LET(const std::shared_ptr<const engine::Extension> extension, engine::get_extension(core, handle, type));
  if (extension->sub_type != engine::kPropertyBag) return engine::option("the extension is no property bag");
  SKS_LET(SecureBytes changed, engine::with_property(extension->data->view(), as_bytes(name), as_bytes(value),
                                                     core.config.extension_data_size));
  engine::Change change(*core.state);
  SKS_LET(engine::Extension* const edited, change.edit<engine::Extension>(extension->handle));
  edited->data = engine::share(std::move(changed));
  return change.commit();
}

}  // namespace sks
