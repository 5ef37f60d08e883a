#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

/// What a check found to be wrong, and where.
namespace sks::conformance {

/// What a check is about.
struct Topic {
  const char* name;
  const char* document;  ///< in spec/
  const char* chapter;
  const char* covers;
};

struct Place {
  std::string file;
  std::string path;  ///< JSON pointer
  std::string note;  ///< of a call: its method

  bool operator==(const Place&) const = default;
};
std::string to_string(const Place& place);

/// Two byte strings that should be equal, cut into their fields and put side by side.
struct Difference {
  struct Row {
    std::string field;
    std::size_t offset;
    std::string expected;  ///< hexadecimal, shortened to what surrounds the first byte that differs
    std::string found;
    bool equal;
  };
  std::string field;   ///< the first one that differs
  std::size_t offset;  ///< of the first byte that differs
  Place expected;      ///< where the expected bytes come from
  std::vector<Row> rows;
};

struct Finding {
  Place place;
  std::string sentence;
  std::optional<Difference> difference;
};

/// Collects what one check finds, each thing once, and counts what it compared.
class Findings {
 public:
  void add(Place place, std::string sentence, std::optional<Difference> difference = std::nullopt);
  void count() { ++comparisons_; }

  bool empty() const { return list_.empty(); }
  const std::vector<Finding>& list() const { return list_; }
  std::size_t comparisons() const { return comparisons_; }

 private:
  std::vector<Finding> list_;
  std::size_t comparisons_ = 0;
};

}  // namespace sks::conformance
