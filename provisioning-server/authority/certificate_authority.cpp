#include "provisioning-server/authority/certificate_authority.h"

#include <algorithm>

#include "provisioning-server/log.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kDay = 86400;
// Devices with a clock that is a little slow must not see a certificate from the future.
constexpr std::int64_t kBackdating = 300;

/// Why a key does not sign (a wrong PIN, another key in its place, a device that is away) says nothing about what it
/// was to sign: once somebody has seen to it, the same request succeeds.
class WaitingSigner final : public crypto::Signer {
 public:
  explicit WaitingSigner(const crypto::Signer& signer) : signer_(signer) {}

  const crypto::PublicKey& public_key() const override { return signer_.public_key(); }
  Result<void> check() const override { return signer_.check(); }
  Result<Bytes> sign(ByteView message) const override {
    Result<Bytes> signature = signer_.sign(message);
    if (signature || signature.error().status == Status::not_available) return signature;
    log_error("certificate-not-signed", {{"reason", signature.error().detail}});
    return Error{Status::not_available, signature.error().detail};
  }

 private:
  const crypto::Signer& signer_;
};

}  // namespace

SigningAuthority::SigningAuthority(const crypto::Certificate& certificate, std::shared_ptr<const crypto::Signer> signer,
                                   StatusAddresses addresses, const Clock& clock)
    : path_(std::vector<Bytes>{certificate.der()}),
      signer_(std::move(signer)),
      addresses_(std::move(addresses)),
      clock_(&clock) {}

Result<SigningAuthority> SigningAuthority::from_parts(const crypto::Certificate& certificate,
                                                      std::shared_ptr<const crypto::Signer> signer,
                                                      StatusAddresses addresses, const Clock& clock) {
  if (!certificate.is_ca()) return Error{Status::option, "the certificate is not one of an authority"};
  if (!equal(certificate.spki(), signer->public_key().spki()))
    return Error{Status::option, "the key is not the one of the certificate"};
  return SigningAuthority(certificate, std::move(signer), std::move(addresses), clock);
}

Result<crypto::CertificatePath> SigningAuthority::issue(const CertificateRequest& request,
                                                        const crypto::PublicKey& key) const {
  const crypto::Certificate& own = path_.certificates()->front();
  const std::int64_t now = clock_->now();
  if (now >= own.not_after()) return Error{Status::not_allowed, "the issuer's own certificate has expired"};
  crypto::CertificateTemplate contents;
  contents.kind = crypto::CertificateKind::tls_client;
  contents.subject = request.subject;
  contents.not_before = std::max(now - kBackdating, own.not_before());
  contents.not_after = std::min(now + request.validity_days * kDay, own.not_after());
  contents.emails = request.emails;
  contents.crl_urls = addresses_.crl;
  contents.ocsp_urls = addresses_.ocsp;
  contents.issuer_urls = addresses_.issuer;
  contents.extensions = request.extensions;
  return crypto::issue_below(path_, contents, key, WaitingSigner(*signer_));
}

}  // namespace sks::issuer
