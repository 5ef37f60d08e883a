#pragma once

#include <string>

#include "tests/support/temp_dir.h"

namespace sks::test {

/// The store of the vectors, in a folder of its own and with the modes that version control does not keep.
struct VectorStore {
  VectorStore();

  TempDir dir;
  std::string folder = dir.file("store");
  std::string key = folder + "/master.key";
};

/// Everything in a store, read with whatever protection it has now; ends the test when it does not open.
std::string content_of(const std::string& folder, const std::string& passphrase = {});

}  // namespace sks::test
