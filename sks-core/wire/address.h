#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "sks-core/base/result.h"

namespace sks::wire {

struct UnixAddress {
  std::string path;
};

/// Always of this machine's loopback: the byte stream is neither encrypted nor authenticated.
struct TcpAddress {
  std::string host;  ///< in numbers: 127.x.y.z or ::1
  std::uint16_t port = 0;
};

using Address = std::variant<UnixAddress, TcpAddress>;

/// Reads "unix:PATH", "tcp:127.0.0.1:PORT" or "tcp:[::1]:PORT". Fails with option.
Result<Address> parse_address(std::string_view text);

/// The mirror of parse_address.
std::string to_string(const Address& address);

}  // namespace sks::wire
