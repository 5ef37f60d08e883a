#include "key-user-api/key_files/encryption.h"

#include <openssl/provider.h>
#include <openssl/x509.h>

#include "sks-core/base/library_context.h"

namespace sks::key_files {
namespace {

using CipherPtr = ossl::Ptr<EVP_CIPHER, EVP_CIPHER_free>;

/// Memory of scrypt, N * r, times its p: OpenSSL bounds the first factor only.
constexpr std::uint64_t kMaxScrypt = 1 << 24;

/// What a passphrase is turned into a key with.
struct Derivation {
  int cipher = NID_undef;
  std::uint64_t iterations = 0;
};

template <class Object, auto Decode, auto Free>
ossl::Ptr<Object, Free> parameters_of(const X509_ALGOR* algorithm) {
  int type = 0;
  const void* value = nullptr;
  X509_ALGOR_get0(nullptr, &type, &value, algorithm);
  if (type != V_ASN1_SEQUENCE) return nullptr;
  const auto* const sequence = static_cast<const ASN1_STRING*>(value);
  const std::uint8_t* at = ASN1_STRING_get0_data(sequence);
  return ossl::Ptr<Object, Free>(Decode(nullptr, &at, ASN1_STRING_length(sequence)));
}

int type_of(const X509_ALGOR* algorithm) {
  const ASN1_OBJECT* type = nullptr;
  X509_ALGOR_get0(&type, nullptr, nullptr, algorithm);
  return OBJ_obj2nid(type);
}

std::uint64_t number_of(const ASN1_INTEGER* integer) {
  std::uint64_t value = 0;
  return ASN1_INTEGER_get_uint64(&value, integer) == 1 ? value : UINT64_MAX;
}

Result<std::uint64_t> scrypt_cost(const X509_ALGOR* function) {
  const auto parameters = parameters_of<SCRYPT_PARAMS, d2i_SCRYPT_PARAMS, SCRYPT_PARAMS_free>(function);
  if (parameters == nullptr) return damaged("an encrypted private key");
  std::uint64_t cost = 1;
  for (const ASN1_INTEGER* const factor :
       {parameters->costParameter, parameters->blockSize, parameters->parallelizationParameter}) {
    const std::uint64_t value = number_of(factor);
    if (value == 0 || value > kMaxScrypt / cost)
      return Error{Status::option, "the file asks for more work on its passphrase than this program does"};
    cost *= value;
  }
  return cost;
}

Result<std::uint64_t> cost_of(const X509_ALGOR* function) {
  if (type_of(function) == NID_id_scrypt) return scrypt_cost(function);
  const auto parameters = parameters_of<PBKDF2PARAM, d2i_PBKDF2PARAM, PBKDF2PARAM_free>(function);
  if (type_of(function) != NID_id_pbkdf2 || parameters == nullptr)
    return Error{Status::option, "the file is encrypted in a way that this program does not know"};
  return number_of(parameters->iter);
}

Result<Derivation> derivation_of(const X509_ALGOR* algorithm) {
  const Error unknown{Status::option, "the file is encrypted in a way that this program does not know"};
  const int type = type_of(algorithm);
  if (type == NID_pbes2) {
    const auto scheme = parameters_of<PBE2PARAM, d2i_PBE2PARAM, PBE2PARAM_free>(algorithm);
    if (scheme == nullptr) return unknown;
    SKS_LET(const std::uint64_t iterations, cost_of(scheme->keyfunc));
    return Derivation{type_of(scheme->encryption), iterations};
  }
  int cipher = NID_undef;
  if (EVP_PBE_find(EVP_PBE_TYPE_OUTER, type, &cipher, nullptr, nullptr) != 1) return unknown;
  const auto parameters = parameters_of<PBEPARAM, d2i_PBEPARAM, PBEPARAM_free>(algorithm);
  if (parameters == nullptr) return unknown;
  return Derivation{cipher, number_of(parameters->iter)};
}

/// A context that nobody else uses, so that nothing else in the process can come to use what is broken. Null when
/// OpenSSL has no such provider here. It lives until the process ends.
OSSL_LIB_CTX* legacy_context() {
  static OSSL_LIB_CTX* const made = []() -> OSSL_LIB_CTX* {
    OSSL_LIB_CTX* const context = OSSL_LIB_CTX_new();
    SKS_CHECK(context != nullptr);
    if (OSSL_PROVIDER_load(context, "default") != nullptr && OSSL_PROVIDER_load(context, "legacy") != nullptr)
      return context;
    OSSL_LIB_CTX_free(context);
    return nullptr;
  }();
  return made;
}

bool has_cipher(OSSL_LIB_CTX* context, const char* name) {
  return CipherPtr(EVP_CIPHER_fetch(context, name, nullptr)) != nullptr;
}

}  // namespace

const char* as_text(ByteView bytes) { return bytes.empty() ? "" : reinterpret_cast<const char*>(bytes.data()); }

Result<OSSL_LIB_CTX*> prepare_decryption(const X509_ALGOR* algorithm, Passphrase& passphrase) {
  const auto derivation = derivation_of(algorithm);
  (void)ossl::take_error("");
  if (!derivation) return derivation.error();
  SKS_TRY(passphrase.spend(derivation->iterations));
  const char* const name = OBJ_nid2sn(derivation->cipher);
  if (derivation->cipher == NID_undef || name == nullptr)
    return Error{Status::option, "the file is encrypted in a way that this program does not know"};
  OSSL_LIB_CTX* found = nullptr;
  if (has_cipher(library_context(), name)) {
    found = library_context();
  } else if (legacy_context() != nullptr && has_cipher(legacy_context(), name)) {
    found = legacy_context();
  }
  (void)ossl::take_error("");
  if (found != nullptr) return found;
  return Error{Status::not_available, "the file is encrypted with " + std::string(name) +
                                          ", for which OpenSSL needs its legacy provider, and that is not installed"};
}

}  // namespace sks::key_files
