#include "conformance/kit/http.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "sks-core/base/encoding.h"

namespace sks::conformance {
namespace {

constexpr std::size_t kMaxHead = std::size_t{64} * 1024;
constexpr std::size_t kMaxBody = std::size_t{8} * 1024 * 1024;
constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

Result<std::size_t> parse_number(std::string_view text, int base) {
  std::size_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size() || number > kMaxBody)
    return Error{Status::option, "no length of a body: \"" + std::string(text) + '"'};
  return number;
}

/// What was received and not yet taken.
class Reader {
 public:
  explicit Reader(TlsConnection& connection) : connection_(connection) {}

  Result<std::string> take_until(std::string_view mark, std::size_t limit) {
    std::size_t at = buffer_.find(mark);
    while (at == std::string::npos) {
      if (buffer_.size() > limit) return Error{Status::option, "the head of the message is too long"};
      SKS_TRY(fill());
      at = buffer_.find(mark);
    }
    return take(at + mark.size());
  }

  Result<std::string> take_bytes(std::size_t size) {
    while (buffer_.size() < size) SKS_TRY(fill());
    return take(size);
  }

  Result<std::string> take_all() {
    for (bool more = true; more;) {
      SKS_LET(const std::string bytes, connection_.read());
      more = !bytes.empty();
      buffer_ += bytes;
      if (buffer_.size() > kMaxBody) return Error{Status::option, "the body of the message is too long"};
    }
    return take(buffer_.size());
  }

 private:
  Result<void> fill() {
    SKS_LET(const std::string bytes, connection_.read());
    if (bytes.empty()) return Error{Status::not_available, "the message is cut off"};
    buffer_ += bytes;
    return {};
  }
  std::string take(std::size_t size) {
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
  }

  TlsConnection& connection_;
  std::string buffer_;
};

Result<void> parse_head(std::string_view head, HttpMessage& message) {
  message.start = head.substr(0, head.find(kLineEnd));
  head.remove_prefix(message.start.size() + kLineEnd.size());
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find(kLineEnd));
    head.remove_prefix(line.size() + kLineEnd.size());
    if (line.empty()) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return Error{Status::option, "a header without a colon"};
    message.headers.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
  }
  return {};
}

Result<std::string> read_chunks(Reader& reader) {
  std::string body;
  while (true) {
    SKS_LET(const std::string line, reader.take_until(kLineEnd, kMaxHead));
    SKS_LET(const std::size_t size, parse_number(std::string_view(line).substr(0, line.find_first_of("; \r")), 16));
    if (size == 0) break;
    if (body.size() + size > kMaxBody) return Error{Status::option, "the body of the message is too long"};
    SKS_LET(const std::string chunk, reader.take_bytes(size));
    body += chunk;
    SKS_TRY(reader.take_bytes(kLineEnd.size()));
  }
  SKS_TRY(reader.take_until(kLineEnd, kMaxHead));
  return body;
}

}  // namespace

std::optional<std::string> HttpMessage::header(std::string_view name) const {
  for (const auto& [known, value] : headers)
    if (equal_ignoring_case(known, name)) return value;
  return std::nullopt;
}

std::string HttpMessage::method() const { return start.substr(0, start.find(' ')); }

std::string HttpMessage::target() const {
  const std::size_t begin = std::min(start.find(' '), start.size() - 1) + 1;
  return start.substr(begin, start.find(' ', begin) - begin);
}

unsigned HttpMessage::status() const {
  constexpr std::size_t kStatus = 9;
  constexpr std::size_t kDigits = 3;
  if (!start.starts_with("HTTP/1.") || start.size() < kStatus + kDigits) return 0;
  const Result<std::size_t> number = parse_number(std::string_view(start).substr(kStatus, kDigits), 10);
  return number ? static_cast<unsigned>(*number) : 0;
}

Result<HttpMessage> read_http(TlsConnection& connection, HttpKind kind) {
  Reader reader(connection);
  HttpMessage message;
  SKS_LET(const std::string head, reader.take_until(kHeadEnd, kMaxHead));
  SKS_TRY(parse_head(head, message));
  const std::optional<std::string> coding = message.header("Transfer-Encoding");
  const std::optional<std::string> length = message.header("Content-Length");
  if (coding) {
    if (!equal_ignoring_case(*coding, "chunked")) return Error{Status::option, "an unknown coding: " + *coding};
    SKS_LET(message.body, read_chunks(reader));
  } else if (length) {
    SKS_LET(const std::size_t size, parse_number(*length, 10));
    SKS_LET(message.body, reader.take_bytes(size));
  } else if (kind == HttpKind::response) {
    SKS_LET(message.body, reader.take_all());
  }
  return message;
}

std::string to_text(const HttpMessage& message, Framing framing) {
  std::string text = message.start + std::string(kLineEnd);
  for (const auto& [name, value] : message.headers) text += name + ": " + value + std::string(kLineEnd);
  text += "Connection: close\r\n";
  if (framing == Framing::length)
    return text + "Content-Length: " + std::to_string(message.body.size()) + std::string(kHeadEnd) + message.body;
  text += "Transfer-Encoding: chunked" + std::string(kHeadEnd);
  // In two pieces, the first of one byte.
  const auto add_chunk = [&](std::string_view bytes) {
    std::array<char, 2 * sizeof(std::size_t)> size{};
    const auto [end, problem] = std::to_chars(size.data(), size.data() + size.size(), bytes.size(), 16);
    if (problem == std::errc() && !bytes.empty())
      text += std::string(size.data(), end) + std::string(kLineEnd) + std::string(bytes) + std::string(kLineEnd);
  };
  add_chunk(std::string_view(message.body).substr(0, 1));
  add_chunk(std::string_view(message.body).substr(std::min<std::size_t>(1, message.body.size())));
  return text + "0" + std::string(kHeadEnd);
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kUnreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    encoded += kUnreserved.find(c) != std::string_view::npos ? std::string(1, c) : '%' + to_hex({&byte, 1});
  }
  return encoded;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (text.size() - i < 3) return Error{Status::option, "a '%' without two hexadecimal digits"};
    SKS_LET(const Bytes byte, from_hex(text.substr(i + 1, 2)));
    decoded += static_cast<char>(byte.front());
    i += 2;
  }
  return decoded;
}

Result<HttpsUrl> parse_https_url(const std::string& text) {
  constexpr std::string_view kScheme = "https://";
  constexpr std::uint16_t kDefaultPort = 443;
  const Error wrong{Status::option, "no https URL: " + text};
  if (!text.starts_with(kScheme)) return wrong;
  const std::string rest = text.substr(kScheme.size());
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  std::string host = rest.substr(0, end);
  std::string target = rest.substr(end);
  if (target.empty() || target.front() == '?') target.insert(0, "/");
  std::uint16_t port = kDefaultPort;
  const std::size_t colon = host.rfind(':');
  if (colon != std::string::npos && host.find(']', colon) == std::string::npos) {
    const Result<std::size_t> number = parse_number(std::string_view(host).substr(colon + 1), 10);
    if (!number || *number == 0 || *number > 0xFFFF) return wrong;
    port = static_cast<std::uint16_t>(*number);
    host.erase(colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) return wrong;
  return HttpsUrl{std::move(host), port, std::move(target)};
}

}  // namespace sks::conformance
