#pragma once

#include <string>

namespace sks::test {

/// A new empty folder that disappears with the object.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// The whole content of a file; ends the test when it cannot be read.
std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& content);

/// A file of the source tree, such as "tests/vectors/x.vec".
std::string source_file(const std::string& path);

}  // namespace sks::test
