#pragma once

#include <string>

#include "tests/support/temp_dir.h"

namespace sks::test {

inline constexpr const char* kSoftHsm = SKS_SOFTHSM_MODULE;

/// A token of SoftHSM, label "issuer" and PIN 1234, with keys that its own tools have made. One at a time.
class SoftToken {
 public:
  SoftToken();

  void make_key(const std::string& type, const std::string& label, const std::string& id);
  void remove_key(const std::string& label);

 private:
  TempDir folder_;
};

}  // namespace sks::test
