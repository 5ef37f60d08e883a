#include <doctest/doctest.h>
#include <sys/syscall.h>

#include <algorithm>
#include <filesystem>

#include "tests/sealed-storage/killed_process.h"
#include "tests/sealed-storage/store_fixture.h"
#include "tests/sealed-storage/vector_store.h"
#include "tests/support/vectors.h"

/// The protection of a whole store is changed while the process dies at any of its system calls.
namespace sks::test {
namespace {

namespace fs = std::filesystem;

/// A file of the vectors that wraps the key of the store among them, at the lowest costs.
struct WrappedFile {
  std::string content;
  std::string passphrase;
};

WrappedFile find_wrapped_file() {
  WrappedFile found;
  const std::string key = read_file(source_file("tests/vectors/sealed-storage/store-v3/master.key")).substr(10, 32);
  for (const VectorBlock& block : read_vectors("sealed-storage/master-keys.vec")) {
    const std::string content = to_string(block.hex("File"));
    const std::string passphrase = block.has("Passphrase") ? to_string(block.hex("Passphrase")) : std::string();
    const bool same_key = to_string(block.hex("MasterKey")) == key;
    const bool ours = block.number("Provider") == 2 && same_key;
    if (ours) found = {content, passphrase};
  }
  REQUIRE(found.content.size() == 93);
  return found;
}

const WrappedFile& wrapped_file() {
  static const WrappedFile file = find_wrapped_file();
  return file;
}

/// Provider 2 without the time that a new wrapping takes.
const sealed::MasterKeyProvider& ready_made() {
  static const sealed::MasterKeyProvider provider{
      2, "passphrase",
      [](ByteView /*key*/, const sealed::ProviderContext& /*context*/) -> Result<SecureBytes> {
        return SecureBytes::copy_of(as_bytes(wrapped_file().content.substr(10, 79)));
      },
      nullptr};
  return provider;
}

}  // namespace

TEST_CASE("SqliteStore::reprotect: a death at any system call leaves a store that opens with all its records") {
  const std::string old_key = read_file(VectorStore().key);
  const std::string content = content_of(VectorStore().folder);
  REQUIRE(content.size() > 200);
  REQUIRE(wrapped_file().passphrase == "x");  // made before the children are
  std::size_t with_old = 0;
  std::size_t with_new = 0;
  for (std::size_t stop = 1;; ++stop) {
    CAPTURE(stop);
    const VectorStore store;
    std::vector<std::uint64_t> calls;
    const bool killed = killed_at(stop, calls, [&] {
      return static_cast<bool>(SqliteStore::reprotect(store.folder, ready_made(), no_secrets()));
    });
    const std::string key = read_file(store.key);
    REQUIRE((key == old_key || key == wrapped_file().content));
    if (std::ranges::find(calls, std::uint64_t{SYS_rename}) == calls.end()) REQUIRE(key == old_key);
    REQUIRE(content_of(store.folder, wrapped_file().passphrase) == content);
    REQUIRE_FALSE(fs::exists(store.key + ".new"));
    if (!killed) {
      CHECK(key == wrapped_file().content);
      break;
    }
    ++(key == old_key ? with_old : with_new);
  }
  const std::size_t deaths = with_old + with_new;
  MESSAGE(deaths << " deaths: " << with_old << " left the old protection, " << with_new << " the new one");
  CHECK(with_old > 50);
  CHECK(with_new > 5);
}

}  // namespace sks::test
