#include "conformance/document.h"

#include <fstream>
#include <optional>
#include <set>

namespace sks::conformance {
namespace {

constexpr std::size_t kMaxDepth = 32;
/// A value costs far more memory than its two bytes "0," of text.
constexpr std::size_t kMaxValues = 200'000;

/// Looks for what the library accepts and what would cost too much. Builds nothing.
class Inspector final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return count(); }
  bool boolean(bool) override { return count(); }
  bool number_integer(number_integer_t) override { return count(); }
  bool number_unsigned(number_unsigned_t) override { return count(); }
  bool number_float(number_float_t, const string_t&) override { return count(); }
  bool string(string_t&) override { return count(); }
  bool binary(binary_t&) override { return count(); }
  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    return names_.back().insert(name).second || refuse("the property \"" + name + "\" occurs twice in one object");
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("malformed JSON at byte " + std::to_string(position));
  }

  const std::string& problem() const { return problem_; }

 private:
  bool refuse(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  bool count() { return ++values_ <= kMaxValues || refuse("too many values"); }
  bool open() {
    if (names_.size() == kMaxDepth) return refuse("nested too deeply");
    names_.emplace_back();
    return count();
  }
  bool close() {
    names_.pop_back();
    return true;
  }

  std::vector<std::set<std::string>> names_;  // of the objects around; empty for arrays
  std::size_t values_ = 0;
  std::string problem_;
};

Result<std::string> read_file(const std::filesystem::path& file) {
  std::error_code problem;
  const auto size = std::filesystem::is_regular_file(file, problem) ? std::filesystem::file_size(file, problem) : 0;
  if (problem || !std::filesystem::is_regular_file(file, problem))
    return Error{Status::not_available, "cannot be read: there is no such file"};
  if (size > kMaxDocument) return Error{Status::option, "longer than 8 MiB"};
  std::string text(size, '\0');
  std::ifstream in(file, std::ios::binary);
  if (!in.read(text.data(), static_cast<std::streamsize>(size))) return Error{Status::not_available, "cannot be read"};
  return text;
}

}  // namespace

Result<Json> parse_document(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) return Error{Status::option, "a byte order mark precedes the JSON"};
  // The library takes a NUL for the end of the text.
  if (text.find('\0') != std::string_view::npos) return Error{Status::option, "contains a NUL"};
  Inspector inspector;
  if (!Json::sax_parse(text.data(), text.data() + text.size(), &inspector))
    return Error{Status::option, inspector.problem()};
  return Json::parse(text.data(), text.data() + text.size(), nullptr, false);
}

Result<Json> read_document(const std::filesystem::path& file) {
  const auto named = [&](const Error& error) { return Error{error.status, file.string() + ": " + error.detail}; };
  const Result<std::string> text = read_file(file);
  if (!text) return named(text.error());
  Result<Json> document = parse_document(*text);
  return document ? std::move(document) : named(document.error());
}

}  // namespace sks::conformance
