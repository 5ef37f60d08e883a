#pragma once

#include <memory>

#include "sks-core/engine/secure_key_store.h"

namespace sks::wire {

/// Carries the body of a request to a key store and the body of its response back.
///
/// Calls come from one thread at a time.
class Channel {
 public:
  virtual ~Channel() = default;
  /// Fails with external when the connection breaks; whether the request has been carried out is then unknown. Fails
  /// with not_available when there is no connection, so that nothing has been sent.
  virtual Result<SecureBytes> transact(ByteView request) = 0;
};

/// The byte stream within one process, to a key store that must outlive the channel.
class LocalChannel final : public Channel {
 public:
  explicit LocalChannel(SecureKeyStore& store) : store_(store) {}
  Result<SecureBytes> transact(ByteView request) override;

 private:
  SecureKeyStore& store_;
};

}  // namespace sks::wire
