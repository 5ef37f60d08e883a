#include "sks-core/crypto/scrypt.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>

#include <array>

#include "sks-core/base/library_context.h"
#include "sks-core/crypto/ossl.h"

namespace sks::crypto {
namespace {

using Kdf = ossl::Ptr<EVP_KDF, EVP_KDF_free>;
using KdfContext = ossl::Ptr<EVP_KDF_CTX, EVP_KDF_CTX_free>;

/// OpenSSL does not write to the octet strings that it is given.
OSSL_PARAM octets(const char* name, ByteView value) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(value.data()), value.size());
}

}  // namespace

Result<SecureBytes> scrypt(ByteView passphrase, ByteView salt, ScryptCosts costs, std::size_t size) {
  const Kdf kdf(EVP_KDF_fetch(library_context(), "SCRYPT", nullptr));
  const KdfContext context(EVP_KDF_CTX_new(kdf.get()));
  SKS_CHECK(context != nullptr);
  if (costs.log2_n == 0 || costs.log2_n > 31) return Error{Status::crypto, "These costs are none of scrypt"};

  std::uint64_t n = std::uint64_t{1} << costs.log2_n;
  std::uint32_t r = costs.r;
  std::uint32_t p = costs.p;
  // OpenSSL refuses more than 32 MiB unless it is told otherwise; it needs the table, p blocks and two more.
  std::uint64_t memory = (n + p + 2) * 128 * r + 1024;
  const std::array<OSSL_PARAM, 7> parameters{octets(OSSL_KDF_PARAM_PASSWORD, passphrase),
                                             octets(OSSL_KDF_PARAM_SALT, salt),
                                             OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
                                             OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
                                             OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
                                             OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
                                             OSSL_PARAM_construct_end()};
  SecureBytes key(size);
  if (EVP_KDF_derive(context.get(), key.data(), key.size(), parameters.data()) != 1)
    return ossl::take_error("A key cannot be derived from the passphrase");
  return key;
}

}  // namespace sks::crypto
