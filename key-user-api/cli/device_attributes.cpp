#include "key-user-api/cli/device_attributes.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/bytes.h"
#include "sks-core/base/encoding.h"

namespace sks::cli {
namespace {

const std::string kAttribute = "https://webpki.github.io/keygen2/clientattr#";
constexpr std::size_t kMaxLine = 1024;
constexpr std::size_t kMaxLines = 200;
constexpr std::size_t kMacLength = 6;

/// A value of os-release as a shell reads it; nothing when it is not in that form, or no text for people.
std::optional<std::string> unquoted(std::string_view text) {
  const char quote = text.starts_with('"') || text.starts_with('\'') ? text.front() : '\0';
  if (quote != '\0') {
    if (text.size() < 2 || text.back() != quote) return std::nullopt;
    text = text.substr(1, text.size() - 2);
  }
  std::string value;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quote != '\'' && text[i] == '\\' && ++i == text.size()) return std::nullopt;
    value += text[i];
  }
  const bool fit =
      std::ranges::none_of(value, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (value.empty() || !fit || !is_utf8(value)) return std::nullopt;
  return value;
}

std::map<std::string, std::string> read_os_release(const std::string& path) {
  std::map<std::string, std::string> values;
  std::ifstream in(path);
  std::string line;
  for (std::size_t lines = 0; lines < kMaxLines && std::getline(in, line); ++lines) {
    const std::size_t equals = line.find('=');
    if (line.size() > kMaxLine || equals == std::string::npos || line.starts_with('#')) continue;
    if (auto value = unquoted(std::string_view(line).substr(equals + 1)))
      values[line.substr(0, equals)] = std::move(*value);
  }
  return values;
}

/// The first of these that os-release has.
std::vector<std::string> first_of(const std::map<std::string, std::string>& values,
                                  std::initializer_list<const char*> names) {
  for (const char* const name : names)
    if (const auto found = values.find(name); found != values.end()) return {found->second};
  return {};
}

bool has_address(const ifaddrs& entry, const std::string& text) {
  if (entry.ifa_addr == nullptr) return false;
  std::array<char, INET6_ADDRSTRLEN> own{};
  const int family = entry.ifa_addr->sa_family;
  const void* address = nullptr;
  if (family == AF_INET) address = &reinterpret_cast<const sockaddr_in*>(entry.ifa_addr)->sin_addr;
  if (family == AF_INET6) address = &reinterpret_cast<const sockaddr_in6*>(entry.ifa_addr)->sin6_addr;
  return address != nullptr && ::inet_ntop(family, address, own.data(), own.size()) != nullptr && text == own.data();
}

/// "00:11:22:33:44:55", if the interface has a hardware address of this kind.
std::optional<std::string> mac_of(const ifaddrs& entry) {
  if (entry.ifa_addr == nullptr || entry.ifa_addr->sa_family != AF_PACKET) return std::nullopt;
  const auto* const link = reinterpret_cast<const sockaddr_ll*>(entry.ifa_addr);
  const ByteView bytes(link->sll_addr, kMacLength);
  if (link->sll_halen != kMacLength || std::ranges::all_of(bytes, [](std::uint8_t b) { return b == 0; }))
    return std::nullopt;
  std::string text;
  for (const std::uint8_t byte : bytes) text += (text.empty() ? "" : ":") + to_hex({&byte, 1});
  return text;
}

void add_interface(const std::string& address, DeviceAttributes& attributes) {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> interfaces(first, ::freeifaddrs);
  const ifaddrs* own = first;
  while (own != nullptr && !has_address(*own, address)) own = own->ifa_next;
  if (own == nullptr) return;
  attributes[kAttribute + "ip-address"] = {address};
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next)
    if (std::strcmp(entry->ifa_name, own->ifa_name) == 0)
      if (const auto mac = mac_of(*entry)) attributes[kAttribute + "mac-address"] = {*mac};
}

}  // namespace

DeviceAttributes device_attributes(const std::string& local_address, const std::string& os_release) {
  DeviceAttributes attributes;
  const auto system = read_os_release(os_release);
  attributes[kAttribute + "os-vendor"] = first_of(system, {"VENDOR_NAME", "NAME"});
  attributes[kAttribute + "os-version"] = first_of(system, {"VERSION_ID", "VERSION"});
  std::erase_if(attributes, [](const auto& attribute) { return attribute.second.empty(); });
  if (!local_address.empty()) add_interface(local_address, attributes);
  return attributes;
}

}  // namespace sks::cli
