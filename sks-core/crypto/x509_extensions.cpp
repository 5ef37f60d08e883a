#include <openssl/x509v3.h>

#include "sks-core/crypto/x509.h"
#include "sks-core/crypto/x509_text.h"

namespace sks::crypto {
namespace {

using BitString = ossl::Ptr<ASN1_BIT_STRING, ASN1_BIT_STRING_free>;
using Policies = ossl::Ptr<CERTIFICATEPOLICIES, CERTIFICATEPOLICIES_free>;
using KeyPurposes = ossl::Ptr<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;
using GeneralNames = ossl::Ptr<GENERAL_NAMES, GENERAL_NAMES_free>;

constexpr int kKeyUsageBits = 9;

/// The one extension of this kind; null when it is absent, malformed or there twice.
template <class Owner>
Owner extension(const X509* certificate, int nid) {
  Owner decoded(static_cast<typename Owner::pointer>(X509_get_ext_d2i(certificate, nid, nullptr, nullptr)));
  (void)ossl::take_error("");
  return decoded;
}

}  // namespace

std::string Certificate::serial_number() const {
  const ossl::BigNum number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert_.get()), nullptr));
  SKS_CHECK(number != nullptr);
  const ossl::Ptr<char, free_text> text(BN_bn2dec(number.get()));
  SKS_CHECK(text != nullptr);
  return text.get();
}

std::optional<std::uint16_t> Certificate::key_usage() const {
  const auto bits = extension<BitString>(cert_.get(), NID_key_usage);
  if (bits == nullptr) return std::nullopt;
  unsigned set = 0;
  for (int bit = 0; bit < kKeyUsageBits; ++bit) {
    if (ASN1_BIT_STRING_get_bit(bits.get(), bit) == 1) set |= 1U << bit;
  }
  return static_cast<std::uint16_t>(set);
}

std::optional<std::vector<std::string>> Certificate::policies() const {
  const auto decoded = extension<Policies>(cert_.get(), NID_certificate_policies);
  if (decoded == nullptr) return std::nullopt;
  std::vector<std::string> result;
  for (int i = 0; i < sk_POLICYINFO_num(decoded.get()); ++i)
    result.push_back(dotted(sk_POLICYINFO_value(decoded.get(), i)->policyid));
  return result;
}

std::optional<std::vector<std::string>> Certificate::extended_key_usages() const {
  const auto decoded = extension<KeyPurposes>(cert_.get(), NID_ext_key_usage);
  if (decoded == nullptr) return std::nullopt;
  std::vector<std::string> result;
  for (int i = 0; i < sk_ASN1_OBJECT_num(decoded.get()); ++i)
    result.push_back(dotted(sk_ASN1_OBJECT_value(decoded.get(), i)));
  return result;
}

std::vector<std::string> Certificate::alternative_emails() const {
  const auto names = extension<GeneralNames>(cert_.get(), NID_subject_alt_name);
  std::vector<std::string> result;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_EMAIL) continue;
    const ByteView content(ASN1_STRING_get0_data(name->d.rfc822Name),
                           static_cast<std::size_t>(ASN1_STRING_length(name->d.rfc822Name)));
    result.emplace_back(content.begin(), content.end());
  }
  return result;
}

}  // namespace sks::crypto
