#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "provisioning-server/policy/subject_data.h"

namespace sks::issuer {

/// A text with placeholders: "{name}" for what must be known, "{name?}" for what may be missing; "{{" and "}}" stand
/// for braces.
class TextTemplate {
 public:
  /// Fails with option.
  static Result<TextTemplate> parse(std::string_view text);

  /// The text with the values as they are: whoever puts it somewhere escapes it. None when something that may be
  /// missing is. Fails with option when something else is missing.
  Result<std::optional<std::string>> fill(const SubjectData& data) const;

  /// Adds the names of the placeholders; true for those that must be known here.
  void add_placeholders(std::map<std::string, bool>& names) const;

  const std::string& source() const { return source_; }

 private:
  struct Part {
    std::string literal;
    std::string name = {};  ///< of the placeholder behind it; empty if there is none
    bool may_be_missing = false;
  };
  std::string source_;
  std::vector<Part> parts_;
};

}  // namespace sks::issuer
