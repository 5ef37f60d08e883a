#include "key-user-api/pkcs11/mechanisms.h"

#include <algorithm>
#include <array>

namespace sks::p11 {
namespace {

#define SKS_XMLDSIG_MORE "http://www.w3.org/2001/04/xmldsig-more#"
#define SKS_ALGORITHM "https://webpki.github.io/sks/algorithm#"

constexpr std::string_view kEcdsaNone = SKS_ALGORITHM "ecdsa.none";
constexpr std::string_view kEcdsaSha256 = SKS_XMLDSIG_MORE "ecdsa-sha256";
constexpr std::string_view kEcdsaSha384 = SKS_XMLDSIG_MORE "ecdsa-sha384";
constexpr std::string_view kEcdsaSha512 = SKS_XMLDSIG_MORE "ecdsa-sha512";
constexpr std::string_view kRsaNone = SKS_ALGORITHM "rsa.pkcs1.none";
constexpr std::string_view kRsaSha256 = SKS_XMLDSIG_MORE "rsa-sha256";
constexpr std::string_view kRsaSha384 = SKS_XMLDSIG_MORE "rsa-sha384";
constexpr std::string_view kRsaSha512 = SKS_XMLDSIG_MORE "rsa-sha512";

// A digest alone does not say which hash made it. Where its length names a hash, the algorithm with that hash comes
// first: a key endorsed for one hash only still signs such a digest.
constexpr std::array kEcdsaAny{kEcdsaSha256, kEcdsaSha384, kEcdsaSha512, kEcdsaNone};
constexpr std::array kEcdsa256{kEcdsaSha256};
constexpr std::array kEcdsa384{kEcdsaSha384};
constexpr std::array kEcdsa512{kEcdsaSha512};
constexpr std::array kRsaAny{kRsaSha256, kRsaSha384, kRsaSha512, kRsaNone};
constexpr std::array kRsa256{kRsaSha256};
constexpr std::array kRsa384{kRsaSha384};
constexpr std::array kRsa512{kRsaSha512};
constexpr std::array<std::string_view, 2> kEdwards{SKS_ALGORITHM "ed25519", SKS_ALGORITHM "ed448"};

constexpr CK_MECHANISM_INFO kRsaInfo{1024, 4096, CKF_SIGN};
constexpr CK_MECHANISM_INFO kEcInfo{256, 521, CKF_SIGN | CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS};
constexpr CK_MECHANISM_INFO kEdwardsInfo{255, 448, CKF_SIGN | CKF_EC_F_P | CKF_EC_NAMEDCURVE};

constexpr Mechanism kMechanisms[] = {
    {CKM_RSA_PKCS, SignInput::digest_info, HashId::none, kRsaAny, kRsaInfo},
    {CKM_SHA256_RSA_PKCS, SignInput::to_hash, HashId::sha256, kRsa256, kRsaInfo},
    {CKM_SHA384_RSA_PKCS, SignInput::to_hash, HashId::sha384, kRsa384, kRsaInfo},
    {CKM_SHA512_RSA_PKCS, SignInput::to_hash, HashId::sha512, kRsa512, kRsaInfo},
    {CKM_ECDSA, SignInput::digest, HashId::none, kEcdsaAny, kEcInfo},
    {CKM_ECDSA_SHA256, SignInput::to_hash, HashId::sha256, kEcdsa256, kEcInfo},
    {CKM_ECDSA_SHA384, SignInput::to_hash, HashId::sha384, kEcdsa384, kEcInfo},
    {CKM_ECDSA_SHA512, SignInput::to_hash, HashId::sha512, kEcdsa512, kEcInfo},
    {CKM_EDDSA, SignInput::message, HashId::none, kEdwards, kEdwardsInfo},
};

// An algorithm of a twisted Edwards curve is its own key type, and works with no other.
bool fits_key(std::string_view algorithm, KeyKind kind) {
  const Algorithm* const row = find_algorithm(algorithm);
  if (row == nullptr) return false;
  if (row->also_signature) return row->kind == kind;
  return kind == (row->family == KeyFamily::rsa ? KeyKind::rsa : KeyKind::ec);
}

}  // namespace

std::span<const Mechanism> all_mechanisms() { return kMechanisms; }

const Mechanism* find_mechanism(CK_MECHANISM_TYPE type) {
  const Mechanism* const found = std::ranges::find(kMechanisms, type, &Mechanism::type);
  return found == std::end(kMechanisms) ? nullptr : found;
}

bool fits(const Mechanism& mechanism, const UserKey& key) {
  return std::ranges::any_of(mechanism.algorithms,
                             [&](std::string_view uri) { return fits_key(uri, key.public_key.kind()); });
}

bool is_permitted(const Mechanism& mechanism, const UserKey& key) {
  return std::ranges::any_of(mechanism.algorithms, [&](std::string_view uri) {
    return fits_key(uri, key.public_key.kind()) && key.permits(uri);
  });
}

std::vector<CK_MECHANISM_TYPE> mechanisms_of(const UserKey& key) {
  std::vector<CK_MECHANISM_TYPE> types;
  for (const Mechanism& mechanism : kMechanisms)
    if (is_permitted(mechanism, key)) types.push_back(mechanism.type);
  return types;
}

}  // namespace sks::p11
