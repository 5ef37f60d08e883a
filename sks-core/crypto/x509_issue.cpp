#include <openssl/obj_mac.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "sks-core/base/library_context.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/x509.h"

namespace sks::crypto {
namespace {

constexpr std::size_t kSerialBytes = 16;
constexpr std::size_t kMaxDnBytes = 1000;
constexpr long kVersion3 = 2;

struct ExtensionValue {
  int nid;
  const char* value;
};

// What each kind of certificate says about itself, in OpenSSL's own notation.
struct KindProfile {
  CertificateKind kind;
  std::array<ExtensionValue, 3> extensions;  // nid 0 = none
};

constexpr auto kProfiles = std::to_array<KindProfile>({
    {CertificateKind::ca,
     {{{NID_basic_constraints, "critical,CA:TRUE"}, {NID_key_usage, "critical,keyCertSign,cRLSign"}, {0, nullptr}}}},
    {CertificateKind::device,
     {{{NID_basic_constraints, "critical,CA:FALSE"}, {NID_key_usage, "critical,digitalSignature"}, {0, nullptr}}}},
    {CertificateKind::tls_server,
     {{{NID_basic_constraints, "critical,CA:FALSE"},
       {NID_key_usage, "critical,digitalSignature"},
       {NID_ext_key_usage, "serverAuth"}}}},
    {CertificateKind::tls_client,
     {{{NID_basic_constraints, "critical,CA:FALSE"},
       {NID_key_usage, "critical,digitalSignature"},
       {NID_ext_key_usage, "clientAuth"}}}},
});

Result<void> add_extension(X509* cert, X509V3_CTX* context, int nid, const std::string& value) {
  const ossl::Ptr<X509_EXTENSION, X509_EXTENSION_free> extension(
      X509V3_EXT_conf_nid(nullptr, context, nid, value.c_str()));
  if (extension == nullptr || X509_add_ext(cert, extension.get(), -1) != 1)
    return ossl::take_error("Certificate extension refused", Status::option);
  return {};
}

// subjectAltName is built from objects, not from OpenSSL's text notation, in which a comma or colon inside a name would
// start another name.
Result<void> add_alternative_names(X509* cert, const CertificateTemplate& what) {
  const ossl::Ptr<GENERAL_NAMES, GENERAL_NAMES_free> names(GENERAL_NAMES_new());
  SKS_CHECK(names != nullptr);
  const auto add = [&](int type, ASN1_STRING* value) {
    GENERAL_NAME* const name = GENERAL_NAME_new();
    SKS_CHECK(name != nullptr && value != nullptr);
    GENERAL_NAME_set0_value(name, type, value);
    SKS_CHECK(sk_GENERAL_NAME_push(names.get(), name) > 0);
  };
  const auto text = [](const std::string& value) {
    ASN1_STRING* const out = ASN1_IA5STRING_new();
    SKS_CHECK(out != nullptr && ASN1_STRING_set(out, value.data(), static_cast<int>(value.size())) == 1);
    return out;
  };
  const auto is_ascii = [](const std::string& value) {
    return !value.empty() && std::ranges::all_of(value, [](char c) { return c > 0x20 && c < 0x7F; });
  };
  for (const std::string& dns : what.dns_names) {
    if (!is_ascii(dns)) return Error{Status::option, "Not a DNS name: " + dns};
    add(GEN_DNS, text(dns));
  }
  for (const std::string& email : what.emails) {
    if (!is_ascii(email)) return Error{Status::option, "Not an e-mail address: " + email};
    add(GEN_EMAIL, text(email));
  }
  for (const std::string& ip : what.ip_addresses) {
    ASN1_OCTET_STRING* const address = a2i_IPADDRESS(ip.c_str());
    if (address == nullptr) return ossl::take_error("Not an IP address: " + ip, Status::option);
    add(GEN_IPADD, address);
  }
  if (sk_GENERAL_NAME_num(names.get()) > 0 &&
      X509_add1_ext_i2d(cert, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) != 1)
    return ossl::take_error("Alternative names refused", Status::option);
  return {};
}

Result<void> set_subject(X509* cert, const std::vector<DnAttribute>& subject) {
  X509_NAME* const name = X509_get_subject_name(cert);
  for (const DnAttribute& attribute : subject) {
    const ByteView value = as_bytes(attribute.value);
    if (X509_NAME_add_entry_by_txt(name, attribute.type.c_str(), MBSTRING_UTF8, value.data(),
                                   static_cast<int>(value.size()), -1, 0) != 1)
      return ossl::take_error("Name refused: " + attribute.type + "=" + attribute.value, Status::option);
  }
  return {};
}

Result<void> set_serial_and_times(X509* cert, const CertificateTemplate& what) {
  Bytes serial = system_random().bytes(kSerialBytes);
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x7F) | 0x40);  // positive, and always of full length
  const ossl::BigNum number(BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  if (BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(cert)) == nullptr ||
      ASN1_TIME_set(X509_getm_notBefore(cert), what.not_before) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(cert), what.not_after) == nullptr)
    return ossl::take_error("Certificate fields refused", Status::option);
  return {};
}

// X509_set_pubkey encodes the key and decodes it again, which takes longer than signing the certificate. The encoding
// is at hand. `spki`: SEQUENCE { AlgorithmIdentifier, BIT STRING without unused bits }, as PublicKey has it.
bool set_public_key(X509* cert, ByteView spki) {
  const auto enter = [&](const std::uint8_t*& at) {
    long size = 0;
    int tag = 0;
    int tag_class = 0;
    const int form = ASN1_get_object(&at, &size, &tag, &tag_class, spki.data() + spki.size() - at);
    return (form & 0x80) == 0 ? size : 0;
  };
  const std::uint8_t* at = spki.data();
  if (enter(at) == 0) return false;
  const ossl::Ptr<X509_ALGOR, X509_ALGOR_free> algorithm(
      d2i_X509_ALGOR(nullptr, &at, static_cast<long>(spki.data() + spki.size() - at)));
  const long bits = algorithm == nullptr ? 0 : enter(at);
  if (bits < 2) return false;
  const ASN1_OBJECT* type = nullptr;
  const void* parameter = nullptr;
  int parameter_type = 0;
  X509_ALGOR_get0(&type, &parameter_type, &parameter, algorithm.get());
  const ByteView key(at + 1, static_cast<std::size_t>(bits - 1));  // behind the number of unused bits
  auto* const content = static_cast<std::uint8_t*>(OPENSSL_memdup(key.data(), key.size()));
  SKS_CHECK(content != nullptr);
  // A curve, a NULL or nothing: see the forms of PublicKey.
  ASN1_OBJECT* const curve =
      parameter_type == V_ASN1_OBJECT ? OBJ_dup(static_cast<const ASN1_OBJECT*>(parameter)) : nullptr;
  if (X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(cert), OBJ_dup(type), parameter_type, curve, content,
                             static_cast<int>(key.size())) == 1)
    return true;
  OPENSSL_free(content);
  ASN1_OBJECT_free(curve);
  return false;
}

}  // namespace

Result<std::vector<DnAttribute>> parse_dn(std::string_view text) {
  if (text.empty() || text.size() > kMaxDnBytes) return Error{Status::option, "A name of 1 to 1000 bytes is needed"};
  std::vector<DnAttribute> attributes;
  DnAttribute current;
  bool in_value = false;
  const auto finish = [&]() -> Result<void> {
    const auto trim = [](std::string& value) {
      value.erase(0, std::min(value.find_first_not_of(' '), value.size()));
      value.erase(value.find_last_not_of(' ') + 1);
    };
    trim(current.type);
    trim(current.value);
    if (!in_value || current.value.empty()) return Error{Status::option, "Name part without TYPE=value"};
    if (OBJ_txt2nid(current.type.c_str()) == NID_undef)
      return ossl::take_error("Unknown name attribute: " + current.type, Status::option);
    attributes.push_back(std::move(current));
    current = {};
    in_value = false;
    return {};
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) < 0x20) return Error{Status::option, "Control character in a name"};
    if (c == '\\' && in_value) {
      if (++i == text.size()) return Error{Status::option, "A name ends with a backslash"};
      current.value.push_back(text[i]);
    } else if (c == ',') {
      SKS_TRY(finish());
    } else if (c == '=' && !in_value) {
      in_value = true;
    } else {
      (in_value ? current.value : current.type).push_back(c);
    }
  }
  SKS_TRY(finish());

  // Length limits and character sets are X.509's: let a scratch certificate judge them now, not at issuance.
  const ossl::Cert scratch(X509_new_ex(library_context(), nullptr));
  SKS_CHECK(scratch != nullptr);
  SKS_TRY(set_subject(scratch.get(), attributes));
  return attributes;
}

Result<Certificate> issue_certificate(const CertificateTemplate& what, const PublicKey& subject_key,
                                      const Certificate* issuer, const PrivateKey& issuer_key) {
  const auto profile = std::ranges::find(kProfiles, what.kind, &KindProfile::kind);
  SKS_CHECK(profile != kProfiles.end());
  const ossl::Cert cert(X509_new_ex(library_context(), nullptr));
  SKS_CHECK(cert != nullptr && X509_set_version(cert.get(), kVersion3) == 1);
  SKS_TRY(set_serial_and_times(cert.get(), what));
  SKS_TRY(set_subject(cert.get(), what.subject));
  X509* const issuer_cert = issuer == nullptr ? cert.get() : issuer->openssl_without_key();
  if (X509_set_issuer_name(cert.get(), X509_get_subject_name(issuer_cert)) != 1 ||
      !set_public_key(cert.get(), subject_key.spki()))
    return ossl::take_error("Certificate fields refused", Status::option);

  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer_cert, cert.get(), nullptr, nullptr, 0);
  for (const ExtensionValue& extension : profile->extensions)
    if (extension.nid != 0) SKS_TRY(add_extension(cert.get(), &context, extension.nid, extension.value));
  SKS_TRY(add_extension(cert.get(), &context, NID_subject_key_identifier, "hash"));
  if (issuer != nullptr) SKS_TRY(add_extension(cert.get(), &context, NID_authority_key_identifier, "keyid:always"));
  SKS_TRY(add_alternative_names(cert.get(), what));

  const ossl::MdCtx signing(EVP_MD_CTX_new());
  SKS_CHECK(signing != nullptr);
  if (EVP_DigestSignInit_ex(signing.get(), nullptr, "SHA256", library_context(), nullptr, issuer_key.openssl(),
                            nullptr) != 1 ||
      X509_sign_ctx(cert.get(), signing.get()) <= 0)
    return ossl::take_error("Certificate signature failed");
  std::uint8_t* encoded = nullptr;
  const int size = i2d_X509(cert.get(), &encoded);
  if (size <= 0) return ossl::take_error("Certificate cannot be encoded");
  const Bytes der(encoded, encoded + size);
  OPENSSL_free(encoded);
  return Certificate::from_der(der);
}

}  // namespace sks::crypto
