#include "key-user-api/cli/received_leaf.h"

#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/ossl.h"
#include "tests/key-user-api/cli/tls_server.h"

using namespace sks;

namespace {

using Context = ossl::Ptr<SSL_CTX, SSL_CTX_free>;
using Connected = ossl::Ptr<SSL, SSL_free>;

/// One end of a connection whose bytes the test carries.
Connected new_end(SSL_CTX* context) {
  Connected end(SSL_new(context));
  SSL_set_bio(end.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  return end;
}

/// Goes on with the handshake; what is to be sent then.
Bytes next_flight(SSL* end, ByteView received) {
  BIO_write(SSL_get_rbio(end), received.data(), static_cast<int>(received.size()));
  const int done = SSL_do_handshake(end);
  REQUIRE(SSL_get_error(end, done) == SSL_ERROR_WANT_READ);
  Bytes flight(BIO_ctrl_pending(SSL_get_wbio(end)));
  BIO_read(SSL_get_wbio(end), flight.data(), static_cast<int>(flight.size()));
  return flight;
}

/// The outermost length in four bytes, which BER allows and DER does not. What is signed is not changed.
Bytes with_long_length(Bytes certificate) {
  REQUIRE(certificate.at(1) == 0x82);
  certificate.at(1) = 0x84;
  certificate.insert(certificate.begin() + 2, 2, 0);
  return certificate;
}

/// The same within TLS 1.2, where each message of the first flight has a record of its own.
Bytes with_long_length_of_leaf(Bytes flight, std::size_t leaf_size) {
  constexpr std::size_t kRecordHead = 5;
  constexpr std::size_t kLeaf = kRecordHead + 10;  // behind the type of the message and three lengths
  std::size_t at = 0;
  while (flight.at(at + kRecordHead) != SSL3_MT_CERTIFICATE)
    at += kRecordHead + (std::size_t{flight.at(at + 3)} << 8U) + flight.at(at + 4);
  const auto leaf = flight.begin() + static_cast<std::ptrdiff_t>(at + kLeaf);
  const Bytes longer = with_long_length(Bytes(leaf, leaf + static_cast<std::ptrdiff_t>(leaf_size)));
  flight.insert(flight.erase(leaf, leaf + static_cast<std::ptrdiff_t>(leaf_size)), longer.begin(), longer.end());
  for (const std::size_t last : {4U, 8U, 11U, 14U})
    for (std::size_t more = 2, byte = at + last; more != 0; --byte, more >>= 8U)
      flight.at(byte) = static_cast<std::uint8_t>(more += flight.at(byte));
  return flight;
}

}  // namespace

TEST_CASE("keep_leaf: the leaf is as it was received, also where OpenSSL would encode it otherwise") {
  const test::TlsFixture fixture;
  const auto certificates = from_pem(test::read_file(fixture.file("good.crt")), "CERTIFICATE");
  REQUIRE(certificates);
  const Bytes& certificate = certificates->at(0);
  const Context server_context(SSL_CTX_new(TLS_server_method()));
  const std::string credential = fixture.credential("good");
  REQUIRE(SSL_CTX_use_certificate_file(server_context.get(), credential.c_str(), SSL_FILETYPE_PEM) == 1);
  REQUIRE(SSL_CTX_use_PrivateKey_file(server_context.get(), credential.c_str(), SSL_FILETYPE_PEM) == 1);
  const Context client_context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_max_proto_version(client_context.get(), TLS1_2_VERSION);

  for (const bool is_der : {true, false}) {
    CAPTURE(is_der);
    const Connected server = new_end(server_context.get());
    SSL_set_accept_state(server.get());
    Bytes leaf;
    const Connected client = new_end(client_context.get());
    SSL_set_connect_state(client.get());
    cli::keep_leaf(client.get(), leaf);
    Bytes flight = next_flight(server.get(), next_flight(client.get(), {}));
    if (!is_der) flight = with_long_length_of_leaf(std::move(flight), certificate.size());
    CHECK(leaf.empty());
    // OpenSSL takes it, and checks with its key what else the server has sent.
    CHECK_FALSE(next_flight(client.get(), flight).empty());
    CHECK(leaf == (is_der ? certificate : with_long_length(certificate)));
  }
}
