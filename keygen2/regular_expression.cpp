#include "keygen2/regular_expression.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <new>
#include <string>

#include "keygen2/java_pattern.h"

namespace sks::keygen2 {
namespace {

// Patterns that name parts of a distinguished name take some thousands of steps; these allow for a thousand times that.
constexpr std::uint32_t kMaxSteps = 1'000'000;
constexpr std::uint32_t kMaxDepth = 100'000;
constexpr std::uint32_t kMaxHeapKilobytes = 16 * 1024;
/// A single step may run through the whole text: so many bytes of it cost as much as a step.
constexpr std::size_t kBytesPerStep = 64;

// The translation writes neither \C nor options; these keep PCRE2 to that. Callouts are what counts the steps: PCRE2
// does not tell how much of its own limit a match has taken.
constexpr std::uint32_t kOptions = PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C |
                                   PCRE2_NEVER_UCP | PCRE2_NO_AUTO_CAPTURE | PCRE2_AUTO_CALLOUT;

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
using MatchData = std::unique_ptr<pcre2_match_data, Deleter<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Deleter<pcre2_match_context_free>>;

template <class Owner>
Owner owned(typename Owner::pointer object) {
  if (object == nullptr) throw std::bad_alloc();
  return Owner(object);
}

PCRE2_SPTR bytes_of(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

int count_step(pcre2_callout_block* step, void* budget) {
  const bool affordable = static_cast<MatchBudget*>(budget)->spend_step(step->subject_length);
  return affordable ? 0 : PCRE2_ERROR_MATCHLIMIT;
}

MatchContext limits(MatchBudget& budget) {
  auto context = owned<MatchContext>(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(context.get(), kMaxSteps);
  pcre2_set_depth_limit(context.get(), kMaxDepth);
  pcre2_set_heap_limit(context.get(), kMaxHeapKilobytes);
  pcre2_set_callout(context.get(), count_step, &budget);
  return context;
}

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

}  // namespace

struct RegularExpression::Code {
  std::unique_ptr<pcre2_code, Deleter<pcre2_code_free>> compiled;
};

void RegularExpression::FreeCode::operator()(Code* code) const noexcept { delete code; }

Outcome<RegularExpression> RegularExpression::compile(std::string_view pattern) {
  SKS_LET(const std::string translated, translate_java_pattern(pattern));
  int error = 0;
  PCRE2_SIZE offset = 0;
  std::unique_ptr<Code, FreeCode> code(new Code);
  code->compiled.reset(
      pcre2_compile(bytes_of(translated), translated.size(), kOptions, &error, &offset, /*context=*/nullptr));
  if (code->compiled == nullptr) return Failure{ErrorClass::value, "Regular expression: " + message_of(error)};
  return RegularExpression(std::move(code));
}

bool MatchBudget::spend_step(std::size_t text_size) {
  const std::uint64_t price = 1 + text_size / kBytesPerStep;
  const bool affordable = price <= left_;
  left_ = affordable ? left_ - price : 0;
  return affordable;
}

Outcome<bool> RegularExpression::matches(std::string_view text, MatchBudget& budget) const {
  const auto result = owned<MatchData>(pcre2_match_data_create(1, nullptr));
  const int found =
      pcre2_match(code_->compiled.get(), bytes_of(text), text.size(), 0, 0, result.get(), limits(budget).get());
  if (found >= 0) return true;
  if (found == PCRE2_ERROR_NOMATCH) return false;
  return Failure{ErrorClass::policy, "Regular expression: matching it was given up: " + message_of(found)};
}

}  // namespace sks::keygen2
