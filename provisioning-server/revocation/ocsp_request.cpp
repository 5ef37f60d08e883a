#include "provisioning-server/revocation/ocsp_request.h"

#include <openssl/obj_mac.h>

#include <array>
#include <optional>

#include "sks-core/crypto/der.h"

namespace sks::issuer {
namespace {

namespace der = crypto::der;

constexpr std::uint8_t kBooleanTag = 0x01;
constexpr std::uint8_t kNullTag = 0x05;
constexpr std::uint8_t kOidTag = 0x06;
constexpr std::uint8_t kExplicit = der::kContext | der::kConstructed;
constexpr std::size_t kMaxSerial = 21;  // 20 octets of RFC 5280 and a sign
constexpr std::size_t kMaxNonce = 128;
constexpr std::size_t kMaxExtensions = 16;

Error malformed(const char* what) { return {Status::option, std::string("OCSP request: ") + what}; }

/// Walks through the elements of one constructed element.
class Pieces {
 public:
  explicit Pieces(ByteView content) : rest_(content) {}

  bool at_end() const { return rest_.empty(); }
  /// The next element when it has this tag; it must be minimal in its length.
  std::optional<der::Piece> take(std::uint8_t tag) {
    const der::Piece piece = der::first_piece(rest_);
    if (piece.tag == 0 || piece.tag != tag || !is_minimal(piece)) return std::nullopt;
    rest_ = piece.rest;
    return piece;
  }
  bool next_is(std::uint8_t tag) const { return !rest_.empty() && rest_.front() == tag; }

 private:
  static bool is_minimal(const der::Piece& piece) {
    const Bytes again = der::element(piece.tag, {piece.content});
    return again.size() == piece.whole.size();
  }
  ByteView rest_;
};

struct HashRow {
  int nid;
  HashId hash;
};
constexpr auto kHashes = std::to_array<HashRow>({{NID_sha1, HashId::sha1}, {NID_sha256, HashId::sha256}});

Result<HashId> parse_hash(ByteView algorithm) {
  Pieces pieces(algorithm);
  const auto oid = pieces.take(kOidTag);
  if (!oid || oid->content.empty()) return malformed("a hash algorithm is malformed");
  if (pieces.next_is(kNullTag)) {
    const auto null = pieces.take(kNullTag);
    if (!null || !null->content.empty()) return malformed("a hash algorithm is malformed");
  }
  // Other parameters belong to algorithms that are not known here.
  for (const HashRow& row : kHashes)
    if (pieces.at_end() && equal(oid->whole, der::object_identifier(row.nid))) return row.hash;
  return HashId::none;
}

Result<OcspCertificateId> parse_id(const der::Piece& whole) {
  OcspCertificateId id;
  Pieces pieces(whole.content);
  const auto algorithm = pieces.take(der::kSequenceTag);
  if (!algorithm) return malformed("a CertID has no hash algorithm");
  SKS_LET(id.hash, parse_hash(algorithm->content));
  const auto name = pieces.take(der::kOctetStringTag);
  const auto key = name ? pieces.take(der::kOctetStringTag) : std::nullopt;
  const auto serial = key ? pieces.take(der::kIntegerTag) : std::nullopt;
  if (!serial || !pieces.at_end()) return malformed("a CertID is malformed");
  if (serial->content.empty() || serial->content.size() > kMaxSerial) return malformed("a serial number is malformed");
  id.issuer_name_hash = to_bytes(name->content);
  id.issuer_key_hash = to_bytes(key->content);
  id.serial = to_bytes(serial->content);
  id.der = to_bytes(whole.whole);
  return id;
}

struct Extension {
  ByteView identifier;
  ByteView value;
  bool critical = false;
};

/// `explicit_content`: what stands inside of the tag [n] that holds Extensions.
Result<std::vector<Extension>> parse_extensions(ByteView explicit_content) {
  Pieces outer(explicit_content);
  const auto list = outer.take(der::kSequenceTag);
  if (!list || !outer.at_end() || list->content.empty()) return malformed("its extensions are malformed");
  std::vector<Extension> extensions;
  Pieces pieces(list->content);
  while (!pieces.at_end()) {
    const auto one = pieces.take(der::kSequenceTag);
    if (!one || extensions.size() == kMaxExtensions) return malformed("its extensions are malformed");
    Pieces parts(one->content);
    Extension extension;
    const auto oid = parts.take(kOidTag);
    if (oid && parts.next_is(kBooleanTag)) {
      const auto critical = parts.take(kBooleanTag);
      if (!critical || critical->content.size() != 1) return malformed("an extension is malformed");
      extension.critical = critical->content.front() != 0;
    }
    const auto value = oid ? parts.take(der::kOctetStringTag) : std::nullopt;
    if (!value || !parts.at_end()) return malformed("an extension is malformed");
    extension.identifier = oid->whole;
    extension.value = value->content;
    extensions.push_back(extension);
  }
  return extensions;
}

Result<void> take_extensions(ByteView content, Bytes* nonce) {
  SKS_LET(const std::vector<Extension> extensions, parse_extensions(content));
  const Bytes nonce_identifier = der::object_identifier(NID_id_pkix_OCSP_Nonce);
  for (const Extension& extension : extensions) {
    if (nonce == nullptr || !equal(extension.identifier, nonce_identifier)) {
      if (extension.critical) return malformed("it has a critical extension that is not known here");
      continue;
    }
    Pieces inner(extension.value);
    const auto value = inner.take(der::kOctetStringTag);
    if (!value || !inner.at_end() || value->content.empty() || value->content.size() > kMaxNonce || !nonce->empty())
      return malformed("its nonce is not one of 1 to 128 bytes");
    *nonce = to_bytes(extension.value);
  }
  return {};
}

Result<void> take_certificates(ByteView list, OcspRequest& request) {
  Pieces pieces(list);
  while (!pieces.at_end()) {
    const auto one = pieces.take(der::kSequenceTag);
    if (!one) return malformed("its list of certificates is malformed");
    if (request.certificates.size() == kMaxOcspCertificates) return malformed("it asks about too many certificates");
    Pieces parts(one->content);
    const auto id = parts.take(der::kSequenceTag);
    if (!id) return malformed("its list of certificates is malformed");
    SKS_LET(OcspCertificateId parsed, parse_id(*id));
    if (const auto extensions = parts.take(kExplicit)) SKS_TRY(take_extensions(extensions->content, nullptr));
    if (!parts.at_end()) return malformed("its list of certificates is malformed");
    request.certificates.push_back(std::move(parsed));
  }
  if (request.certificates.empty()) return malformed("it asks about no certificate");
  return {};
}

}  // namespace

Result<OcspRequest> parse_ocsp_request(ByteView whole) {
  constexpr std::array<std::uint8_t, 3> kVersion1{der::kIntegerTag, 1, 0};
  if (whole.size() > kMaxOcspRequest) return malformed("it is too long");
  Pieces outside(whole);
  const auto request_sequence = outside.take(der::kSequenceTag);
  if (!request_sequence || !outside.at_end()) return malformed("it is not one DER sequence");
  Pieces outer(request_sequence->content);
  const auto to_be_signed = outer.take(der::kSequenceTag);
  if (!to_be_signed) return malformed("it holds no question");
  if (!outer.at_end() && (!outer.take(kExplicit) || !outer.at_end())) return malformed("its signature is malformed");

  Pieces pieces(to_be_signed->content);
  if (const auto version = pieces.take(kExplicit); version && !equal(version->content, kVersion1))
    return malformed("its version is not 1");
  (void)pieces.take(kExplicit | 1U);  // requestorName: who asks makes no difference
  OcspRequest request;
  const auto list = pieces.take(der::kSequenceTag);
  if (!list) return malformed("it has no list of certificates");
  SKS_TRY(take_certificates(list->content, request));
  if (const auto extensions = pieces.take(kExplicit | 2U))
    SKS_TRY(take_extensions(extensions->content, &request.nonce));
  if (!pieces.at_end()) return malformed("there is something after its end");
  return request;
}

}  // namespace sks::issuer
