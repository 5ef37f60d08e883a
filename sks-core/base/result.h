#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sks {

/// Status codes of the SKS API. Spec: sks-api.md chapter 9.
enum class Status : std::uint8_t {
  authorization = 0x01,
  not_allowed = 0x02,
  storage = 0x03,
  mac = 0x04,
  crypto = 0x05,
  no_session = 0x06,
  no_key = 0x07,
  algorithm = 0x08,
  option = 0x09,
  internal = 0x0A,
  external = 0x0B,
  user_abort = 0x0C,
  not_available = 0x0D,
};

/// The name of a status as the specification spells it, such as "ERROR_MAC".
std::string_view to_string(Status status);

/// What went wrong: the status that callers act on, and one sentence for people.
///
/// `detail` may reach a peer or a log (at most 2000 bytes on the wire), so it never holds secret data.
struct Error {
  // Everything that handles the string is out of line: each call that can fail holds a copy of this code otherwise,
  // which made up a third of the engine's size.
  [[gnu::cold]] Error(Status failure, std::string&& text) noexcept;
  [[gnu::cold]] Error(Status failure, std::string_view text);
  [[gnu::cold]] Error(Status failure, const char* text);
  Error(Status failure, std::nullptr_t) = delete;  // what an empty pair of braces would be taken for
  [[gnu::cold]] Error(const Error& other);
  [[gnu::cold]] Error(Error&& other) noexcept;
  [[gnu::cold]] Error& operator=(const Error& other);
  [[gnu::cold]] Error& operator=(Error&& other) noexcept;
  [[gnu::cold]] ~Error();

  Status status;
  std::string detail;
};

/// Ends the process when our own code broke one of its own rules. For mistakes, never for input.
[[noreturn, gnu::cold]] void fail_check(const char* condition, const char* file, int line);

#define SKS_CHECK(condition) ((condition) ? static_cast<void>(0) : ::sks::fail_check(#condition, __FILE__, __LINE__))

/// Either a value or the error that prevented it. Reading the wrong side is a mistake of the caller and ends the
/// process.
template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)), has_value_(true) {}   // NOLINT(google-explicit-constructor)
  Result(E error) : error_(std::move(error)), has_value_(false) {}  // NOLINT(google-explicit-constructor)

  Result(Result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : has_value_(other.has_value_) {
    if (has_value_) {
      new (&value_) T(std::move(other.value_));
    } else {
      new (&error_) E(std::move(other.error_));
    }
  }
  Result(const Result& other) requires std::is_copy_constructible_v<T> : has_value_(other.has_value_) {
    if (has_value_) {
      new (&value_) T(other.value_);
    } else {
      new (&error_) E(other.error_);
    }
  }
  /// noexcept, so that no move that fails leaves half a result.
  Result& operator=(Result other) noexcept {
    this->~Result();
    return *new (this) Result(std::move(other));
  }
  ~Result() {
    if (has_value_) {
      value_.~T();
    } else {
      error_.~E();
    }
  }

  explicit operator bool() const noexcept { return has_value_; }

  T& value() & {
    SKS_CHECK(has_value_);
    return value_;
  }
  const T& value() const& {
    SKS_CHECK(has_value_);
    return value_;
  }
  T&& value() && {
    SKS_CHECK(has_value_);
    return std::move(value_);
  }

  E& error() & {
    SKS_CHECK(!has_value_);
    return error_;
  }
  const E& error() const& {
    SKS_CHECK(!has_value_);
    return error_;
  }
  E&& error() && {
    SKS_CHECK(!has_value_);
    return std::move(error_);
  }

  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }

 private:
  // Not a std::variant: every function of ours returns a Result, and the templates behind a variant took nearly a tenth
  // of the time that it takes to compile everything.
  union {
    T value_;
    E error_;
  };
  bool has_value_;
};

template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  Result(E error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const noexcept { return !error_; }

  E& error() & {
    SKS_CHECK(error_);
    return *error_;
  }
  const E& error() const& {
    SKS_CHECK(error_);
    return *error_;
  }
  E&& error() && {
    SKS_CHECK(error_);
    return *std::move(error_);
  }

 private:
  std::optional<E> error_;
};

/// Returns the error of `expression` to our own caller, or goes on.
#define SKS_TRY(expression)                                        \
  do {                                                             \
    auto sks_try_result = (expression);                            \
    if (!sks_try_result) return std::move(sks_try_result).error(); \
  } while (false)

#define SKS_CONCAT_INNER(a, b) a##b
#define SKS_CONCAT(a, b) SKS_CONCAT_INNER(a, b)
#define SKS_LET_INNER(result, declaration, expression) \
  auto result = (expression);                          \
  if (!result) return std::move(result).error();       \
  declaration = std::move(result).value()

/// Declares a variable from the value of `expression`, or returns its error to our own caller.
#define SKS_LET(declaration, ...) SKS_LET_INNER(SKS_CONCAT(sks_let_, __LINE__), declaration, (__VA_ARGS__))

}  // namespace sks
