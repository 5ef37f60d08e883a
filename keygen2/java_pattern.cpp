#include "keygen2/java_pattern.h"

#include <array>
#include <utility>
#include <vector>

#include "sks-core/base/byte_reader.h"

namespace sks::keygen2 {
namespace {

/// A character of the pattern after \Q...\E and backslashes have done their work, which in Java too is the first pass.
struct Token {
  enum class Kind : std::uint8_t {
    plain,    ///< means what its place makes of it
    literal,  ///< stands for itself everywhere
    escape,   ///< \ and this letter
  };
  Kind kind;
  std::string_view character;  ///< one code point

  bool is(char c) const { return kind == Kind::plain && character.front() == c; }
  bool is_one_of(std::string_view characters) const {
    return kind == Kind::plain && characters.find(character) != std::string_view::npos;
  }
};

constexpr std::string_view kClassEscapes = "dDsSwW";
constexpr std::string_view kQuantifiers = "?*+{";

/// Java's line terminators are not those of PCRE2, which counts VT and FF among them.
constexpr std::string_view kAnyCharacter = R"([^\n\r\x{85}\x{2028}\x{2029}])";
/// The end, and the place before a line terminator that ends the text, but not the middle of CR LF.
constexpr std::string_view kEnd = R"((?=(?:\r\n|(?<!\r)\n|[\r\x{85}\x{2028}\x{2029}])?\z))";
constexpr std::string_view kBegin = R"(\A)";
constexpr std::string_view kGroup = "(?:";
constexpr std::string_view kAtomicGroup = "(?>";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

std::size_t size_of_character(char first) {
  const auto byte = static_cast<unsigned char>(first);
  if (byte < 0x80) return 1;
  if (byte < 0xE0) return 2;
  return byte < 0xF0 ? 3 : 4;
}

Failure refusal(std::string why) { return Failure{ErrorClass::value, "Regular expression: " + std::move(why)}; }

/// Splits well-formed UTF-8 into tokens.
Outcome<std::vector<Token>> tokenize(std::string_view pattern) {
  std::vector<Token> tokens;
  bool quoted = false;
  for (std::size_t at = 0; at < pattern.size();) {
    const std::string_view rest = pattern.substr(at);
    if (rest.starts_with(quoted ? "\\E" : "\\Q")) {
      quoted = !quoted;
      at += 2;
      continue;
    }
    const bool escaped = !quoted && rest.front() == '\\';
    if (escaped && rest.size() == 1) return refusal("nothing behind the last backslash");
    const std::size_t start = escaped ? 1 : 0;
    const std::string_view character = rest.substr(start, size_of_character(rest[start]));
    Token::Kind kind = quoted || escaped ? Token::Kind::literal : Token::Kind::plain;
    if (escaped && (is_letter(character.front()) || is_digit(character.front()))) {
      if (kClassEscapes.find(character) == std::string_view::npos)
        return refusal("\\" + std::string(character) + " is not in the portable subset");
      kind = Token::Kind::escape;
    }
    tokens.push_back({kind, character});
    at += start + character.size();
  }
  return tokens;
}

class Translator {
 public:
  explicit Translator(const std::vector<Token>& tokens) : tokens_(tokens) {}

  Outcome<std::string> run() {
    while (at_ < tokens_.size()) SKS_TRY(step());
    if (!groups_.empty()) return refusal("a group is not closed");
    return std::move(out_);
  }

 private:
  struct Row {
    char character;
    Outcome<void> (Translator::*translate)();
  };
  static const std::array<Row, 11> kRows;

  /// One element of an alternative, and the quantifier behind it.
  Outcome<void> step() {
    const Token& token = tokens_[at_++];
    for (const Row& row : kRows) {
      if (token.is(row.character)) return (this->*row.translate)();
    }
    write(token);
    return quantifier();
  }

  Outcome<void> open_group() {
    groups_.push_back(out_.size());
    if (next_is('?')) {
      ++at_;
      if (!next_is(':')) return refusal("of the groups that start with (? only (?: is in the portable subset");
      ++at_;
    }
    out_ += kGroup;  // nothing refers to groups, so none needs to be remembered
    return {};
  }

  Outcome<void> close_group() {
    if (groups_.empty()) return refusal("there is no group to close");
    const std::size_t start = groups_.back();
    groups_.pop_back();
    out_ += ')';
    SKS_TRY(quantifier());
    // Java then gives back nothing of each single turn, PCRE2 nothing of all turns together.
    if (possessive_) out_.replace(start, kGroup.size(), kAtomicGroup);
    return {};
  }

  Outcome<void> alternative() {
    out_ += '|';
    return {};
  }

  Outcome<void> any_character() {
    out_ += kAnyCharacter;
    return quantifier();
  }

  Outcome<void> begin() {
    out_ += kBegin;
    return {};
  }

  Outcome<void> end() {
    out_ += kEnd;
    return {};
  }

  Outcome<void> nothing_to_repeat() { return refusal("there is nothing to repeat"); }

  Outcome<void> character_class() {
    out_ += '[';
    if (next_is('^')) {
      ++at_;
      out_ += '^';
    }
    for (bool first = true; at_ < tokens_.size(); first = false) {
      if (next_is(']') && !first) {  // the first one is a member, in Java and in PCRE2
        ++at_;
        out_ += ']';
        return quantifier();
      }
      SKS_TRY(class_member());
    }
    return refusal("a character class is not closed");
  }

  Outcome<void> class_member() {
    if (next_is('[')) return refusal("nested character classes are not in the portable subset");
    if (next_is('&') && next_is('&', 1)) return refusal("&& is not in the portable subset");
    const Token& lower = tokens_[at_++];
    write(lower);
    // A hyphen makes a range unless it is the last member, or stands behind \d and its like: then it is one itself.
    if (lower.kind == Token::Kind::escape || !next_is('-') || at_ + 1 == tokens_.size() || next_is(']', 1)) return {};
    const Token& upper = tokens_[at_ + 1];
    if (upper.is('[')) return refusal("nested character classes are not in the portable subset");
    if (upper.kind == Token::Kind::escape) return refusal("a range ends with a class");
    at_ += 2;
    out_ += '-';
    write(upper);
    return {};
  }

  /// An optional quantifier, copied digit by digit. Java forbids a second one behind most elements; here behind all.
  Outcome<void> quantifier() {
    possessive_ = false;
    if (at_ == tokens_.size() || !tokens_[at_].is_one_of(kQuantifiers)) return {};
    const Token& token = tokens_[at_++];
    out_ += token.character;
    if (token.is('{')) SKS_TRY(counts());
    possessive_ = next_is('+');
    if (next_is('?') || next_is('+')) out_ += tokens_[at_++].character;
    if (at_ < tokens_.size() && tokens_[at_].is_one_of(kQuantifiers)) return nothing_to_repeat();
    return {};
  }

  /// "m}", "m,}" or "m,n}".
  Outcome<void> counts() {
    if (!digits()) return refusal("the number of repetitions is malformed");
    if (next_is(',')) {
      ++at_;
      out_ += ',';
      digits();
    }
    if (!next_is('}')) return refusal("the number of repetitions is malformed");
    ++at_;
    out_ += '}';
    return {};
  }

  bool digits() {
    const std::size_t start = at_;
    while (at_ < tokens_.size() && tokens_[at_].is_one_of("0123456789")) out_ += tokens_[at_++].character;
    return at_ > start;
  }

  bool next_is(char c, std::size_t ahead = 0) const {
    return at_ + ahead < tokens_.size() && tokens_[at_ + ahead].is(c);
  }

  /// In PCRE2 a backslash takes any meaning from an ASCII character that is no letter or digit, also within classes.
  void write(const Token& token) {
    const char first = token.character.front();
    const bool is_ascii = static_cast<unsigned char>(first) < 0x80;
    if (token.kind == Token::Kind::escape || (is_ascii && !is_letter(first) && !is_digit(first))) out_ += '\\';
    out_ += token.character;
  }

  const std::vector<Token>& tokens_;
  std::size_t at_ = 0;
  std::vector<std::size_t> groups_;  ///< where those that are open start in out_
  bool possessive_ = false;          ///< the last quantifier
  std::string out_;
};

const std::array<Translator::Row, 11> Translator::kRows{{
    {'(', &Translator::open_group},
    {')', &Translator::close_group},
    {'|', &Translator::alternative},
    {'.', &Translator::any_character},
    {'^', &Translator::begin},
    {'$', &Translator::end},
    {'[', &Translator::character_class},
    {'?', &Translator::nothing_to_repeat},
    {'*', &Translator::nothing_to_repeat},
    {'+', &Translator::nothing_to_repeat},
    {'{', &Translator::nothing_to_repeat},
}};

}  // namespace

Outcome<std::string> translate_java_pattern(std::string_view pattern) {
  if (!is_utf8(pattern)) return refusal("it is not UTF-8");
  if (count_code_points(pattern) > kMaxRegularExpression)
    return Failure{ErrorClass::policy, "Regular expression: it is longer than 1000 characters"};
  SKS_LET(const std::vector<Token> tokens, tokenize(pattern));
  return Translator(tokens).run();
}

}  // namespace sks::keygen2
