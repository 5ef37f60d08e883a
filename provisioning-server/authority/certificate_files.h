#pragma once

#include <string>
#include <vector>

#include "provisioning-server/authority/file_seal.h"
#include "provisioning-server/url.h"
#include "sks-core/crypto/x509.h"

/// The certificates that an issuer makes for itself, and their files.
namespace sks::issuer {

inline constexpr std::int64_t kAuthorityDays = 20 * 365;

/// A file that is written before its certificate and takes the place of a key after it: whatever happens in between,
/// one of the two names holds the key of the certificate.
std::string next_key_file(const std::string& key_file);

/// Every certificate of a PEM file, at least one. Fails as read_file(), or with option and the file in the sentence.
Result<std::vector<crypto::Certificate>> read_certificates(const std::string& file);
std::string certificates_to_pem(const std::vector<crypto::Certificate>& certificates);

/// The key in `file` or in next_key_file() whose public half is `key`. Fails as read_key_file(), or with option when
/// neither is.
Result<crypto::PrivateKey> read_paired_key(const std::string& file, const crypto::PublicKey& key, const FileSeal& seal);

/// A P-256 key. Fails with crypto.
Result<crypto::PrivateKey> make_key();

/// Self-signed. `subject` is the DER of a Name. Fails as crypto::issue_certificate().
Result<crypto::Certificate> make_authority_certificate(const Bytes& subject, const crypto::Signer& signer,
                                                       std::int64_t now);
/// DER of "CN=WHAT for HOST", or "CN=WHAT" when that is longer than a common name may be.
Bytes common_name(const std::string& what, const MainUrl& url);

/// For the host of `url`. Fails as crypto::issue_certificate().
Result<crypto::Certificate> make_server_certificate(const MainUrl& url, const crypto::PublicKey& key,
                                                    const crypto::Certificate& authority, const crypto::Signer& signer,
                                                    std::int64_t now, std::int64_t days);

}  // namespace sks::issuer
