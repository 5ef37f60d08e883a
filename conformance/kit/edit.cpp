#include "conformance/kit/edit.h"

#include <algorithm>
#include <array>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/public_key.h"

namespace sks::conformance {
namespace {

using Pointer = Json::json_pointer;

/// Where a textual edit left its mark in the values, and what the text has there instead.
struct Mark {
  std::string text;
  std::string replacement;
};

struct Change {
  Json& message;
  const Edit& edit;
  std::vector<Mark>& marks;
};

Error absent(const std::string& place) { return {Status::option, "the message has nothing at " + place}; }

/// Only whether the text is a JSON pointer: the library reports it by an exception alone.
bool is_pointer(const std::string& text) {
  if (!text.empty() && text.front() != '/') return false;
  for (std::size_t at = text.find('~'); at != std::string::npos; at = text.find('~', at + 1))
    if (at + 1 == text.size() || (text[at + 1] != '0' && text[at + 1] != '1')) return false;
  return true;
}

bool is_index(const std::string& token, std::size_t size) {
  const bool digits = !token.empty() && token.size() < 6 && (token == "0" || token.front() != '0') &&
                      std::ranges::all_of(token, [](char c) { return c >= '0' && c <= '9'; });
  return digits && std::stoul(token) < size;
}

/// The value there, or null.
Json* find(Json& message, const std::string& place) {
  if (!is_pointer(place)) return nullptr;
  const Pointer pointer(place);
  if (pointer.empty()) return &message;
  Json* const parent = find(message, pointer.parent_pointer().to_string());
  if (parent == nullptr) return nullptr;
  const std::string& name = pointer.back();
  if (parent->is_object()) return parent->contains(name) ? &parent->at(name) : nullptr;
  return parent->is_array() && is_index(name, parent->size()) ? &parent->at(std::stoul(name)) : nullptr;
}

/// The object that holds, or is to hold, a member there.
Json* find_parent(Json& message, const std::string& place) {
  if (!is_pointer(place) || place.empty()) return nullptr;
  Json* const parent = find(message, Pointer(place).parent_pointer().to_string());
  return parent != nullptr && parent->is_object() ? parent : nullptr;
}

Result<void> put(Json& message, const std::string& place, Json value) {
  if (Json* const old = find(message, place)) {
    *old = std::move(value);
    return {};
  }
  Json* const parent = find_parent(message, place);
  if (parent == nullptr) return absent(place);
  (*parent)[Pointer(place).back()] = std::move(value);
  return {};
}

Result<void> set(const Change& change) { return put(change.message, change.edit.place, change.edit.argument); }

Result<void> remove(const Change& change) {
  if (find(change.message, change.edit.place) == nullptr || change.edit.place.empty()) return absent(change.edit.place);
  const Pointer pointer(change.edit.place);
  Json& parent = *find(change.message, pointer.parent_pointer().to_string());
  if (parent.is_object())
    parent.erase(pointer.back());
  else
    parent.erase(std::stoul(pointer.back()));
  return {};
}

Result<void> rename(const Change& change) {
  Json* const parent = find_parent(change.message, change.edit.place);
  Json* const value = find(change.message, change.edit.place);
  if (parent == nullptr || value == nullptr) return absent(change.edit.place);
  Json moved = std::move(*value);
  parent->erase(Pointer(change.edit.place).back());
  (*parent)[change.edit.argument.get<std::string>()] = std::move(moved);
  return {};
}

Result<void> append(const Change& change) {
  Json* const array = find(change.message, change.edit.place);
  if (array == nullptr || !array->is_array()) return absent(change.edit.place);
  array->push_back(change.edit.argument);
  return {};
}

/// Appends a copy of the element to its array.
Result<void> repeat(const Change& change) {
  const Json* const element = find(change.message, change.edit.place);
  if (element == nullptr || change.edit.place.empty()) return absent(change.edit.place);
  Json* const array = find(change.message, Pointer(change.edit.place).parent_pointer().to_string());
  if (!array->is_array()) return absent(change.edit.place);
  Json copied = *element;
  array->push_back(std::move(copied));
  return {};
}

Result<void> copy(const Change& change) {
  const Json* const value = find(change.message, change.edit.place);
  if (value == nullptr) return absent(change.edit.place);
  Json copied = *value;
  return put(change.message, change.edit.argument.get<std::string>(), std::move(copied));
}

Result<void> swap(const Change& change) {
  Json* const one = find(change.message, change.edit.place);
  Json* const other = find(change.message, change.edit.argument.get<std::string>());
  const std::string with = change.edit.argument.get<std::string>();
  const bool nested =
      (with + '/').starts_with(change.edit.place + '/') || (change.edit.place + '/').starts_with(with + '/');
  if (one == nullptr || other == nullptr || nested) return absent(change.edit.place);
  std::swap(*one, *other);
  return {};
}

/// Changes the bytes of a base64url value.
template <class Operate>
Result<void> change_bytes(const Change& change, Operate operate) {
  Json* const value = find(change.message, change.edit.place);
  if (value == nullptr || !value->is_string()) return absent(change.edit.place);
  Result<Bytes> bytes = from_base64url(value->get<std::string>());
  if (!bytes || bytes->empty()) return Error{Status::option, change.edit.place + " is no base64url"};
  SKS_LET(const Bytes changed, operate(*std::move(bytes)));
  *value = to_base64url(changed);
  return {};
}

/// Turns one bit over, the lowest of the last byte.
Result<void> flip(const Change& change) {
  return change_bytes(change, [](Bytes bytes) -> Result<Bytes> {
    bytes.back() ^= 1U;
    return bytes;
  });
}

/// Puts a byte behind the others.
Result<void> lengthen(const Change& change) {
  return change_bytes(change, [](Bytes bytes) -> Result<Bytes> {
    bytes.push_back(0);
    return bytes;
  });
}

/// Writes the r and s of an ECDSA signature as DER: it stays the right signature.
Result<void> write_der(const Change& change) {
  return change_bytes(change, [](const Bytes& bytes) { return crypto::ecdsa_raw_to_der(Curve::p256, bytes); });
}

/// Exchanges capital and small letters of a text that has some.
Result<void> change_case(const Change& change) {
  Json* const value = find(change.message, change.edit.place);
  if (value == nullptr || !value->is_string()) return absent(change.edit.place);
  constexpr char kCaseBit = 'a' ^ 'A';
  auto text = value->get<std::string>();
  for (char& letter : text)
    if ((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z'))
      letter = static_cast<char>(letter ^ kCaseBit);
  if (*value == text) return Error{Status::option, change.edit.place + " holds no letters"};
  *value = text;
  return {};
}

std::string new_mark(const Change& change) { return "@mark" + std::to_string(change.marks.size()) + "@"; }

/// A member once more under the same name.
Result<void> duplicate(const Change& change) {
  Json* const parent = find_parent(change.message, change.edit.place);
  const Json* const value = find(change.message, change.edit.place);
  if (parent == nullptr || value == nullptr) return absent(change.edit.place);
  change.marks.push_back({new_mark(change), ""});
  Json copied = *value;
  (*parent)[Pointer(change.edit.place).back() + change.marks.back().text] = std::move(copied);
  return {};
}

Result<void> put_mark(const Change& change, std::string replacement) {
  change.marks.push_back({new_mark(change), std::move(replacement)});
  const std::string text = change.marks.back().text;
  change.marks.back().text = '"' + text + '"';
  return put(change.message, change.edit.place, text);
}

Result<void> raw(const Change& change) { return put_mark(change, change.edit.argument.get<std::string>()); }

Result<void> raw_hex(const Change& change) {
  SKS_LET(const Bytes bytes, from_hex(change.edit.argument.get<std::string>()));
  return put_mark(change, sks::to_string(bytes));
}

/// What a whole text becomes.
Result<void> replace_text(std::string& text, const Edit& edit) {
  const std::size_t at = text.find(edit.place);
  if (at == std::string::npos) return Error{Status::option, "the message does not hold the text \"" + edit.place + '"'};
  text.replace(at, edit.place.size(), edit.argument.get<std::string>());
  return {};
}
Result<void> put_before(std::string& text, const Edit& edit) {
  text.insert(0, edit.place);
  return {};
}
Result<void> put_after(std::string& text, const Edit& edit) {
  text += edit.place;
  return {};
}
Result<void> put_instead(std::string& text, const Edit& edit) {
  text = edit.place;
  return {};
}
Result<void> fill_up(std::string& text, const Edit& edit) {
  constexpr std::size_t kMaxFilled = std::size_t{16} * 1024 * 1024;
  if (edit.place.size() > 8 || edit.place.find_first_not_of("0123456789") != std::string::npos)
    return Error{Status::option, "no number of bytes: " + edit.place};
  text.append(std::min<std::size_t>(std::stoul(edit.place), kMaxFilled), ' ');
  return {};
}

enum class Argument : std::uint8_t { none, value, text };

struct Operation {
  std::string_view name;
  std::string_view argument_name;
  Argument argument;
  Result<void> (*on_values)(const Change& change);
  Result<void> (*on_text)(std::string& text, const Edit& edit);
  bool textual;  ///< the text of the message is no longer that of the values
};
constexpr auto kOperations = std::to_array<Operation>({
    {"set", "to", Argument::value, set, nullptr, false},
    {"remove", "", Argument::none, remove, nullptr, false},
    {"rename", "to", Argument::text, rename, nullptr, false},
    {"append", "value", Argument::value, append, nullptr, false},
    {"repeat", "", Argument::none, repeat, nullptr, false},
    {"copy", "to", Argument::text, copy, nullptr, false},
    {"swap", "with", Argument::text, swap, nullptr, false},
    {"flip", "", Argument::none, flip, nullptr, false},
    {"lengthen", "", Argument::none, lengthen, nullptr, false},
    {"der", "", Argument::none, write_der, nullptr, false},
    {"other_case", "", Argument::none, change_case, nullptr, false},
    {"duplicate", "", Argument::none, duplicate, nullptr, true},
    {"raw", "to", Argument::text, raw, nullptr, true},
    {"raw_hex", "to", Argument::text, raw_hex, nullptr, true},
    {"replace", "with", Argument::text, nullptr, replace_text, true},
    {"before", "", Argument::none, nullptr, put_before, true},
    {"after", "", Argument::none, nullptr, put_after, true},
    {"instead", "", Argument::none, nullptr, put_instead, true},
    {"blanks", "", Argument::none, nullptr, fill_up, true},
});

const Operation* find_operation(std::string_view name) {
  const auto* const found = std::ranges::find(kOperations, name, &Operation::name);
  return found == kOperations.end() ? nullptr : found;
}

}  // namespace

Edit read_edit(const Node& node) {
  for (const Operation& operation : kOperations) {
    const Node place = node[operation.name];
    if (!place.exists()) continue;
    Edit edit{std::string(operation.name), place.text(), nullptr};
    if (operation.on_values != nullptr && !is_pointer(edit.place)) place.fail("is no JSON pointer");
    const Node argument = node[operation.argument_name];
    const std::size_t members = operation.argument == Argument::none ? 1 : 2;
    if (node.json().size() != members) node.fail("has not exactly the members of this edit");
    if (operation.argument == Argument::text) edit.argument = argument.text();
    if (operation.argument == Argument::value && argument.exists()) edit.argument = argument.json();
    if (operation.argument != Argument::none && !argument.exists()) argument.fail("is missing");
    return edit;
  }
  node.fail("is no edit");
  return {"set", "", nullptr};
}

bool is_textual(const Edit& edit) { return find_operation(edit.operation)->textual; }

Result<void> apply(const std::vector<Edit>& edits, Json& message) {
  std::vector<Mark> marks;
  for (const Edit& edit : edits) {
    const Operation* const operation = find_operation(edit.operation);
    SKS_CHECK(!operation->textual);
    SKS_TRY(operation->on_values({message, edit, marks}));
  }
  return {};
}

Result<std::string> to_text(const std::vector<Edit>& edits, Json message) {
  std::vector<Mark> marks;
  for (const Edit& edit : edits)
    if (const Operation* const operation = find_operation(edit.operation); operation->on_values != nullptr)
      SKS_TRY(operation->on_values({message, edit, marks}));
  std::string text = message.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
  for (const Mark& mark : marks) {
    const std::size_t at = text.find(mark.text);
    if (at == std::string::npos) return Error{Status::option, "an edit undoes an earlier one"};
    text.replace(at, mark.text.size(), mark.replacement);
  }
  for (const Edit& edit : edits)
    if (const Operation* const operation = find_operation(edit.operation); operation->on_text != nullptr)
      SKS_TRY(operation->on_text(text, edit));
  return text;
}

}  // namespace sks::conformance
