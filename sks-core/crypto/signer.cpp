#include "sks-core/crypto/signer.h"

#include <openssl/obj_mac.h>

#include <algorithm>
#include <array>

#include "sks-core/crypto/der.h"
#include "sks-core/crypto/hash.h"

namespace sks::crypto {
namespace {

struct CurveRow {
  Curve curve;
  HashId hash;
  int nid;
};
constexpr auto kCurves = std::to_array<CurveRow>({
    {Curve::p256, HashId::sha256, NID_ecdsa_with_SHA256},
    {Curve::p384, HashId::sha384, NID_ecdsa_with_SHA384},
    {Curve::p521, HashId::sha512, NID_ecdsa_with_SHA512},
});

const CurveRow* curve_row(const PublicKey& key) {
  if (key.kind() != KeyKind::ec) return nullptr;
  const auto* const row = std::ranges::find(kCurves, key.curve(), &CurveRow::curve);
  return row == kCurves.end() ? nullptr : row;
}

}  // namespace

HashId signature_hash(const PublicKey& key) {
  const CurveRow* const row = curve_row(key);
  return row == nullptr ? HashId::sha256 : row->hash;
}

Result<Bytes> signature_algorithm(const PublicKey& key) {
  constexpr std::array<std::uint8_t, 2> kNull{0x05, 0x00};  // RFC 4055, 5: there for RSA, absent for ECDSA
  if (key.kind() == KeyKind::rsa) return der::sequence({der::object_identifier(NID_sha256WithRSAEncryption), kNull});
  const CurveRow* const row = curve_row(key);
  if (row == nullptr) return Error{Status::option, "A key of this type cannot sign certificates"};
  return der::sequence({der::object_identifier(row->nid)});
}

Result<Bytes> signed_sequence(ByteView signed_part, const Signer& signer) {
  SKS_LET(const Bytes algorithm, signature_algorithm(signer.public_key()));
  SKS_LET(const Bytes signature, signer.sign(signed_part));
  return der::sequence({signed_part, algorithm, der::bit_string(signature)});
}

ByteView subject_public_key(const PublicKey& key) {
  const der::Piece algorithm = der::first_piece(der::first_piece(key.spki()).content);
  const der::Piece bits = der::first_piece(algorithm.rest);
  SKS_CHECK(bits.tag == der::kBitStringTag && !bits.content.empty());
  return bits.content.subspan(1);
}

Bytes key_identifier(const PublicKey& key) { return sha1(subject_public_key(key)); }

Result<Bytes> KeySigner::sign(ByteView message) const {
  const HashId hash = signature_hash(public_key());
  if (public_key().kind() == KeyKind::rsa) return key_->sign_rsa(hash, message);
  SKS_LET(const Bytes raw, key_->sign_ecdsa(hash, message));
  return ecdsa_raw_to_der(public_key().curve(), raw);
}

}  // namespace sks::crypto
