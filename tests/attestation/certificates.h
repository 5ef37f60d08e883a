#pragma once

#include <doctest/doctest.h>

#include "sks-core/base/encoding.h"
#include "tests/support/temp_dir.h"

namespace sks::test {

/// The one PEM block of a file of tests/vectors/attestation/.
inline Bytes pem(const std::string& file, std::string_view label) {
  Result<std::vector<Bytes>> blocks =
      from_pem(read_file(source_file("tests/vectors/attestation/" + file + ".pem")), label);
  REQUIRE(blocks);
  REQUIRE(blocks->size() == 1);
  return blocks->front();
}

inline Bytes certificate(const std::string& name) { return pem(name, "CERTIFICATE"); }
inline Bytes private_key(const std::string& name) { return pem(name + ".key", "PRIVATE KEY"); }

inline std::vector<Bytes> path(std::initializer_list<const char*> names) {
  std::vector<Bytes> certificates;
  for (const char* name : names) certificates.push_back(certificate(name));
  return certificates;
}

}  // namespace sks::test
