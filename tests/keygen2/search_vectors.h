#pragma once

#include <doctest/doctest.h>

#include "sks-core/base/encoding.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vectors.h"

/// The files of tests/vectors/keygen2/search/.
namespace sks::test {

inline std::vector<VectorBlock> search_vectors(const std::string& name) {
  return read_vectors("keygen2/search/" + name + ".vec");
}

/// The value `name`, or of `name`Hex.
inline std::string search_text(const VectorBlock& block, const std::string& name) {
  if (!block.has(name + "Hex")) return block.text(name);
  const Bytes bytes = block.hex(name + "Hex");
  return {bytes.begin(), bytes.end()};
}

inline Bytes search_certificate(const std::string& name) {
  Result<std::vector<Bytes>> blocks =
      from_pem(read_file(source_file("tests/vectors/keygen2/search/" + name + ".pem")), "CERTIFICATE");
  REQUIRE(blocks);
  REQUIRE(blocks->size() == 1);
  return blocks->front();
}

}  // namespace sks::test
