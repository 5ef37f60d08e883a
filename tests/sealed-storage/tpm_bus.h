#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "sealed-storage/files.h"
#include "sks-core/base/bytes.h"
#include "tests/support/temp_dir.h"

namespace sks::test {

/// Somebody on the wires between a program and a TPM: hears every command and answer, and may alter the answers.
class TpmBus {
 public:
  /// `target`: the socket of the TPM.
  explicit TpmBus(std::string target);
  TpmBus(const TpmBus&) = delete;
  TpmBus& operator=(const TpmBus&) = delete;
  ~TpmBus();

  std::string tcti() const { return "swtpm:path=" + socket(); }

  /// Everything that went over the wires so far.
  std::string heard() const;

  /// Is given each command's code and the answer to it. Set while nothing uses the bus.
  std::function<void(std::uint32_t command, Bytes& answer)> alter;

 private:
  std::string socket() const { return dir_.file("bus"); }
  void serve_commands();
  void serve_control();
  void note(const Bytes& message);

  TempDir dir_;
  std::string target_;
  sealed::FileDescriptor commands_;
  sealed::FileDescriptor control_;
  mutable std::mutex mutex_;
  std::string heard_;
  std::thread command_thread_;
  std::thread control_thread_;
};

}  // namespace sks::test
