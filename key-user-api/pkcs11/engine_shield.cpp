#include "key-user-api/pkcs11/engine_shield.h"

#include <openssl/core_dispatch.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <array>
#include <deque>
#include <string>
#include <vector>

#include "sks-core/base/library_context.h"
#include "sks-core/crypto/ossl.h"

namespace sks::p11 {
namespace {

constexpr char kProviderName[] = "sks-shield";
constexpr std::string_view kNamePrefix = "SKS-";

/// The operations that OpenSSL finds through the name of a key type.
constexpr std::array kKeyOperations{OSSL_OP_KEYMGMT, OSSL_OP_SIGNATURE, OSSL_OP_KEYEXCH, OSSL_OP_ASYM_CIPHER};

struct RenamedOperation {
  int operation;
  std::vector<OSSL_ALGORITHM> algorithms;  ///< ends with an empty one
};

/// OpenSSL's default provider and the renamed copies of its tables. Never freed: OpenSSL refers to them until the
/// process ends.
struct Shield {
  OSSL_PROVIDER* original;
  std::deque<std::string> names;
  std::vector<RenamedOperation> operations;
};

/// "EC:id-ecPublicKey:..." becomes "SKS-EC:EC:id-ecPublicKey:...": the first name counts for engines, all count for
/// everything else.
std::string with_own_name(std::string_view names) {
  return std::string(kNamePrefix).append(names.substr(0, names.find(':'))).append(":").append(names);
}

RenamedOperation rename(Shield& shield, int operation) {
  RenamedOperation renamed{operation, {}};
  int no_cache = 0;
  const OSSL_ALGORITHM* algorithm = ::OSSL_PROVIDER_query_operation(shield.original, operation, &no_cache);
  for (; algorithm != nullptr && algorithm->algorithm_names != nullptr; ++algorithm) {
    shield.names.push_back(with_own_name(algorithm->algorithm_names));
    renamed.algorithms.push_back(*algorithm);
    renamed.algorithms.back().algorithm_names = shield.names.back().c_str();
  }
  renamed.algorithms.push_back({});
  return renamed;
}

const Shield* make_shield() {
  // The original provider gets a context of its own: library_context() must know the renamed one only.
  OSSL_LIB_CTX* const context = ::OSSL_LIB_CTX_new();
  if (context == nullptr) return nullptr;
  OSSL_PROVIDER* const original = ::OSSL_PROVIDER_load(context, "default");
  if (original == nullptr) return nullptr;
  auto* const shield = new Shield{original, {}, {}};
  for (const int operation : kKeyOperations) shield->operations.push_back(rename(*shield, operation));
  return shield;
}

const Shield* shield() {
  static const Shield* const made = make_shield();
  return made;
}

const OSSL_ALGORITHM* query_operation(void*, int operation, int* no_cache) {
  *no_cache = 0;
  for (const RenamedOperation& renamed : shield()->operations)
    if (renamed.operation == operation) return renamed.algorithms.data();
  return ::OSSL_PROVIDER_query_operation(shield()->original, operation, no_cache);
}

int get_params(void*, OSSL_PARAM* params) { return ::OSSL_PROVIDER_get_params(shield()->original, params); }

const OSSL_PARAM* gettable_params(void*) { return ::OSSL_PROVIDER_gettable_params(shield()->original); }

int initialize(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** functions, void** context) {
  if (shield() == nullptr) return 0;
  static const OSSL_DISPATCH table[] = {
      {OSSL_FUNC_PROVIDER_QUERY_OPERATION, reinterpret_cast<void (*)()>(query_operation)},
      {OSSL_FUNC_PROVIDER_GET_PARAMS, reinterpret_cast<void (*)()>(get_params)},
      {OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, reinterpret_cast<void (*)()>(gettable_params)},
      {0, nullptr}};
  *functions = table;
  *context = ::OSSL_PROVIDER_get0_provider_ctx(shield()->original);
  return 1;
}

bool load() {
  return ::OSSL_PROVIDER_add_builtin(library_context(), kProviderName, initialize) == 1 &&
         ::OSSL_PROVIDER_load(library_context(), kProviderName) != nullptr;
}

}  // namespace

Result<void> shield_from_engines() {
  static const bool loaded = load();
  if (!loaded) return ossl::take_error("OpenSSL's default provider cannot be loaded");
  return {};
}

}  // namespace sks::p11
