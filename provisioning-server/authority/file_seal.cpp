#include "provisioning-server/authority/file_seal.h"

#include <sys/stat.h>

#include <filesystem>

#include "provisioning-server/internal/files.h"
#include "provisioning-server/session_seal.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/mac.h"

namespace sks::issuer {
namespace {

constexpr std::string_view kLabel = "OPENSKS SEALED FILE";
constexpr mode_t kPrivateFile = 0600;

Bytes associated_data(std::string_view name) { return ByteWriter().text("file").text(name).take(); }

std::string_view text_of(ByteView content) { return {reinterpret_cast<const char*>(content.data()), content.size()}; }

std::string name_of(const std::string& file) { return std::filesystem::path(file).filename().string(); }

Error in_file(const std::string& file, const Error& error) { return {error.status, file + ": " + error.detail}; }

}  // namespace

FileSeal::FileSeal(SecureBytes kek, const Random& random) : kek_(std::move(kek)), random_(random) {
  SKS_CHECK(kek_.size() == kKekSize);
}

SecureBytes FileSeal::key_for(std::string_view name) const {
  return crypto::hkdf_sha256(kek_.view(), as_bytes(name), as_bytes("OpenSKS issuer file"), crypto::kAes256Key);
}

std::string FileSeal::seal(std::string_view name, ByteView content) const {
  const Bytes nonce = random_.bytes(crypto::kGcmNonce);
  const SecureBytes key = key_for(name);
  const Bytes sealed = crypto::aes_256_gcm_seal(key.view(), nonce, associated_data(name), content);
  return to_pem(concat({nonce, sealed}), kLabel);
}

bool FileSeal::is_sealed(ByteView content) {
  return text_of(content).find("-----BEGIN " + std::string(kLabel) + "-----") != std::string_view::npos;
}

Result<SecureBytes> FileSeal::open(std::string_view name, SecureBytes content) const {
  if (!is_sealed(content.view())) return content;
  SKS_LET(const std::vector<Bytes> blocks, from_pem(text_of(content.view()), kLabel));
  if (blocks.size() != 1 || blocks.front().size() < crypto::kGcmNonce + crypto::kGcmTag)
    return Error{Status::option, "the sealed block is malformed"};
  const ByteView sealed = blocks.front();
  const SecureBytes key = key_for(name);
  Result<SecureBytes> opened = crypto::aes_256_gcm_open(key.view(), sealed.first(crypto::kGcmNonce),
                                                        associated_data(name), sealed.subspan(crypto::kGcmNonce));
  if (!opened)
    return Error{Status::crypto, "it was altered, belongs to another file, or was sealed under another keys/kek"};
  return opened;
}

Result<SecureBytes> read_sealable_file(const std::string& file, const FileSeal& seal) {
  SKS_LET(SecureBytes content, read_secret_file(file));
  Result<SecureBytes> opened = seal.open(name_of(file), std::move(content));
  if (!opened) return in_file(file, opened.error());
  return opened;
}

Result<crypto::PrivateKey> read_key_file(const std::string& file, const FileSeal& seal) {
  SKS_LET(const SecureBytes content, read_sealable_file(file, seal));
  Result<std::vector<Bytes>> blocks = from_pem(text_of(content.view()), "PRIVATE KEY");
  if (!blocks) return in_file(file, blocks.error());
  if (blocks->size() != 1) return Error{Status::option, file + " must hold one private key in PEM form"};
  Result<crypto::PrivateKey> key = crypto::PrivateKey::from_pkcs8(blocks->front());
  cleanse(blocks->front());
  if (!key) return in_file(file, key.error());
  return key;
}

Result<SecureBytes> key_to_pem(const crypto::PrivateKey& key) {
  SKS_LET(const SecureBytes pkcs8, key.to_pkcs8());
  std::string pem = to_pem(pkcs8.view(), "PRIVATE KEY");
  SecureBytes content = SecureBytes::copy_of(as_bytes(pem));
  cleanse({reinterpret_cast<std::uint8_t*>(pem.data()), pem.size()});
  return content;
}

Result<bool> is_plain_file(const std::string& file) {
  std::error_code failure;
  if (!std::filesystem::exists(file, failure)) return false;
  SKS_LET(const SecureBytes content, read_secret_file(file));
  return !FileSeal::is_sealed(content.view());
}

Result<void> seal_file(const std::string& file, const FileSeal& seal) {
  SKS_LET(const SecureBytes content, read_secret_file(file));
  if (FileSeal::is_sealed(content.view())) return {};
  return replace_file(file, seal.seal(name_of(file), content.view()), kPrivateFile);
}

}  // namespace sks::issuer
