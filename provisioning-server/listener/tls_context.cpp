#include "provisioning-server/listener/tls_context.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>

#include "sks-core/base/byte_writer.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"
#include "sks-core/crypto/mac.h"

namespace sks::issuer {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::int64_t kTicketPeriod = 3600;  // seconds
constexpr std::size_t kTicketName = 16;
constexpr std::size_t kTicketKey = 32;

/// The ticket keys of one period: name, key of the MAC, key of the cipher.
class TicketKeys {
 public:
  TicketKeys(ByteView secret, std::int64_t period)
      : material_(crypto::hkdf_sha256(secret, ByteWriter().u64(static_cast<std::uint64_t>(period)).take(),
                                      as_bytes("OpenSKS issuer TLS ticket"), kTicketName + 2 * kTicketKey)) {}

  ByteView name() const { return material_.view().first(kTicketName); }
  ByteView mac_key() const { return material_.view().subspan(kTicketName, kTicketKey); }
  ByteView cipher_key() const { return material_.view().subspan(kTicketName + kTicketKey, kTicketKey); }

 private:
  SecureBytes material_;
};

/// The keys of the periods that matter, derived once for each. Safe for several threads.
class TicketSecret {
 public:
  explicit TicketSecret(ByteView secret) : secret_(SecureBytes::copy_of(secret)) {}

  std::shared_ptr<const TicketKeys> keys(std::int64_t period) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<const TicketKeys>& keys = by_period_[period];
    if (keys == nullptr) keys = std::make_shared<const TicketKeys>(secret_.view(), period);
    const std::shared_ptr<const TicketKeys> found = keys;
    if (by_period_.size() > kKept) by_period_.erase(by_period_.begin());
    return found;
  }

 private:
  static constexpr std::size_t kKept = 3;
  const SecureBytes secret_;
  std::mutex mutex_;
  std::map<std::int64_t, std::shared_ptr<const TicketKeys>> by_period_;
};

void free_secret(void*, void* secret, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<TicketSecret*>(secret);  // NOLINT(cppcoreguidelines-owning-memory): OpenSSL has owned it
}

int secret_index() {
  static const int kIndex = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_secret);
  return kIndex;
}

bool set_up(const TicketKeys& keys, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, const unsigned char* iv, bool encrypt) {
  std::array<char, 7> digest{"SHA256"};
  // OSSL_PARAM takes pointers to non-const data that it only reads.
  auto* const mac_key =
      const_cast<std::uint8_t*>(keys.mac_key().data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  const std::array<OSSL_PARAM, 3> parameters{
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key, keys.mac_key().size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0), OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters.data()) == 1 &&
         EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, keys.cipher_key().data(), iv, encrypt ? 1 : 0) == 1;
}

/// As SSL_CTX_set_tlsext_ticket_key_evp_cb wants it: -1 error, 0 no ticket, 1 fine, 2 fine and due for a new ticket.
int use_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                   int encrypt) {
  if (SSL_version(ssl) < TLS1_3_VERSION) return 0;
  auto* const secret = static_cast<TicketSecret*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), secret_index()));
  const std::int64_t period = system_clock().now() / kTicketPeriod;
  if (encrypt == 1) {
    const std::shared_ptr<const TicketKeys> keys = secret->keys(period);
    std::memcpy(name, keys->name().data(), kTicketName);
    const int iv_size = EVP_CIPHER_get_iv_length(EVP_aes_256_cbc());
    return RAND_bytes(iv, iv_size) == 1 && set_up(*keys, cipher, mac, iv, true) ? 1 : -1;
  }
  for (const std::int64_t age : {0, 1}) {
    const std::shared_ptr<const TicketKeys> keys = secret->keys(period - age);
    if (std::memcmp(name, keys->name().data(), kTicketName) != 0) continue;
    if (!set_up(*keys, cipher, mac, iv, false)) return -1;
    return age == 0 ? 1 : 2;
  }
  return 0;
}

/// Whether a client's certificate is acceptable is the handler's decision: TLS only proves that the client has its key.
int accept_any_chain(int, X509_STORE_CTX*) { return 1; }

Error tls_error(const std::string& what, error_code failure) {
  return {Status::option, what + ": " + failure.message()};
}

bool chains_now(SSL* ssl, X509* certificate) {
  using Context = ossl::Ptr<X509_STORE_CTX, X509_STORE_CTX_free>;
  const Context context(X509_STORE_CTX_new());
  if (context == nullptr) return false;
  X509_STORE* const store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
  if (X509_STORE_CTX_init(context.get(), store, certificate, SSL_get_peer_cert_chain(ssl)) != 1) return false;
  X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_CLIENT);
  return X509_verify_cert(context.get()) == 1;
}

void configure_resumption(SSL_CTX* context, const TlsSettings& settings) {
  // A session that was made under other authorities is no session of these.
  Bytes all;
  for (const crypto::Certificate& authority : settings.client_authorities)
    all.insert(all.end(), authority.der().begin(), authority.der().end());
  const crypto::Sha256Digest authority = crypto::sha256(all);
  SSL_CTX_set_session_id_context(context, authority.data(), static_cast<unsigned>(authority.size()));
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_timeout(context, 2 * kTicketPeriod);
  auto secret = std::make_unique<TicketSecret>(settings.ticket_secret.view());
  SKS_CHECK(SSL_CTX_set_ex_data(context, secret_index(), secret.get()) == 1);
  static_cast<void>(secret.release());
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, use_ticket_key);
}

}  // namespace

Result<std::shared_ptr<asio::ssl::context>> make_tls_context(const TlsSettings& settings) {
  auto made = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  asio::ssl::context& tls = *made;
  SSL_CTX* const context = tls.native_handle();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  error_code failure;
  tls.use_certificate_chain(asio::buffer(settings.identity.certificate_pem), failure);
  if (failure) return tls_error("the TLS certificate cannot be used", failure);
  tls.use_private_key(asio::buffer(settings.identity.key_pem.data(), settings.identity.key_pem.size()),
                      asio::ssl::context::pem, failure);
  if (failure) return tls_error("the TLS key cannot be used", failure);
  for (const crypto::Certificate& authority : settings.client_authorities) {
    const std::string pem = to_pem(authority.der(), "CERTIFICATE");
    tls.add_certificate_authority(asio::buffer(pem), failure);
    if (failure) return tls_error("the credential CA cannot be used", failure);
    SSL_CTX_add_client_CA(context, authority.openssl());
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept_any_chain);
  configure_resumption(context, settings);
  return made;
}

PeerCertificate peer_certificate(SSL* ssl) {
  const ossl::Cert certificate(SSL_get1_peer_certificate(ssl));
  if (certificate == nullptr) return {};
  const int size = i2d_X509(certificate.get(), nullptr);
  if (size <= 0) return {};
  PeerCertificate peer;
  peer.der.resize(static_cast<std::size_t>(size));
  unsigned char* out = peer.der.data();
  i2d_X509(certificate.get(), &out);
  peer.trusted = SSL_get_verify_result(ssl) == X509_V_OK && chains_now(ssl, certificate.get());
  ERR_clear_error();  // what was wrong with the certificate is no error of the connection
  return peer;
}

}  // namespace sks::issuer
