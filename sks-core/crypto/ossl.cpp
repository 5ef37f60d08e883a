#include "sks-core/crypto/ossl.h"

#include <openssl/err.h>

#include <array>
#include <string>

namespace sks::ossl {

Error take_error(std::string_view what, Status status) {
  std::string detail(what);
  if (const unsigned long code = ERR_peek_last_error(); code != 0) {
    std::array<char, 256> reason{};
    ERR_error_string_n(code, reason.data(), reason.size());
    detail += ": ";
    detail += reason.data();
  }
  ERR_clear_error();
  return {status, std::move(detail)};
}

}  // namespace sks::ossl
