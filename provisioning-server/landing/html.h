#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sks::issuer {

/// HTML that is ready to be sent. Apart from trusted() only html() makes it, so a text cannot get into a page
/// unescaped.
class Markup {
 public:
  Markup() = default;
  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  Markup& operator+=(const Markup& more) {
    text_ += more.text_;
    return *this;
  }
  /// For markup of our own that nothing from outside stands in, such as a picture.
  static Markup trusted(std::string text) { return Markup(std::move(text)); }

 private:
  friend class HtmlWriter;
  explicit Markup(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// A literal of the source: nothing else can become one.
struct Template {
  consteval Template(const char* literal) : text(literal) {}  // NOLINT: implicit on purpose
  std::string_view text;
};

/// What takes the place of {name}. A text is escaped for element content and for attributes in double quotes.
struct Slot {
  std::string_view name;
  std::variant<std::string_view, const Markup*> value;

  Slot(std::string_view given, std::string_view text) : name(given), value(text) {}
  Slot(std::string_view given, const std::string& text) : name(given), value(std::string_view(text)) {}
  Slot(std::string_view given, const char* text) : name(given), value(std::string_view(text)) {}
  Slot(std::string_view given, const Markup& markup) : name(given), value(&markup) {}
};

/// The template with its slots filled. Every {name} has a slot; a brace that begins none stays as it is. In texts
/// malformed UTF-8 and control characters become U+FFFD, and characters that turn the direction of what is around them
/// go.
Markup html(Template pattern, std::initializer_list<Slot> slots = {});

}  // namespace sks::issuer
