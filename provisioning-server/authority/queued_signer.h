#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "sks-core/crypto/signer.h"

namespace sks::issuer {

struct QueueLimits {
  std::chrono::milliseconds patience{10000};  ///< how long one signature may take, waiting included
  std::size_t length = 64;                    ///< signatures that may wait at one time
};

/// A key in a device that does one thing at a time and may hang, such as a token behind PKCS#11: one thread asks the
/// device, everybody else waits in a bounded queue, and nobody waits for ever.
class QueuedSigner final : public crypto::Signer {
 public:
  /// The signature of a message as Signer::sign() returns it. Runs in one thread, never twice at the same time.
  using Device = std::function<Result<Bytes>(ByteView message)>;
  /// Whether the key is in the device; in the same thread.
  using Probe = std::function<Result<void>()>;

  /// `name` names the device in messages. Without `probe` a device that answers is one that has the key.
  QueuedSigner(
      std::string name, crypto::PublicKey public_key, Device device, QueueLimits limits,
      Probe probe = [] { return Result<void>(); });
  /// Does not wait for a device that hangs: its thread is left alone, with the device.
  ~QueuedSigner() override;
  QueuedSigner(const QueuedSigner&) = delete;
  QueuedSigner& operator=(const QueuedSigner&) = delete;

  const crypto::PublicKey& public_key() const override { return public_key_; }
  /// Fails with not_available (too many wait already; the device did not answer in time, now or since an earlier
  /// request), with crypto when what came back is no signature of this key, and otherwise as the device does.
  Result<Bytes> sign(ByteView message) const override;
  /// Waits in the same queue. Fails with not_available as sign(), and otherwise as the probe does.
  Result<void> check() const override;

 private:
  struct Worker;
  enum class Request : std::uint8_t { signature, check };
  Result<Bytes> ask(std::function<Result<Bytes>()> work) const;
  void note(Request request, const std::string& trouble) const;

  std::string name_;
  crypto::PublicKey public_key_;
  QueueLimits limits_;
  std::shared_ptr<Worker> worker_;
  mutable std::mutex trouble_mutex_;
  mutable std::string trouble_;                ///< what was logged last; empty when all is well
  mutable Request troubled_ = Request::check;  ///< what that was about
};

}  // namespace sks::issuer
