#include "provisioning-server/session_seal.h"

#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/mac.h"

namespace sks::issuer {
namespace {

SecureBytes session_key(const SecureBytes& kek, const std::string& session) {
  return crypto::hkdf_sha256(kek.view(), as_bytes(session), as_bytes("OpenSKS issuer session"), crypto::kAes256Key);
}

Bytes associated_data(const std::string& session, const std::string& purpose, std::uint64_t version) {
  return ByteWriter().text(session).text(purpose).u64(version).take();
}

}  // namespace

SessionSeal::SessionSeal(SecureBytes kek, const Random& random) : kek_(std::move(kek)), random_(random) {
  SKS_CHECK(kek_.size() == kKekSize);
}

SecureBytes SessionSeal::derive(std::string_view purpose) const {
  return crypto::hkdf_sha256(kek_.view(), {}, as_bytes("OpenSKS issuer " + std::string(purpose)), crypto::kAes256Key);
}

Bytes SessionSeal::seal(const std::string& session, const std::string& purpose, std::uint64_t version,
                        ByteView content) const {
  const Bytes nonce = random_.bytes(crypto::kGcmNonce);
  const SecureBytes key = session_key(kek_, session);
  return concat(
      {nonce, crypto::aes_256_gcm_seal(key.view(), nonce, associated_data(session, purpose, version), content)});
}

Result<SecureBytes> SessionSeal::open(const std::string& session, const std::string& purpose, std::uint64_t version,
                                      ByteView sealed) const {
  if (sealed.size() < crypto::kGcmNonce + crypto::kGcmTag) return Error{Status::crypto, "a sealed record is too short"};
  const SecureBytes key = session_key(kek_, session);
  return crypto::aes_256_gcm_open(key.view(), sealed.first(crypto::kGcmNonce),
                                  associated_data(session, purpose, version), sealed.subspan(crypto::kGcmNonce));
}

}  // namespace sks::issuer
