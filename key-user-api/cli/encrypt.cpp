#include <openssl/rsa.h>

#include "key-user-api/cli/key_use.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/fetch.h"

namespace sks::cli {
namespace {

constexpr std::size_t kPkcs1Overhead = 11;  // bytes, RFC 8017 chapter 7.2
/// Room for what encryption adds to the data that the key store takes.
constexpr std::size_t kMaxOverhead = 1024;

/// Bytes that one RSA encryption takes, RFC 8017 chapters 7.1 and 7.2; none when the key is too short for the hash.
std::size_t rsa_limit(const crypto::PublicKey& key, HashId oaep_hash) {
  const std::size_t overhead = oaep_hash == HashId::none ? kPkcs1Overhead : 2 * crypto::digest_size(oaep_hash) + 2;
  return key.rsa_modulus_bytes() < overhead ? 0 : key.rsa_modulus_bytes() - overhead;
}

Result<Bytes> encrypt_rsa(const crypto::PublicKey& key, HashId oaep_hash, ByteView data) {
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new(key.openssl(), nullptr));
  bool ready = context != nullptr && EVP_PKEY_encrypt_init(context.get()) == 1;
  const bool oaep = oaep_hash != HashId::none;
  ready = ready && EVP_PKEY_CTX_set_rsa_padding(context.get(), oaep ? RSA_PKCS1_OAEP_PADDING : RSA_PKCS1_PADDING) == 1;
  if (ready && oaep)  // MGF1 takes the same hash
    ready = EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), crypto::fetched_md(oaep_hash)) == 1;
  Bytes out(key.rsa_modulus_bytes());
  std::size_t size = out.size();
  if (!ready || EVP_PKEY_encrypt(context.get(), out.data(), &size, data.data(), data.size()) != 1)
    return ossl::take_error("RSA encryption failed");
  out.resize(size);
  return out;
}

/// `parameters` of aes.gcm, sks-extensions.md.
Bytes gcm_parameters(ByteView iv) {
  ByteWriter parameters;
  parameters.array(iv).u8(static_cast<std::uint8_t>(crypto::kGcmTag));
  return parameters.take();
}

/// Where the key store wants an IV from its caller, it stands in front of the cipher text, as it does where the key
/// store makes it.
Result<SecureBytes> encrypt_symmetric(const UsableKey& key, const Mechanism& mechanism, ByteView data,
                                      const Authorization& authorization, SecureKeyStore& store) {
  const KeyHandle handle = key.listed.handle;
  if (mechanism.algorithm().parameters != Parameters::gcm)
    return store.symmetric_key_encrypt(handle, mechanism.uri, CipherMode::encrypt, {}, authorization, data);
  const Bytes iv = system_random().bytes(crypto::kGcmNonce);
  SKS_LET(const SecureBytes sealed, store.symmetric_key_encrypt(handle, mechanism.uri, CipherMode::encrypt,
                                                                gcm_parameters(iv), authorization, data));
  return SecureBytes::copy_of(concat({iv, sealed.view()}));
}

Result<SecureBytes> decrypt_symmetric(const UsableKey& key, const Mechanism& mechanism, ByteView data,
                                      const Authorization& authorization, SecureKeyStore& store) {
  const KeyHandle handle = key.listed.handle;
  if (mechanism.algorithm().parameters != Parameters::gcm)
    return store.symmetric_key_encrypt(handle, mechanism.uri, CipherMode::decrypt, {}, authorization, data);
  if (data.size() < crypto::kGcmNonce + crypto::kGcmTag)
    return Error{Status::option, "the input is too short for what aes-gcm has encrypted"};
  return store.symmetric_key_encrypt(handle, mechanism.uri, CipherMode::decrypt,
                                     gcm_parameters(data.first(crypto::kGcmNonce)), authorization,
                                     data.subspan(crypto::kGcmNonce));
}

Result<SecureBytes> read_input(const UseOptions& options, const Mechanism& mechanism, std::size_t limit) {
  SKS_LET(InputFile input, InputFile::open(options.input));
  return input.read(limit, input.name() + " is longer than the " + std::to_string(limit) + " bytes that " +
                               std::string(mechanism.name) + " takes with this key");
}

}  // namespace

Result<void> run_encrypt(const UseOptions& options, Format format, SecureKeyStore& store, dialog::Terminal* terminal,
                         std::ostream& out) {
  SKS_LET(const UsableKey key, find_usable_key(store, options.key));
  SKS_LET(const Mechanism* const mechanism, choose_mechanism(key, Purpose::encryption, options.mechanism));
  if (key.symmetric_bytes == 0) {
    const HashId hash = mechanism->algorithm().hash;
    SKS_LET(const SecureBytes data, read_input(options, *mechanism, rsa_limit(*key.public_key, hash)));
    SKS_LET(const Bytes encrypted, encrypt_rsa(*key.public_key, hash, data.view()));
    return deliver_result(key, *mechanism, "data", encrypted, options, format, out);
  }
  SKS_LET(const DeviceInfo device, store.get_device_info());
  SKS_LET(const SecureBytes data, read_input(options, *mechanism, device.crypto_data_size));
  SKS_LET(const Authorization authorization, authorize_use(key, options.pins, terminal));
  auto encrypted = encrypt_symmetric(key, *mechanism, data.view(), authorization, store);
  if (!encrypted) return explain_refused_use(store, key, std::move(encrypted).error());
  return deliver_result(key, *mechanism, "data", encrypted->view(), options, format, out);
}

Result<void> run_decrypt(const UseOptions& options, Format format, SecureKeyStore& store, dialog::Terminal* terminal,
                         std::ostream& out) {
  SKS_LET(const UsableKey key, find_usable_key(store, options.key));
  SKS_LET(const Mechanism* const mechanism, choose_mechanism(key, Purpose::encryption, options.mechanism));
  SKS_LET(const DeviceInfo device, store.get_device_info());
  SKS_LET(const SecureBytes data, read_input(options, *mechanism, device.crypto_data_size + kMaxOverhead));
  SKS_LET(const Authorization authorization, authorize_use(key, options.pins, terminal));
  auto decrypted = key.symmetric_bytes == 0
                       ? store.asymmetric_key_decrypt(key.listed.handle, mechanism->uri, {}, authorization, data.view())
                       : decrypt_symmetric(key, *mechanism, data.view(), authorization, store);
  if (!decrypted) return explain_refused_use(store, key, std::move(decrypted).error());
  return deliver_result(key, *mechanism, "data", decrypted->view(), options, format, out);
}

}  // namespace sks::cli
