#pragma once

#include <functional>
#include <optional>
#include <string>

#include "key-user-api/cli/url.h"
#include "sks-core/base/bytes.h"

namespace sks::cli {

/// An HTTP proxy that opens tunnels with CONNECT.
struct Proxy {
  Url url;                    ///< scheme ("https": TLS with the proxy itself), host and port
  std::string variable;       ///< the environment variable that names it
  SecureBytes authorization;  ///< value of the Proxy-Authorization header, or empty
};

/// The value of an environment variable, or nothing.
using Environment = std::function<std::optional<std::string>(const char* name)>;
Environment process_environment();

/// The proxy between here and `url`, which is https; none: connect directly.
///
/// It is in https_proxy, HTTPS_PROXY, all_proxy or ALL_PROXY, the first that is not empty:
/// [http[s]://][USER[:PASSWORD]@]HOST[:PORT], user and password percent-encoded. no_proxy, or NO_PROXY, lists what is
/// reached directly, separated by commas or blanks: "*" for everything, a host with all that ends in it (also written
/// ".HOST" or "*.HOST"), an IP address, or a network such as 10.0.0.0/8; each with ":PORT" behind it if only that port
/// is meant.
///
/// Fails with option: a list or proxy that cannot be read. The sentence names the variable and never its value.
Result<std::optional<Proxy>> find_proxy(const Url& url, const Environment& environment);

}  // namespace sks::cli
