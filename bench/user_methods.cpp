#include <benchmark/benchmark.h>

#include "bench/bare.h"
#include "bench/filled_store.h"

/// What PKCS#11 applications ask for most, beside signatures of messages: the key store on disk against bare EVP.
namespace sks::bench {
namespace {

constexpr std::size_t kSize = 1024;
constexpr std::string_view kEcdsa = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
constexpr std::string_view kPss = "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1";
constexpr std::string_view kHmac = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256";
constexpr std::string_view kGcm = "urn:sks:ext:aes.gcm";

const Bytes& hash() {
  static const Bytes bytes(32, 0x48);
  return bytes;
}

const Bytes& data() {
  static const Bytes bytes(kSize, 0x44);
  return bytes;
}

void bare_hash_signature(benchmark::State& state) {
  const BareSigner signer(bare_p256());
  for (auto _ : state) benchmark::DoNotOptimize(signer.sign(hash().data(), hash().size()));
}

void bare_pss(benchmark::State& state) {
  const ossl::Pkey key = bare_rsa2048();
  for (auto _ : state) benchmark::DoNotOptimize(bare_sign_pss(key.get(), hash().data(), hash().size()));
}

void store_hash_signature(benchmark::State& state, std::string_view key_algorithm, std::string_view algorithm) {
  const DurableStore store;
  const KeyHandle key = store.provision(key_algorithm, {});
  for (auto _ : state) SKS_CHECK(static_cast<bool>(store.engine().sign_hashed_data(key, algorithm, {}, {}, hash())));
}

void bare_hmac_1k(benchmark::State& state) {
  for (auto _ : state) bare_hmac(data().data(), data().size());
}

void store_hmac_1k(benchmark::State& state) {
  const DurableStore store;
  const KeyHandle key = store.provision_symmetric(Bytes(32, 1));
  for (auto _ : state) SKS_CHECK(static_cast<bool>(store.engine().perform_hmac(key, kHmac, {}, {}, data())));
}

void bare_gcm_1k(benchmark::State& state) {
  Bytes out(kSize + 16);
  for (auto _ : state) bare_gcm(data().data(), data().size(), out.data());
}

void store_gcm_1k(benchmark::State& state) {
  const DurableStore store;
  const KeyHandle key = store.provision_symmetric(Bytes(32, 1));
  const Bytes parameters = concat({Bytes{0, 12}, Bytes(12, 1), Bytes{16}});
  for (auto _ : state)
    SKS_CHECK(static_cast<bool>(
        store.engine().symmetric_key_encrypt(key, kGcm, CipherMode::encrypt, parameters, {}, data())));
}

BENCHMARK(bare_hash_signature);
BENCHMARK_CAPTURE(store_hash_signature, p256, "ec.nist.p256", kEcdsa);
BENCHMARK(bare_pss);
BENCHMARK_CAPTURE(store_hash_signature, pss, "rsa2048", kPss);
BENCHMARK(bare_hmac_1k);
BENCHMARK(store_hmac_1k);
BENCHMARK(bare_gcm_1k);
BENCHMARK(store_gcm_1k);

}  // namespace
}  // namespace sks::bench
