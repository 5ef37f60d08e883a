#include "conformance/calls.h"

#include <openssl/evp.h>

#include <algorithm>

#include "conformance/call_values.h"
#include "keygen2/enumerations.h"
#include "sks-core/base/encoding.h"

namespace sks::conformance {
namespace {

using Api = SecureKeyStore;

/// Views are arguments of functions, but nothing to keep.
template <class A>
using Stored = std::conditional_t<std::is_same_v<A, std::string_view>, std::string,
                                  std::conditional_t<std::is_same_v<A, ByteView>, Bytes, std::remove_cvref_t<A>>>;

template <class Row, class Function = std::remove_const_t<decltype(Row::kFunction)>>
struct Caller;

template <class Row, class R, class... As>
struct Caller<Row, Result<R> (Api::*)(As...)> {
  static std::optional<Json> call(const Row& row, Api& store, const Node& in) {
    return call(row, store, in, std::index_sequence_for<As...>());
  }

 private:
  template <std::size_t... kIndex>
  static std::optional<Json> call([[maybe_unused]] const Row& row, Api& store, [[maybe_unused]] const Node& in,
                                  std::index_sequence<kIndex...>) {
    const std::size_t before = in.findings().list().size();
    const std::tuple<Stored<As>...> arguments{take_value<Stored<As>>(in, row.arguments[kIndex])...};
    if (in.findings().list().size() != before) return std::nullopt;
    return result_to_json((store.*Row::kFunction)(std::get<kIndex>(arguments)...), row.result);
  }
};

}  // namespace

std::optional<Json> make_call(SecureKeyStore& store, std::string_view method, const Node& in) {
  std::optional<Json> out;
  bool known = false;
  const auto try_row = [&](const auto& row) {
    if (method != row.name) return;
    known = true;
    out = Caller<std::remove_cvref_t<decltype(row)>>::call(row, store, in);
  };
  std::apply([&](const auto&... row) { (try_row(row), ...); }, rows::kCalls);
  if (!known) in.fail("belongs to no method of the key store: " + std::string(method));
  return out;
}

std::optional<Status> error_of(const Json& out) {
  if (!out.is_object() || !out.contains("error") || !out["error"].is_number_unsigned()) return std::nullopt;
  return static_cast<Status>(out["error"].get<std::uint8_t>());
}

std::string to_base64(ByteView bytes) {
  constexpr std::size_t kIn = 3;
  constexpr std::size_t kOut = 4;
  std::string text((bytes.size() + kIn - 1) / kIn * kOut + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

Json bytes_to_json(ByteView bytes, Form form) {
  const bool optional = form == Form::optional_hex || form == Form::optional_base64;
  if (optional && bytes.empty()) return {};
  const bool hex = form == Form::hex || form == Form::optional_hex;
  return hex ? to_hex(bytes) : to_base64(bytes);
}

Bytes bytes_from(const Node& node, Form form) {
  const bool optional = form == Form::optional_hex || form == Form::optional_base64;
  if (optional && !node.exists()) return {};
  const bool hex = form == Form::hex || form == Form::optional_hex;
  return hex ? node.hex() : node.base64();
}

Json patterns_to_json(std::uint8_t bits) {
  Json names = Json::array();
  for (std::size_t i = 0; i < keygen2::kPatternRestrictions.size(); ++i)
    if ((bits >> i & 1U) != 0) names.push_back(keygen2::kPatternRestrictions.at(i));
  return names;
}

std::uint8_t patterns_from(const Node& node) {
  unsigned bits = 0;
  for (const Node& name : node.optional_elements()) bits |= 1U << name.enumeration(keygen2::kPatternRestrictions);
  return static_cast<std::uint8_t>(bits);
}

std::uint32_t number_from(const Node& node, std::uint32_t limit) {
  const std::uint32_t number = node.number();
  if (number <= limit) return number;
  node.fail("is larger than " + std::to_string(limit));
  return 0;
}

Json error_to_json(const Error& error) {
  return {{"error", static_cast<std::uint8_t>(error.status)}, {"message", error.detail}};
}

}  // namespace sks::conformance
