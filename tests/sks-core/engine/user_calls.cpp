#include "tests/sks-core/engine/user_calls.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace sks::test {
namespace {

Authorization authorization_of(const Call& call) { return {secret(call.pin), call.biometric}; }

Result<Bytes> plain(Result<SecureBytes> result) {
  SKS_LET(const SecureBytes bytes, std::move(result));
  return to_bytes(bytes.view());
}

}  // namespace

const std::vector<UserMethod>& user_methods() {
  static const std::vector<UserMethod> methods{
      {"signData", true,
       [](SecureKeyStore& store, const Call& call) {
         return store.sign_data(call.key, call.algorithm, call.parameters, authorization_of(call), call.data);
       }},
      {"signHashedData", true,
       [](SecureKeyStore& store, const Call& call) {
         return store.sign_hashed_data(call.key, call.algorithm, call.parameters, authorization_of(call), call.data);
       }},
      {"asymmetricKeyDecrypt", false,
       [](SecureKeyStore& store, const Call& call) {
         return plain(store.asymmetric_key_decrypt(call.key, call.algorithm, call.parameters, authorization_of(call),
                                                   call.data));
       }},
      {"keyAgreement", false,
       [](SecureKeyStore& store, const Call& call) {
         return plain(
             store.key_agreement(call.key, call.algorithm, call.parameters, authorization_of(call), call.data));
       }},
      {"performHmac", true,
       [](SecureKeyStore& store, const Call& call) {
         return store.perform_hmac(call.key, call.algorithm, call.parameters, authorization_of(call), call.data);
       }},
      {"symmetricKeyEncrypt", true,
       [](SecureKeyStore& store, const Call& call) {
         return plain(store.symmetric_key_encrypt(call.key, call.algorithm, call.mode, call.parameters,
                                                  authorization_of(call), call.data));
       }},
  };
  return methods;
}

const UserMethod& user_method(const std::string& name) {
  const auto found = std::ranges::find(user_methods(), name, &UserMethod::name);
  REQUIRE(found != user_methods().end());
  return *found;
}

std::optional<Status> status_of_call(SecureKeyStore& store, const std::string& method, const Call& call) {
  return status_of(user_method(method).run(store, call));
}

KeyHandle provision_key(SecureKeyStore& store, const std::string& algorithm, std::vector<std::string> endorsed) {
  KeyEntryRequest request = key_request();
  request.key_algorithm = kSks + algorithm;
  request.endorsed_algorithms = std::move(endorsed);
  return provision_plain_key(store, std::move(request));
}

KeyHandle provision_symmetric_key(SecureKeyStore& store, ByteView key, std::vector<std::string> endorsed) {
  KeyEntryRequest request = key_request();
  request.endorsed_algorithms = std::move(endorsed);
  TestIssuer issuer(store);
  REQUIRE(issuer.open());
  const KeyHandle handle = issuer.create_certified_key(std::move(request)).value().handle;
  REQUIRE(issuer.import_symmetric_key(handle, issuer.encrypt(key)));
  REQUIRE(issuer.close());
  return handle;
}

KeyHandle provision_known_key(Device& device, ByteView pkcs8) {
  TestIssuer issuer(*device.engine);
  REQUIRE(issuer.open());
  device.keys.queue(crypto::PrivateKey::from_pkcs8(pkcs8).value());
  const KeyHandle handle = issuer.create_certified_key(key_request()).value().handle;
  REQUIRE(issuer.close());
  return handle;
}

crypto::PublicKey public_key_of(SecureKeyStore& store, KeyHandle key) {
  const Bytes certificate = store.get_key_attributes(key)->certificate_path.front();
  const unsigned char* position = certificate.data();
  const ossl::Cert decoded(d2i_X509(nullptr, &position, static_cast<long>(certificate.size())));
  return crypto::PublicKey::from_openssl(X509_get0_pubkey(decoded.get())).value();
}

bool verifies(const crypto::PublicKey& key, const EVP_MD* md, ByteView message, ByteView signature) {
  Bytes encoded = to_bytes(signature);
  if (key.kind() == KeyKind::ec) encoded = crypto::ecdsa_raw_to_der(key.curve(), signature).value();
  const ossl::MdCtx context(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(context.get(), nullptr, md, nullptr, key.openssl()) == 1 &&
         EVP_DigestVerify(context.get(), encoded.data(), encoded.size(), message.data(), message.size()) == 1;
}

}  // namespace sks::test
