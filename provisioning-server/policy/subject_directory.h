#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "provisioning-server/internal/toml_table.h"
#include "provisioning-server/policy/subject_data.h"

namespace sks::issuer {

/// Where an issuer looks up what is known about a user.
class SubjectDirectory {
 public:
  virtual ~SubjectDirectory() = default;
  /// None: no such user. Fails with not_available (cannot be read) or option (makes no sense).
  virtual Result<std::optional<SubjectData>> find(const std::string& user) = 0;
};

/// [directory] of issuer.toml.
struct DirectoryConfig {
  std::string file;  ///< below the folder of the issuer; ends in .json or .csv; empty: no directory
};
DirectoryConfig read_directory(TomlTable& root);

using DirectoryUsers = std::map<std::string, SubjectData, std::less<>>;
/// {"jo": {"cn": "Jo Doe", ...}, ...}. Fails with option.
Result<DirectoryUsers> parse_json_directory(std::string_view content, const std::string& file);
/// RFC 4180: a header with the names, first that of the column with the users; an empty field is an unknown value.
/// Fails with option, with the line.
Result<DirectoryUsers> parse_csv_directory(std::string_view content, const std::string& file);

/// A directory in a file, read again when the file has changed. A file that an edit has broken stays in use as it was,
/// and the log says so. Safe for several threads.
class FileDirectory final : public SubjectDirectory {
 public:
  /// Fails as find().
  static Result<std::unique_ptr<FileDirectory>> open(std::string file);
  Result<std::optional<SubjectData>> find(const std::string& user) override;
  std::size_t size();

 private:
  explicit FileDirectory(std::string file) : file_(std::move(file)) {}
  Result<std::shared_ptr<const DirectoryUsers>> current();

  std::string file_;
  std::mutex mutex_;
  std::string stamp_;
  std::shared_ptr<const DirectoryUsers> users_;
};

}  // namespace sks::issuer
