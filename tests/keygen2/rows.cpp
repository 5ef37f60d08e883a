#include "tests/keygen2/rows.h"

#include <doctest/doctest.h>

#include "keygen2/enumerations.h"
#include "tests/keygen2/json_edit.h"
#include "tests/keygen2/schema.h"

namespace sks::test::rows {
namespace {

namespace edit = json_edit;
using namespace keygen2;

std::string class_of(const Outcome<void>& outcome) {
  return outcome ? "accepted" : std::string(to_string(outcome.error().error_class));
}

std::string shown_by(const Row& row, const std::string& message) {
  const Outcome<std::string> shown = row.read(message);
  return shown ? *shown : std::string(to_string(shown.error().error_class)) + ": " + shown.error().detail;
}

template <class M>
Outcome<void> decode_as(IncomingMessage& incoming) {
  SKS_LET(const M message, incoming.decode<M>());
  static_cast<void>(message);
  return {};
}

/// In the order of MessageType.
constexpr std::array<Outcome<void> (*)(IncomingMessage&), kMessageTypeCount> kDecoders{
    decode_as<InvocationRequest>,
    decode_as<InvocationResponse>,
    decode_as<ProvisioningInitializationRequest>,
    decode_as<ProvisioningInitializationResponse>,
    decode_as<CredentialDiscoveryRequest>,
    decode_as<CredentialDiscoveryResponse>,
    decode_as<KeyCreationRequest>,
    decode_as<KeyCreationResponse>,
    decode_as<ProvisioningFinalizationRequest>,
    decode_as<ProvisioningFinalizationResponse>,
};

enum class JsonType : std::uint8_t { boolean, number, string, array, object };

/// A value of each other type. The string is one that means something to a lenient reader.
std::vector<Refused> other_types(JsonType type) {
  const std::vector<std::pair<JsonType, std::string>> all{
      {JsonType::boolean, "true"},
      {JsonType::number, "5"},
      {JsonType::string, type == JsonType::boolean ? R"("true")" : R"("5")"},
      {JsonType::array, R"(["5"])"},
      {JsonType::object, "{}"}};
  std::vector<Refused> others;
  for (const auto& [other, json] : all)
    if (other != type) others.push_back({json, ErrorClass::json});
  return others;
}

Type of_string(std::vector<Accepted> accepted, const std::vector<std::string>& refused) {
  Type type{std::move(accepted), other_types(JsonType::string)};
  for (const std::string& json : refused) type.refused.push_back({json, ErrorClass::value});
  return type;
}

std::string property_beside(const std::string& pointer) {
  return pointer.substr(0, pointer.rfind('/') + 1) + "unknownProperty";
}

std::string without(const Row& row) {
  return edit::contains(row.message, row.pointer) ? edit::without(row.message, row.pointer) : row.message;
}

void check_absence(const Row& row) {
  if (!row.absent.allowed) {
    CHECK(class_of(decode_any(without(row))) == to_string(row.absent.refused));
    return;
  }
  CHECK(shown_by(row, without(row)) == row.absent.shown);
  if (!row.absent.json.empty())
    CHECK(shown_by(row, edit::with(row.message, row.pointer, row.absent.json)) == row.absent.shown);
}

}  // namespace

Type Type::with(std::vector<Accepted> more, std::vector<Refused> none) const {
  Type all = *this;
  all.accepted.insert(all.accepted.end(), more.begin(), more.end());
  all.refused.insert(all.refused.end(), none.begin(), none.end());
  return all;
}

Outcome<void> decode_any(const std::string& text) {
  SKS_LET(IncomingMessage incoming, IncomingMessage::parse(text, kMaxMessageToClient));
  return kDecoders.at(static_cast<std::size_t>(incoming.type()))(incoming);
}

void check(const Row& row) {
  const std::string citation = row.citation;
  CAPTURE(citation);
  CAPTURE(row.pointer);
  REQUIRE(class_of(decode_any(row.message)) == "accepted");
  std::string present;
  for (const Accepted& value : row.type.accepted) {
    CAPTURE(value.json.substr(0, 200));
    present = edit::with(row.message, row.pointer, value.json);
    CHECK(shown_by(row, present) == value.shown);
    CHECK(find_schema_violation(present, {std::string(kKeySuspension)}) == "");
  }
  for (const Refused& value : row.type.refused) {
    CAPTURE(value.json.substr(0, 200));
    CHECK(class_of(decode_any(edit::with(row.message, row.pointer, value.json))) == to_string(value.error_class));
  }
  CHECK(class_of(decode_any(edit::with(row.message, row.pointer, "null"))) == "JSON");
  check_absence(row);
  if (present.empty()) present = row.message;
  REQUIRE(edit::contains(present, row.pointer));
  CHECK(class_of(decode_any(edit::with_duplicate(present, row.pointer))) == "JSON");
  CHECK(class_of(decode_any(edit::with(present, property_beside(row.pointer), "1"))) == "JSON");
}

void check(const Rule& rule) {
  const std::string citation = rule.citation;
  const std::string name = rule.name;
  CAPTURE(citation);
  CAPTURE(name);
  std::string message = rule.message;
  for (const auto& [pointer, value] : rule.edits)
    message = value.empty() ? edit::without(message, pointer) : edit::with(message, pointer, value);
  CHECK(class_of(decode_any(message)) == (rule.refused ? to_string(*rule.refused) : "accepted"));
  if (!rule.refused) CHECK(find_schema_violation(message, {std::string(kKeySuspension)}) == "");
}

std::string text_json(const std::string& text) { return "\"" + text + "\""; }

std::string repeated(std::size_t count, const std::string& text) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

std::string bytes_json(std::size_t count, std::uint8_t byte) { return text_json(to_base64url(Bytes(count, byte))); }

Type boolean() { return {{{"true", "true"}, {"false", "false"}}, other_types(JsonType::boolean)}; }

Type number(std::int64_t min, std::int64_t max) {
  Type type{{{std::to_string(min), std::to_string(min)}, {std::to_string(max), std::to_string(max)}},
            other_types(JsonType::number)};
  for (const std::int64_t outside :
       {min - 1, max + 1, std::int64_t{2147483648}, std::int64_t{-2147483649}, std::int64_t{4294967296} + min})
    type.refused.push_back({std::to_string(outside), ErrorClass::value});
  return type;
}

Type id() {
  const std::string longest = text_json(repeated(32, "~"));
  return of_string({{R"("!")", R"("!")"}, {longest, longest}},
                   {R"("")", R"("a b")", R"("a\t")", R"("\u00e5")", R"("\u007f")", text_json(repeated(33, "x"))});
}

Type uri() {
  const std::string longest = text_json("a:" + repeated(998, "b"));
  return of_string({{R"("urn:a")", R"("urn:a")"},
                    {R"("https://x.example:1/a?b=%20#c")", R"("https://x.example:1/a?b=%20#c")"},
                    {longest, longest}},
                   {R"("")", R"("a")", R"("/a")", R"(":a")", R"("1a:b")", R"("a:b c")", R"("a:\u00e5")", R"("a:%2")",
                    R"("a:%2g")", text_json("a:" + repeated(999, "b"))});
}

Type constant_uri(const std::string& value) {
  return of_string({{text_json(value), text_json(value)}},
                   {R"("")", text_json(value + "x"), text_json(value.substr(0, value.size() - 1)), R"("urn:a")"});
}

Type text(std::size_t min, std::size_t max) {
  std::vector<std::string> outside{text_json(repeated(max + 1, "x"))};
  if (min > 0) outside.push_back(text_json(repeated(min - 1, "x")));
  const std::string shortest = text_json(repeated(min, "x"));
  const std::string longest = text_json(repeated(max, "x"));
  return of_string({{shortest, shortest}, {longest, longest}}, outside);
}

Type byte_array(std::size_t min, std::size_t max) {
  Type type = of_string({{bytes_json(max), bytes_json(max)}}, {});
  if (min != max) type.accepted.push_back({bytes_json(min, 0xFF), bytes_json(min, 0xFF)});
  std::vector<std::string> outside{bytes_json(max + 1)};
  if (min > 0) outside.push_back(bytes_json(min - 1));
  // Of a right length, and no strict base64url: padding, the other alphabet, white space, unused bits that are not
  // zero.
  const std::string valid = to_base64url(Bytes(max, 0));
  outside.push_back(text_json(valid + "="));
  outside.push_back(text_json("+" + valid.substr(1)));
  outside.push_back(text_json("/" + valid.substr(1)));
  outside.push_back(text_json(valid.substr(1) + " "));
  if (max % 3 != 0) outside.push_back(text_json(valid.substr(0, valid.size() - 1) + "B"));
  for (const std::string& json : outside) type.refused.push_back({json, ErrorClass::value});
  return type;
}

Type utc_time() {
  const std::string time = R"("2020-02-29T23:59:59Z")";
  return of_string({{time, time}},
                   {R"("2020-02-29T23:59:59+00:00")", R"("2020-02-29T23:59:59.0Z")", R"("2020-02-29t23:59:59z")",
                    R"("2019-02-29T23:59:59Z")", R"("2020-02-29T24:00:00Z")", R"("2020-02-29T23:59:60Z")",
                    R"("2020-13-01T00:00:00Z")", R"("2020-02-29")", R"("")"});
}

Type choice(const std::vector<std::string>& names) {
  std::vector<Accepted> accepted;
  for (std::size_t i = 0; i < names.size(); ++i) accepted.push_back({text_json(names[i]), std::to_string(i)});
  std::string capital = names.front();
  capital.front() = static_cast<char>(capital.front() - 'a' + 'A');
  return of_string(std::move(accepted), {R"("")", text_json(capital), text_json(names.front() + " "), R"("other")"});
}

Type array(const Type& element) {
  Type type{{}, other_types(JsonType::array)};
  type.refused.push_back({"[]", ErrorClass::json});
  type.refused.push_back({"[null]", ErrorClass::json});
  for (const Accepted& value : element.accepted)
    type.accepted.push_back({"[" + value.json + "]", "[" + value.shown + "]"});
  for (const Refused& value : element.refused) type.refused.push_back({"[" + value.json + "]", value.error_class});
  return type;
}

Type object() { return {{}, other_types(JsonType::object)}; }

Type object_array() {
  Type type{{}, other_types(JsonType::array)};
  for (const char* const json : {"[]", "[null]", "[5]", "[[]]", "[{}]", R"(["5"])"})
    type.refused.push_back({json, ErrorClass::json});
  return type;
}

Type public_key(bool rsa, bool okp, ErrorClass otherwise) {
  // A point of keygen2.md Appendix C.4, the key of RFC 8037 A.2, and a number that is odd and long enough.
  const std::string x = R"("UVw9brnjlrkE0_7Kf1T9zQzB6Ze_N13KUVrQpsO0A18")";
  const std::string y = R"("RTa-OlDzGPv5pUdZAqIhUCvvDVfgjFOyzApW8X2fk1Q")";
  const std::string raw = R"("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")";
  const std::string modulus = bytes_json(256, 0xC1);
  const std::string ec = R"({"kty":"EC","crv":"P-256","x":)" + x + R"(,"y":)" + y + "}";
  const std::string rsa_key = R"({"kty":"RSA","n":)" + modulus + R"(,"e":"AQAB"})";
  const std::string okp_key = R"({"kty":"OKP","crv":"Ed25519","x":)" + raw + "}";
  Type type{{{ec, x}}, other_types(JsonType::object)};
  if (rsa)
    type.accepted.push_back({rsa_key, modulus});
  else
    type.refused.push_back({rsa_key, otherwise});
  if (okp)
    type.accepted.push_back({okp_key, raw});
  else
    type.refused.push_back({okp_key, otherwise});
  const std::vector<Refused> malformed{
      {R"({"kty":"EC","crv":"P-256","x":)" + y + R"(,"y":)" + x + "}", ErrorClass::crypto},
      {R"({"kty":"EC","crv":"P-256","x":)" + x + R"(,"y":"AQ"})", ErrorClass::crypto},
      {R"({"kty":"EC","crv":"P-224","x":)" + x + R"(,"y":)" + y + "}", ErrorClass::value},
      {R"({"kty":"EC","crv":"P-256","x":)" + x + "}", ErrorClass::json},
      {R"({"kty":"EC","crv":"P-256","kid":"1","x":)" + x + R"(,"y":)" + y + "}", ErrorClass::json},
      {R"({"crv":"P-256","x":)" + x + R"(,"y":)" + y + "}", ErrorClass::json},
      {R"({"kty":"oct","k":"AA"})", ErrorClass::value},
  };
  return type.with({}, malformed);
}

std::string show(bool value) { return value ? "true" : "false"; }
std::string show(const std::string& value) { return text_json(value); }
std::string show(const Bytes& value) { return text_json(to_base64url(value)); }

std::string show(const crypto::PublicKey& value) {
  if (value.kind() == KeyKind::rsa) return show(Bytes(value.rsa_modulus()));
  return show(value.kind() == KeyKind::ec ? Bytes(value.ec_x()) : Bytes(value.raw()));
}

std::string show(const ImageAttributes& value) {
  return value.mime_type + " " + std::to_string(value.width) + "x" + std::to_string(value.height);
}

}  // namespace sks::test::rows
