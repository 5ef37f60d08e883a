#include "tests/support/vectors.h"

#include <doctest/doctest.h>

#include <sstream>

#include "sks-core/base/encoding.h"
#include "tests/support/temp_dir.h"

namespace sks::test {

VectorBlock::~VectorBlock() {
  for (const auto& value : values_)
    CHECK_MESSAGE(used_.contains(value.first), "vector value never used: " << value.first);
}

std::string VectorBlock::text(const std::string& name) const {
  const auto found = values_.find(name);
  REQUIRE_MESSAGE(found != values_.end(), "vector value missing: " << name);
  used_.insert(name);
  return found->second;
}

Bytes VectorBlock::hex(const std::string& name) const {
  Result<Bytes> bytes = from_hex(text(name));
  REQUIRE_MESSAGE(static_cast<bool>(bytes), "not hexadecimal: " << name);
  return std::move(bytes).value();
}

long VectorBlock::number(const std::string& name) const { return std::stol(text(name)); }

std::vector<VectorBlock> read_vectors(const std::string& name) {
  std::istringstream in(read_file(source_file("tests/vectors/" + name)));
  std::vector<VectorBlock> blocks;
  std::map<std::string, std::string> values;
  const auto finish_block = [&] {
    if (!values.empty()) blocks.emplace_back(std::move(values));
    values.clear();
  };
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) {
      finish_block();
      continue;
    }
    if (line.front() == '#') continue;
    const std::size_t equals = line.find(" =");
    REQUIRE_MESSAGE(equals != std::string::npos, name << ": not a 'Name = value' line: " << line);
    const std::string value = line.size() > equals + 3 ? line.substr(equals + 3) : std::string();
    REQUIRE_MESSAGE(values.emplace(line.substr(0, equals), value).second, name << ": named twice: " << line);
  }
  finish_block();
  REQUIRE_MESSAGE(!blocks.empty(), name << " holds no vectors");
  return blocks;
}

}  // namespace sks::test
