#include "tests/sealed-storage/vector_store.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "tests/sealed-storage/secrets.h"
#include "tests/sealed-storage/store_fixture.h"

namespace sks::test {

namespace fs = std::filesystem;

VectorStore::VectorStore() {
  fs::copy(source_file("tests/vectors/sealed-storage/store-v3"), folder);
  fs::permissions(folder, fs::perms(0700));
  for (const auto& file : fs::directory_iterator(folder)) fs::permissions(file, fs::perms(0600));
}

std::string content_of(const std::string& folder, const std::string& passphrase) {
  FixedSecrets secrets(passphrase);
  const auto store = SqliteStore::open(folder, secrets);
  REQUIRE_MESSAGE(static_cast<bool>(store), (store ? std::string() : store.error().detail));
  REQUIRE((*store)->identity());
  auto transaction = (*store)->begin();
  REQUIRE(transaction);
  std::string content;
  for (const RecordKind kind : {RecordKind{1}, RecordKind{3}}) content += list(**transaction, kind) + ";";
  return content;
}

}  // namespace sks::test
