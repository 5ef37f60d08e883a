#include "sks-core/base/random.h"
#include "tests/sks-core/model/world.h"

namespace sks::model {
namespace {

const char* algorithm_of(int pair) {
  if (pair == kRsaPair) return "https://webpki.github.io/sks/algorithm#rsa2048";
  if (pair == kP384Pair) return "https://webpki.github.io/sks/algorithm#ec.nist.p384";
  return "https://webpki.github.io/sks/algorithm#ec.nist.p256";
}

}  // namespace

Supplies& Supplies::get() {
  static Supplies supplies;
  return supplies;
}

Supplies::Supplies() {
  for (int pair = 0; pair < kPairs; ++pair) {
    const crypto::PrivateKey key = test::generate_key(algorithm_of(pair));
    pkcs8_.push_back(to_bytes(key.to_pkcs8().value().view()));
    public_keys_.push_back(key.public_key());
  }
  for (Kmk kmk = 1; kmk <= kKmks; ++kmk) kmks_.push_back(test::generate_key(algorithm_of(0)));
}

crypto::PrivateKey Supplies::pair(int index) const { return crypto::PrivateKey::from_pkcs8(pkcs8(index)).value(); }

const Bytes& Supplies::certificate(const Certificate& certificate) {
  Bytes& der = certificates_[certificate];
  if (der.empty()) {
    der = test::certify(public_key(certificate.pair).spki());
    names_[der] = certificate;
  }
  return der;
}

std::string Supplies::name_of_certificate(const Bytes& der) const {
  const auto found = names_.find(der);
  if (found == names_.end()) return "of somebody else";
  return std::to_string(found->second.pair) + "/" + std::to_string(found->second.serial);
}

std::string Supplies::name_of_kmk(const Bytes& spki) const {
  if (spki.empty()) return "0";
  for (Kmk number = 1; number <= kKmks; ++number)
    if (kmk(number).public_key().spki() == spki) return std::to_string(number);
  return "of somebody else";
}

}  // namespace sks::model
