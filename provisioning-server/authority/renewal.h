#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "provisioning-server/authority/authority_config.h"
#include "provisioning-server/authority/file_seal.h"
#include "provisioning-server/issuer_paths.h"
#include "provisioning-server/url.h"
#include "sks-core/base/clock.h"
#include "sks-core/crypto/x509.h"

/// New certificates for the server and its authorities, in place of the old ones, while servers run: they take them up
/// by themselves. One process at a time renews; a crash leaves the old certificate or the new one, each with its key.
namespace sks::issuer {

struct RenewalPlace {
  const IssuerPaths& paths;
  const MainUrl& url;
  const AuthorityConfig& authority;
  const RenewalConfig& renewal;
  const FileSeal& seal;
  const Clock& clock;
  /// Puts on record what is about to take the place of the old certificate, see renewal_text(): once all that may fail
  /// has been tried. When it fails, the old one stays.
  std::function<Result<void>(const std::string&)> note;
};

/// keep: the same key under a new certificate. fresh: another key.
enum class RenewalKey : std::uint8_t { keep, fresh };

/// "tls certificate FINGERPRINT with a new key"; `what` is "tls", "credential-ca" or "tls-ca".
std::string renewal_text(std::string_view what, const crypto::Certificate& made, RenewalKey key);

/// Clients notice nothing: they trust the authority. Fails with not_available when the key of the TLS CA is not there,
/// otherwise as reading of the files, writing of the files and RenewalPlace::note do.
Result<crypto::Certificate> renew_tls(const RenewalPlace& place, RenewalKey key);

/// Renews when two thirds of its life are over. None: not yet, or another process is at it. Fails as renew_tls().
Result<std::optional<crypto::Certificate>> renew_tls_when_due(const RenewalPlace& place);
bool is_renewal_due(const crypto::Certificate& certificate, std::int64_t now);

/// With the same key, whatever the authority has issued chains to the new certificate as well. With a fresh one, ca.pem
/// holds the old and the new certificate until the old one has expired, and clients need the new file before the TLS
/// certificate is renewed under the new authority. A fresh key in a token is the one that [authority] names.
///
/// Fails with option when that is the key in use, and otherwise as renew_tls() and the key's home.
Result<crypto::Certificate> renew_credential_authority(const RenewalPlace& place, RenewalKey key);
Result<crypto::Certificate> renew_tls_authority(const RenewalPlace& place, RenewalKey key);

}  // namespace sks::issuer
