#include "provisioning-server/policy/extension_der.h"

#include <algorithm>
#include <bit>
#include <charconv>

namespace sks::issuer {
namespace {

namespace der = crypto::der;
using der::Critical;

constexpr std::uint8_t kBooleanTag = 0x01;
constexpr std::uint8_t kOidTag = 0x06;
constexpr std::uint8_t kUtf8Tag = 0x0c;
constexpr std::uint8_t kOtherName = der::kContext | der::kConstructed;
constexpr std::uint8_t kRfc822Name = der::kContext | 1;
constexpr std::string_view kKeyUsage = "2.5.29.15";
constexpr std::string_view kAlternativeNames = "2.5.29.17";
constexpr std::string_view kPolicies = "2.5.29.32";
constexpr std::string_view kExtendedKeyUsage = "2.5.29.37";
constexpr std::string_view kUserPrincipalName = "1.3.6.1.4.1.311.20.2.3";

void append(Bytes& out, ByteView part) { out.insert(out.end(), part.begin(), part.end()); }

void append_arc(Bytes& out, std::uint64_t arc) {
  Bytes digits{static_cast<std::uint8_t>(arc & 0x7f)};
  for (arc >>= 7; arc != 0; arc >>= 7) digits.push_back(static_cast<std::uint8_t>(0x80 | (arc & 0x7f)));
  std::ranges::reverse(digits);
  append(out, digits);
}

/// The arcs of a dotted identifier; none when it is not one.
std::vector<std::uint64_t> arcs_of(std::string_view dotted) {
  constexpr std::size_t kMaxArcs = 40;
  constexpr std::uint64_t kMaxArc = 0xffffffff;
  std::vector<std::uint64_t> arcs;
  while (arcs.size() <= kMaxArcs) {
    const std::string_view digits = dotted.substr(0, dotted.find('.'));
    std::uint64_t arc = 0;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), arc);
    const bool padded = digits.size() > 1 && digits.front() == '0';
    if (failure != std::errc() || end != digits.data() + digits.size() || padded || arc > kMaxArc) return {};
    arcs.push_back(arc);
    if (digits.size() == dotted.size()) return arcs;
    dotted.remove_prefix(digits.size() + 1);
  }
  return {};
}

bool is_printable(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

Bytes object_identifier(std::string_view dotted) {
  const std::vector<std::uint64_t> arcs = arcs_of(dotted);
  if (arcs.size() < 2 || arcs[0] > 2 || (arcs[0] < 2 && arcs[1] > 39)) return {};
  Bytes content;
  append_arc(content, arcs[0] * 40 + arcs[1]);
  for (std::size_t i = 2; i < arcs.size(); ++i) append_arc(content, arcs[i]);
  return der::element(kOidTag, {content});
}

Bytes encode_extension(ByteView oid, Critical critical, ByteView value) {
  constexpr std::uint8_t kTrue[]{kBooleanTag, 1, 0xff};
  const ByteView flag = critical == Critical::yes ? ByteView(kTrue) : ByteView();  // DEFAULT FALSE is left out
  return der::sequence({oid, flag, der::octet_string(value)});
}

Bytes key_usage_extension(std::uint16_t bits) {
  const int last = std::bit_width(bits) - 1;  // a named bit list ends with its last bit that is set
  Bytes content{static_cast<std::uint8_t>(7 - last % 8)};
  for (int start = 0; start <= last; start += 8) {
    std::uint8_t byte = 0;
    for (int bit = 0; bit < 8; ++bit)
      if ((bits >> (start + bit) & 1) != 0) byte = static_cast<std::uint8_t>(byte | 0x80 >> bit);
    content.push_back(byte);
  }
  return encode_extension(object_identifier(kKeyUsage), Critical::yes, der::element(der::kBitStringTag, {content}));
}

Bytes extended_key_usage_extension(const std::vector<std::string>& oids) {
  Bytes list;
  for (const std::string& oid : oids) append(list, object_identifier(oid));
  return encode_extension(object_identifier(kExtendedKeyUsage), Critical::no, der::sequence({list}));
}

Bytes certificate_policies_extension(const std::vector<std::string>& oids) {
  Bytes list;
  for (const std::string& oid : oids) append(list, der::sequence({object_identifier(oid)}));
  return encode_extension(object_identifier(kPolicies), Critical::no, der::sequence({list}));
}

Result<Bytes> alternative_names_extension(const AlternativeNames& names) {
  Bytes list;
  for (const std::string& email : names.emails) {
    if (!is_printable(email) || email.find('@') == std::string::npos)
      return Error{Status::option, "\"" + email + "\" is no e-mail address that a certificate can hold"};
    append(list, der::element(kRfc822Name, {as_bytes(email)}));
  }
  for (const std::string& uri : names.uris) {
    if (!is_printable(uri) || uri.find(':') == std::string::npos)
      return Error{Status::option, "\"" + uri + "\" is no URI that a certificate can hold"};
    append(list, der::element(der::kUriTag, {as_bytes(uri)}));
  }
  for (const std::string& upn : names.upns)
    append(list, der::element(kOtherName, {object_identifier(kUserPrincipalName),
                                           der::element(kOtherName, {der::element(kUtf8Tag, {as_bytes(upn)})})}));
  if (list.empty()) return Bytes();
  return encode_extension(object_identifier(kAlternativeNames), Critical::no, der::sequence({list}));
}

}  // namespace sks::issuer
