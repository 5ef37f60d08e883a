#pragma once

#include <sys/types.h>

#include <string>

#include "tests/support/temp_dir.h"

namespace sks::test {

/// A TPM 2.0 of its own: the program swtpm, with a state that outlives its process. Ended with the object.
class SoftwareTpm {
 public:
  SoftwareTpm();
  SoftwareTpm(const SoftwareTpm&) = delete;
  SoftwareTpm& operator=(const SoftwareTpm&) = delete;
  ~SoftwareTpm() { stop(); }

  /// As after power was cut and came back.
  void restart();
  void stop();

  std::string socket() const { return dir_.file("tpm"); }
  std::string tcti() const { return "swtpm:path=" + socket(); }

  /// Runs one of the tpm2-tools, with its arguments, on this TPM. Ends the test when it fails.
  void tool(const std::string& command) const;

  /// Puts the TPM into lockout: it refuses all that its protection against dictionary attacks covers.
  void lock_out() const;

  /// Takes up all of its memory for indices.
  void fill_memory() const;

 private:
  bool run_tool(const std::string& command) const;
  void start();

  TempDir dir_;
  pid_t pid_ = 0;
};

/// Makes programs and this process use that TPM while it lives.
class UseTpm {
 public:
  explicit UseTpm(const std::string& tcti);
  ~UseTpm();
  UseTpm(const UseTpm&) = delete;
  UseTpm& operator=(const UseTpm&) = delete;
};

}  // namespace sks::test
