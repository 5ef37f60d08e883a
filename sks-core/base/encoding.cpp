#include "sks-core/base/encoding.h"

#include <algorithm>
#include <array>

namespace sks {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kUrlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kPemAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::size_t kPemLine = 64;

std::string encode64(ByteView bytes, std::string_view alphabet) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  int count = 0;
  for (const std::uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    for (count += 8; count >= 6; count -= 6) text.push_back(alphabet[bits >> (count - 6) & 0x3F]);
  }
  if (count > 0) text.push_back(alphabet[bits << (6 - count) & 0x3F]);
  return text;
}

Result<Bytes> decode64(ByteView text, std::string_view alphabet) {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    values[static_cast<std::uint8_t>(alphabet[i])] = static_cast<std::int8_t>(i);

  if (text.size() % 4 == 1) return Error{Status::option, "base64 text of an impossible length"};
  Bytes bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int count = 0;
  for (const std::uint8_t c : text) {
    const std::int8_t value = values[c];
    if (value < 0) return Error{Status::option, "a character that base64 does not have"};
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<std::uint8_t>(bits >> count));
    }
  }
  if ((bits & ((1U << count) - 1U)) != 0) return Error{Status::option, "base64 text with non-zero trailing bits"};
  return bytes;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string to_hex(ByteView bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text.push_back(kHexDigits[byte >> 4]);
    text.push_back(kHexDigits[byte & 0x0F]);
  }
  return text;
}

Result<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return Error{Status::option, "an odd number of hexadecimal digits"};
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return Error{Status::option, "not a hexadecimal digit"};
    bytes.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return bytes;
}

std::string to_base64url(ByteView bytes) { return encode64(bytes, kUrlAlphabet); }

Result<Bytes> from_base64url(std::string_view text) { return decode64(as_bytes(text), kUrlAlphabet); }

Result<std::vector<Bytes>> from_pem(std::string_view text, std::string_view label) {
  const std::string begin = "-----BEGIN " + std::string(label) + "-----";
  const std::string end = "-----END " + std::string(label) + "-----";
  std::vector<Bytes> blocks;
  for (std::size_t at = text.find(begin); at != std::string_view::npos; at = text.find(begin, at)) {
    at += begin.size();
    const std::size_t stop = text.find(end, at);
    if (stop == std::string_view::npos) return Error{Status::option, "a PEM block without its end"};
    SecureBytes body(stop - at);  // may be a private key
    std::size_t size = 0;
    for (const char c : text.substr(at, stop - at))
      if (c != '\n' && c != '\r' && c != ' ' && c != '\t') body.data()[size++] = static_cast<std::uint8_t>(c);
    std::size_t padding = 0;
    while (padding < size && body.data()[size - 1 - padding] == '=') ++padding;
    if (size % 4 != 0 || padding > 2) return Error{Status::option, "a PEM block of an impossible length"};
    body.truncate(size - padding);
    SKS_LET(Bytes block, decode64(body.view(), kPemAlphabet));
    blocks.push_back(std::move(block));
    at = stop + end.size();
  }
  return blocks;
}

std::string to_pem(ByteView der, std::string_view label) {
  // May be a private key: nothing here may leave a copy behind by growing.
  std::string body = encode64(der, kPemAlphabet);
  const std::size_t padding = (4 - body.size() % 4) % 4;
  const std::string begin = "-----BEGIN " + std::string(label) + "-----\n";
  const std::string end = "-----END " + std::string(label) + "-----\n";
  std::string text;
  text.reserve(begin.size() + body.size() + padding + body.size() / kPemLine + 2 + end.size());
  text += begin;
  for (std::size_t at = 0; at < body.size(); at += kPemLine) {
    text.append(body, at, kPemLine);
    if (body.size() - at <= kPemLine) text.append(padding, '=');
    text += '\n';
  }
  text += end;
  cleanse({reinterpret_cast<std::uint8_t*>(body.data()), body.size()});
  return text;
}

}  // namespace sks
