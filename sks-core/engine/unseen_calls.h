#pragma once

#include <utility>

namespace sks {

/// For those who tell nobody of a session before it is closed. As long as an object of this class lives, a call of its
/// thread that opens a provisioning session of an Engine, or works in an open one, waits for no storage. What the call
/// returned must not be told before a call in the same session has succeeded without such an object, such as
/// closeProvisioningSession. A crash before that may take the whole session, as an abort would, and what is opened
/// later may get its handles. Key stores that are not an Engine take no notice.
class UnseenCalls {
 public:
  UnseenCalls() : outer_(std::exchange(made_, true)) {}
  UnseenCalls(const UnseenCalls&) = delete;
  UnseenCalls& operator=(const UnseenCalls&) = delete;
  ~UnseenCalls() { made_ = outer_; }

  /// Whether this thread makes such calls.
  static bool are_made() { return made_; }

 private:
  static inline thread_local bool made_ = false;
  const bool outer_;
};

}  // namespace sks
