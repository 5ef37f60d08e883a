#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sks-core/base/bytes.h"

namespace sks::keygen2 {

/// Writes one JSON object, property by property, in the order of the calls: 2 spaces of indent per level, LF.
/// Spec: keygen2.md 3.1. Texts are well-formed UTF-8: the caller took them from a checked place.
class JsonWriter {
 public:
  JsonWriter() = default;

  JsonWriter& text(std::string_view name, std::string_view value);
  JsonWriter& boolean(std::string_view name, bool value);
  JsonWriter& number(std::string_view name, std::int32_t value);
  JsonWriter& bytes(std::string_view name, ByteView value);  ///< as base64url
  JsonWriter& texts(std::string_view name, const std::vector<std::string>& values);
  JsonWriter& byte_arrays(std::string_view name, const std::vector<Bytes>& values);

  /// `write(JsonWriter&)` writes the members.
  template <class Write>
  JsonWriter& object(std::string_view name, const Write& write) {
    JsonWriter members(level_ + 1);
    write(members);
    property(name) += members.end();
    return *this;
  }
  /// One object per element of `values`: `write(JsonWriter&, const T&)` writes the members.
  template <class T, class Write>
  JsonWriter& objects(std::string_view name, const std::vector<T>& values, const Write& write) {
    std::vector<std::string> elements;
    for (const T& value : values) {
      JsonWriter members(level_ + 2);
      write(members, value);
      elements.push_back(members.end());
    }
    return array(name, elements);
  }

  /// The whole message with its final LF. Nothing may be written afterwards.
  std::string finish() { return end() + '\n'; }

 private:
  explicit JsonWriter(std::size_t level) : level_(level) {}
  std::string& property(std::string_view name);
  JsonWriter& array(std::string_view name, const std::vector<std::string>& elements);
  std::string end();

  std::size_t level_ = 0;
  std::string out_;
};

}  // namespace sks::keygen2
