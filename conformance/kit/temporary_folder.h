#pragma once

#include <filesystem>

#include "sks-core/base/result.h"

namespace sks::conformance {

/// A new folder that nobody else may enter, gone with everything in it at the end.
class TemporaryFolder {
 public:
  static Result<TemporaryFolder> create();
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder();

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
};

/// Whole files. Fail with not_available.
Result<std::string> read_file(const std::filesystem::path& file);
Result<void> write_file(const std::filesystem::path& file, std::string_view content);

}  // namespace sks::conformance
