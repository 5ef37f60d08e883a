#pragma once

#include <ostream>
#include <string>

#include "key-user-api/cli/commands.h"
#include "sealed-storage/files.h"
#include "sks-core/base/bytes.h"
#include "sks-core/crypto/algorithms.h"

/// What commands read that use keys, and what they write.
namespace sks::cli {

/// A file, or the standard input when its name is empty or "-".
class InputFile {
 public:
  /// Fails with not_available.
  static Result<InputFile> open(const std::string& path);

  /// For people.
  const std::string& name() const { return name_; }

  /// All of it, of any length, through the hash. Fails with storage.
  Result<Bytes> digest(HashId hash);
  /// All of it. Fails with storage, or with option and `too_long` when there are more than `limit` bytes.
  Result<SecureBytes> read(std::size_t limit, const std::string& too_long);

 private:
  InputFile(std::string name, sealed::FileDescriptor file) : name_(std::move(name)), file_(std::move(file)) {}
  std::string name_;
  sealed::FileDescriptor file_;
};

struct OutputOptions {
  std::string file;  ///< to be made; empty: to the standard output
  Reader reader = Reader::program;
};

/// Writes `content` as it is. Fails with option when there is a file already, or when a person would get what is no
/// text, and with storage.
Result<void> deliver(ByteView content, const OutputOptions& options, std::ostream& out);

}  // namespace sks::cli
