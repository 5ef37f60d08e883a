#include "provisioning-server/certificate_authority.h"

#include <algorithm>

namespace sks::issuer {
namespace {

constexpr std::int64_t kDay = 86400;
// Devices with a clock that is a little slow must not see a certificate from the future.
constexpr std::int64_t kBackdating = 300;

}  // namespace

SoftwareAuthority::SoftwareAuthority(crypto::Certificate certificate, crypto::PrivateKey key, const Clock& clock)
    : certificate_(std::move(certificate)), key_(std::move(key)), clock_(&clock) {}

Result<SoftwareAuthority> SoftwareAuthority::from_parts(crypto::Certificate certificate, crypto::PrivateKey key,
                                                        const Clock& clock) {
  if (!certificate.is_ca()) return Error{Status::option, "the certificate is not one of an authority"};
  SKS_LET(const crypto::PublicKey public_key, certificate.public_key());
  if (!equal(public_key.spki(), key.public_key().spki()))
    return Error{Status::option, "the key is not the one of the certificate"};
  return SoftwareAuthority(std::move(certificate), std::move(key), clock);
}

Result<std::vector<Bytes>> SoftwareAuthority::issue(const CertificateRequest& request,
                                                    const crypto::PublicKey& key) const {
  const std::int64_t now = clock_->now();
  if (now >= certificate_.not_after()) return Error{Status::not_allowed, "the issuer's own certificate has expired"};
  crypto::CertificateTemplate contents;
  contents.kind = crypto::CertificateKind::tls_client;
  contents.subject = request.subject;
  contents.not_before = std::max(now - kBackdating, certificate_.not_before());
  contents.not_after = std::min(now + request.validity_days * kDay, certificate_.not_after());
  contents.emails = request.emails;
  SKS_LET(const crypto::Certificate issued, crypto::issue_certificate(contents, key, &certificate_, key_));
  return std::vector<Bytes>{issued.der(), certificate_.der()};
}

}  // namespace sks::issuer
