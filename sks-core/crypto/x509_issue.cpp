#include <openssl/obj_mac.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "sks-core/base/random.h"
#include "sks-core/crypto/der.h"
#include "sks-core/crypto/x509.h"

namespace sks::crypto {
namespace {

constexpr std::size_t kSerialBytes = 16;
constexpr std::size_t kSerialTimeBytes = 4;  ///< the first of them
constexpr std::size_t kMaxDnBytes = 1000;
constexpr std::uint8_t kVersion3[]{0xa0, 3, 2, 1, 2};

struct ExtensionValue {
  int nid = NID_undef;  // none
  der::Critical critical = der::Critical::no;
  std::array<std::uint8_t, 12> value{};  // DER, and zeros behind it
};

constexpr std::array<std::uint8_t, 12> kIsCa{0x30, 3, 1, 1, 0xff};
constexpr std::array<std::uint8_t, 12> kIsNoCa{0x30, 0};
constexpr std::array<std::uint8_t, 12> kSignsCertificatesAndLists{3, 2, 1, 0x06};
constexpr std::array<std::uint8_t, 12> kDigitalSignature{3, 2, 7, 0x80};
constexpr std::array<std::uint8_t, 12> kServerAuth{0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1};
constexpr std::array<std::uint8_t, 12> kClientAuth{0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2};
constexpr std::array<std::uint8_t, 12> kOcspSigning{0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 9};
constexpr std::array<std::uint8_t, 12> kNull{5, 0};

// What each kind of certificate says about itself.
struct KindProfile {
  CertificateKind kind;
  std::array<ExtensionValue, 4> extensions;
};

constexpr ExtensionValue kNoCaRow{NID_basic_constraints, der::Critical::yes, kIsNoCa};
constexpr ExtensionValue kSignatureRow{NID_key_usage, der::Critical::yes, kDigitalSignature};

constexpr auto kProfiles = std::to_array<KindProfile>({
    {CertificateKind::ca,
     {{{NID_basic_constraints, der::Critical::yes, kIsCa},
       {NID_key_usage, der::Critical::yes, kSignsCertificatesAndLists}}}},
    {CertificateKind::device, {{kNoCaRow, kSignatureRow}}},
    {CertificateKind::tls_server, {{kNoCaRow, kSignatureRow, {NID_ext_key_usage, der::Critical::no, kServerAuth}}}},
    {CertificateKind::tls_client, {{kNoCaRow, kSignatureRow, {NID_ext_key_usage, der::Critical::no, kClientAuth}}}},
    {CertificateKind::ocsp_responder,
     {{kNoCaRow,
       kSignatureRow,
       {NID_ext_key_usage, der::Critical::no, kOcspSigning},
       {NID_id_pkix_OCSP_noCheck, der::Critical::no, kNull}}}},
});

void append(Bytes& out, ByteView part) { out.insert(out.end(), part.begin(), part.end()); }

// subjectAltName is built from objects, not from OpenSSL's text notation, in which a comma or colon inside a name would
// start another name.
Result<void> add_alternative_names(Bytes& extensions, const CertificateTemplate& what) {
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
  if (sk_GENERAL_NAME_num(names.get()) == 0) return {};
  std::uint8_t* out = nullptr;
  const int size = i2d_GENERAL_NAMES(names.get(), &out);
  if (size <= 0) return ossl::take_error("Alternative names refused", Status::option);
  append(extensions, der::extension(NID_subject_alt_name, der::Critical::no, ByteView(out, out + size)));
  OPENSSL_free(out);
  return {};
}

/// not_before, in units of two seconds, in front of random bits: whoever keeps certificates by their serial numbers
/// finds the new ones side by side. The time stands in the certificate anyway.
Bytes serial_number(std::int64_t not_before) {
  Bytes serial = system_random().bytes(kSerialBytes);
  // Positive until the year 2106, as RFC 5280, 4.1.2.2, wants it, and as long as the others.
  auto time = static_cast<std::uint64_t>(not_before / 2);
  for (std::size_t i = kSerialTimeBytes; i-- > 0; time >>= 8) serial[i] = static_cast<std::uint8_t>(time);
  return der::integer(serial);
}

Bytes uri(const std::string& text) { return der::element(der::kUriTag, {as_bytes(text)}); }

/// CRLDistributionPoints: one point with every address. RFC 5280, 4.2.1.13
void add_crl_addresses(Bytes& extensions, const std::vector<std::string>& urls) {
  if (urls.empty()) return;
  constexpr std::uint8_t kInner = der::kContext | der::kConstructed;  // distributionPoint [0], fullName [0]
  Bytes names;
  for (const std::string& url : urls) append(names, uri(url));
  const Bytes point = der::sequence({der::element(kInner, {der::element(kInner, {names})})});
  append(extensions, der::extension(NID_crl_distribution_points, der::Critical::no, der::sequence({point})));
}

/// RFC 5280, 4.2.2.1
void add_information_access(Bytes& extensions, const CertificateTemplate& what) {
  Bytes descriptions;
  const auto add = [&](int method, const std::vector<std::string>& urls) {
    for (const std::string& url : urls) append(descriptions, der::sequence({der::object_identifier(method), uri(url)}));
  };
  add(NID_ad_OCSP, what.ocsp_urls);
  add(NID_ad_ca_issuers, what.issuer_urls);
  if (!descriptions.empty())
    append(extensions, der::extension(NID_info_access, der::Critical::no, der::sequence({descriptions})));
}

/// Whether an extension stands among the further ones.
bool is_given(const CertificateTemplate& what, int nid) {
  const Bytes wanted = der::object_identifier(nid);
  return std::ranges::any_of(what.extensions, [&](const Bytes& extension) {
    return equal(der::first_piece(der::first_piece(extension).content).whole, wanted);
  });
}

Result<Bytes> encode_extensions(const CertificateTemplate& what, const PublicKey& subject_key,
                                const Certificate* issuer) {
  const auto* const profile = std::ranges::find(kProfiles, what.kind, &KindProfile::kind);
  SKS_CHECK(profile != kProfiles.end());
  Bytes extensions;
  for (const ExtensionValue& row : profile->extensions)
    if (row.nid != NID_undef && !is_given(what, row.nid))
      append(extensions, der::extension(row.nid, row.critical, der::first_piece(row.value).whole));
  append(extensions,
         der::extension(NID_subject_key_identifier, der::Critical::no, der::octet_string(key_identifier(subject_key))));
  if (issuer != nullptr) {
    SKS_LET(const Bytes identifier, issuer->authority_key_identifier());
    append(extensions, der::extension(NID_authority_key_identifier, der::Critical::no, identifier));
  }
  SKS_TRY(add_alternative_names(extensions, what));
  add_crl_addresses(extensions, what.crl_urls);
  add_information_access(extensions, what);
  for (const Bytes& extension : what.extensions) append(extensions, extension);
  return extensions;
}

}  // namespace

Result<Bytes> encode_name(const std::vector<DnAttribute>& attributes) {
  const ossl::Ptr<X509_NAME, X509_NAME_free> name(X509_NAME_new());
  SKS_CHECK(name != nullptr);
  for (const DnAttribute& attribute : attributes) {
    const ByteView value = as_bytes(attribute.value);
    if (X509_NAME_add_entry_by_txt(name.get(), attribute.type.c_str(), MBSTRING_UTF8, value.data(),
                                   static_cast<int>(value.size()), -1, 0) != 1)
      return ossl::take_error("Name refused: " + attribute.type + "=" + attribute.value, Status::option);
  }
  std::uint8_t* out = nullptr;
  const int size = i2d_X509_NAME(name.get(), &out);
  if (size <= 0) return ossl::take_error("Name refused", Status::option);
  const Bytes encoded(out, out + size);
  OPENSSL_free(out);
  return encoded;
}

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

  // Length limits and character sets are X.509's: let the encoding judge them now, not at issuance.
  SKS_TRY(encode_name(attributes));
  return attributes;
}

Result<Bytes> Certificate::authority_key_identifier() const {
  constexpr std::uint8_t kKeyIdentifier = der::kContext;  // keyIdentifier [0]
  const ossl::Ptr<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> identifier(static_cast<ASN1_OCTET_STRING*>(
      X509_get_ext_d2i(openssl_without_key(), NID_subject_key_identifier, nullptr, nullptr)));
  (void)ossl::take_error("");
  if (identifier == nullptr) return Error{Status::option, "The issuer's certificate has no subject key identifier"};
  const ByteView content(ASN1_STRING_get0_data(identifier.get()),
                         static_cast<std::size_t>(ASN1_STRING_length(identifier.get())));
  return der::sequence({der::element(kKeyIdentifier, {content})});
}

Result<Certificate> issue_certificate(const CertificateTemplate& what, const PublicKey& subject_key,
                                      const Certificate* issuer, const Signer& signer) {
  constexpr std::uint8_t kExtensions = der::kContext | der::kConstructed | 3;
  Bytes subject = what.subject_der;
  if (subject.empty()) {
    SKS_LET(subject, encode_name(what.subject));
  }
  SKS_LET(const Bytes algorithm, signature_algorithm(signer.public_key()));
  SKS_LET(const Bytes extensions, encode_extensions(what, subject_key, issuer));
  const Bytes not_before = der::time(what.not_before);
  const Bytes not_after = der::time(what.not_after);
  if (not_before.empty() || not_after.empty()) return Error{Status::option, "A time that X.509 cannot express"};
  // What a certificate says, from parts that are DER already: objects of OpenSSL would decode and encode the key again,
  // which takes longer than signing.
  const Bytes signed_part =
      der::sequence({kVersion3, serial_number(what.not_before), algorithm,
                     issuer == nullptr ? subject : issuer->subject_der(), der::sequence({not_before, not_after}),
                     subject, subject_key.spki(), der::element(kExtensions, {der::sequence({extensions})})});
  SKS_LET(const Bytes certificate, signed_sequence(signed_part, signer));
  return Certificate::from_der(certificate);
}

Result<Certificate> issue_certificate(const CertificateTemplate& what, const PublicKey& subject_key,
                                      const Certificate* issuer, const PrivateKey& issuer_key) {
  return issue_certificate(what, subject_key, issuer, KeySigner::borrow(issuer_key));
}

}  // namespace sks::crypto
