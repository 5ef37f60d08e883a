#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "keygen2/failure.h"

namespace sks::keygen2 {

/// What the matches of one message may take together. Each match has its own limit, but there are as many of them as
/// lookups, expressions, keys and names in certificates together. Spec: keygen2.md 6.3, Appendix B.
class MatchBudget {
 public:
  /// Takes the price of one step through a text of this size; false when the budget is spent.
  bool spend_step(std::size_t text_size);

 private:
  std::uint64_t left_ = 100'000'000;
};

/// A regular expression from an issuer, compiled. It matches whole texts, case-sensitively. Spec: keygen2.md 6.3.
class RegularExpression {
 public:
  /// `pattern` is one of Java in the portable subset (keygen2/java_pattern.h). Fails with policy when it is longer than
  /// 1000 characters, with value when it is outside the subset or does not compile: a range or a number of repetitions
  /// out of order, groups nested more than 250 deep, or a compiled form above 64 KiB.
  static Outcome<RegularExpression> compile(std::string_view pattern);

  /// Whether it matches all of `text`, which is well-formed UTF-8. Fails with policy when that takes more than a fixed
  /// number of steps or too much memory, or more than `budget` has left.
  Outcome<bool> matches(std::string_view text, MatchBudget& budget) const;

 private:
  struct Code;
  struct FreeCode {
    void operator()(Code* code) const noexcept;
  };

  explicit RegularExpression(std::unique_ptr<Code, FreeCode> code) : code_(std::move(code)) {}

  std::unique_ptr<Code, FreeCode> code_;
};

}  // namespace sks::keygen2
