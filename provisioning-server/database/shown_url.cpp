#include "provisioning-server/database/shown_url.h"

#include <algorithm>

#include "provisioning-server/url.h"

namespace sks::issuer {

std::string shown_database_url(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  std::string shown = url;
  // From behind, so that what was found first stays where it is. As libpq reads it: a parameter, whatever its place,
  // and what stands between ":" and the "@" before the host.
  const std::size_t query = shown.find('?', scheme);
  if (query != std::string::npos) {
    std::string kept;
    for (std::size_t at = query + 1; at <= shown.size();) {
      const std::size_t end = std::min(shown.find('&', at), shown.size());
      const std::string parameter = shown.substr(at, end - at);
      const std::string name = percent_decode(parameter.substr(0, parameter.find('='))).value_or("password");
      const bool is_secret = name == "password" || name == "sslpassword";
      kept += (kept.empty() ? "?" : "&") + (is_secret ? name + "=..." : parameter);
      at = end + 1;
    }
    shown.replace(query, std::string::npos, kept);
  }
  // Up to the last "@": a password may hold characters that should have been encoded.
  const std::size_t user = scheme + 3;
  const std::size_t host = shown.rfind('@');
  const std::size_t colon = shown.find(':', user);
  if (host != std::string::npos && colon < host) shown.replace(colon, host - colon, ":...");
  return shown;
}

}  // namespace sks::issuer
