#pragma once

#include <openssl/x509_vfy.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sks-core/base/clock.h"
#include "sks-core/crypto/x509.h"

/// Paths from a device certificate to an authority that an issuer has configured. Spec: keygen2.md 9.2, RFC 5280.
namespace sks::attestation {

/// A certificate revocation list.
class RevocationList {
 public:
  /// Fails with crypto when it does not decode, when bytes follow it, or when it does not say when the next one comes.
  static Result<RevocationList> from_der(ByteView der);

  /// RFC 2253 text, for people.
  std::string issuer() const;
  /// Seconds since 1970.
  std::int64_t this_update() const;
  std::int64_t next_update() const;
  std::size_t size() const;  ///< how many certificates it withdraws
  /// Whether it names `authority` as its issuer; and whether its signature verifies with the key of that authority.
  bool names(const crypto::Certificate& authority) const;
  bool is_signed_by(const crypto::Certificate& authority) const;
  X509_CRL* openssl() const { return list_.get(); }

 private:
  explicit RevocationList(std::shared_ptr<X509_CRL> list) : list_(std::move(list)) {}
  std::shared_ptr<X509_CRL> list_;
};

/// Which paths count.
struct DevicePathRules {
  enum class Revocation : std::uint8_t {
    none,          ///< lists are not looked at
    if_available,  ///< a certificate that a list withdraws is refused; no list, or one out of its time, says nothing
    required,      ///< also refused: everything that no valid list says something about
  };
  enum class Period : std::uint8_t {
    all,          ///< every certificate must be within its period of validity
    authorities,  ///< the device certificate need not be
    none,         ///< no certificate need be
  };
  std::vector<crypto::Certificate> authorities;
  std::vector<RevocationList> lists;
  Revocation revocation = Revocation::none;
  Period period = Period::all;
  std::optional<std::size_t> max_intermediates;  ///< between the device certificate and the authority
};

/// What stands against a path.
enum class PathFault : std::uint8_t {
  none,
  unknown_authority,
  period,              ///< a certificate has expired, or is not valid yet
  rules,               ///< too long, or not as RFC 5280 wants it
  revoked,             ///< by a list
  revocation_unknown,  ///< no valid list tells
};
struct PathVerdict {
  PathFault fault = PathFault::none;
  std::string sentence = {};  ///< why; with fault none: what was let pass, or empty
};

/// Builds paths over what devices show to the authorities. Safe for several threads.
///
/// An authority is trusted because it is configured, not because it is self-signed: it may be an intermediate whose own
/// issuer nobody configured, and a device need not show it. It must be a CA, so that a device certificate that was put
/// among the authorities by mistake does not become its own trust.
class DevicePathVerifier {
 public:
  explicit DevicePathVerifier(DevicePathRules rules);
  /// `path` is not empty: the device certificate first.
  PathVerdict verify(const std::vector<crypto::Certificate>& path, const Clock& clock) const;

 private:
  DevicePathRules rules_;
  std::shared_ptr<X509_STORE> store_;
};

}  // namespace sks::attestation
