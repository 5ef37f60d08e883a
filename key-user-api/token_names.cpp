#include "key-user-api/token_names.h"

#include <algorithm>
#include <array>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"

namespace sks {
namespace {

constexpr std::string_view kNoPinLabel = "OpenSKS keys without PIN";
static_assert(kNoPinLabel.size() <= kTokenLabelSize);
constexpr std::size_t kSerialBytesOfDevice = 4;

/// What needs no quoting in a PKCS#11 URI or on a command line stays.
std::string plain(std::string_view text) {
  std::string out(text);
  const auto needs_quoting = [](char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return !letter && (c < '0' || c > '9') && c != '.' && c != '-';
  };
  std::ranges::replace_if(out, needs_quoting, '_');
  return out;
}

std::string issuer_name(std::string_view uri) {
  constexpr std::string_view kAuthority = "://";
  const std::size_t scheme = uri.find(kAuthority);
  const bool is_url = scheme != std::string_view::npos;
  std::string_view name = uri.substr(is_url ? scheme + kAuthority.size() : uri.rfind(':') + 1);
  if (is_url) name = name.substr(0, name.find_first_of("/:?#"));
  return name.empty() ? "issuer" : plain(name);
}

}  // namespace

TokenNames token_names(std::uint32_t slot, std::string_view issuer_uri, ByteView device_certificate) {
  const crypto::Sha256Digest device = crypto::sha256(device_certificate);
  const std::array<std::uint8_t, 4> number{static_cast<std::uint8_t>(slot >> 24U),
                                           static_cast<std::uint8_t>(slot >> 16U),
                                           static_cast<std::uint8_t>(slot >> 8U), static_cast<std::uint8_t>(slot)};
  TokenNames names;
  names.serial = to_hex(ByteView(device).first(kSerialBytesOfDevice)) + to_hex(number);
  if (slot == 0) {
    names.label = kNoPinLabel;
    return names;
  }
  names.issuer = issuer_name(issuer_uri);
  // The number keeps the labels of one issuer's groups apart, however long its name is.
  const std::string end = std::string("-").append(std::to_string(slot));
  names.label = names.issuer.substr(0, kTokenLabelSize - end.size()) + end;
  return names;
}

}  // namespace sks
