#include "key-user-api/cli/reply.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "key-user-api/cli/cookie_jar.h"

namespace sks::cli {
namespace {

constexpr auto kRedirects = std::to_array<unsigned>({301, 302, 303, 307, 308});

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Whether the parameters after the media type leave the charset at UTF-8. Only `charset` matters; any other is
/// allowed.
bool charset_is_utf8(std::string_view parameters) {
  bool seen = false;
  while (!parameters.empty()) {
    const std::size_t end = std::min(parameters.find(';'), parameters.size());
    const std::string_view parameter = trim(parameters.substr(0, end));
    parameters.remove_prefix(std::min(end + 1, parameters.size()));
    const std::size_t equals = parameter.find('=');
    if (!equal_ignoring_case(trim(parameter.substr(0, equals)), "charset")) continue;
    std::string_view value = equals == std::string_view::npos ? std::string_view() : trim(parameter.substr(equals + 1));
    if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) value = value.substr(1, value.size() - 2);
    if (seen || !equal_ignoring_case(value, "utf-8")) return false;
    seen = true;
  }
  return true;
}

Reply classify_ok(const HttpResponse& response) {
  const auto types = response.all("Content-Type");
  if (types.size() > 1) return BadReply{"the issuer's answer has two content types"};
  if (types.empty()) return TerminationReply{};
  const std::size_t semicolon = std::min(types[0].find(';'), types[0].size());
  if (!equal_ignoring_case(trim(types[0].substr(0, semicolon)), "application/json"))
    return TerminationReply{"", std::string(types[0])};
  if (!charset_is_utf8(types[0].substr(semicolon))) return BadReply{"the issuer's message is not in UTF-8"};
  for (const std::string_view encoding : response.all("Content-Encoding"))
    if (!equal_ignoring_case(trim(encoding), "identity")) return BadReply{"the issuer's message is compressed"};
  return MessageReply{};
}

Reply classify_redirect(const HttpResponse& response, const Url& request_url) {
  const auto locations = response.all("Location");
  if (locations.size() != 1) return BadReply{"the issuer redirects without saying where to"};
  const auto target = resolve_reference(request_url, trim(locations[0]));
  if (!target) return BadReply{"the issuer redirects to something that is not a URI"};
  return TerminationReply{is_web_uri(*target) ? *target : std::string(), ""};
}

Reply classify_busy(const HttpResponse& response, std::int64_t now) {
  BusyReply busy{std::nullopt, "the issuer is busy (HTTP status " + std::to_string(response.status) + ")"};
  const auto values = response.all("Retry-After");
  if (values.empty()) return busy;
  const std::string_view text = trim(values[0]);
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error == std::errc() && end == text.data() + text.size() && seconds >= 0) {
    busy.retry_after = seconds;
  } else if (const auto date = parse_http_date(text)) {
    busy.retry_after = std::max<std::int64_t>(0, *date - now);
  }
  return busy;
}

}  // namespace

std::vector<std::string_view> HttpResponse::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [header, value] : headers)
    if (equal_ignoring_case(header, name)) values.emplace_back(value);
  return values;
}

Reply classify(const HttpResponse& response, const Url& request_url, std::int64_t now) {
  if (response.status == 200) return classify_ok(response);
  if (std::ranges::find(kRedirects, response.status) != kRedirects.end())
    return classify_redirect(response, request_url);
  if (response.status == 429 || response.status == 503) return classify_busy(response, now);
  return BadReply{"the issuer answered with HTTP status " + std::to_string(response.status)};
}

}  // namespace sks::cli
