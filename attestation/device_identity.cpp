#include "attestation/device_identity.h"

namespace sks::attestation {
namespace {

/// 25 years of 365.25 days, in whole days, in seconds.
constexpr std::int64_t kValidity = std::int64_t{25 * 365 + 6} * 24 * 60 * 60;

std::string_view key_generation_uri(AttestationKeyType type) {
  switch (type) {
    case AttestationKeyType::p256:
      return "https://webpki.github.io/sks/algorithm#ec.nist.p256";
    case AttestationKeyType::rsa2048:
      return "https://webpki.github.io/sks/algorithm#rsa2048";
  }
  SKS_CHECK(false);
}

}  // namespace

SoftwareIdentity::SoftwareIdentity(std::vector<Bytes> path, crypto::PrivateKey key)
    : path_(std::move(path)), key_(std::move(key)) {}

Result<SoftwareIdentity> SoftwareIdentity::create(std::string_view name, AttestationKeyType type, const Clock& clock) {
  const Algorithm* const algorithm = find_algorithm(key_generation_uri(type));
  SKS_CHECK(algorithm != nullptr);
  SKS_LET(crypto::PrivateKey key, crypto::PrivateKey::generate(*algorithm));
  const std::int64_t now = clock.now();
  const crypto::CertificateTemplate what{
      crypto::CertificateKind::device, {{"CN", std::string(name)}}, now, now + kValidity, {}, {}, {}};
  SKS_LET(const crypto::Certificate certificate, crypto::issue_certificate(what, key.public_key(), nullptr, key));
  return SoftwareIdentity({certificate.der()}, std::move(key));
}

Result<SoftwareIdentity> SoftwareIdentity::from_parts(std::vector<Bytes> certificate_path, ByteView pkcs8) {
  SKS_LET(const std::vector<crypto::Certificate> path, crypto::parse_path(certificate_path));
  SKS_LET(crypto::PrivateKey key, crypto::PrivateKey::from_pkcs8(pkcs8));
  SKS_LET(const crypto::PublicKey certified, path.front().public_key());
  if (!equal(certified.spki(), key.public_key().spki())) {
    return Error{Status::option, "the attestation key is not that of the device certificate"};
  }
  if (certified.kind() != KeyKind::rsa && certified.kind() != KeyKind::ec) {
    return Error{Status::option, "an attestation key is an RSA or EC key"};
  }
  SKS_TRY(crypto::check_halves(key));
  return SoftwareIdentity(std::move(certificate_path), std::move(key));
}

Result<Bytes> SoftwareIdentity::sign(ByteView data) const { return key_.sign(data); }

Result<SecureBytes> SoftwareIdentity::private_key_pkcs8() const { return key_.to_pkcs8(); }

}  // namespace sks::attestation
