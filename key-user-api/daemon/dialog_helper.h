#pragma once

#include <chrono>
#include <mutex>

#include "key-user-api/token/service.h"
#include "sks-core/wire/socket.h"

namespace sks::daemon {

/// Asks the user through a pinentry program, in a process that has neither the store nor its secrets and may start
/// programs, which this process may not once it is hardened.
///
/// One question at a time. A question ends without an answer when the client that the thread works for goes away
/// (current_client()), or at stop().
class DialogHelper final : public token::TrustedDialog {
 public:
  /// Starts that process, before there are threads or secrets. Fails with not_available.
  static Result<std::unique_ptr<DialogHelper>> start();
  /// Ends it, and the question that it asks.
  ~DialogHelper() override;

  std::optional<SecureBytes> ask(const Question& question) override;
  bool confirm(const Question& question) override;

  /// From now on nobody is asked. From any thread.
  void stop() noexcept;

  /// Why the last question got no answer from the user; empty when it got one, be it a refusal.
  std::string failure() const;

 private:
  DialogHelper(pid_t process, wire::Descriptor socket, wire::Descriptor stopped);
  std::optional<SecureBytes> transact(const Question& question, bool consent);
  bool send_question(const Question& question, bool consent);
  bool is_over() const;
  std::optional<SecureBytes> await_answer();

  const pid_t process_;
  wire::Descriptor socket_;
  wire::Descriptor stopped_;  ///< readable from stop() on
  mutable std::mutex mutex_;  // of what follows, and for one question after the other
  std::uint32_t number_ = 0;
  mutable std::mutex failure_mutex_;
  std::string failure_;
};

}  // namespace sks::daemon
