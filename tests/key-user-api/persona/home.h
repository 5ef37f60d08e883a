#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/key-user-api/daemon/short_lived_sksd.h"
#include "tests/key-user-api/protection/program_run.h"
#include "tests/support/temp_dir.h"

namespace sks::test {

/// A user with a data folder of one's own, for this process and the programs that it starts.
class Home {
 public:
  Home() {
    ::setenv("XDG_DATA_HOME", dir_.file("data").c_str(), 1);
    for (const char* const name : {"SKS_STORE", "SKS_PERSONA", "SKS_SOCKET", "CREDENTIALS_DIRECTORY"}) ::unsetenv(name);
  }
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;
  ~Home() { ::unsetenv("XDG_DATA_HOME"); }

  std::string personas() const { return dir_.file("data/sks"); }
  std::string store(const std::string& persona) const { return personas() + "/" + persona; }
  std::string file(const std::string& name) const { return dir_.file(name); }

  /// A file for nobody else to read.
  std::string secret_file(const std::string& name, const std::string& content) const {
    write_file(file(name), content);
    std::filesystem::permissions(file(name), std::filesystem::perms(0600));
    return file(name);
  }

  const ShortLivedSksd& sksd() const { return sksd_; }

  ProgramRun sks(std::vector<std::string> arguments) const {
    return run_program_process(SKS_PROGRAM, std::move(arguments));
  }

 private:
  TempDir dir_;
  ShortLivedSksd sksd_;
};

}  // namespace sks::test
