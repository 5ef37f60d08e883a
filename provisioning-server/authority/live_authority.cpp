#include "provisioning-server/authority/live_authority.h"

#include <filesystem>

#include "provisioning-server/authority/certificate_files.h"
#include "provisioning-server/authority/queued_signer.h"
#include "provisioning-server/internal/files.h"
#include "provisioning-server/log.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

/// Whether a token has the private key of the certificate: by what its object says, and by one signature, since two
/// keys on one curve may look the same. Once, when the key is taken up. Nobody chooses what is signed, and it begins as
/// nothing that a CA signs: certificates, lists and OCSP answers are SEQUENCEs of DER.
Result<void> prove(const crypto::Signer& signer) {
  constexpr std::size_t kRandom = 32;
  SKS_TRY(signer.check());
  const Bytes once = system_random().bytes(kRandom);
  SKS_TRY(signer.sign(concat({as_bytes("sks-issuer: proof that a token has the key of the CA "), once})));
  return {};
}

}  // namespace

std::string retired_key_file(const IssuerPaths& paths, const crypto::Certificate& authority) {
  constexpr std::size_t kDigits = 16;
  return paths.keys + "/credential-ca-" + to_hex(crypto::sha256(authority.spki())).substr(0, kDigits) + ".key";
}

Result<SecureBytes> read_pin(const AuthorityConfig& config, const IssuerPaths& paths, const FileSeal& seal) {
  if (config.pin_file.empty()) return SecureBytes();
  const std::string file = config.pin_file.starts_with('/') ? config.pin_file : paths.folder + '/' + config.pin_file;
  SKS_LET(SecureBytes pin, read_sealable_file(file, seal));
  // Editors end the last line.
  while (!pin.empty() && (pin.view().back() == '\n' || pin.view().back() == '\r')) pin.truncate(pin.size() - 1);
  if (pin.empty()) return Error{Status::option, file + " holds no PIN"};
  return pin;
}

std::shared_ptr<const crypto::Signer> open_token_key(const AuthorityConfig& config, SecureBytes pin,
                                                     const crypto::PublicKey& key) {
  const auto token = std::make_shared<Pkcs11Key>(config.location, std::move(pin));
  const std::string name =
      config.location.token_label.empty() ? config.location.token_serial : config.location.token_label;
  return std::make_shared<const QueuedSigner>(
      "token \"" + name + '"', key, [token, key](ByteView message) { return token->sign(key, message); },
      QueueLimits{std::chrono::seconds(config.timeout_seconds), static_cast<std::size_t>(config.queue)},
      [token, key] { return token->check(key); });
}

Result<std::shared_ptr<const crypto::Signer>> open_authority_key(const AuthorityConfig& config,
                                                                 const IssuerPaths& paths, const FileSeal& seal,
                                                                 const crypto::PublicKey& key) {
  if (config.home == AuthorityConfig::Home::pkcs11) {
    SKS_LET(SecureBytes pin, read_pin(config, paths, seal));
    return open_token_key(config, std::move(pin), key);
  }
  SKS_LET(crypto::PrivateKey own, read_paired_key(paths.credential_ca_key, key, seal));
  SKS_TRY(crypto::check_halves(own));
  return std::shared_ptr<const crypto::Signer>(std::make_shared<const crypto::KeySigner>(std::move(own)));
}

Result<std::unique_ptr<LiveAuthority>> LiveAuthority::open(AuthorityConfig config, const IssuerPaths& paths,
                                                           const FileSeal& seal, Addresses addresses,
                                                           const Clock& clock) {
  std::unique_ptr<LiveAuthority> authority(
      new LiveAuthority(std::move(config), paths, seal, std::move(addresses), clock));
  SKS_TRY(authority->reload());
  return authority;
}

std::shared_ptr<const SigningAuthority> LiveAuthority::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::vector<AuthorityKey> LiveAuthority::authorities() const {
  const std::lock_guard lock(mutex_);
  return authorities_;
}

Result<std::shared_ptr<const crypto::Signer>> LiveAuthority::open_earlier_token_key(
    const crypto::Certificate& authority, const std::shared_ptr<const crypto::Signer>& current) const {
  SKS_LET(const crypto::PublicKey key, authority.public_key());
  Pkcs11Location location = config_.location;
  location.key_label.clear();
  location.key_id.clear();
  location.spki = authority.spki();
  SKS_LET(SecureBytes pin, read_pin(config_, paths_, seal_));
  const auto token = std::make_shared<Pkcs11Key>(std::move(location), std::move(pin));
  // Behind the key in use, so that a PIN which the token has refused to that one is not tried once more.
  return std::shared_ptr<const crypto::Signer>(std::make_shared<const QueuedSigner>(
      "the key of an earlier certificate", key,
      [token, key, current](ByteView message) -> Result<Bytes> {
        SKS_TRY(current->check());
        return token->sign(key, message);
      },
      QueueLimits{std::chrono::seconds(config_.timeout_seconds), static_cast<std::size_t>(config_.queue)},
      [token, key, current]() -> Result<void> {
        SKS_TRY(current->check());
        return token->check(key);
      }));
}

std::shared_ptr<const crypto::Signer> LiveAuthority::find_earlier_key(
    const crypto::Certificate& authority, const std::shared_ptr<const crypto::Signer>& current) const {
  // The second one when the key has moved into a token since.
  for (const std::string& file : {retired_key_file(paths_, authority), paths_.credential_ca_key}) {
    std::error_code failure;
    if (!std::filesystem::exists(file, failure)) continue;
    Result<crypto::PrivateKey> key = read_key_file(file, seal_);
    if (key && equal(key->public_key().spki(), authority.spki()))
      return std::make_shared<const crypto::KeySigner>(std::move(key).value());
  }
  if (config_.home == AuthorityConfig::Home::pkcs11) {
    Result<std::shared_ptr<const crypto::Signer>> in_token = open_earlier_token_key(authority, current);
    if (in_token) return std::move(in_token).value();
  }
  // Its revocation list cannot be renewed.
  log_warning("earlier-authority-without-key", {{"authority", authority.subject()}});
  return nullptr;
}

Result<void> LiveAuthority::prove_key() const {
  return config_.home == AuthorityConfig::Home::file ? Result<void>() : prove(*current()->signer());
}

Result<void> LiveAuthority::check_key_fits() const {
  const Result<void> proven = prove_key();
  if (proven || proven.error().status != Status::crypto) return {};
  return Error{Status::option,
               "the key that [authority] names does not fit credential-ca.pem: " + proven.error().detail};
}

/// The key of a token that was chosen otherwise since this server was started is not where it looks.
Result<std::shared_ptr<const crypto::Signer>> LiveAuthority::open_other_key(const crypto::PublicKey& key,
                                                                            const std::string& stamp) {
  SKS_LET(const std::shared_ptr<const crypto::Signer> signer, open_authority_key(config_, paths_, seal_, key));
  if (current() == nullptr || config_.home == AuthorityConfig::Home::file) return signer;
  const Result<void> proven = prove(*signer);
  if (proven) return signer;
  if (proven.error().status == Status::not_available) return proven.error();
  // Not again for the same file: each try would bring a token that refuses the PIN nearer to its lock.
  const std::lock_guard lock(mutex_);
  refused_stamp_ = stamp;
  return Error{proven.error().status, paths_.credential_ca +
                                          " is not taken up, the certificate before it stays in use: " +
                                          proven.error().detail + "; reload when [authority] names its key"};
}

Result<bool> LiveAuthority::reload() {
  const std::string stamp = file_stamp(paths_.credential_ca);
  {
    const std::lock_guard lock(mutex_);
    if (current_ != nullptr && (stamp == stamp_ || stamp == refused_stamp_)) return false;
  }
  SKS_LET(std::vector<crypto::Certificate> certificates, read_certificates(paths_.credential_ca));
  const crypto::Certificate& first = certificates.front();
  const Result<crypto::PublicKey> key = first.public_key();
  if (!key) return Error{key.error().status, paths_.credential_ca + ": " + key.error().detail};
  // A token stays connected when only the certificate of its key is new.
  std::shared_ptr<const crypto::Signer> signer;
  if (const auto before = current(); before && config_.home == AuthorityConfig::Home::pkcs11 &&
                                     equal(before->signer()->public_key().spki(), key->spki()))
    signer = before->signer();
  if (signer == nullptr) {
    SKS_LET(signer, open_other_key(*key, stamp));
  }
  Result<SigningAuthority> assembled = SigningAuthority::from_parts(first, signer, addresses_(first), clock_);
  if (!assembled) return Error{assembled.error().status, paths_.credential_ca + ": " + assembled.error().detail};
  const std::int64_t now = clock_.now();
  std::vector<AuthorityKey> authorities{{first, signer}};
  for (const crypto::Certificate& earlier : certificates)
    if (earlier.not_after() > now && !equal(earlier.spki(), first.spki()))
      authorities.push_back({earlier, find_earlier_key(earlier, signer)});
  const std::lock_guard lock(mutex_);
  current_ = std::make_shared<const SigningAuthority>(std::move(assembled).value());
  authorities_ = std::move(authorities);
  stamp_ = stamp;
  return true;
}

}  // namespace sks::issuer
