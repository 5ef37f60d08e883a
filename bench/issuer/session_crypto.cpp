#include "bench/issuer/session_crypto.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <array>
#include <ctime>
#include <vector>

#include "bench/bare.h"
#include "sks-core/base/result.h"

namespace sks::bench {
namespace {

using Buffer = std::vector<unsigned char>;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Buffer spki_of(EVP_PKEY* key) {
  Buffer der(static_cast<std::size_t>(i2d_PUBKEY(key, nullptr)));
  unsigned char* out = der.data();
  i2d_PUBKEY(key, &out);
  return der;
}

ossl::Pkey key_of(const Buffer& spki) {
  const unsigned char* in = spki.data();
  ossl::Pkey key(d2i_PUBKEY(nullptr, &in, static_cast<long>(spki.size())));
  SKS_CHECK(key != nullptr);
  return key;
}

Buffer signature_of(EVP_PKEY* key, const Buffer& data) {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  std::size_t size = 256;
  Buffer signature(size);
  SKS_CHECK(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key) == 1 &&
            EVP_DigestSign(context, signature.data(), &size, data.data(), data.size()) == 1);
  EVP_MD_CTX_free(context);
  signature.resize(size);
  return signature;
}

void verify(EVP_PKEY* key, const Buffer& data, const Buffer& signature) {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  SKS_CHECK(EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, key) == 1 &&
            EVP_DigestVerify(context, signature.data(), signature.size(), data.data(), data.size()) == 1);
  EVP_MD_CTX_free(context);
}

/// What comes from the client, and the keys that the issuer has for years.
struct Inputs {
  ossl::Pkey authority = bare_p256();
  ossl::Pkey device = bare_p256();
  Buffer client_key = spki_of(bare_p256().get());
  Buffer device_key = spki_of(device.get());
  Buffer attested_key = spki_of(bare_p256().get());
  Buffer attested = Buffer(300, 1);  ///< about the size of what a session attestation signs
  Buffer attestation = signature_of(device.get(), attested);
  Buffer certificate = Buffer(450, 2);  ///< and of the part of a certificate that is signed
};

// Of a session with one PIN policy and one key: the session key, createPinPolicy, createKeyEntry, the attestation of
// the key, setCertificatePath, closeProvisioningSession and its attestation. Spec: sks-api.md 3.5, 8.
constexpr int kMacs = 7;

void keygen2_session(const Inputs& in) {
  const ossl::Pkey ephemeral = bare_p256();
  bare_agree(ephemeral.get(), key_of(in.client_key).get());
  verify(key_of(in.device_key).get(), in.attested, in.attestation);
  for (int i = 0; i < kMacs; ++i) bare_hmac(in.attested.data(), in.attested.size());
  key_of(in.attested_key);
  bare_sign(in.authority.get(), in.certificate.data(), in.certificate.size());
}

void tls_session(EVP_PKEY* peer) {
  const ossl::Pkey ephemeral(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
  bare_agree(ephemeral.get(), peer);
}

template <class Work>
double mean_us(double seconds, Work work) {
  for (int i = 0; i < 100; ++i) work();
  const double start = cpu_seconds();
  int count = 0;
  do {
    for (int i = 0; i < 100; ++i) work();
    count += 100;
  } while (cpu_seconds() - start < seconds);
  return 1e6 * (cpu_seconds() - start) / count;
}

}  // namespace

SessionCrypto measure_session_crypto(double seconds) {
  const Inputs inputs;
  const ossl::Pkey peer(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
  SessionCrypto result;
  result.keygen2_us = mean_us(seconds / 2, [&] { keygen2_session(inputs); });
  result.tls_us = mean_us(seconds / 2, [&] { tls_session(peer.get()); });
  return result;
}

}  // namespace sks::bench
