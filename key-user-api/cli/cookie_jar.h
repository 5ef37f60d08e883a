#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "key-user-api/cli/url.h"

namespace sks::cli {

/// The cookies of one session with one issuer, kept as a browser keeps them (RFC 6265). Only ever asked for the
/// issuer's own origin, so public suffixes play no role. Bounded: a Set-Cookie beyond the limits is ignored.
class CookieJar {
 public:
  /// Takes one Set-Cookie header that `origin` sent. A header that RFC 6265 tells to ignore changes nothing.
  void set(const Url& origin, std::string_view set_cookie, std::int64_t now);

  /// "a=1; b=2" for a request to `url`, longer paths first; empty when none applies.
  std::string header_for(const Url& url, std::int64_t now) const;

 private:
  struct Cookie {
    std::string name;
    std::string value;
    std::string domain;
    bool host_only;
    std::string path;
    bool secure;
    std::int64_t expires;
  };

  void store(Cookie cookie, std::int64_t now);

  std::vector<Cookie> cookies_;
};

/// The date of an Expires attribute or a Retry-After header in seconds since 1970, read as leniently as RFC 6265
/// chapter 5.1.1 demands. Fails with option.
Result<std::int64_t> parse_http_date(std::string_view text);

}  // namespace sks::cli
