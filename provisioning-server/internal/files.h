#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

namespace sks::issuer {

inline constexpr std::size_t kMaxFile = 1 << 20;
/// The content of a file of at most `limit` bytes. Fails with not_available (cannot be read) or option (too long).
Result<std::string> read_file(const std::string& file, std::size_t limit = kMaxFile);
/// The same of a file that only its owner may open. Fails with not_allowed, too: others may.
Result<SecureBytes> read_secret_file(const std::string& file);
/// Fails with not_allowed when others may open the file. One that does not exist is fine.
Result<void> check_secret_file(const std::string& file);

/// Makes a new file that is on disk when this returns. Fails with storage, also when the file exists.
Result<void> write_new_file(const std::string& file, ByteView content, mode_t mode);

/// Replaces a file as a whole: readers see the old or the new content, also after a power cut. Fails with storage.
Result<void> replace_file(const std::string& file, std::string_view content, mode_t mode);

/// Changes whenever a file is written: size, time and inode. Empty when there is no file.
std::string file_stamp(const std::string& file);

}  // namespace sks::issuer
