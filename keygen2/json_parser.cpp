#include "keygen2/json_parser.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

namespace sks::keygen2::json {
namespace {

constexpr std::size_t kMaxDepth = 32;
/// A value costs far more memory than its two bytes "0," of text, and looking for equal names costs time.
constexpr std::size_t kMaxValues = 200'000;
constexpr std::size_t kMaxProperties = 64;

/// Builds the tree and refuses what nlohmann's own tree would hide: equal names, null, fractions, -0, deep nesting.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return refuse("null is no KeyGen2 value"); }
  bool boolean(bool value) override {
    Value added{Type::boolean, value, std::nullopt, {}, {}, {}};
    return add(std::move(added));
  }
  bool number_integer(number_integer_t value) override {
    // The lexer reports what starts with '-' here, and everything else as unsigned: a zero was written "-0".
    if (value == 0) return refuse("-0 is no integer of KeyGen2");
    return add_number(value >= std::numeric_limits<std::int32_t>::min()
                          ? std::optional(static_cast<std::int32_t>(value))
                          : std::nullopt);
  }
  bool number_unsigned(number_unsigned_t value) override {
    return add_number(value <= std::numeric_limits<std::int32_t>::max()
                          ? std::optional(static_cast<std::int32_t>(value))
                          : std::nullopt);
  }
  bool number_float(number_float_t, const string_t& token) override {
    // Integers beyond 64 bits arrive here as well: well-formed, but out of every range.
    if (token.find_first_of(".eE") == string_t::npos) return add_number(std::nullopt);
    return refuse("a number has a fraction or an exponent");
  }
  bool string(string_t& value) override {
    Value added{Type::string, false, std::nullopt, std::move(value), {}, {}};
    return add(std::move(added));
  }
  bool binary(binary_t&) override { return refuse("binary values do not exist in JSON"); }
  bool start_object(std::size_t) override { return open(Type::object); }
  bool start_array(std::size_t) override { return open(Type::array); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    Container& top = open_.back();
    if (top.names.size() == kMaxProperties) return refuse("an object has too many properties");
    const auto at = std::ranges::lower_bound(top.names, name);
    if (at != top.names.end() && *at == name) return refuse("a property occurs twice in one object");
    top.names.insert(at, name);
    top.value.members.push_back(Member{std::move(name), Value{Type::object, false, std::nullopt, {}, {}, {}}});
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("malformed JSON at byte " + std::to_string(position));
  }

  std::unique_ptr<Value> take_root() { return std::move(root_); }
  const std::string& problem() const { return problem_; }

 private:
  struct Container {
    Value value;
    std::vector<std::string> names;  // sorted
  };

  bool refuse(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    return false;
  }
  bool add_number(std::optional<std::int32_t> number) {
    Value added{Type::number, false, number, {}, {}, {}};
    return add(std::move(added));
  }
  bool open(Type type) {
    if (open_.empty() && type == Type::array) return refuse("the message is an array");
    if (open_.size() == kMaxDepth) return refuse("nested too deeply");
    open_.push_back(Container{Value{type, false, std::nullopt, {}, {}, {}}, {}});
    return true;
  }
  bool close() {
    Value closed = std::move(open_.back().value);
    open_.pop_back();
    if (!open_.empty()) return add(std::move(closed));
    root_ = std::make_unique<Value>(std::move(closed));
    return true;
  }
  bool add(Value value) {
    if (open_.empty()) return refuse("the message is not an object");
    if (++values_ > kMaxValues) return refuse("the message contains too many values");
    Value& top = open_.back().value;
    if (top.type == Type::array)
      top.elements.push_back(std::move(value));
    else
      top.members.back().value = std::move(value);
    return true;
  }

  std::vector<Container> open_;
  std::size_t values_ = 0;
  std::unique_ptr<Value> root_;
  std::string problem_;
};

}  // namespace

Outcome<std::unique_ptr<Value>> parse(std::string_view text) {
  // The library skips a byte order mark and takes a NUL for the end of the text.
  if (text.starts_with("\xEF\xBB\xBF")) return Failure{ErrorClass::json, "a byte order mark precedes the message"};
  if (text.find('\0') != std::string_view::npos) return Failure{ErrorClass::json, "the message contains a NUL"};
  Builder builder;
  // Raw pointers as iterators: no copy of the text is made.
  const bool accepted = nlohmann::json::sax_parse(text.data(), text.data() + text.size(), &builder);
  std::unique_ptr<Value> root = builder.take_root();
  if (!accepted || root == nullptr) return Failure{ErrorClass::json, builder.problem()};
  return root;
}

}  // namespace sks::keygen2::json
