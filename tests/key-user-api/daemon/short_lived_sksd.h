#pragma once

#include <string>

#include "tests/support/temp_dir.h"

namespace sks::test {

/// The sksd that applications start, for this process and the programs that it starts: SKSD_PROGRAM, with sockets and
/// logs in a folder of its own and nobody to ask for passphrases. Ended with the object.
class ShortLivedSksd {
 public:
  ShortLivedSksd();
  ~ShortLivedSksd();
  ShortLivedSksd(const ShortLivedSksd&) = delete;
  ShortLivedSksd& operator=(const ShortLivedSksd&) = delete;

  std::string socket_of(const std::string& persona) const { return folder_.file("sks/" + persona + ".sock"); }

 private:
  TempDir folder_;
};

}  // namespace sks::test
