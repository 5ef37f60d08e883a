#include "sks-core/crypto/ossl.h"

#include <openssl/err.h>

#include <string>

namespace sks::ossl {

Error take_error(std::string_view what, Status status) {
  std::string detail(what);
  if (const char* const reason = ERR_reason_error_string(ERR_peek_last_error()); reason != nullptr) {
    detail += ": ";
    detail += reason;
  }
  ERR_clear_error();
  return {status, std::move(detail)};
}

}  // namespace sks::ossl
