#pragma once

namespace sks::cli {

/// Ctrl-C and the other requests to stop, turned from a sudden end into a question that the code asks where it can stop
/// cleanly: blocking reads return, and what was begun is undone.
///
/// From construction to destruction SIGINT, SIGTERM and SIGHUP only set a flag. A guard within another one does nothing
/// of its own.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

/// Whether one of the signals has arrived since the outermost guard was made.
bool interrupted();

}  // namespace sks::cli
