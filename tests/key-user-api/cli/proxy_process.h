#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace sks::test {

/// connect_proxy.py in a process of its own, as long as the object lives.
class ProxyProcess {
 public:
  /// `options` are those of the script; the log is this object's matter.
  explicit ProxyProcess(std::vector<std::string> options = {});
  ~ProxyProcess();
  ProxyProcess(const ProxyProcess&) = delete;
  ProxyProcess& operator=(const ProxyProcess&) = delete;

  std::string address(const std::string& host = "127.0.0.1") const { return host + ":" + port_; }
  /// "CONNECT TARGET AUTHORIZATION" of each request so far, each with a line end.
  std::string log() const { return read_file(dir_.file("log")); }

 private:
  TempDir dir_;
  pid_t process_ = -1;
  int input_ = -1;
  std::string port_;
};

}  // namespace sks::test
