#include "provisioning-server/directory/certificate_facts.h"

#include "sks-core/base/encoding.h"

namespace sks::issuer {

std::string serial_of(const crypto::Certificate& certificate) {
  const Bytes der = certificate.serial_number_der();
  // Tag and length: RFC 5280 allows 20 bytes, so that one byte tells the length.
  ByteView content = ByteView(der).subspan(2);
  if (content.size() > 1 && content.front() == 0) content = content.subspan(1);
  return to_hex(content);
}

}  // namespace sks::issuer
