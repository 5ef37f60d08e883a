#include "provisioning-server/certificate_authority.h"

#include <algorithm>

namespace sks::issuer {
namespace {

constexpr std::int64_t kDay = 86400;
// Devices with a clock that is a little slow must not see a certificate from the future.
constexpr std::int64_t kBackdating = 300;

}  // namespace

SoftwareAuthority::SoftwareAuthority(const crypto::Certificate& certificate, crypto::PrivateKey key, const Clock& clock)
    : path_(std::vector<Bytes>{certificate.der()}), key_(std::move(key)), clock_(&clock) {}

Result<SoftwareAuthority> SoftwareAuthority::from_parts(const crypto::Certificate& certificate, crypto::PrivateKey key,
                                                        const Clock& clock) {
  if (!certificate.is_ca()) return Error{Status::option, "the certificate is not one of an authority"};
  if (!equal(certificate.spki(), key.public_key().spki()))
    return Error{Status::option, "the key is not the one of the certificate"};
  SKS_TRY(crypto::check_signs(key));
  return SoftwareAuthority(certificate, std::move(key), clock);
}

Result<crypto::CertificatePath> SoftwareAuthority::issue(const CertificateRequest& request,
                                                         const crypto::PublicKey& key) const {
  const std::int64_t now = clock_->now();
  if (now >= certificate().not_after()) return Error{Status::not_allowed, "the issuer's own certificate has expired"};
  crypto::CertificateTemplate contents;
  contents.kind = crypto::CertificateKind::tls_client;
  contents.subject = request.subject;
  contents.not_before = std::max(now - kBackdating, certificate().not_before());
  contents.not_after = std::min(now + request.validity_days * kDay, certificate().not_after());
  contents.emails = request.emails;
  return crypto::issue_below(path_, contents, key, key_);
}

}  // namespace sks::issuer
