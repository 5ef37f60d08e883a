#pragma once

#include "sks-core/crypto/x509.h"

namespace sks::conformance {

/// The certificate authority of a replay. It stands for those of the recordings, whose keys nobody has.
class ReplayAuthority {
 public:
  static Result<ReplayAuthority> create();

  /// A path like the recorded one, for a key of now: names, dates and extensions are kept, except those that identify
  /// keys. The end entity gets `subject_key`, every other certificate the key of this authority, and this authority
  /// signs all of them, so that the path holds. Serial numbers are new. Fails with crypto (a certificate that does not
  /// decode).
  Result<std::vector<Bytes>> certify_like(const std::vector<Bytes>& recorded,
                                          const crypto::PublicKey& subject_key) const;

 private:
  explicit ReplayAuthority(crypto::PrivateKey key) : key_(std::move(key)) {}

  crypto::PrivateKey key_;
};

}  // namespace sks::conformance
