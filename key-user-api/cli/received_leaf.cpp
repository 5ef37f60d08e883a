#include "key-user-api/cli/received_leaf.h"

#include <openssl/ssl.h>

namespace sks::cli {
namespace {

constexpr std::size_t kMessageHead = 4;  ///< type and length
constexpr std::size_t kLength = 3;       ///< of the list of certificates, and of each one

/// The first one of a Certificate message. RFC 8446 chapter 4.4.2, RFC 5246 chapter 7.4.2.
ByteView first_certificate(ByteView message, bool has_context) {
  std::size_t at = kMessageHead;
  if (has_context && at < message.size()) at += 1 + std::size_t{message[at]};
  at += kLength;
  if (at + kLength > message.size()) return {};
  const std::size_t size = std::size_t{message[at]} << 16U | std::size_t{message[at + 1]} << 8U | message[at + 2];
  const ByteView rest = message.subspan(at + kLength);
  return size <= rest.size() ? rest.first(size) : ByteView();
}

/// Called from C, which an exception must not pass.
void on_message(int sent, int version, int content_type, const void* data, std::size_t size, SSL*,
                void* leaf) noexcept {
  const ByteView message(static_cast<const std::uint8_t*>(data), size);
  if (sent != 0 || content_type != SSL3_RT_HANDSHAKE || message.empty() || message.front() != SSL3_MT_CERTIFICATE)
    return;
  *static_cast<Bytes*>(leaf) = to_bytes(first_certificate(message, version == TLS1_3_VERSION));
}

}  // namespace

void keep_leaf(SSL* connection, Bytes& leaf) {
#ifdef SSL_OP_NO_RX_CERTIFICATE_COMPRESSION
  SSL_set_options(connection, SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);  // or it comes in a message of another type
#endif
  SSL_set_msg_callback(connection, on_message);
  SSL_set_msg_callback_arg(connection, &leaf);
}

}  // namespace sks::cli
