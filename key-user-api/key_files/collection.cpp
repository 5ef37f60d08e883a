#include "key-user-api/key_files/collection.h"

#include <algorithm>

#include "key-user-api/key_files/der.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/crypto/private_key.h"

namespace sks::key_files {
namespace {

/// Rounds of hashing for all keys that come of the passphrase. Files of today ask for up to 600,000 each.
constexpr std::uint64_t kMaxIterations = 20'000'000;

/// Names of files end up on terminals and in certificates.
constexpr std::size_t kMaxLabel = 400;

std::string clean(std::string label) { return label.size() <= kMaxLabel && is_utf8(label) ? label : std::string(); }

}  // namespace

Error wrong_passphrase() { return {Status::authorization, "the passphrase of the file is wrong"}; }

Error damaged(std::string_view what) {
  (void)ossl::take_error("");
  return {Status::option, std::string(what) + " is damaged, or not complete"};
}

Result<ByteView> Passphrase::get() {
  if (!known_) {
    SKS_LET(known_, ask_());
  }
  return known_->view();
}

Result<void> Passphrase::spend(std::uint64_t iterations) {
  if (iterations <= kMaxIterations - spent_) {
    spent_ += iterations;
    return {};
  }
  return Error{Status::option, "the file asks for more work on its passphrase than this program does"};
}

Result<void> Collection::count() {
  if (++objects_ <= kMaxObjects) return {};
  return Error{Status::option, "the file holds more than " + std::to_string(kMaxObjects) + " keys and certificates"};
}

Result<void> Collection::add_private_key(ByteView pkcs8, std::string label) {
  SKS_TRY(count());
  const auto key = crypto::PrivateKey::from_pkcs8(pkcs8);
  if (!key) return unusable_key(pkcs8);
  SKS_LET(SecureBytes written, key->to_pkcs8());
  const Bytes& spki = key->public_key().spki();
  const auto is_same = [&](const PrivateKey& other) { return other.public_key == spki; };
  // Browsers put a key into a file once for each of its certificates.
  if (std::ranges::any_of(file_.private_keys, is_same)) return {};
  file_.private_keys.push_back({std::move(written), spki, clean(std::move(label)), {}});
  return {};
}

Result<void> Collection::add_private_key(EVP_PKEY* key, std::string label) {
  SKS_LET(const SecureBytes pkcs8, to_pkcs8(key));
  return add_private_key(pkcs8.view(), std::move(label));
}

Result<void> Collection::add_symmetric_key(SecureBytes value, std::string label) {
  SKS_TRY(count());
  if (value.empty()) return damaged("a symmetric key");
  file_.symmetric_keys.push_back({std::move(value), clean(std::move(label))});
  return {};
}

Result<void> Collection::add_certificate(ByteView der) {
  SKS_TRY(count());
  auto certificate = crypto::Certificate::from_der(der);
  if (!certificate) return damaged("a certificate");
  const auto is_same = [&](const crypto::Certificate& other) { return other.der() == certificate->der(); };
  if (std::ranges::any_of(certificates_, is_same)) return {};
  certificates_.push_back(std::move(*certificate));
  return {};
}

Result<KeyFile> Collection::finish() && {
  std::vector<bool> used(certificates_.size(), false);
  for (PrivateKey& key : file_.private_keys) {
    for (const std::size_t position : path_of(key.public_key, certificates_)) {
      key.certificate_path.push_back(certificates_[position].der());
      used[position] = true;
    }
  }
  for (std::size_t i = 0; i < certificates_.size(); ++i)
    if (!used[i]) file_.other_certificates.push_back(certificates_[i].der());
  return std::move(file_);
}

}  // namespace sks::key_files
