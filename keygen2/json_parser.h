#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keygen2/failure.h"

/// The tree behind JsonReader. Private to the reader.
namespace sks::keygen2::json {

enum class Type : std::uint8_t { object, array, string, number, boolean };

struct Member;

struct Value {
  Type type;
  bool boolean = false;
  /// Absent: an integer that does not fit into 32 bits.
  std::optional<std::int32_t> number;
  std::string string;
  std::vector<Value> elements;
  std::vector<Member> members;
};

struct Member {
  std::string name;
  Value value;
  bool read = false;
};

/// The failure that a document is refused with. The strict parsing of keygen2.md 3.2 precedes the property rules, so a
/// failure of class json wins over others; else the first one stays.
struct Findings {
  std::optional<Failure> failure;

  void note(ErrorClass error_class, std::string detail) {
    const bool wins = !failure || (error_class == ErrorClass::json && failure->error_class != ErrorClass::json);
    if (wins) failure = Failure{error_class, std::move(detail)};
  }
};

/// One object and nothing after it. Fails with json.
Outcome<std::unique_ptr<Value>> parse(std::string_view text);

}  // namespace sks::keygen2::json
