#include "conformance/node.h"

#include <algorithm>
#include <limits>

#include "keygen2/jwk.h"
#include "sks-core/base/encoding.h"

namespace sks::conformance {
namespace {

Result<Bytes> from_base64(std::string text) {
  const std::size_t length = text.size();
  constexpr std::size_t kGroup = 4;
  if (length % kGroup != 0 || text.find_first_of("-_") != std::string::npos)
    return Error{Status::option, "no base64 of whole groups"};
  text.resize(length - (text.ends_with("==") ? 2U : text.ends_with('=') ? 1U : 0U));
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return from_base64url(text);
}

/// RFC 6901.
std::string escaped(std::string_view name) {
  std::string escaped;
  for (const char c : name) escaped += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return escaped;
}

}  // namespace

std::string to_string(const Place& place) {
  std::string text = place.file;
  if (!place.path.empty()) text += ' ' + place.path;
  if (!place.note.empty()) text += " (" + place.note + ')';
  return text;
}

void Findings::add(Place place, std::string sentence, std::optional<Difference> difference) {
  const bool known = std::ranges::any_of(
      list_, [&](const Finding& finding) { return finding.place == place && finding.sentence == sentence; });
  if (!known) list_.push_back({std::move(place), std::move(sentence), std::move(difference)});
}

Node Node::operator[](std::string_view member) const {
  const bool has = value_ != nullptr && value_->is_object() && value_->contains(member);
  const Json* const found = has ? &value_->at(std::string(member)) : nullptr;
  return {found == nullptr || found->is_null() ? nullptr : found,
          Place{place_.file, place_.path + '/' + escaped(member), place_.note}, findings_};
}

std::vector<Node> Node::elements() const {
  if (value_ == nullptr || !value_->is_array()) {
    fail(value_ == nullptr ? "is missing" : "is no array");
    return {};
  }
  std::vector<Node> nodes;
  for (std::size_t i = 0; i < value_->size(); ++i) {
    const Json& element = value_->at(i);
    nodes.push_back({element.is_null() ? nullptr : &element,
                     Place{place_.file, place_.path + '/' + std::to_string(i), place_.note}, findings_});
  }
  return nodes;
}

std::vector<Node> Node::optional_elements() const { return exists() ? elements() : std::vector<Node>(); }

std::string Node::text() const {
  if (value_ != nullptr && value_->is_string()) return value_->get<std::string>();
  fail(value_ == nullptr ? "is missing" : "is no text");
  return {};
}

std::string Node::optional_text() const { return exists() ? text() : std::string(); }

std::uint32_t Node::number() const {
  if (value_ != nullptr && value_->is_number_unsigned()) {
    const auto number = value_->get<std::uint64_t>();
    if (number <= std::numeric_limits<std::uint32_t>::max()) return static_cast<std::uint32_t>(number);
  }
  fail(value_ == nullptr ? "is missing" : "is no number of 32 bits");
  return 0;
}

std::uint32_t Node::optional_number() const { return exists() ? number() : 0; }

bool Node::boolean() const {
  if (value_ != nullptr && value_->is_boolean()) return value_->get<bool>();
  fail(value_ == nullptr ? "is missing" : "is neither true nor false");
  return false;
}

bool Node::optional_boolean(bool absent) const { return exists() ? boolean() : absent; }

template <class Decode>
Bytes Node::decoded(Decode decode, const char* form) const {
  const std::string encoded = text();
  if (!exists() || !value_->is_string()) return {};
  Result<Bytes> bytes = decode(encoded);
  if (bytes) return std::move(bytes).value();
  fail(std::string("is no ") + form);
  return {};
}

Bytes Node::hex() const {
  return decoded([](const std::string& text) { return from_hex(text); }, "hexadecimal");
}
Bytes Node::base64() const {
  return decoded([](const std::string& text) { return from_base64(text); }, "base64");
}
Bytes Node::base64url() const {
  return decoded([](const std::string& text) { return from_base64url(text); }, "base64url");
}
Bytes Node::optional_hex() const { return exists() ? hex() : Bytes(); }
Bytes Node::optional_base64() const { return exists() ? base64() : Bytes(); }
Bytes Node::optional_base64url() const { return exists() ? base64url() : Bytes(); }

Bytes Node::public_key() const {
  if (!exists()) {
    fail("is missing");
    return {};
  }
  // The reader of messages takes texts only, and a key only as a member.
  constexpr std::string_view kMember = "key";
  auto document = keygen2::JsonDocument::parse(Json{{kMember, *value_}}.dump(), kMaxDocument);
  if (!document) {
    fail("is no public key: " + document.error().detail);
    return {};
  }
  keygen2::JsonReader reader = document->root();
  const auto key = keygen2::read_public_key(reader, kMember, keygen2::KeyPlace::generated);
  if (const auto finished = document->finish(); !finished || !key) {
    fail("is no public key: " + (finished ? "unreadable" : finished.error().detail));
    return {};
  }
  return key->spki();
}

Bytes Node::optional_public_key() const { return exists() ? public_key() : Bytes(); }

std::uint8_t Node::enumeration(std::span<const std::string_view> names) const {
  const std::string name = text();
  const auto found = std::ranges::find(names, name);
  if (found != names.end()) return static_cast<std::uint8_t>(found - names.begin());
  if (exists() && value_->is_string()) fail("is an unknown value: \"" + name + '"');
  return 0;
}

std::uint8_t Node::optional_enumeration(std::span<const std::string_view> names, std::uint8_t absent) const {
  return exists() ? enumeration(names) : absent;
}

}  // namespace sks::conformance
