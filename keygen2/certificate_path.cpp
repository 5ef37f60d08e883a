#include "keygen2/certificate_path.h"

#include "keygen2/distinguished_name.h"

namespace sks::keygen2 {
namespace {

Result<std::string> text_of(ByteView name_der) {
  SKS_LET(const crypto::Name name, crypto::parse_name(name_der));
  return distinguished_name(name);
}

}  // namespace

Outcome<void> check_certificate_path(const crypto::CertificatePath& path) {
  const Result<std::vector<crypto::Certificate>>& certificates = path.certificates();
  if (!certificates) return failure(ErrorClass::crypto, certificates.error());
  for (std::size_t i = 0; i + 1 < certificates->size(); ++i) {
    const auto issuer = text_of((*certificates)[i].issuer_der());
    const auto subject = text_of((*certificates)[i + 1].subject_der());
    if (!issuer || !subject || *issuer != *subject)
      return Failure{ErrorClass::crypto,
                     "Certificate path is broken: an issuer's name is not that of the next subject"};
  }
  return {};
}

}  // namespace sks::keygen2
