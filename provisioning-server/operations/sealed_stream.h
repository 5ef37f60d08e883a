#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "sks-core/base/random.h"
#include "sks-core/base/result.h"
#include "sks-core/crypto/scrypt.h"

/// A file of any length under a passphrase, written and read from front to end in blocks that cannot be changed, left
/// out, moved or cut off. Spec: issuer-backup.md 1
namespace sks::issuer {

class SealedWriter {
 public:
  /// Makes a file that only its owner may read. Fails with option (the file exists) or storage.
  static Result<SealedWriter> create(const std::string& file, const SecureBytes& passphrase, const Random& random,
                                     crypto::ScryptCosts costs);

  Result<void> write(ByteView content);
  /// The last block; on disk when it returns.
  Result<void> finish();

 private:
  SealedWriter(std::string file, SecureBytes key, Bytes header)
      : file_(std::move(file)), key_(std::move(key)), header_(std::move(header)) {}
  Result<void> write_block(bool last);

  std::string file_;
  SecureBytes key_;
  Bytes header_;
  std::ofstream out_;
  Bytes block_;
  std::uint64_t index_ = 0;
};

class SealedReader {
 public:
  /// Fails with not_available (no such file), option (another kind of file, or one of a newer version), crypto (too
  /// short, or costs out of bounds) or authorization (wrong passphrase, or the first block was altered).
  static Result<SealedReader> open(const std::string& file, const SecureBytes& passphrase);

  /// Exactly `size` bytes. Fails with crypto when the file is damaged, or ends before.
  Result<SecureBytes> read(std::size_t size);
  /// Fails with crypto when something follows.
  Result<void> finish();

 private:
  SealedReader(std::string file, SecureBytes key, Bytes header)
      : file_(std::move(file)), key_(std::move(key)), header_(std::move(header)) {}
  Result<void> next_block();

  std::string file_;
  SecureBytes key_;
  Bytes header_;
  std::ifstream in_;
  SecureBytes block_;
  std::size_t used_ = 0;
  std::uint64_t index_ = 0;
  bool last_ = false;
};

}  // namespace sks::issuer
