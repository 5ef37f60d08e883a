#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "provisioning-server/internal/toml_table.h"

namespace sks::issuer {

/// An address to listen on.
struct ListenAddress {
  std::string host;
  std::uint16_t port;
  enum class Need : std::uint8_t { required, if_available } need = Need::required;
};

/// "host", "host:port" or "[v6]:port"; without port `default_port`. Fails with option.
Result<ListenAddress> parse_listen_address(std::string_view text, std::uint16_t default_port);

/// The text of `key` in a table that messages call `table_name`; empty when it is absent. What is no address is
/// refused.
std::string listen_address_or_none(TomlTable& table, const std::string& table_name, const std::string& key);

/// Both loopback addresses, at the port of a main URL: what is served when nobody has said where.
std::vector<ListenAddress> loopback_addresses(std::uint16_t port);

}  // namespace sks::issuer
