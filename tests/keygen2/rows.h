#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "keygen2/messages.h"
#include "sks-core/base/encoding.h"

/// Tests of the property tables in keygen2.md chapter 4, row by row: what a row says, and what follows for messages.
namespace sks::test::rows {

using keygen2::ErrorClass;
using keygen2::Outcome;

/// A value (JSON) that is accepted, and how the decoded property is shown then.
struct Accepted {
  std::string json;
  std::string shown;
};

struct Refused {
  std::string json;
  ErrorClass error_class;
};

/// Values at both ends of a type's range, and just outside of them.
struct Type {
  std::vector<Accepted> accepted;
  std::vector<Refused> refused;

  /// The same with more of them.
  Type with(std::vector<Accepted> more, std::vector<Refused> none) const;
};

/// Decodes a message and shows one property of it. Also encodes it again and decodes that, which must change nothing.
using Read = std::function<Outcome<std::string>(const std::string& message)>;

/// What an absent property means.
struct Absent {
  bool allowed = false;
  ErrorClass refused = ErrorClass::json;
  std::string shown = "";  ///< the property when it is absent
  std::string json = "";   ///< a value that means the same; empty when there is none
};
inline const Absent kMandatory{};
inline Absent optional(std::string shown, std::string json = "") {
  return {true, ErrorClass::json, std::move(shown), std::move(json)};
}

struct Row {
  const char* citation;
  std::string message;  ///< a valid one, text
  std::string pointer;  ///< of the property, which the message may lack
  Type type;
  Absent absent;
  Read read;
};

/// Everything that follows from one row: its values, its absence, null, and an unknown property beside it.
void check(const Row& row);

/// A rule that binds several places.
struct Rule {
  const char* citation;
  const char* name;
  std::string message;
  std::vector<std::pair<std::string, std::string>> edits;  ///< pointer, value (JSON); no value: the place is left out
  std::optional<ErrorClass> refused;                       ///< none: the message is accepted
};
void check(const Rule& rule);

std::string text_json(const std::string& text);
std::string repeated(std::size_t count, const std::string& text);
/// A byte array of so many bytes, as JSON.
std::string bytes_json(std::size_t count, std::uint8_t byte = 0);

Type boolean();
Type number(std::int64_t min, std::int64_t max);
Type id();
Type uri();
/// One URI and no other.
Type constant_uri(const std::string& value);
/// Any string of min to max characters.
Type text(std::size_t min, std::size_t max);
Type byte_array(std::size_t min, std::size_t max);
Type utc_time();
/// The strings of an enumeration, in the order of their bytes.
Type choice(const std::vector<std::string>& names);
/// An array of one element or more; `elements` are those of one property each. Shown as [x].
Type array(const Type& element);
/// An object, or an array of them, whose inside has rows of its own: only what it must not be.
Type object();
Type object_array();
/// Public keys where KeyGen2 allows RSA, EC, OKP.
Type public_key(bool rsa, bool okp, ErrorClass otherwise);

std::string show(bool value);
std::string show(const std::string& value);
std::string show(const Bytes& value);
std::string show(const crypto::PublicKey& value);
std::string show(const keygen2::ImageAttributes& value);
template <class T>
std::string show(const std::optional<T>& value);
template <class T>
std::string show(const std::vector<T>& values);
/// Objects are shown by whether they are there, or how many: their properties have rows of their own.
template <class T>
requires(std::is_class_v<T>&& std::is_default_constructible_v<T>) std::string show(const T&) { return "object"; }
template <class T>
requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) std::string show(T value) { return std::to_string(value); }
template <class T>
std::string show(const std::optional<T>& value) {
  return value ? show(*value) : "absent";
}
template <class T>
std::string show(const std::vector<T>& values) {
  std::string all;
  for (const T& value : values) all += (all.empty() ? "" : ",") + show(value);
  return "[" + all + "]";
}

template <class M>
Outcome<M> decode(const std::string& text) {
  SKS_LET(keygen2::IncomingMessage incoming, keygen2::IncomingMessage::parse(text, keygen2::kMaxMessageToClient));
  if (incoming.type() != M::kType) return keygen2::Failure{ErrorClass::state, "a message of another type"};
  return incoming.decode<M>();
}

/// Whether a message of any type decodes.
Outcome<void> decode_any(const std::string& text);

/// `get` takes a const M& to the property.
template <class M, class Get>
Read reads(Get get) {
  return [get](const std::string& text) -> Outcome<std::string> {
    SKS_LET(const M message, decode<M>(text));
    SKS_LET(const M again, decode<M>(message.encode()));
    const std::string shown = show(get(message));
    if (show(get(again)) != shown) return keygen2::Failure{ErrorClass::state, "encoding changes the property"};
    return shown;
  };
}

}  // namespace sks::test::rows
