#include "sks-core/base/library_context.h"

#include <openssl/crypto.h>

#include "sks-core/base/result.h"

namespace sks {

ossl_lib_ctx_st* library_context() {
  static OSSL_LIB_CTX* const context = [] {
    OSSL_LIB_CTX* const made = OSSL_LIB_CTX_new();
    SKS_CHECK(made != nullptr);
    return made;
  }();
  return context;
}

}  // namespace sks
