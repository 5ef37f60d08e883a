#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "provisioning-server/url.h"

namespace sks::issuer {

/// An address to listen on.
struct ListenAddress {
  std::string host;
  std::uint16_t port;
  enum class Need : std::uint8_t { required, if_available } need = Need::required;
};

/// "host", "host:port" or "[v6]:port"; without port `default_port`. Fails with option.
Result<ListenAddress> parse_listen_address(std::string_view text, std::uint16_t default_port);

/// Both loopback addresses, at the port of a main URL: what is served when nobody has said where.
std::vector<ListenAddress> loopback_addresses(std::uint16_t port);

}  // namespace sks::issuer
