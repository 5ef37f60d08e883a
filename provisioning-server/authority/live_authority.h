#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "provisioning-server/authority/authority_config.h"
#include "provisioning-server/authority/certificate_authority.h"
#include "provisioning-server/authority/file_seal.h"
#include "provisioning-server/issuer_paths.h"

namespace sks::issuer {

/// The key of the credential CA where `config` says: in a file, or in a token, which is not asked for anything yet.
/// `key` is the public half. Fails as read_key_file(), and with option when the file holds another key.
Result<std::shared_ptr<const crypto::Signer>> open_authority_key(const AuthorityConfig& config,
                                                                 const IssuerPaths& paths, const FileSeal& seal,
                                                                 const crypto::PublicKey& key);
/// The PIN of the token. Fails as read_sealable_file(), and with option when it is empty.
Result<SecureBytes> read_pin(const AuthorityConfig& config, const IssuerPaths& paths, const FileSeal& seal);
/// The same signer, whose calls are counted and bounded by `config`.
std::shared_ptr<const crypto::Signer> open_token_key(const AuthorityConfig& config, SecureBytes pin,
                                                     const crypto::PublicKey& key);

/// An authority and what signs for it; null when its key is not at hand any more.
struct AuthorityKey {
  crypto::Certificate certificate;
  std::shared_ptr<const crypto::Signer> signer;
};

/// Where the key of an authority stays when a fresh one takes its place: its revocation lists go on until it expires.
std::string retired_key_file(const IssuerPaths& paths, const crypto::Certificate& authority);

/// The credential CA of a running server: read from its files, and read again when these have been renewed. What is
/// under way goes on with the one it began with.
class LiveAuthority final : public CertificateAuthority {
 public:
  /// What stands in certificates of the authority with this certificate.
  using Addresses = std::function<StatusAddresses(const crypto::Certificate&)>;

  /// Fails as SigningAuthority::from_parts() and open_authority_key(), with the file in the sentence.
  static Result<std::unique_ptr<LiveAuthority>> open(AuthorityConfig config, const IssuerPaths& paths,
                                                     const FileSeal& seal, Addresses addresses, const Clock& clock);

  crypto::Certificate certificate() const override { return current()->certificate(); }
  Result<crypto::CertificatePath> issue(const CertificateRequest& request,
                                        const crypto::PublicKey& key) const override {
    return current()->issue(request, key);
  }
  bool may_wait() const override { return config_.home != AuthorityConfig::Home::file; }

  std::shared_ptr<const SigningAuthority> current() const;
  /// The one in use, then those that were replaced and have not expired: their certificates are still about.
  std::vector<AuthorityKey> authorities() const;

  /// Takes up what the files hold. False: nothing has changed. After an error everything stays as it was: also when
  /// the token has another key than the new certificate (crypto), or does not show that it has that one.
  Result<bool> reload();

  /// Whether the token has the key of the certificate, by one signature; nothing for a key in a file, which is looked
  /// at when it is read. Fails with crypto when it has another one, and otherwise as the token does.
  Result<void> prove_key() const;
  /// prove_key() for whoever is about to serve: fails with option when the token has another key, which could issue
  /// nothing. A token that does not answer may come back.
  Result<void> check_key_fits() const;

 private:
  Result<std::shared_ptr<const crypto::Signer>> open_other_key(const crypto::PublicKey& key, const std::string& stamp);
  /// Of an authority that was replaced: in its file, or in the token, which is not asked for it yet; null otherwise.
  /// `current` is the key in use.
  std::shared_ptr<const crypto::Signer> find_earlier_key(const crypto::Certificate& authority,
                                                         const std::shared_ptr<const crypto::Signer>& current) const;
  Result<std::shared_ptr<const crypto::Signer>> open_earlier_token_key(
      const crypto::Certificate& authority, const std::shared_ptr<const crypto::Signer>& current) const;
  LiveAuthority(AuthorityConfig config, IssuerPaths paths, const FileSeal& seal, Addresses addresses,
                const Clock& clock)
      : config_(std::move(config)),
        paths_(std::move(paths)),
        seal_(seal),
        addresses_(std::move(addresses)),
        clock_(clock) {}

  AuthorityConfig config_;
  IssuerPaths paths_;
  const FileSeal& seal_;
  Addresses addresses_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::string stamp_;
  std::optional<std::string> refused_stamp_;  ///< of the file whose key was not in the token
  std::shared_ptr<const SigningAuthority> current_;
  std::vector<AuthorityKey> authorities_;
};

}  // namespace sks::issuer
