#include "provisioning-server/listener/listen_address.h"

#include <algorithm>
#include <charconv>

namespace sks::issuer {

Result<ListenAddress> parse_listen_address(std::string_view text, std::uint16_t default_port) {
  const Error malformed{Status::option, "an address to listen on is HOST, HOST:PORT or [IPV6]:PORT"};
  ListenAddress address{std::string(text), default_port};
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return malformed;
    address.host = text.substr(1, close - 1);
    port = text.substr(close + 1);
  } else if (std::ranges::count(text, ':') == 1) {
    address.host = text.substr(0, text.find(':'));
    port = text.substr(text.find(':'));
  }
  if (address.host.empty()) return malformed;
  if (port.empty()) return address;
  const char* const end = port.data() + port.size();
  const auto [stop, failure] = std::from_chars(port.data() + 1, end, address.port);
  if (port.front() != ':' || failure != std::errc() || stop != end || address.port == 0) return malformed;
  return address;
}

std::string listen_address_or_none(TomlTable& table, const std::string& table_name, const std::string& key) {
  std::string text = table.text_or(key, "");
  if (text.empty()) return text;
  constexpr std::uint16_t kAnyPort = 1;
  const Result<ListenAddress> address = parse_listen_address(text, kAnyPort);
  if (!address) table.refuse(key, '[' + table_name + "] " + key + ": " + address.error().detail);
  return text;
}

std::vector<ListenAddress> loopback_addresses(std::uint16_t port) {
  return {{"127.0.0.1", port}, {"::1", port, ListenAddress::Need::if_available}};
}

}  // namespace sks::issuer
