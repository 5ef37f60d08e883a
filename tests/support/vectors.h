#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "sks-core/base/bytes.h"

namespace sks::test {

/// One block of a vector file: `Name = value` lines, ended by an empty line. Lines that start with '#' are comments.
///
/// Values are read by name; the destructor fails the test when a name was never read, so that no vector is ignored.
class VectorBlock {
 public:
  explicit VectorBlock(std::map<std::string, std::string> values) : values_(std::move(values)) {}
  VectorBlock(VectorBlock&&) = default;
  ~VectorBlock();

  std::string text(const std::string& name) const;
  Bytes hex(const std::string& name) const;
  long number(const std::string& name) const;
  bool has(const std::string& name) const { return values_.contains(name); }

 private:
  std::map<std::string, std::string> values_;
  mutable std::set<std::string> used_;
};

/// All blocks of a file of tests/vectors/; an empty file fails the test.
std::vector<VectorBlock> read_vectors(const std::string& name);

}  // namespace sks::test
