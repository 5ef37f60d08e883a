#include "key-user-api/token/operations/mechanisms.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/key-user-api/token_operations/harness.h"

namespace sks::token::test {

TEST_CASE("mechanisms: the methods are those of the specification, in their order") {
  const std::vector<std::pair<int, std::string>> expected{
      {180, "operate"}, {181, "verify"},       {182, "begin"},         {183, "update"},
      {184, "finish"},  {185, "finishVerify"}, {186, "abandon"},       {187, "deriveKey"},
      {188, "wrapKey"}, {189, "unwrapKey"},    {190, "generateRandom"}};
  std::vector<std::pair<int, std::string>> served;
  for (const MethodRow& row : operation_methods()) served.emplace_back(row.id, std::string(row.name));
  CHECK(served == expected);
}

TEST_CASE("mechanisms: what is listed is what applications ask for, each once, with flags and sizes") {
  std::map<CK_MECHANISM_TYPE, MechanismInfo> listed;
  for (const MechanismInfo& info : all_mechanisms()) CHECK(listed.emplace(info.type, info).second);
  const std::vector<CK_MECHANISM_TYPE> wanted{CKM_RSA_PKCS_KEY_PAIR_GEN,
                                              CKM_RSA_PKCS,
                                              CKM_SHA256_RSA_PKCS,
                                              CKM_SHA384_RSA_PKCS,
                                              CKM_SHA512_RSA_PKCS,
                                              CKM_RSA_PKCS_PSS,
                                              CKM_SHA256_RSA_PKCS_PSS,
                                              CKM_SHA384_RSA_PKCS_PSS,
                                              CKM_SHA512_RSA_PKCS_PSS,
                                              CKM_RSA_PKCS_OAEP,
                                              CKM_EC_KEY_PAIR_GEN,
                                              CKM_ECDSA,
                                              CKM_ECDSA_SHA1,
                                              CKM_ECDSA_SHA256,
                                              CKM_ECDSA_SHA384,
                                              CKM_ECDSA_SHA512,
                                              CKM_ECDH1_DERIVE,
                                              CKM_ECDH1_COFACTOR_DERIVE,
                                              CKM_EC_EDWARDS_KEY_PAIR_GEN,
                                              CKM_EC_MONTGOMERY_KEY_PAIR_GEN,
                                              CKM_EDDSA,
                                              CKM_AES_KEY_GEN,
                                              CKM_AES_ECB,
                                              CKM_AES_CBC,
                                              CKM_AES_CBC_PAD,
                                              CKM_AES_CTR,
                                              CKM_AES_GCM,
                                              CKM_AES_KEY_WRAP,
                                              CKM_AES_KEY_WRAP_PAD,
                                              CKM_AES_KEY_WRAP_KWP,
                                              CKM_GENERIC_SECRET_KEY_GEN,
                                              CKM_SHA_1,
                                              CKM_SHA224,
                                              CKM_SHA256,
                                              CKM_SHA384,
                                              CKM_SHA512,
                                              CKM_SHA_1_HMAC,
                                              CKM_SHA256_HMAC,
                                              CKM_SHA384_HMAC,
                                              CKM_SHA512_HMAC,
                                              CKM_SHA_1_HMAC_GENERAL,
                                              CKM_SHA256_HMAC_GENERAL,
                                              CKM_SHA384_HMAC_GENERAL,
                                              CKM_SHA512_HMAC_GENERAL};
  for (const CK_MECHANISM_TYPE type : wanted) {
    CAPTURE(type);
    CHECK(listed.contains(type));
  }
  CHECK((listed.at(CKM_ECDSA).flags & (CKF_SIGN | CKF_VERIFY | CKF_EC_F_P | CKF_EC_NAMEDCURVE)) ==
        (CKF_SIGN | CKF_VERIFY | CKF_EC_F_P | CKF_EC_NAMEDCURVE));
  CHECK(listed.at(CKM_ECDSA).min_key_size == 256);
  CHECK(listed.at(CKM_ECDSA).max_key_size == 521);
  CHECK(listed.at(CKM_RSA_PKCS).flags == (CKF_SIGN | CKF_VERIFY | CKF_ENCRYPT | CKF_DECRYPT | CKF_WRAP | CKF_UNWRAP));
  CHECK(listed.at(CKM_AES_GCM).flags == (CKF_ENCRYPT | CKF_DECRYPT));
  CHECK(listed.at(CKM_AES_GCM).min_key_size == 16);
  CHECK(listed.at(CKM_SHA256).flags == CKF_DIGEST);
  CHECK_FALSE(listed.contains(CKM_RSA_X_509));
  CHECK_FALSE(listed.contains(CKM_MD5));
}

TEST_CASE("mechanisms: every algorithm in the table is one of the key store, and of the category that is used") {
  const std::map<Scheme, Category> categories{
      {Scheme::rsa_pkcs1, Category::signature}, {Scheme::rsa_pss, Category::signature},
      {Scheme::ecdsa, Category::signature},     {Scheme::hmac, Category::hmac},
      {Scheme::rsa_oaep, Category::decryption}, {Scheme::aes, Category::cipher},
      {Scheme::agreement, Category::agreement}};
  std::set<std::string_view> used;
  for (const Mechanism& row : mechanism_table()) {
    CAPTURE(row.type);
    for (const SksAlgorithm& each : row.algorithms) {
      used.insert(each.uri);
      const Algorithm* const algorithm = find_algorithm(each.uri);
      REQUIRE(algorithm != nullptr);
      if (row.scheme == Scheme::eddsa) {
        CHECK(algorithm->also_signature);
      } else {
        CHECK(algorithm->category == categories.at(row.scheme));
        CHECK(algorithm->hash == each.hash);
      }
    }
    for (const SksAlgorithm& each : row.decryption_algorithms) {
      used.insert(each.uri);
      REQUIRE(find_algorithm(each.uri) != nullptr);
      CHECK(find_algorithm(each.uri)->category == Category::decryption);
    }
  }
  // What users can do with the key store they can do through PKCS#11, but for the ciphers that bring their own IV.
  for (const Algorithm& algorithm : all_algorithms()) {
    const bool for_users = algorithm.category != Category::key_generation && algorithm.category != Category::special &&
                           algorithm.iv != IvSource::internal;
    CAPTURE(std::string(algorithm.uri));
    if (for_users) CHECK(used.contains(algorithm.uri));
  }
}

}  // namespace sks::token::test
