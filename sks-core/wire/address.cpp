#include "sks-core/wire/address.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <charconv>

namespace sks::wire {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kTcp = "tcp:";
constexpr std::size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;

Error bad_address(std::string_view text, std::string_view what) {
  return {Status::option, "'" + std::string(text) + "' " + std::string(what)};
}

Result<Address> parse_path(std::string_view text, std::string_view path) {
  if (path.empty()) return bad_address(text, "names no path");
  if (path.find('\0') != std::string_view::npos) return bad_address(text, "is no path");
  if (path.size() > kMaxPath)
    return bad_address(text, "is too long: a socket's path has at most " + std::to_string(kMaxPath) + " bytes");
  return Address(UnixAddress{std::string(path)});
}

bool is_loopback(const std::string& host, bool in_brackets) {
  if (in_brackets) {
    in6_addr address{};
    return ::inet_pton(AF_INET6, host.c_str(), &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
  }
  in_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

Result<Address> parse_host_and_port(std::string_view text, std::string_view rest) {
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return bad_address(text, "names no port");
  std::string_view host = rest.substr(0, colon);
  const std::string_view digits = rest.substr(colon + 1);
  const bool in_brackets = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (in_brackets) host = host.substr(1, host.size() - 2);
  TcpAddress address{in_brackets ? "::1" : std::string(host)};
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
  if (failure != std::errc() || end != digits.data() + digits.size()) return bad_address(text, "names no port");
  if (!is_loopback(std::string(host), in_brackets))
    return bad_address(text, "is not of the loopback: 127.0.0.1 and [::1] are, in numbers");
  return Address(std::move(address));
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  if (text.starts_with(kUnix)) return parse_path(text, text.substr(kUnix.size()));
  if (text.starts_with(kTcp)) return parse_host_and_port(text, text.substr(kTcp.size()));
  return bad_address(text, "is no address: they are written unix:PATH and tcp:HOST:PORT");
}

std::string to_string(const Address& address) {
  if (const auto* const local = std::get_if<UnixAddress>(&address)) return std::string(kUnix) + local->path;
  const TcpAddress& tcp = *std::get_if<TcpAddress>(&address);
  const bool in_brackets = tcp.host.find(':') != std::string::npos;
  return std::string(kTcp) + (in_brackets ? "[" + tcp.host + "]" : tcp.host) + ":" + std::to_string(tcp.port);
}

}  // namespace sks::wire
