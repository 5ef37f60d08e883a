#include "sks-core/crypto/library.h"

#include <openssl/crypto.h>

#include "sks-core/base/result.h"

namespace sks::crypto {

void ignore_configuration_files() { SKS_CHECK(::OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) == 1); }

}  // namespace sks::crypto
