#include <doctest/doctest.h>

#include "tests/sealed-storage/store_fixture.h"

/// A program that was built with SKS_TPM2=OFF: this test has absent.cpp in the place of what talks to a TPM.
namespace sks::test {

TEST_CASE("without TPM support: no store is protected or anchored by a TPM, and one sentence says why") {
  const std::string sentence = "this program was built without TPM support";
  const sealed::Protection tpm2 = *sealed::find_provider("tpm2");
  const sealed::AnchorChoice counter = sealed::parse_anchor("tpm2").value();
  TempDir dir;
  const auto check_absent = [&](const Result<void>& refused) {
    REQUIRE_FALSE(refused);
    CHECK(refused.error().status == Status::not_available);
    CHECK(refused.error().detail == sentence);
  };
  check_absent(SqliteStore::create(dir.file("new"), sample_identity(), tpm2, no_secrets(), {}));
  check_absent(
      SqliteStore::create(dir.file("new"), sample_identity(), sealed::key_file_provider(), no_secrets(), counter));
  CHECK(entries(dir.path()).empty());

  const StoreFixture store;
  const std::string database = read_file(store.file("store.db"));
  const std::string key = read_file(store.file("master.key"));
  check_absent(SqliteStore::reprotect(store.folder(), tpm2, no_secrets()));
  check_absent(SqliteStore::set_anchor(store.folder(), counter, no_secrets()));
  CHECK(read_file(store.file("store.db")) == database);
  CHECK(read_file(store.file("master.key")) == key);
}

}  // namespace sks::test
