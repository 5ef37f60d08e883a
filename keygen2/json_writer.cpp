#include "keygen2/json_writer.h"

#include "keygen2/json_canonical.h"
#include "sks-core/base/encoding.h"

namespace sks::keygen2 {
namespace {

std::string indent(std::size_t level) { return std::string(2 * level, ' '); }

using json::string_literal;

}  // namespace

std::string& JsonWriter::property(std::string_view name) {
  out_ += out_.empty() ? "{\n" : ",\n";
  return out_ += indent(level_ + 1) + string_literal(name) + ": ";
}

std::string JsonWriter::end() { return out_.empty() ? "{}" : out_ + '\n' + indent(level_) + '}'; }

JsonWriter& JsonWriter::text(std::string_view name, std::string_view value) {
  property(name) += string_literal(value);
  return *this;
}

JsonWriter& JsonWriter::boolean(std::string_view name, bool value) {
  property(name) += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::number(std::string_view name, std::int32_t value) {
  property(name) += std::to_string(value);
  return *this;
}

JsonWriter& JsonWriter::bytes(std::string_view name, ByteView value) { return text(name, to_base64url(value)); }

JsonWriter& JsonWriter::texts(std::string_view name, const std::vector<std::string>& values) {
  std::vector<std::string> elements;
  for (const std::string& value : values) elements.push_back(string_literal(value));
  return array(name, elements);
}

JsonWriter& JsonWriter::byte_arrays(std::string_view name, const std::vector<Bytes>& values) {
  std::vector<std::string> elements;
  for (const Bytes& value : values) elements.push_back(string_literal(to_base64url(value)));
  return array(name, elements);
}

JsonWriter& JsonWriter::array(std::string_view name, const std::vector<std::string>& elements) {
  std::string& out = property(name) += '[';
  const char* separator = "\n";
  for (const std::string& element : elements) {
    out += separator + indent(level_ + 2) + element;
    separator = ",\n";
  }
  out += '\n' + indent(level_ + 1) + ']';
  return *this;
}

}  // namespace sks::keygen2
