#include "key-user-api/cli/invocation.h"

#include <algorithm>
#include <array>

namespace sks::cli {
namespace {

constexpr std::size_t kMaxInvocationLength = 16384;
constexpr std::size_t kMaxIssuerUriLength = 1000;
constexpr std::size_t kMaxItemLength = 4096;

/// The intent form of Android adds a fragment that says which program is to handle the URI.
constexpr std::string_view kIntentStart = "#Intent;";
constexpr std::string_view kIntentEnd = ";end";

constexpr auto kItemNames = std::to_array<std::string_view>({"init", "url", "cookie", "cncl", "ver"});
using Items = std::array<std::optional<std::string>, kItemNames.size()>;
enum Item : std::size_t { kInit, kUrl, kCookie, kCncl, kVer };

bool is_printable_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

Result<std::string> decode_item(std::string_view name, std::string_view encoded) {
  const std::string where = "item '" + std::string(name) + "' of the invocation: ";
  auto decoded = percent_decode(encoded);
  if (!decoded) return Error{Status::option, where + decoded.error().detail};
  if (decoded->empty()) return Error{Status::option, where + "it is empty"};
  if (decoded->size() > kMaxItemLength) return Error{Status::option, where + "it is too long"};
  if (!is_printable_ascii(*decoded))
    return Error{Status::option, where + "it holds a character that is not printable ASCII"};
  return decoded;
}

Result<Items> parse_items(std::string_view query) {
  Items items;
  while (true) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view item = query.substr(0, end);
    const std::size_t equals = item.find('=');
    const std::string_view name = item.substr(0, equals);
    const auto* const row = std::ranges::find(kItemNames, name);
    if (equals == std::string_view::npos || row == kItemNames.end())
      return Error{Status::option, "the invocation has an item that is none of init, url, cookie, cncl, ver"};
    std::optional<std::string>& slot = items[static_cast<std::size_t>(row - kItemNames.begin())];
    if (slot) return Error{Status::option, "the invocation has the item '" + std::string(name) + "' twice"};
    SKS_LET(slot, decode_item(name, item.substr(equals + 1)));
    if (end == query.size()) return items;
    query.remove_prefix(end + 1);
  }
}

Result<Url> parse_https(const std::string& text, std::string_view name) {
  auto url = parse_url(text);
  if (!url) return Error{Status::option, "item '" + std::string(name) + "' of the invocation: " + url.error().detail};
  if (url->scheme != "https")
    return Error{Status::option, "item '" + std::string(name) + "' of the invocation is not https"};
  return url;
}

Result<Invocation> from_items(Items items) {
  for (const Item needed : {kInit, kUrl})
    if (!items[needed])
      return Error{Status::option, "the invocation has no item '" + std::string(kItemNames[needed]) + "'"};
  if (items[kUrl]->size() > kMaxIssuerUriLength)
    return Error{Status::option, "item 'url' of the invocation is longer than 1000 bytes"};
  SKS_LET(Url init, parse_https(*items[kInit], "init"));
  SKS_LET(Url main, parse_https(*items[kUrl], "url"));
  if (!same_origin(init, main))
    return Error{Status::option, "'init' and 'url' of the invocation differ in scheme, host or port"};
  if (items[kCncl] && !parse_url(*items[kCncl]))
    return Error{Status::option, "item 'cncl' of the invocation is not an http or https URL"};
  if (items[kVer]) {
    const std::size_t dash = items[kVer]->find('-');
    if (dash == std::string::npos || dash == 0 || dash + 1 == items[kVer]->size())
      return Error{Status::option, "item 'ver' of the invocation is not of the form low-high"};
  }
  return Invocation{std::move(init), std::move(main), std::move(*items[kUrl]), items[kCookie].value_or(""),
                    items[kCncl].value_or("")};
}

Result<Invocation> from_init_url(std::string_view text) {
  SKS_LET(Url init, parse_url(text));
  if (init.scheme != "https") return Error{Status::option, "only https is spoken with an issuer"};
  const std::string issuer_uri(text.substr(0, text.find('?')));
  if (issuer_uri.size() > kMaxIssuerUriLength) return Error{Status::option, "the URL is longer than 1000 bytes"};
  SKS_LET(Url main, parse_url(issuer_uri));
  return Invocation{std::move(init), std::move(main), issuer_uri, "", ""};
}

/// Whether a query names both items that an invocation cannot do without. A plain init URL may well end in
/// "?init=true".
bool names_init_and_url(std::string_view query) {
  const std::string padded = "&" + std::string(query);
  return padded.find("&init=") != std::string::npos && padded.find("&url=") != std::string::npos;
}

}  // namespace

Result<Invocation> parse_invocation(std::string_view text) {
  const Error malformed{Status::option, "not an invocation (keygen2://?init=...&url=...) and not an https URL"};
  if (text.size() > kMaxInvocationLength) return Error{Status::option, "the invocation is too long"};
  if (!is_printable_ascii(text)) return malformed;
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos || scheme_end == 0) return malformed;
  const std::string scheme = to_lower(text.substr(0, scheme_end));
  const auto in_scheme = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '.' || c == '-';
  };
  if (scheme[0] < 'a' || scheme[0] > 'z' || !std::ranges::all_of(scheme, in_scheme)) return malformed;

  const std::size_t question = text.find('?');
  const bool web = scheme == "https" || scheme == "http";
  if (web && (question == std::string_view::npos || !names_init_and_url(text.substr(question + 1))))
    return from_init_url(text);
  if (question == std::string_view::npos) return malformed;

  std::string_view query = text.substr(question + 1);
  if (const std::size_t fragment = query.find('#'); fragment != std::string_view::npos) {
    if (!query.substr(fragment).starts_with(kIntentStart) || !query.ends_with(kIntentEnd)) return malformed;
    query = query.substr(0, fragment);
  }
  SKS_LET(Items items, parse_items(query));
  return from_items(std::move(items));
}

}  // namespace sks::cli
