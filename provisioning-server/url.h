#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sks-core/base/result.h"

namespace sks::issuer {

/// The page that says how a session ended, beside the main URL.
inline constexpr const char* kResultPath = "/result";

/// The main URL of an issuer: `https` with a host, an optional port and an optional path.
///
/// text() is kept verbatim, because it is the issuerUri that enters attestations. Spec: keygen2.md 2.1.
class MainUrl {
 public:
  /// Fails with option and a sentence that names the rule that is broken.
  static Result<MainUrl> parse(std::string_view text);

  const std::string& text() const { return text_; }
  const std::string& host() const { return host_; }  ///< without the brackets of an IPv6 address
  std::uint16_t port() const { return port_; }
  const std::string& path() const { return path_; }      ///< as a request shows it: "/" when the URL has none
  const std::string& origin() const { return origin_; }  ///< "https://host[:port]"
  bool host_is_address() const { return host_is_address_; }

 private:
  MainUrl() = default;

  std::string text_;
  std::string host_;
  std::uint16_t port_ = 443;
  std::string path_;
  std::string origin_;
  bool host_is_address_ = false;
};

/// Everything but the unreserved characters of RFC 3986 as %XX.
std::string percent_encode(std::string_view text);

/// The text behind %XX; none when a % is not followed by two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text);

/// The value of the one parameter `name` in a query; none when it is absent, repeated or badly encoded.
std::optional<std::string> query_parameter(std::string_view query, std::string_view name);

/// The value of a cookie in a Cookie header; empty when there is none.
std::string cookie_value(std::string_view cookies, std::string_view name);

/// "keygen2://?init=...&url=...", with the items cookie and cncl where they are not empty. Spec: keygen2.md 2.1 and
/// E.1.
std::string invocation_uri(std::string_view init, std::string_view main_url, std::string_view cookie,
                           std::string_view cancel_url = {});

}  // namespace sks::issuer
