#include "provisioning-server/authority/renewal.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "provisioning-server/authority/certificate_files.h"
#include "provisioning-server/authority/live_authority.h"
#include "provisioning-server/authority/renewal_lock.h"
#include "provisioning-server/internal/files.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kPrivateFile = 0600;
constexpr mode_t kPublicFile = 0644;
constexpr std::size_t kPreviousKept = 3;

using Certificates = std::vector<crypto::Certificate>;

Error system_error(const std::string& what) {
  return {Status::storage, what + ": " + std::strerror(errno)};  // NOLINT(concurrency-mt-unsafe): glibc's is
}

/// Moves a key whose certificate is in place already to its name; a key whose certificate never came is dropped.
Result<void> settle_key(const std::string& file, const Certificates& certificates, const FileSeal& seal) {
  const std::string next = next_key_file(file);
  std::error_code failure;
  if (!fs::exists(next, failure)) return {};
  for (const crypto::Certificate& certificate : certificates) {
    const Result<crypto::PublicKey> key = certificate.public_key();
    const Result<crypto::PrivateKey> own = read_key_file(file, seal);
    if (!key || (own && equal(own->public_key().spki(), key->spki()))) continue;
    if (!read_paired_key(file, *key, seal)) continue;
    return rename(next.c_str(), file.c_str()) == 0 ? Result<void>() : system_error("cannot replace " + file);
  }
  fs::remove(next, failure);
  return {};
}

/// Writes a key beside `file`, sealed if that one is.
Result<void> write_next_key(const std::string& file, const crypto::PrivateKey& key, const FileSeal& seal) {
  SKS_LET(const SecureBytes pem, key_to_pem(key));
  const std::string next = next_key_file(file);
  const Result<SecureBytes> old = read_secret_file(file);
  const bool is_plain = old && !FileSeal::is_sealed(old->view());
  if (is_plain) return write_new_file(next, pem.view(), kPrivateFile);
  return write_new_file(next, as_bytes(seal.seal(fs::path(file).filename().string(), pem.view())), kPrivateFile);
}

Result<void> replace_certificates(const std::string& file, const Certificates& certificates) {
  return replace_file(file, certificates_to_pem(certificates), kPublicFile);
}

/// Writes a file as it is: whether it can be replaced nothing else tells, and what cannot be must not be on record as
/// renewed.
Result<void> check_replaceable(const std::string& file) {
  SKS_LET(const std::string content, read_file(file));
  return replace_file(file, content, kPublicFile);
}

/// `list` with `fresh` in front of `old`, or in its place when both have one key; without what has expired.
Certificates with_successor(const Certificates& list, const crypto::Certificate& old, const crypto::Certificate& fresh,
                            std::int64_t now) {
  Certificates result;
  const bool same_key = equal(old.spki(), fresh.spki());
  bool done = false;
  for (const crypto::Certificate& certificate : list) {
    const bool is_old = certificate.der() == old.der();
    if (is_old) result.push_back(fresh);
    done = done || is_old;
    if (certificate.not_after() > now && !(is_old && same_key)) result.push_back(certificate);
  }
  if (!done) result.push_back(fresh);
  return result;
}

struct TlsAuthority {
  crypto::Certificate certificate;
  crypto::PrivateKey key;
};

/// ca.pem holds the certificates of both authorities: that of the TLS CA is the first one whose key is at hand.
Result<TlsAuthority> read_tls_authority(const RenewalPlace& place) {
  const std::string& file = place.paths.tls_ca_key;
  std::error_code failure;
  if (!fs::exists(file, failure))
    return Error{Status::not_available, file + " is not there: it is needed for a new TLS certificate"};
  SKS_LET(const Certificates anchors, read_certificates(place.paths.trust_anchors));
  SKS_TRY(settle_key(file, anchors, place.seal));
  SKS_LET(crypto::PrivateKey key, read_key_file(file, place.seal));
  for (const crypto::Certificate& anchor : anchors)
    if (equal(anchor.spki(), key.public_key().spki())) return TlsAuthority{anchor, std::move(key)};
  return Error{Status::option, place.paths.trust_anchors + " does not hold the certificate of " + file};
}

/// What sessions may still refer to is kept before it is replaced.
Result<void> keep_previous(const std::string& file, const crypto::Certificate& certificate) {
  Certificates previous{certificate};
  std::error_code failure;
  if (fs::exists(file, failure)) {
    SKS_LET(const Certificates older, read_certificates(file));
    for (const crypto::Certificate& one : older)
      if (previous.size() < kPreviousKept && one.der() != previous.back().der()) previous.push_back(one);
  }
  return replace_certificates(file, previous);
}

Result<crypto::Certificate> renew_tls_locked(const RenewalPlace& place, RenewalKey kind) {
  SKS_LET(const TlsAuthority authority, read_tls_authority(place));
  SKS_LET(const Certificates own, read_certificates(place.paths.tls_certificate));
  SKS_TRY(settle_key(place.paths.tls_key, {own.front()}, place.seal));
  SKS_LET(crypto::PublicKey key, own.front().public_key());
  if (kind == RenewalKey::fresh) {
    SKS_LET(const crypto::PrivateKey fresh, make_key());
    SKS_TRY(write_next_key(place.paths.tls_key, fresh, place.seal));
    key = fresh.public_key();
  }
  const crypto::KeySigner signer = crypto::KeySigner::borrow(authority.key);
  SKS_LET(crypto::Certificate made, make_server_certificate(place.url, key, authority.certificate, signer,
                                                            place.clock.now(), place.renewal.tls_days));
  SKS_TRY(keep_previous(place.paths.tls_previous, own.front()));
  SKS_TRY(check_replaceable(place.paths.tls_certificate));
  SKS_TRY(place.note(renewal_text("tls", made, kind)));
  SKS_TRY(replace_certificates(place.paths.tls_certificate, {made}));
  SKS_TRY(settle_key(place.paths.tls_key, {made}, place.seal));
  return made;
}

Result<std::optional<RenewalLock>> lock(const RenewalPlace& place, RenewalLock::Wait wait) {
  return RenewalLock::take(place.paths.renewal_lock, wait);
}

/// The key that is about to be replaced signs revocation lists for as long as its certificate lasts.
Result<void> keep_retired_key(const RenewalPlace& place, const crypto::Certificate& old) {
  const std::string file = retired_key_file(place.paths, old);
  std::error_code failure;
  if (fs::exists(file, failure)) return {};
  SKS_LET(const crypto::PrivateKey key, read_key_file(place.paths.credential_ca_key, place.seal));
  SKS_LET(const SecureBytes pem, key_to_pem(key));
  return replace_file(file, place.seal.seal(fs::path(file).filename().string(), pem.view()), kPrivateFile);
}

/// What signs the authority's new certificate: the key that it has, or the one that it gets.
Result<std::shared_ptr<const crypto::Signer>> credential_signer(const RenewalPlace& place,
                                                                const crypto::Certificate& old, RenewalKey kind) {
  SKS_LET(const crypto::PublicKey key, old.public_key());
  if (kind == RenewalKey::keep) return open_authority_key(place.authority, place.paths, place.seal, key);
  if (place.authority.home == AuthorityConfig::Home::file) {
    SKS_LET(crypto::PrivateKey fresh, make_key());
    SKS_TRY(keep_retired_key(place, old));
    SKS_TRY(write_next_key(place.paths.credential_ca_key, fresh, place.seal));
    return std::shared_ptr<const crypto::Signer>(std::make_shared<const crypto::KeySigner>(std::move(fresh)));
  }
  SKS_LET(SecureBytes pin, read_pin(place.authority, place.paths, place.seal));
  Pkcs11Key token(place.authority.location, SecureBytes::copy_of(pin.view()));
  SKS_LET(const crypto::PublicKey fresh, token.public_key());
  if (equal(fresh.spki(), key.spki()))
    return Error{Status::option,
                 "the key that [authority] names is the one in use: make another one in the token first"};
  return open_token_key(place.authority, std::move(pin), fresh);
}

}  // namespace

std::string renewal_text(std::string_view what, const crypto::Certificate& made, RenewalKey key) {
  return std::string(what) + " certificate " + to_hex(made.fingerprint()) +
         (key == RenewalKey::fresh ? " with a new key" : "");
}

bool is_renewal_due(const crypto::Certificate& certificate, std::int64_t now) {
  const std::int64_t life = certificate.not_after() - certificate.not_before();
  return now >= certificate.not_before() + life / 3 * 2;
}

Result<crypto::Certificate> renew_tls(const RenewalPlace& place, RenewalKey key) {
  SKS_LET(const std::optional<RenewalLock> held, lock(place, RenewalLock::Wait::yes));
  return renew_tls_locked(place, key);
}

Result<std::optional<crypto::Certificate>> renew_tls_when_due(const RenewalPlace& place) {
  const auto is_due = [&]() -> Result<bool> {
    SKS_LET(const Certificates own, read_certificates(place.paths.tls_certificate));
    return is_renewal_due(own.front(), place.clock.now());
  };
  SKS_LET(const bool due, is_due());
  if (!due) return std::optional<crypto::Certificate>();
  SKS_LET(const std::optional<RenewalLock> held, lock(place, RenewalLock::Wait::no));
  if (!held) return std::optional<crypto::Certificate>();
  SKS_LET(const bool still_due, is_due());  // another process may have done it since
  if (!still_due) return std::optional<crypto::Certificate>();
  SKS_LET(crypto::Certificate made,
          renew_tls_locked(place, place.renewal.new_key ? RenewalKey::fresh : RenewalKey::keep));
  return std::optional<crypto::Certificate>(std::move(made));
}

Result<crypto::Certificate> renew_credential_authority(const RenewalPlace& place, RenewalKey kind) {
  SKS_LET(const std::optional<RenewalLock> held, lock(place, RenewalLock::Wait::yes));
  SKS_LET(const Certificates own, read_certificates(place.paths.credential_ca));
  SKS_LET(const Certificates anchors, read_certificates(place.paths.trust_anchors));
  const crypto::Certificate& old = own.front();
  if (place.authority.home == AuthorityConfig::Home::file)
    SKS_TRY(settle_key(place.paths.credential_ca_key, {old}, place.seal));
  SKS_LET(const std::shared_ptr<const crypto::Signer> signer, credential_signer(place, old, kind));
  const std::int64_t now = place.clock.now();
  SKS_LET(crypto::Certificate made, make_authority_certificate(old.subject_der(), *signer, now));
  for (const std::string& file : {place.paths.trust_anchors, place.paths.credential_ca})
    SKS_TRY(check_replaceable(file));
  SKS_TRY(place.note(renewal_text("credential-ca", made, kind)));
  // Trusted before it is used.
  SKS_TRY(replace_certificates(place.paths.trust_anchors, with_successor(anchors, old, made, now)));
  SKS_TRY(replace_certificates(place.paths.credential_ca, with_successor(own, old, made, now)));
  if (place.authority.home == AuthorityConfig::Home::file)
    SKS_TRY(settle_key(place.paths.credential_ca_key, {made}, place.seal));
  return made;
}

Result<crypto::Certificate> renew_tls_authority(const RenewalPlace& place, RenewalKey kind) {
  SKS_LET(const std::optional<RenewalLock> held, lock(place, RenewalLock::Wait::yes));
  SKS_LET(TlsAuthority old, read_tls_authority(place));
  SKS_LET(const Certificates anchors, read_certificates(place.paths.trust_anchors));
  crypto::PrivateKey key = std::move(old.key);
  if (kind == RenewalKey::fresh) {
    SKS_LET(key, make_key());
    SKS_TRY(write_next_key(place.paths.tls_ca_key, key, place.seal));
  }
  const std::int64_t now = place.clock.now();
  const crypto::KeySigner signer = crypto::KeySigner::borrow(key);
  SKS_LET(crypto::Certificate made, make_authority_certificate(old.certificate.subject_der(), signer, now));
  SKS_TRY(check_replaceable(place.paths.trust_anchors));
  SKS_TRY(place.note(renewal_text("tls-ca", made, kind)));
  SKS_TRY(replace_certificates(place.paths.trust_anchors, with_successor(anchors, old.certificate, made, now)));
  SKS_TRY(settle_key(place.paths.tls_ca_key, {made}, place.seal));
  return made;
}

}  // namespace sks::issuer
