#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace sks::test {

/// A folder with a key store of its own, and sks to work with it.
class ProgramHome {
 public:
  struct Outcome {
    int exit_code;
    std::string out;
    std::string err;
  };

  ProgramHome();

  std::string store() const { return dir_.file("store"); }
  std::string file(const std::string& name) const { return dir_.file(name); }
  /// A file that is closed to others, as files of secrets have to be.
  std::string secret(const std::string& name, const std::string& text) const;
  std::string with_content(const std::string& name, const std::string& content) const;

  Outcome run(std::vector<std::string> arguments) const;
  /// What it wrote; ends the test when it fails.
  std::string output_of(std::vector<std::string> arguments) const;
  nlohmann::json json_of(std::vector<std::string> arguments) const;
  /// Checks that it fails with `exit_code`, writes nothing but one line on the error stream, and says `part` there.
  void check_refused(std::vector<std::string> arguments, const std::string& part, int exit_code = 1) const;

  /// The handle of a new key; `options` come behind "key create".
  std::string create(std::vector<std::string> options) const;

  /// Whether a shell command succeeds. What it writes is in said().
  bool shell(const std::string& command) const;
  std::string said() const;

 private:
  TempDir dir_;
};

}  // namespace sks::test
