#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/key-user-api/pkcs11/provision.h"
#include "tests/support/temp_dir.h"

/// A program for tools.sh, which makes the test store in $SKS_STORE and writes its authority to $SKS_CA.
TEST_CASE("make the store") {
  const char* const folder = std::getenv("SKS_STORE");
  const char* const authority = std::getenv("SKS_CA");
  REQUIRE(folder != nullptr);
  REQUIRE(authority != nullptr);
  sks::test::write_file(authority, sks::test::provision_store(folder));
}
