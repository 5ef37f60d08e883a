#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "sks-core/wire/channel.h"

namespace sks::test {

/// A program that runs with its standard input and output in our hands.
class Child {
 public:
  explicit Child(const std::vector<std::string>& arguments);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int input() const { return input_; }
  int output() const { return output_; }
  void close_input();
  void kill();
  /// The exit code, or -1 when a signal has ended it.
  int wait();

 private:
  int input_ = -1;   // we write
  int output_ = -1;  // we read
  pid_t process_ = -1;
};

/// The byte stream through a child's standard input and output.
class ChildChannel final : public wire::Channel {
 public:
  explicit ChildChannel(Child& child) : child_(child) {}
  Result<SecureBytes> transact(ByteView request) override;

 private:
  Child& child_;
};

struct Finished {
  int code;
  std::string output;
};

/// Runs a program to its end. Its error output is among its output.
Finished run(std::vector<std::string> arguments);

}  // namespace sks::test
