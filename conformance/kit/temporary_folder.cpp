#include "conformance/kit/temporary_folder.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace sks::conformance {

Result<TemporaryFolder> TemporaryFolder::create() {
  std::error_code problem;
  std::string name = (std::filesystem::temp_directory_path(problem) / "sks-conformance-XXXXXX").string();
  if (problem || ::mkdtemp(name.data()) == nullptr)
    return Error{Status::not_available, "cannot make a temporary folder"};
  return TemporaryFolder(name);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Result<std::string> read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) {
    std::error_code ignored;
    if (!in || std::filesystem::file_size(file, ignored) != 0)
      return Error{Status::not_available, "cannot read " + file.string()};
  }
  return text.str();
}

Result<void> write_file(const std::filesystem::path& file, std::string_view content) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << content;
  if (!out.flush()) return Error{Status::not_available, "cannot write " + file.string()};
  return {};
}

}  // namespace sks::conformance
