#pragma once

#include <memory>
#include <string_view>

#include "keygen2/failure.h"

namespace sks::keygen2 {

/// A regular expression from an issuer, compiled. It matches whole texts, case-sensitively. Spec: keygen2.md 6.3.
class RegularExpression {
 public:
  /// `pattern` is one of Java in the portable subset (keygen2/java_pattern.h). Fails with policy when it is longer than
  /// 1000 characters, with value when it is outside the subset or does not compile: a range or a number of repetitions
  /// out of order, groups nested more than 250 deep, or a compiled form above 64 KiB.
  static Outcome<RegularExpression> compile(std::string_view pattern);

  /// Whether it matches all of `text`, which is well-formed UTF-8. Fails with policy when that takes more than a fixed
  /// number of steps or too much memory.
  Outcome<bool> matches(std::string_view text) const;

 private:
  struct Code;
  struct FreeCode {
    void operator()(Code* code) const noexcept;
  };

  explicit RegularExpression(std::unique_ptr<Code, FreeCode> code) : code_(std::move(code)) {}

  std::unique_ptr<Code, FreeCode> code_;
};

}  // namespace sks::keygen2
