#include "key-user-api/key_files/pkcs12.h"

#include <openssl/pkcs12.h>

#include <algorithm>

#include "key-user-api/key_files/der.h"
#include "key-user-api/key_files/encryption.h"
#include "sks-core/base/library_context.h"

namespace sks::key_files {
namespace {

void free_bags(STACK_OF(PKCS12_SAFEBAG) * bags) { sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free); }
void free_safes(STACK_OF(PKCS7) * safes) { sk_PKCS7_pop_free(safes, PKCS7_free); }

using Pkcs8 = ossl::Ptr<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;
using File = ossl::Ptr<PKCS12, PKCS12_free>;
using Bags = ossl::Ptr<STACK_OF(PKCS12_SAFEBAG), free_bags>;
using Safes = ossl::Ptr<STACK_OF(PKCS7), free_safes>;

constexpr int kMaxDepth = 4;
constexpr std::string_view kWhat = "the PKCS#12 file";

/// A passphrase as OpenSSL takes it. None and the empty one are different keys.
struct Secret {
  const char* text;
  int size;
};

File decode(ByteView der, OSSL_LIB_CTX* context) {
  PKCS12* made = PKCS12_init_ex(NID_pkcs7_data, context, nullptr);
  const std::uint8_t* at = der.data();
  // A failure frees it.
  if (made == nullptr || d2i_PKCS12(&made, &at, static_cast<long>(der.size())) == nullptr) return nullptr;
  return File(at == der.data() + der.size() ? made : (PKCS12_free(made), nullptr));
}

class Pkcs12Reader {
 public:
  Pkcs12Reader(ByteView der, Reading& reading) : der_(der), reading_(reading) {}

  Result<void> read() {
    const File file = decode(der_, library_context());
    if (file == nullptr) return damaged(kWhat);
    if (PKCS12_mac_present(file.get()) == 1) SKS_TRY(check_mac(file.get()));
    const Safes safes(PKCS12_unpack_authsafes(file.get()));
    if (safes == nullptr) return damaged(kWhat);
    for (int i = 0; i < sk_PKCS7_num(safes.get()); ++i) SKS_TRY(read_safe(sk_PKCS7_value(safes.get(), i)));
    return {};
  }

 private:
  // The empty passphrase is tried first: with it nobody need be asked.
  Result<void> check_mac(PKCS12* file) {
    const ASN1_INTEGER* iterations = nullptr;
    PKCS12_get0_mac(nullptr, nullptr, nullptr, &iterations, file);
    std::uint64_t count = 1;
    if (iterations != nullptr && ASN1_INTEGER_get_uint64(&count, iterations) != 1) return damaged(kWhat);
    SKS_TRY(reading_.passphrase.spend(3 * std::min<std::uint64_t>(count, UINT64_MAX / 3)));
    for (const Secret empty : {Secret{"", 0}, Secret{nullptr, 0}}) {
      if (PKCS12_verify_mac(file, empty.text, empty.size) != 1) continue;
      secret_ = empty;
      return {};
    }
    SKS_LET(const Secret secret, ask());
    const bool right = PKCS12_verify_mac(file, secret.text, secret.size) == 1;
    (void)ossl::take_error("");
    return right ? Result<void>() : wrong_passphrase();
  }

  Result<Secret> ask() {
    if (!secret_) {
      SKS_LET(const ByteView passphrase, reading_.passphrase.get());
      secret_ = Secret{as_text(passphrase), static_cast<int>(passphrase.size())};
    }
    return *secret_;
  }

  Result<void> read_safe(PKCS7* safe) {
    if (PKCS7_type_is_data(safe) == 1) {
      const Bags bags(PKCS12_unpack_p7data(safe));
      return bags == nullptr ? damaged(kWhat) : read_bags(bags.get(), 0);
    }
    if (PKCS7_type_is_encrypted(safe) != 1)
      return Error{Status::option, "the PKCS#12 file is encrypted for a certificate and not with a passphrase"};
    if (safe->d.encrypted == nullptr || safe->d.encrypted->enc_data == nullptr) return damaged(kWhat);
    const X509_ALGOR* const algorithm = safe->d.encrypted->enc_data->algorithm;
    SKS_LET(OSSL_LIB_CTX* const context, prepare_decryption(algorithm, reading_.passphrase));
    SKS_LET(const Secret secret, ask());
    const Bags bags(unpack(safe, algorithm, secret, context));
    (void)ossl::take_error("");
    return bags == nullptr ? wrong_passphrase() : read_bags(bags.get(), 0);
  }

  static STACK_OF(PKCS12_SAFEBAG) *
      unpack(const PKCS7* safe, const X509_ALGOR* algorithm, Secret secret, OSSL_LIB_CTX* context) {
    constexpr int kCleanse = 1;
    return static_cast<STACK_OF(PKCS12_SAFEBAG)*>(
        PKCS12_item_decrypt_d2i_ex(algorithm, ASN1_ITEM_rptr(PKCS12_SAFEBAGS), secret.text, secret.size,
                                   safe->d.encrypted->enc_data->enc_data, kCleanse, context, nullptr));
  }

  Result<void> read_bags(const STACK_OF(PKCS12_SAFEBAG) * bags, int depth) {
    if (depth == kMaxDepth) return damaged(kWhat);
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); ++i) {
      const PKCS12_SAFEBAG* const bag = sk_PKCS12_SAFEBAG_value(bags, i);
      if (PKCS12_SAFEBAG_get_nid(bag) == NID_safeContentsBag) {
        SKS_TRY(read_bags(PKCS12_SAFEBAG_get0_safes(bag), depth + 1));
      } else {
        SKS_TRY(read_bag(bag));
      }
    }
    return {};
  }

  Result<void> read_bag(const PKCS12_SAFEBAG* bag) {
    switch (PKCS12_SAFEBAG_get_nid(bag)) {
      case NID_keyBag:
        return add_key(PKCS12_SAFEBAG_get0_p8inf(bag), bag);
      case NID_pkcs8ShroudedKeyBag:
        return read_shrouded(bag);
      case NID_certBag:
        return read_certificate_bag(bag);
      default:
        return reading_.found.skip();
    }
  }

  Result<void> read_shrouded(const PKCS12_SAFEBAG* bag) {
    const X509_ALGOR* algorithm = nullptr;
    X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algorithm, nullptr);
    SKS_LET(OSSL_LIB_CTX* const context, prepare_decryption(algorithm, reading_.passphrase));
    SKS_LET(const Secret secret, ask());
    const Pkcs8 info(PKCS12_decrypt_skey_ex(bag, secret.text, secret.size, context, nullptr));
    (void)ossl::take_error("");
    return info == nullptr ? wrong_passphrase() : add_key(info.get(), bag);
  }

  Result<void> add_key(const PKCS8_PRIV_KEY_INFO* info, const PKCS12_SAFEBAG* bag) {
    char* const name = PKCS12_get_friendlyname(const_cast<PKCS12_SAFEBAG*>(bag));  // reads only
    const std::string label = name == nullptr ? "" : name;
    OPENSSL_free(name);
    SKS_LET(const SecureBytes pkcs8, to_pkcs8(info));
    return reading_.found.add_private_key(pkcs8.view(), label);
  }

  Result<void> read_certificate_bag(const PKCS12_SAFEBAG* bag) {
    if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate) return reading_.found.skip();
    const ossl::Cert certificate(PKCS12_SAFEBAG_get1_cert(bag));
    std::uint8_t* encoded = nullptr;
    const int size = certificate == nullptr ? 0 : i2d_X509(certificate.get(), &encoded);
    if (size <= 0) return damaged("a certificate");
    const Bytes der(encoded, encoded + size);
    OPENSSL_free(encoded);
    return reading_.found.add_certificate(der);
  }

  ByteView der_;
  Reading& reading_;
  std::optional<Secret> secret_;
};

}  // namespace

Result<void> read_pkcs12(ByteView der, Reading& reading) { return Pkcs12Reader(der, reading).read(); }

}  // namespace sks::key_files
