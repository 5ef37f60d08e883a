#include "key-user-api/key_files/json_scan.h"

#include <algorithm>
#include <array>

#include "sks-core/base/byte_reader.h"

namespace sks::key_files {
namespace {

constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxValues = 10'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool scan(JsonValue& out) { return value(out, 0) && at_end(); }

 private:
  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size())); }

  bool at_end() {
    skip_space();
    return rest_.empty();
  }

  bool take(char c) {
    skip_space();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool value(JsonValue& out, int depth) {
    skip_space();
    if (rest_.empty() || depth > kMaxDepth || ++values_ > kMaxValues) return false;
    switch (rest_.front()) {
      case '{':
        return object(out, depth);
      case '[':
        return array(out, depth);
      case '"':
        return string(out);
      default:
        return literal() || number();
    }
  }

  bool object(JsonValue& out, int depth) {
    out.type = JsonValue::Type::object;
    if (!take('{')) return false;
    if (take('}')) return true;
    do {
      JsonValue name;
      JsonValue member;
      skip_space();
      if (!string(name) || !take(':') || !value(member, depth + 1)) return false;
      member.member_name = name.content;
      if (std::ranges::find(out.members, name.content, &JsonValue::member_name) != out.members.end()) return false;
      out.members.push_back(std::move(member));
    } while (take(','));
    return take('}');
  }

  bool array(JsonValue& out, int depth) {
    out.type = JsonValue::Type::array;
    if (!take('[')) return false;
    if (take(']')) return true;
    do {
      out.items.emplace_back();
      if (!value(out.items.back(), depth + 1)) return false;
    } while (take(','));
    return take(']');
  }

  bool string(JsonValue& out) {
    out.type = JsonValue::Type::string;
    if (rest_.empty() || rest_.front() != '"') return false;
    std::size_t at = 1;
    while (at < rest_.size() && rest_[at] != '"') {
      if (static_cast<unsigned char>(rest_[at]) < 0x20) return false;
      if (rest_[at] == '\\') {
        out.escaped = true;
        const std::size_t size = escape_size(rest_.substr(at));
        if (size == 0) return false;
        at += size;
      } else {
        ++at;
      }
    }
    if (at >= rest_.size()) return false;
    out.content = rest_.substr(1, at - 1);
    rest_.remove_prefix(at + 1);
    return true;
  }

  static std::size_t escape_size(std::string_view text) {
    if (text.size() < 2) return 0;
    if (std::string_view("\"\\/bfnrt").find(text[1]) != std::string_view::npos) return 2;
    constexpr std::size_t kUnicode = 6;
    if (text[1] != 'u' || text.size() < kUnicode) return 0;
    return std::ranges::all_of(text.substr(2, 4), is_hex) ? kUnicode : 0;
  }

  bool literal() {
    constexpr std::array<std::string_view, 3> kLiterals{"true", "false", "null"};
    for (const std::string_view word : kLiterals) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return true;
    }
    return false;
  }

  bool digits() {
    const std::size_t count = static_cast<std::size_t>(std::ranges::find_if_not(rest_, is_digit) - rest_.begin());
    rest_.remove_prefix(count);
    return count != 0;
  }

  bool take_now(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool number() {
    take_now("-");
    if (!take_now("0") && !digits()) return false;
    if (take_now(".") && !digits()) return false;
    if (!take_now("eE")) return true;
    take_now("+-");
    return digits();
  }

  std::string_view rest_;
  std::size_t values_ = 0;
};

}  // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
  const auto found = std::ranges::find(members, name, &JsonValue::member_name);
  return found == members.end() ? nullptr : &*found;
}

std::optional<std::string_view> JsonValue::text(std::string_view name) const {
  const JsonValue* const found = find(name);
  if (found == nullptr || found->type != Type::string || found->escaped) return std::nullopt;
  return found->content;
}

Result<JsonValue> scan_json(std::string_view text) {
  JsonValue root;
  if (is_utf8(text) && Scanner(text).scan(root)) return root;
  return Error{Status::option, "the file is not complete, or is not JSON"};
}

}  // namespace sks::key_files
