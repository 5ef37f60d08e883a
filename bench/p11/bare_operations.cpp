#include "bench/p11/bare_operations.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <memory>

#include "bench/bare.h"
#include "bench/p11/payload.h"
#include "sks-core/base/bytes.h"
#include "sks-core/crypto/ossl.h"

namespace sks::bench {
namespace {

BareOperation sign_with(ossl::Pkey key, ByteView data) {
  const std::shared_ptr<EVP_PKEY> shared(key.release(), EVP_PKEY_free);
  return [shared, data] {
    std::array<unsigned char, 512> signature{};
    std::size_t size = signature.size();
    const ossl::PkeyCtx context(EVP_PKEY_CTX_new(shared.get(), nullptr));
    SKS_CHECK(EVP_PKEY_sign_init(context.get()) == 1);
    SKS_CHECK(EVP_PKEY_sign(context.get(), signature.data(), &size, data.data(), data.size()) == 1);
  };
}

BareOperation sign_p256() { return sign_with(bare_p256(), kHash); }
// The padding of a new RSA context is PKCS#1 v1.5.
BareOperation sign_rsa2048() { return sign_with(bare_rsa2048(), kDigestInfo); }

BareOperation encrypt_gcm() {
  return [] {
    std::array<unsigned char, kBlock.size() + kTagSize> out{};
    bare_gcm(kBlock.data(), kBlock.size(), out.data());
  };
}

BareOperation hmac() {
  static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  return [] {
    const std::array<unsigned char, 32> key{};
    std::array<unsigned char, 32> mac{};
    std::size_t size = 0;
    std::array<OSSL_PARAM, 2> parameters{
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>("SHA256"), 0),
        OSSL_PARAM_construct_end()};
    const ossl::MacCtx context(EVP_MAC_CTX_new(algorithm));
    SKS_CHECK(EVP_MAC_init(context.get(), key.data(), key.size(), parameters.data()) == 1 &&
              EVP_MAC_update(context.get(), kBlock.data(), kBlock.size()) == 1 &&
              EVP_MAC_final(context.get(), mac.data(), &size, mac.size()) == 1);
  };
}

BareOperation generate() {
  return [] { const ossl::Pkey key = bare_p256(); };
}

struct Row {
  std::string_view operation;
  BareOperation (*make)();
};
constexpr auto kRows = std::to_array<Row>({
    {"sign-p256", sign_p256},
    {"sign-rsa2048", sign_rsa2048},
    {"gcm-1k", encrypt_gcm},
    {"hmac-1k", hmac},
    {"generate-p256", generate},
});

const Row* find_row(std::string_view operation) {
  const auto* const row =
      std::find_if(kRows.begin(), kRows.end(), [&](const Row& candidate) { return candidate.operation == operation; });
  return row == kRows.end() ? nullptr : row;
}

}  // namespace

bool has_bare_operation(std::string_view operation) { return find_row(operation) != nullptr; }

BareOperation bare_operation(std::string_view operation) {
  const Row* const row = find_row(operation);
  SKS_CHECK(row != nullptr);
  return row->make();
}

}  // namespace sks::bench
