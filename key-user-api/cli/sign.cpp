#include <openssl/rsa.h>

#include <nlohmann/json.hpp>

#include "key-user-api/cli/key_use.h"
#include "sks-core/crypto/fetch.h"

namespace sks::cli {
namespace {

constexpr std::size_t kMaxSignature = 4096;  // bytes

bool is_ecdsa(const Algorithm& algorithm) {
  return algorithm.category == Category::signature && algorithm.family == KeyFamily::non_rsa;
}

/// Whether the message goes through a hash before the key sees it, so that its length does not matter.
bool signs_hash(const Algorithm& algorithm) { return algorithm.category == Category::signature; }

Result<SecureBytes> read_message(const UseOptions& options, const Mechanism& mechanism, SecureKeyStore& store) {
  SKS_LET(const DeviceInfo device, store.get_device_info());
  SKS_LET(InputFile input, InputFile::open(options.input));
  return input.read(device.crypto_data_size, input.name() + " is longer than the " +
                                                 std::to_string(device.crypto_data_size) + " bytes that " +
                                                 std::string(mechanism.name) + " takes");
}

Result<Bytes> make_signature(const UsableKey& key, const Mechanism& mechanism, ByteView data,
                             const Authorization& authorization, SecureKeyStore& store) {
  const KeyHandle handle = key.listed.handle;
  const Algorithm& algorithm = mechanism.algorithm();
  if (signs_hash(algorithm)) return store.sign_hashed_data(handle, mechanism.uri, {}, authorization, data);
  if (algorithm.category == Category::hmac) return store.perform_hmac(handle, mechanism.uri, {}, authorization, data);
  return store.sign_data(handle, mechanism.uri, {}, authorization, data);
}

/// What the key is given: the hash of the input, or the input.
Result<SecureBytes> read_data(const UseOptions& options, const Mechanism& mechanism, SecureKeyStore& store) {
  if (!signs_hash(mechanism.algorithm())) return read_message(options, mechanism, store);
  SKS_LET(InputFile input, InputFile::open(options.input));
  SKS_LET(const Bytes hash, input.digest(mechanism.algorithm().hash));
  return SecureBytes::copy_of(hash);
}

/// Whether OpenSSL finds the signature right. Fails with crypto when it cannot tell.
Result<bool> check_hash(const crypto::PublicKey& key, const Algorithm& algorithm, ByteView hash, ByteView signature) {
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new(key.openssl(), nullptr));
  const bool pss = algorithm.parameters == Parameters::pss;
  bool ready = context != nullptr && EVP_PKEY_verify_init(context.get()) == 1;
  if (ready && pss)
    ready = EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_AUTO) == 1;
  ready = ready && EVP_PKEY_CTX_set_signature_md(context.get(), crypto::fetched_md(algorithm.hash)) == 1;
  if (!ready) return ossl::take_error("the signature cannot be verified");
  const int verdict = EVP_PKEY_verify(context.get(), signature.data(), signature.size(), hash.data(), hash.size());
  static_cast<void>(ossl::take_error(""));  // a signature that is none leaves reasons behind
  return verdict == 1;
}

Result<bool> check_message(const crypto::PublicKey& key, ByteView message, ByteView signature) {
  const ossl::MdCtx context(EVP_MD_CTX_new());
  if (context == nullptr || EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.openssl()) != 1)
    return ossl::take_error("the signature cannot be verified");
  const int verdict =
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size());
  static_cast<void>(ossl::take_error(""));
  return verdict == 1;
}

Result<bool> check_mac(const UsableKey& key, const Mechanism& mechanism, ByteView data, ByteView signature,
                       const UseOptions& options, SecureKeyStore& store, dialog::Terminal* terminal) {
  SKS_LET(const Authorization authorization, authorize_use(key, options.pins, terminal));
  const auto mac = make_signature(key, mechanism, data, authorization, store);
  if (!mac) return explain_refused_use(store, key, mac.error());
  return equal_constant_time(*mac, signature);
}

Result<bool> check_signature(const UsableKey& key, const Mechanism& mechanism, ByteView data, ByteView signature,
                             const UseOptions& options, SecureKeyStore& store, dialog::Terminal* terminal) {
  const Algorithm& algorithm = mechanism.algorithm();
  if (algorithm.category == Category::hmac) return check_mac(key, mechanism, data, signature, options, store, terminal);
  if (!signs_hash(algorithm)) return check_message(*key.public_key, data, signature);
  if (!options.raw || !is_ecdsa(algorithm)) return check_hash(*key.public_key, algorithm, data, signature);
  const auto der = crypto::ecdsa_raw_to_der(key.public_key->curve(), signature);
  if (!der) return false;
  return check_hash(*key.public_key, algorithm, data, *der);
}

}  // namespace

Result<void> run_sign(const UseOptions& options, Format format, SecureKeyStore& store, dialog::Terminal* terminal,
                      std::ostream& out) {
  SKS_LET(const UsableKey key, find_usable_key(store, options.key));
  SKS_LET(const Mechanism* const mechanism, choose_mechanism(key, Purpose::signing, options.mechanism));
  SKS_LET(const SecureBytes data, read_data(options, *mechanism, store));
  SKS_LET(const Authorization authorization, authorize_use(key, options.pins, terminal));
  auto signature = make_signature(key, *mechanism, data.view(), authorization, store);
  if (!signature) return explain_refused_use(store, key, std::move(signature).error());
  if (is_ecdsa(mechanism->algorithm()) && !options.raw) {
    SKS_LET(signature, crypto::ecdsa_raw_to_der(key.public_key->curve(), *signature));
  }
  return deliver_result(key, *mechanism, "signature", *signature, options, format, out);
}

Result<void> run_verify(const UseOptions& options, Format format, SecureKeyStore& store, dialog::Terminal* terminal,
                        std::ostream& out) {
  SKS_LET(const UsableKey key, find_usable_key(store, options.key));
  SKS_LET(const Mechanism* const mechanism, choose_mechanism(key, Purpose::signing, options.mechanism));
  SKS_LET(const SecureBytes signature,
          sealed::read_private_file(options.signature, kMaxSignature, sealed::Readers::anyone));
  SKS_LET(const SecureBytes data, read_data(options, *mechanism, store));
  SKS_LET(const bool right, check_signature(key, *mechanism, data.view(), signature.view(), options, store, terminal));
  const std::string what = "signature of key " + std::to_string(key.listed.handle.value);
  if (format == Format::json) {
    const nlohmann::ordered_json json{
        {"handle", key.listed.handle.value}, {"algorithm", mechanism->name}, {"valid", right}};
    out << json.dump(2) << "\n";
  }
  if (!right) return Error{Status::crypto, "this is not a " + std::string(mechanism->name) + " " + what + " for it"};
  if (format == Format::text) out << "This is a " << mechanism->name << " " << what << ".\n";
  return {};
}

}  // namespace sks::cli
