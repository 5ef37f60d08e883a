#include "provisioning-server/audit/audit_key.h"

#include <filesystem>

#include "provisioning-server/internal/files.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

constexpr const char* kP256 = "https://webpki.github.io/sks/algorithm#ec.nist.p256";
constexpr const char* kPublicLabel = "PUBLIC KEY";

}  // namespace

Result<void> make_audit_key(const std::string& key_file, const std::string& public_file, const FileSeal& seal) {
  const Algorithm* const algorithm = find_algorithm(kP256);
  SKS_CHECK(algorithm != nullptr);
  SKS_LET(const crypto::PrivateKey key, crypto::PrivateKey::generate(*algorithm));
  SKS_LET(const SecureBytes pem, key_to_pem(key));
  const std::string name = std::filesystem::path(key_file).filename().string();
  SKS_TRY(write_new_file(key_file, as_bytes(seal.seal(name, pem.view())), 0600));
  // Others may stand there: of other servers, or of a key that was lost.
  std::string known;
  if (Result<std::string> content = read_file(public_file)) known = std::move(content).value();
  return replace_file(public_file, known + to_pem(key.public_key().spki(), kPublicLabel), 0644);
}

Result<std::vector<crypto::PublicKey>> read_audit_keys(const std::string& public_file) {
  SKS_LET(const std::string content, read_file(public_file));
  const Result<std::vector<Bytes>> blocks = from_pem(content, kPublicLabel);
  if (!blocks) return Error{Status::option, public_file + ": " + blocks.error().detail};
  if (blocks->empty()) return Error{Status::option, public_file + " holds no public key in PEM form"};
  std::vector<crypto::PublicKey> keys;
  for (const Bytes& block : *blocks) {
    Result<crypto::PublicKey> key = crypto::PublicKey::from_spki(block);
    if (!key) return Error{Status::option, public_file + ": " + key.error().detail};
    keys.push_back(std::move(key).value());
  }
  return keys;
}

}  // namespace sks::issuer
