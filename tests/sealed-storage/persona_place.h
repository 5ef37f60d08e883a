#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <utility>

#include "sealed-storage/persona.h"
#include "tests/sealed-storage/secrets.h"
#include "tests/sealed-storage/store_fixture.h"
#include "tests/sealed-storage/vector_store.h"

/// Places that personas are moved to and from, for one test.
namespace sks::test {

inline constexpr crypto::ScryptCosts kLowCosts{10, 8, 1};
inline constexpr const char* kPassphrase = "Sesam";

inline std::string vector_file() { return read_file(source_file("tests/vectors/sealed-storage/persona-v1.sks")); }

struct Place {
  TempDir dir;
  std::string file = dir.file("file");
  std::string folder = dir.file("store");

  Result<void> import_now(const std::string& passphrase = kPassphrase) const {
    FixedSecrets secrets(passphrase);
    return import_with(secrets);
  }
  Result<void> import_with(SecretSource& secrets, const sealed::Stop& stop = sealed::never) const {
    SKS_LET(sealed::ExportedPersona exported, sealed::ExportedPersona::open(file));
    return exported.import_to(folder, sealed::key_file_provider(), no_secrets(), secrets, stop);
  }

  /// What the import of this content is refused with; nothing may have changed.
  std::string refusal(const std::string& content, const std::string& passphrase = kPassphrase) const {
    write_file(file, content);
    const Result<void> refused = import_now(passphrase);
    REQUIRE_FALSE(refused);
    CHECK(read_file(file) == content);
    CHECK(entries(dir.path()) == "file");
    std::string sentence = refused.error().detail;
    if (sentence.starts_with(file)) sentence.replace(0, file.size(), "FILE");
    return std::string(to_string(refused.error().status)) + " " + sentence;
  }
};

inline Result<void> export_now(const VectorStore& store, const std::string& file) {
  FixedSecrets secrets(kPassphrase, kPassphrase);
  return sealed::export_store({store.folder, "work", file, {}, kLowCosts}, no_secrets(), secrets);
}

/// Gives the passphrase, after something else has happened.
class WatchedSecrets final : public SecretSource {
 public:
  /// `before` a passphrase is chosen, and when it is asked for to open what was `written`.
  WatchedSecrets(std::function<void()> before, std::function<void()> written)
      : before_(std::move(before)), written_(std::move(written)) {}

  Result<SecureBytes> get(Secret secret, const std::string& /*store*/) override {
    secret == Secret::passphrase ? written_() : before_();
    return SecureBytes::copy_of(as_bytes(kPassphrase));
  }

 private:
  std::function<void()> before_;
  std::function<void()> written_;
};

/// What a store in a folder "store" is refused with when its master key is missing.
inline std::string missing_key(const std::string& folder) {
  return "the master key of " + folder +
         " is missing: bring it back; if the store was being removed, 'sks persona delete store' finishes that";
}

}  // namespace sks::test
