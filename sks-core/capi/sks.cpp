#include "sks-core/capi/sks.h"

#include <algorithm>
#include <cstdlib>

#include "sks-core/capi/boundary.h"
#include "sks-core/capi/store.h"
#include "sks-core/wire/dispatcher.h"
#include "sks-core/wire/frame.h"

namespace sks::capi {
namespace {

/// Runs `body` with the engine behind `handle`.
template <class Body>
sks_status in_store(const sks_store* handle, sks_error* error, Body body) noexcept {
  return guard(error, [&]() -> Result<void> {
    SKS_LET(const std::shared_ptr<Store> store, OpenStores::instance().find(handle));
    return store->run(body);
  });
}

struct Operation {
  KeyHandle key;
  std::string_view algorithm;
  Authorization authorization;
};

Result<Operation> read_operation(const sks_operation* in) {
  SKS_LET(const sks_operation given, read_struct(in, "operation"));
  if (given.algorithm == nullptr) return null_argument("operation->algorithm");
  SKS_LET(const ByteView pin, read_bytes(given.pin, "operation->pin"));
  SKS_LET(const bool biometric, read_flag(given.biometric, "operation->biometric"));
  return Operation{KeyHandle{given.key}, given.algorithm, {SecureBytes::copy_of(pin), biometric}};
}

ByteView view_of(const Bytes& bytes) { return bytes; }
ByteView view_of(const SecureBytes& bytes) { return bytes.view(); }

/// One user method of sks-api.md 4.27: bytes in, bytes out.
template <class Out>
using UserMethod = Result<Out> (SecureKeyStore::*)(KeyHandle, std::string_view, ByteView, const Authorization&,
                                                   ByteView);

template <class Out>
sks_status operate(UserMethod<Out> method, const sks_store* handle, const sks_operation* how, const std::uint8_t* data,
                   std::size_t size, sks_buffer* result, sks_error* error) noexcept {
  if (result != nullptr) *result = {};
  return in_store(handle, error, [&](SecureKeyStore& store) -> Result<void> {
    SKS_LET(const Operation operation, read_operation(how));
    SKS_LET(const ByteView input, read_bytes(data, size, "data"));
    if (result == nullptr) return null_argument("the result");
    SKS_LET(const Out output, (store.*method)(operation.key, operation.algorithm, {}, operation.authorization, input));
    SKS_LET(*result, to_buffer(view_of(output)));
    return {};
  });
}

sks_text to_c(const std::string& text) { return {text.c_str(), text.size()}; }
sks_bytes to_c(const Bytes& bytes) { return {bytes.data(), bytes.size()}; }

template <class In, class Out>
void list_in_c(const std::vector<In>& list, std::vector<Out>& entries, const Out*& first, std::size_t& count) {
  for (const In& element : list) entries.push_back(to_c(element));
  first = entries.data();
  count = entries.size();
}

/// What sks_get_key_attributes hands out, with all that it points to. Cannot be copied: it points into itself.
class OwnedAttributes final : public sks_key_attributes {
 public:
  explicit OwnedAttributes(KeyAttributes attributes) : sks_key_attributes{}, kept_(std::move(attributes)) {
    struct_size = sizeof(sks_key_attributes);
    friendly_name = to_c(kept_.friendly_name);
    symmetric_key_length = kept_.symmetric_key_length;
    app_usage = kept_.app_usage;
    list_in_c(kept_.certificate_path, certificates_, certificates, certificate_count);
    list_in_c(kept_.endorsed_algorithms, algorithms_, endorsed_algorithms, endorsed_algorithm_count);
    list_in_c(kept_.extension_types, extensions_, extension_types, extension_type_count);
  }
  OwnedAttributes(const OwnedAttributes&) = delete;
  OwnedAttributes& operator=(const OwnedAttributes&) = delete;

 private:
  KeyAttributes kept_;
  std::vector<sks_bytes> certificates_;
  std::vector<sks_text> algorithms_;
  std::vector<sks_text> extensions_;
};

sks_key_protection_info to_c(const KeyProtectionInfo& info) {
  sks_key_protection_info out{};
  out.struct_size = sizeof out;
  out.protection_status = info.protection_status;
  out.puk_format = info.puk_format;
  out.puk_retry_limit = info.puk_retry_limit;
  out.puk_error_count = info.puk_error_count;
  out.user_defined = info.user_defined ? 1 : 0;
  out.user_modifiable = info.user_modifiable ? 1 : 0;
  out.format = info.format;
  out.grouping = info.grouping;
  out.pattern_restrictions = info.pattern_restrictions;
  out.input_method = info.input_method;
  out.retry_limit = info.retry_limit;
  out.min_length = info.min_length;
  out.max_length = info.max_length;
  out.pin_error_count = info.pin_error_count;
  out.enable_pin_caching = info.enable_pin_caching ? 1 : 0;
  out.biometric_protection = info.biometric_protection;
  out.export_protection = info.export_protection;
  out.delete_protection = info.delete_protection;
  out.key_backup = info.key_backup;
  return out;
}

Result<void> transact(SecureKeyStore& store, ByteView request, sks_buffer* response) {
  if (!wire::is_body_size(request.size())) return Error{Status::option, "no request has this size"};
  const SecureBytes body = wire::dispatch(store, request);
  if (body.empty()) return Error{Status::internal, "Out of memory"};
  SKS_LET(*response, to_buffer(body.view()));
  return {};
}

}  // namespace
}  // namespace sks::capi

using namespace sks;        // NOLINT(google-build-using-namespace): what follows is outside of every namespace
using namespace sks::capi;  // NOLINT(google-build-using-namespace)

const char* sks_version(void) { return SKS_VERSION; }

const char* sks_status_name(sks_status status) {
  if (status == SKS_OK) return "OK";
  if (status < SKS_ERROR_AUTHORIZATION || status > SKS_ERROR_NOT_AVAILABLE) return nullptr;
  return to_string(static_cast<Status>(status)).data();  // a literal, so it ends with a zero
}

sks_status sks_open(const sks_options* options, sks_store** store, sks_error* error) {
  if (store != nullptr) *store = nullptr;
  return guard(error, [&]() -> Result<void> {
    if (store == nullptr) return null_argument("store");
    SKS_LET(const sks_options given, read_struct(options, "options"));
    SKS_LET(std::shared_ptr<Store> opened, Store::open(given));
    *store = OpenStores::instance().add(std::move(opened));
    return {};
  });
}

sks_status sks_close(sks_store* store, sks_error* error) {
  return guard(error, [&]() -> Result<void> {
    SKS_LET(const std::shared_ptr<Store> open, OpenStores::instance().find(store));
    if (open->runs_here()) return Error{Status::not_allowed, "a callback must not close the store that called it"};
    SKS_TRY(OpenStores::instance().remove(store));  // first, so that no more calls come
    open->close();
    return {};
  });
}

sks_status sks_transact(sks_store* store, const std::uint8_t* request, std::size_t size, sks_buffer* response,
                        sks_error* error) {
  if (response != nullptr) *response = {};
  return in_store(store, error, [&](SecureKeyStore& opened) -> Result<void> {
    SKS_LET(const ByteView body, read_bytes(request, size, "request"));
    if (response == nullptr) return null_argument("response");
    return transact(opened, body, response);
  });
}

sks_status sks_enumerate_keys(sks_store* store, std::uint32_t previous, std::uint32_t* key, std::uint32_t* session,
                              sks_error* error) {
  if (key != nullptr) *key = 0;
  if (session != nullptr) *session = 0;
  return in_store(store, error, [&](SecureKeyStore& opened) -> Result<void> {
    if (key == nullptr) return null_argument("key");
    SKS_LET(const std::optional<EnumeratedKey> next, opened.enumerate_keys(KeyHandle{previous}));
    if (!next) return {};
    *key = next->handle.value;
    if (session != nullptr) *session = next->session.value;
    return {};
  });
}

sks_status sks_get_key_attributes(sks_store* store, std::uint32_t key, sks_key_attributes** attributes,
                                  sks_error* error) {
  if (attributes != nullptr) *attributes = nullptr;
  return in_store(store, error, [&](SecureKeyStore& opened) -> Result<void> {
    if (attributes == nullptr) return null_argument("attributes");
    SKS_LET(KeyAttributes found, opened.get_key_attributes(KeyHandle{key}));
    *attributes = new OwnedAttributes(std::move(found));
    return {};
  });
}

void sks_key_attributes_free(sks_key_attributes* attributes) { delete static_cast<OwnedAttributes*>(attributes); }

sks_status sks_get_key_protection_info(sks_store* store, std::uint32_t key, sks_key_protection_info* info,
                                       sks_error* error) {
  const bool is_writable = info != nullptr && info->struct_size == sizeof *info;
  if (is_writable) *info = to_c(KeyProtectionInfo{});
  return in_store(store, error, [&](SecureKeyStore& opened) -> Result<void> {
    if (info == nullptr) return null_argument("info");
    if (!is_writable) return Error{Status::option, "info has a wrong struct_size"};
    SKS_LET(const KeyProtectionInfo found, opened.get_key_protection_info(KeyHandle{key}));
    *info = to_c(found);
    return {};
  });
}

sks_status sks_sign_data(sks_store* store, const sks_operation* operation, const std::uint8_t* data, std::size_t size,
                         sks_buffer* signature, sks_error* error) {
  return operate(&SecureKeyStore::sign_data, store, operation, data, size, signature, error);
}

sks_status sks_sign_hash(sks_store* store, const sks_operation* operation, const std::uint8_t* hash, std::size_t size,
                         sks_buffer* signature, sks_error* error) {
  return operate(&SecureKeyStore::sign_hashed_data, store, operation, hash, size, signature, error);
}

sks_status sks_decrypt(sks_store* store, const sks_operation* operation, const std::uint8_t* ciphertext,
                       std::size_t size, sks_buffer* plaintext, sks_error* error) {
  return operate(&SecureKeyStore::asymmetric_key_decrypt, store, operation, ciphertext, size, plaintext, error);
}

sks_status sks_agree(sks_store* store, const sks_operation* operation, const std::uint8_t* public_key, std::size_t size,
                     sks_buffer* secret, sks_error* error) {
  return operate(&SecureKeyStore::key_agreement, store, operation, public_key, size, secret, error);
}

void sks_buffer_free(sks_buffer* buffer) {
  if (buffer == nullptr || buffer->data == nullptr) return;
  cleanse({buffer->data, buffer->size});
  std::free(buffer->data);
  *buffer = {};
}
