#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/document.h"
#include "conformance/finding.h"
#include "sks-core/base/bytes.h"

namespace sks::conformance {

/// A value in a recorded file that knows where it stands.
///
/// Reading a value that is absent or of another type adds a finding that names its place, and gives an empty value.
/// JSON's null counts as absent: in recordings it stands for a value that was not given.
class Node {
 public:
  Node(const Json& value, Place place, Findings& findings)
      : value_(value.is_null() ? nullptr : &value), place_(std::move(place)), findings_(&findings) {}

  bool exists() const { return value_ != nullptr; }
  const Place& place() const { return place_; }
  /// Only when it exists.
  const Json& json() const { return *value_; }

  /// A member of an object. One of anything else does not exist.
  Node operator[](std::string_view member) const;
  std::vector<Node> elements() const;
  std::vector<Node> optional_elements() const;

  std::string text() const;
  std::string optional_text() const;
  /// At most 2^32 - 1.
  std::uint32_t number() const;
  std::uint32_t optional_number() const;
  bool boolean() const;
  bool optional_boolean(bool absent) const;
  Bytes hex() const;
  Bytes optional_hex() const;
  Bytes base64() const;  ///< standard alphabet, with padding
  Bytes optional_base64() const;
  Bytes base64url() const;
  Bytes optional_base64url() const;
  /// The SPKI of a public key object. Spec: keygen2.md 5.1 and 5.2.
  Bytes public_key() const;
  Bytes optional_public_key() const;
  /// The position of the text in `names`. Spec: keygen2.md 4.14.
  std::uint8_t enumeration(std::span<const std::string_view> names) const;
  std::uint8_t optional_enumeration(std::span<const std::string_view> names, std::uint8_t absent) const;

  /// Adds a finding about this value.
  void fail(std::string sentence) const { findings_->add(place_, std::move(sentence)); }
  Findings& findings() const { return *findings_; }

 private:
  Node(const Json* value, Place place, Findings* findings)
      : value_(value), place_(std::move(place)), findings_(findings) {}
  template <class Decode>
  Bytes decoded(Decode decode, const char* form) const;

  const Json* value_;
  Place place_;
  Findings* findings_;
};

}  // namespace sks::conformance
