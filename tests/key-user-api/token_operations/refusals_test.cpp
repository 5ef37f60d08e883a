#include <doctest/doctest.h>

#include <algorithm>

#include "key-user-api/token/operations/mechanisms.h"
#include "tests/key-user-api/token_operations/harness.h"

/// What is refused, in which order, and with which code. Spec: spec/sksd.md 7.
namespace sks::token::test {
namespace {

const std::string kSksAlg = "https://webpki.github.io/sks/algorithm#";
constexpr CK_MECHANISM_TYPE kUnknown = 0x80001234;

struct Ring {
  explicit Ring(Bench& bench)
      : rsa(bench.stored("rsa2048")),
        ec(bench.stored("ec.nist.p256")),
        edwards(bench.stored("ed25519")),
        montgomery(bench.stored("x25519")),
        aes(bench.stored_secret(Bytes(32, 7))),
        generic(bench.session_secret(Bytes(20, 7), CKK_GENERIC_SECRET)),
        rsa_public(bench.public_of(rsa)),
        ec_public(bench.public_of(ec)),
        edwards_public(bench.public_of(edwards)) {}
  CK_OBJECT_HANDLE rsa, ec, edwards, montgomery, aes, generic, rsa_public, ec_public, edwards_public;

  std::vector<CK_OBJECT_HANDLE> all() const {
    return {rsa, ec, edwards, montgomery, aes, generic, rsa_public, ec_public, edwards_public};
  }
};

/// A key that fits the row, and a parameter and data with which it works.
struct Good {
  CK_OBJECT_HANDLE using_key = 0;  ///< signs, decrypts, unwraps
  CK_OBJECT_HANDLE public_key = 0;
  Bytes parameter;
  Bytes data;
};

Good good_for(const Ring& ring, const Mechanism& row) {
  Good good;
  switch (row.keys) {
    case Keys::rsa:
      good = {ring.rsa, ring.rsa_public, {}, Bytes(32, 1)};
      break;
    case Keys::ec:
      good = {ring.ec, ring.ec_public, {}, Bytes(32, 1)};
      break;
    case Keys::edwards:
      good = {ring.edwards, ring.edwards_public, {}, Bytes(32, 1)};
      break;
    case Keys::aes:
      good = {ring.aes, ring.aes, {}, Bytes(32, 1)};
      break;
    case Keys::secret:
      good = {ring.generic, ring.generic, {}, Bytes(32, 1)};
      break;
    case Keys::agreement:
      good = {ring.ec, ring.ec, {}, {}};
      break;
    case Keys::none:
      good.data = Bytes(32, 1);
      break;
  }
  switch (row.parameter) {
    case Shape::pss:
      good.parameter = row.hash == CKM_SHA384   ? pss(CKM_SHA384, CKG_MGF1_SHA384, 48)
                       : row.hash == CKM_SHA512 ? pss(CKM_SHA512, CKG_MGF1_SHA512, 64)
                                                : pss(CKM_SHA256, CKG_MGF1_SHA256, 32);
      break;
    case Shape::oaep:
      good.parameter = oaep(CKM_SHA256, CKG_MGF1_SHA256);
      break;
    case Shape::iv:
      good.parameter = Bytes(16, 3);
      break;
    case Shape::counter:
      good.parameter = counter(128, Bytes(16, 3));
      break;
    case Shape::gcm:
      good.parameter = gcm(Bytes(12, 3), Bytes(5, 4), 128);
      break;
    case Shape::mac_length:
      good.parameter = ulongs({10});
      break;
    case Shape::none:
    case Shape::agreement:
    case Shape::wrap_iv:
    case Shape::wrap_iv_prefix:
      break;
  }
  return good;
}

bool has(const Mechanism& row, CK_FLAGS flag) { return (row.functions & flag) != 0; }

/// Parameters that are none of the row.
std::vector<Bytes> wrong_parameters(const Mechanism& row, const Bytes& good) {
  std::vector<Bytes> wrong;
  if (!good.empty()) wrong.push_back(to_bytes(ByteView(good).first(good.size() - 1)));
  if (!good.empty()) wrong.push_back({});
  wrong.push_back(concat({good, Bytes{0}}));
  const Bytes iv(12), block(16);
  const auto add = [&](std::initializer_list<Bytes> more) { wrong.insert(wrong.end(), more); };
  switch (row.parameter) {
    case Shape::pss:
      add({pss(CKM_SHA_1, CKG_MGF1_SHA1, 20), pss(CKM_SHA224, CKG_MGF1_SHA224, 28), pss(CKM_SHA256, CKG_MGF1_SHA1, 32),
           pss(CKM_SHA256, CKG_MGF1_SHA512, 32), pss(0, 0, 0), pss(CKM_MD5, CKG_MGF1_SHA256, 32),
           pss(CKM_SHA256, CKG_MGF1_SHA256, 65'536), pss(CKM_SHA256, CKG_MGF1_SHA256, UINT64_MAX),
           pss(CKM_SHA256, CKG_MGF1_SHA256, 223)});
      if (row.hash == CKM_SHA384) add({pss(CKM_SHA256, CKG_MGF1_SHA256, 32)});
      break;
    case Shape::oaep:
      add({oaep(CKM_MD5, CKG_MGF1_SHA1), oaep(CKM_SHA224, CKG_MGF1_SHA1), oaep(CKM_SHA_1, CKG_MGF1_SHA224),
           oaep(CKM_SHA_1, 0), oaep(0, CKG_MGF1_SHA1), oaep(CKM_SHA_1, CKG_MGF1_SHA1, Bytes(65'534)),
           oaep(CKM_SHA_1 | 1UL << 63, CKG_MGF1_SHA1)});
      break;
    case Shape::iv:
      add({Bytes(1), Bytes(12), Bytes(15), Bytes(17), Bytes(32)});
      break;
    case Shape::counter:
      add({counter(0, block), counter(129, block), counter(UINT64_MAX, block), counter(256 + 8, block),
           counter(128, Bytes(15)), counter(128, Bytes(17)), block});
      break;
    case Shape::gcm:
      add({gcm({}, {}, 128), gcm(Bytes(129), {}, 128), gcm(iv, {}, 0), gcm(iv, {}, 16), gcm(iv, {}, 40),
           gcm(iv, {}, 100), gcm(iv, {}, 127), gcm(iv, {}, 136), gcm(iv, {}, UINT64_MAX), gcm(iv, {}, 8 * 260)});
      break;
    case Shape::wrap_iv:
      add({Bytes(4), Bytes(7), Bytes(9), Bytes(16)});
      break;
    case Shape::wrap_iv_prefix:
      add({Bytes(3), Bytes(5), Bytes(8), Bytes(16)});
      break;
    case Shape::mac_length:
      add({ulongs({0}), ulongs({65}), ulongs({UINT64_MAX})});
      break;
    case Shape::none:
      add({Bytes(8), Bytes(16)});
      break;
    case Shape::agreement:
      break;
  }
  return wrong;
}

}  // namespace

TEST_CASE("refusals: every mechanism works as the tests take for granted, and with no wrong parameter") {
  Bench bench;
  const Ring ring(bench);
  int checked = 0;
  for (const Mechanism& row : mechanism_table()) {
    if (row.scheme == Scheme::generation || row.scheme == Scheme::agreement) continue;
    CAPTURE(row.type);
    const Good good = good_for(ring, row);
    struct Use {
      CK_FLAGS flag;
      std::uint8_t kind;
      CK_OBJECT_HANDLE key;
    };
    for (const Use& use : {Use{CKF_ENCRYPT, kEncrypt, good.public_key}, Use{CKF_DECRYPT, kDecrypt, good.using_key},
                           Use{CKF_SIGN, kSign, good.using_key}, Use{CKF_DIGEST, kDigest, 0}}) {
      CAPTURE(use.kind);
      if (!has(row, use.flag)) {
        CHECK(bench.operate(use.kind, good.using_key, row.type, good.parameter, good.data).code ==
              CKR_MECHANISM_INVALID);
        CHECK(bench.begin(use.kind, good.using_key, row.type, good.parameter).code == CKR_MECHANISM_INVALID);
        continue;
      }
      if (use.kind != kDecrypt)
        CHECK(bench.operate(use.kind, use.key, row.type, good.parameter, good.data).code == CKR_OK);
      for (const Bytes& wrong : wrong_parameters(row, good.parameter)) {
        CAPTURE(wrong.size());
        CHECK(bench.operate(use.kind, use.key, row.type, wrong, good.data).code == CKR_MECHANISM_PARAM_INVALID);
        CHECK(bench.begin(use.kind, use.key, row.type, wrong).code == CKR_MECHANISM_PARAM_INVALID);
        ++checked;
      }
    }
    if (has(row, CKF_VERIFY)) {
      for (const Bytes& wrong : wrong_parameters(row, good.parameter)) {
        CHECK(bench.verify(good.public_key, row.type, wrong, good.data, Bytes(64)).code == CKR_MECHANISM_PARAM_INVALID);
        CHECK(bench.begin(kVerify, good.public_key, row.type, wrong).code == CKR_MECHANISM_PARAM_INVALID);
      }
    } else {
      CHECK(bench.verify(good.public_key, row.type, good.parameter, good.data, Bytes(64)).code ==
            CKR_MECHANISM_INVALID);
    }
    for (const Bytes& wrong : wrong_parameters(row, good.parameter)) {
      if (has(row, CKF_WRAP))
        CHECK(bench.wrap(good.public_key, row.type, wrong, ring.generic).code == CKR_MECHANISM_PARAM_INVALID);
      if (has(row, CKF_UNWRAP))
        CHECK(bench.unwrap(good.using_key, row.type, wrong, Bytes(256), {}).code == CKR_MECHANISM_PARAM_INVALID);
    }
  }
  CHECK(checked > 200);
}

TEST_CASE("refusals: a mechanism with a key of another kind, or the wrong half of a pair") {
  Bench bench;
  const Ring ring(bench);
  for (const Mechanism& row : mechanism_table()) {
    if (row.keys == Keys::none || row.scheme == Scheme::agreement) continue;
    CAPTURE(row.type);
    const Good good = good_for(ring, row);
    for (const CK_OBJECT_HANDLE key : ring.all()) {
      CAPTURE(key);
      const bool mac_key = row.keys == Keys::secret && key == ring.aes;  // the key store has no types
      if (has(row, CKF_SIGN) && key != good.using_key && !mac_key) {
        CHECK(bench.operate(kSign, key, row.type, good.parameter, good.data).code == CKR_KEY_TYPE_INCONSISTENT);
        CHECK(bench.begin(kSign, key, row.type, good.parameter).code == CKR_KEY_TYPE_INCONSISTENT);
      }
      if (has(row, CKF_VERIFY) && key != good.public_key && !mac_key)
        CHECK(bench.verify(key, row.type, good.parameter, good.data, Bytes(64)).code == CKR_KEY_TYPE_INCONSISTENT);
      if (has(row, CKF_ENCRYPT) && key != good.public_key)
        CHECK(bench.operate(kEncrypt, key, row.type, good.parameter, good.data).code == CKR_KEY_TYPE_INCONSISTENT);
      if (has(row, CKF_DECRYPT) && key != good.using_key)
        CHECK(bench.operate(kDecrypt, key, row.type, good.parameter, good.data).code == CKR_KEY_TYPE_INCONSISTENT);
    }
  }
  const Bytes parameter = ecdh(CKD_NULL, {}, Bytes(65));
  for (const CK_OBJECT_HANDLE key : {ring.rsa, ring.edwards, ring.aes, ring.generic, ring.ec_public})
    CHECK(bench.derive(key, CKM_ECDH1_DERIVE, parameter, {}).code == CKR_KEY_TYPE_INCONSISTENT);
}

TEST_CASE("refusals: a usage that the object does not have") {
  Bench bench;
  const Ring ring(bench);
  for (const CK_OBJECT_HANDLE key : ring.all()) bench.key(key).usages = 0;
  for (const Mechanism& row : mechanism_table()) {
    if (row.keys == Keys::none) continue;
    CAPTURE(row.type);
    const Good good = good_for(ring, row);
    if (has(row, CKF_SIGN))
      CHECK(bench.operate(kSign, good.using_key, row.type, good.parameter, good.data).code ==
            CKR_KEY_FUNCTION_NOT_PERMITTED);
    if (has(row, CKF_VERIFY))
      CHECK(bench.verify(good.public_key, row.type, good.parameter, good.data, {}).code ==
            CKR_KEY_FUNCTION_NOT_PERMITTED);
    if (has(row, CKF_ENCRYPT))
      CHECK(bench.operate(kEncrypt, good.public_key, row.type, good.parameter, good.data).code ==
            CKR_KEY_FUNCTION_NOT_PERMITTED);
    if (has(row, CKF_DECRYPT))
      CHECK(bench.operate(kDecrypt, good.using_key, row.type, good.parameter, good.data).code ==
            CKR_KEY_FUNCTION_NOT_PERMITTED);
    if (has(row, CKF_DERIVE))
      CHECK(bench.derive(ring.ec, row.type, ecdh(CKD_NULL, {}, Bytes(65)), {}).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
  }
}

TEST_CASE("refusals: a key that is endorsed for nothing does nothing") {
  Bench bench;
  const CK_OBJECT_HANDLE ec = bench.stored("ec.nist.p256", {kSksAlg + "none"});
  const CK_OBJECT_HANDLE rsa = bench.stored("rsa2048", {kSksAlg + "none"});
  const CK_OBJECT_HANDLE secret = bench.stored_secret(Bytes(16, 1), CKK_AES, {kSksAlg + "none"});
  CHECK(bench.operate(kSign, ec, CKM_ECDSA, {}, Bytes(32)).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
  CHECK(bench.derive(ec, CKM_ECDH1_DERIVE, ecdh(CKD_NULL, {}, Bytes(65)), {}).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
  CHECK(bench.operate(kSign, rsa, CKM_RSA_PKCS, {}, Bytes(32)).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
  CHECK(bench.operate(kDecrypt, rsa, CKM_RSA_PKCS, {}, Bytes(256)).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
  CHECK(bench.operate(kEncrypt, secret, CKM_AES_ECB, {}, Bytes(16)).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
  CHECK(bench.operate(kSign, secret, CKM_SHA256_HMAC, {}, Bytes(16)).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
  CHECK(bench.keys.authorizations == 0);
}

TEST_CASE("refusals: unknown mechanisms, kinds, keys and slots") {
  Bench bench;
  const Ring ring(bench);
  for (const CK_MECHANISM_TYPE type : {kUnknown, CK_MECHANISM_TYPE{CKM_RSA_X_509}, CK_MECHANISM_TYPE{UINT64_MAX},
                                       CK_MECHANISM_TYPE{CKM_EC_KEY_PAIR_GEN}}) {
    for (const std::uint8_t kind : {kEncrypt, kDecrypt, kSign, kDigest})
      CHECK(bench.operate(kind, ring.rsa, type, {}, Bytes(16)).code == CKR_MECHANISM_INVALID);
    CHECK(bench.begin(kVerify, ring.rsa_public, type).code == CKR_MECHANISM_INVALID);
    CHECK(bench.verify(ring.rsa_public, type, {}, {}, {}).code == CKR_MECHANISM_INVALID);
    CHECK(bench.derive(ring.ec, type, {}, {}).code == CKR_MECHANISM_INVALID);
    CHECK(bench.wrap(ring.aes, type, {}, ring.generic).code == CKR_MECHANISM_INVALID);
    CHECK(bench.unwrap(ring.aes, type, {}, Bytes(24), {}).code == CKR_MECHANISM_INVALID);
  }
  for (const int kind : {0, 6, 7, 255}) {
    CHECK(bench.operate(static_cast<std::uint8_t>(kind), ring.ec, CKM_ECDSA, {}, Bytes(32)).code == CKR_ARGUMENTS_BAD);
    CHECK(bench.begin(static_cast<std::uint8_t>(kind), ring.ec, CKM_ECDSA).code == CKR_ARGUMENTS_BAD);
  }
  CHECK(bench.operate(kVerify, ring.ec_public, CKM_ECDSA, {}, Bytes(32)).code == CKR_ARGUMENTS_BAD);
  for (const CK_OBJECT_HANDLE object : {CK_OBJECT_HANDLE{0}, CK_OBJECT_HANDLE{999}, CK_OBJECT_HANDLE{UINT64_MAX}}) {
    CHECK(bench.operate(kSign, object, CKM_ECDSA, {}, Bytes(32)).code == CKR_KEY_HANDLE_INVALID);
    CHECK(bench.begin(kSign, object, CKM_ECDSA).code == CKR_KEY_HANDLE_INVALID);
    CHECK(bench.verify(object, CKM_ECDSA, {}, Bytes(32), Bytes(64)).code == CKR_KEY_HANDLE_INVALID);
    CHECK(bench.derive(object, CKM_ECDH1_DERIVE, ecdh(CKD_NULL, {}, Bytes(65)), {}).code == CKR_KEY_HANDLE_INVALID);
  }
  ByteWriter elsewhere;
  elsewhere.u8(kSign).u32(kSlot + 1).u64(ring.ec).u64(CKM_ECDSA).blob({}).u32(0).blob(Bytes(32));
  CHECK(bench.send(180, elsewhere.view()).code == CKR_KEY_HANDLE_INVALID);
}

TEST_CASE("refusals: nobody is logged in, and no work is done for those who are not") {
  Bench bench;
  const Ring ring(bench);
  bench.keys.login.reset();
  CHECK(bench.operate(kSign, ring.ec, CKM_ECDSA, {}, Bytes(32)).code == CKR_USER_NOT_LOGGED_IN);
  CHECK(bench.operate(kDecrypt, ring.rsa, CKM_RSA_PKCS, {}, Bytes(256, 1)).code == CKR_USER_NOT_LOGGED_IN);
  CHECK(bench.operate(kEncrypt, ring.aes, CKM_AES_ECB, {}, Bytes(16)).code == CKR_USER_NOT_LOGGED_IN);
  CHECK(bench.operate(kSign, ring.aes, CKM_SHA256_HMAC, {}, Bytes(16)).code == CKR_USER_NOT_LOGGED_IN);
  CHECK(bench.wrap(ring.aes, CKM_AES_KEY_WRAP_KWP, {}, ring.generic).code == CKR_USER_NOT_LOGGED_IN);
  CHECK(bench.unwrap(ring.aes, CKM_AES_KEY_WRAP, {}, Bytes(24), {}).code == CKR_USER_NOT_LOGGED_IN);
  const auto own = sks::test::generate_key(kSksAlg + "x25519");
  CHECK(bench.derive(ring.montgomery, CKM_ECDH1_DERIVE, ecdh(CKD_NULL, {}, own.public_key().raw()), {}).code ==
        CKR_USER_NOT_LOGGED_IN);
  // Public keys and keys of the session need none.
  CHECK(bench.operate(kEncrypt, ring.rsa_public, CKM_RSA_PKCS, {}, Bytes(16)).code == CKR_OK);
  CHECK(bench.operate(kSign, ring.generic, CKM_SHA256_HMAC, {}, Bytes(16)).code == CKR_OK);
  CHECK(bench.verify(ring.ec_public, CKM_ECDSA, {}, Bytes(32), Bytes(64, 1)).code == CKR_SIGNATURE_INVALID);
  // A logout between begin and finish.
  bench.keys.login = "";
  const std::uint32_t operation = u32_of(bench.begin(kSign, ring.ec, CKM_ECDSA_SHA256));
  CHECK(bench.update(operation, Bytes(10)).code == CKR_OK);
  bench.keys.login.reset();
  CHECK(bench.finish(operation, {}).code == CKR_USER_NOT_LOGGED_IN);
}

TEST_CASE("refusals: a PIN that is wrong by now ends the login") {
  Bench bench;
  const auto pin_key = sks::test::provision_pin_key(*bench.device.engine);
  KeyInUse use;
  use.stored = pin_key.key;
  use.usages = 0x7F;
  use.public_key = sks::test::public_key_of(*bench.device.engine, pin_key.key);
  const CK_OBJECT_HANDLE key = bench.keys.add(std::move(use));
  bench.keys.login = "1234";
  CHECK(bench.operate(kSign, key, CKM_ECDSA, {}, Bytes(32)).code == CKR_OK);
  CHECK(bench.keys.refused_pins.empty());
  bench.keys.login = "9999";
  CHECK(bench.operate(kSign, key, CKM_ECDSA, {}, Bytes(32)).code == CKR_USER_NOT_LOGGED_IN);
  CHECK(bench.keys.refused_pins == std::vector<std::string>{"9999"});
}

TEST_CASE("refusals: a suspended key, and one that is gone") {
  Bench bench;
  const CK_OBJECT_HANDLE key = bench.stored("ec.nist.p256");
  const KeyHandle handle = *bench.key(key).stored;
  ActivationRequest request;
  request.target = handle;
  REQUIRE(bench.device.engine->deactivate(request));
  CHECK(bench.operate(kSign, key, CKM_ECDSA, {}, Bytes(32)).code == CKR_FUNCTION_REJECTED);
  REQUIRE(bench.device.engine->activate(request));
  CHECK(bench.operate(kSign, key, CKM_ECDSA, {}, Bytes(32)).code == CKR_OK);
  REQUIRE(bench.device.engine->delete_key(handle, {}));
  CHECK(bench.operate(kSign, key, CKM_ECDSA, {}, Bytes(32)).code == CKR_KEY_HANDLE_INVALID);
}

TEST_CASE("refusals: a key that asks for its PIN each time takes a ticket for one operation") {
  Bench bench;
  const CK_OBJECT_HANDLE key = bench.stored("ec.nist.p256");
  bench.key(key).always_authenticate = true;
  CHECK(bench.operate(kSign, key, CKM_ECDSA, {}, Bytes(32)).code == CKR_USER_NOT_LOGGED_IN);
  bench.keys.tickets[5] = "";
  CHECK(bench.operate(kSign, key, CKM_ECDSA, {}, Bytes(32), 4).code == CKR_USER_NOT_LOGGED_IN);
  CHECK(bench.operate(kSign, key, CKM_ECDSA, {}, Bytes(32), 5).code == CKR_OK);
  CHECK(bench.operate(kSign, key, CKM_ECDSA, {}, Bytes(32), 5).code == CKR_USER_NOT_LOGGED_IN);
  // In parts it is spent at the beginning, and good until the end.
  bench.keys.tickets[6] = "";
  CHECK(bench.begin(kSign, key, CKM_ECDSA_SHA256).code == CKR_USER_NOT_LOGGED_IN);
  const std::uint32_t operation = u32_of(bench.begin(kSign, key, CKM_ECDSA_SHA256, {}, 6));
  CHECK(bench.keys.tickets.empty());
  CHECK(bench.update(operation, Bytes(100)).code == CKR_OK);
  CHECK(bench.finish(operation, Bytes(100)).code == CKR_OK);
  // What is refused for other reasons costs no ticket.
  bench.keys.tickets[7] = "";
  CHECK(bench.operate(kSign, key, CKM_RSA_PKCS, {}, Bytes(32), 7).code == CKR_KEY_TYPE_INCONSISTENT);
  CHECK(bench.operate(kSign, key, CKM_ECDSA, Bytes(1), Bytes(32), 7).code == CKR_MECHANISM_PARAM_INVALID);
  CHECK(bench.operate(kSign, key, CKM_ECDSA, {}, Bytes(32), 7).code == CKR_OK);
}

TEST_CASE("refusals: a public key with which OpenSSL does not work is no reason to end") {
  Bench bench;
  Bytes small{0xC1};  // 193 = a modulus of 8 bits
  const CK_OBJECT_HANDLE tiny = bench.public_key(crypto::PublicKey::from_rsa(small, Bytes{3}).value());
  Bytes modulus = some_bytes(512);
  modulus.front() |= 0x80;
  modulus.back() |= 1;
  Bytes exponent = modulus;
  exponent.front() = 0x7F;
  const CK_OBJECT_HANDLE strange = bench.public_key(crypto::PublicKey::from_rsa(modulus, exponent).value());
  for (const CK_OBJECT_HANDLE key : {tiny, strange}) {
    CHECK(bench.operate(kEncrypt, key, CKM_RSA_PKCS, {}, Bytes(1)).code != CKR_OK);
    CHECK(bench.operate(kEncrypt, key, CKM_RSA_PKCS_OAEP, oaep(CKM_SHA256, CKG_MGF1_SHA256), Bytes(1)).code != CKR_OK);
    CHECK(bench.verify(key, CKM_RSA_PKCS, {}, Bytes(1), Bytes(512, 1)).code != CKR_OK);
    CHECK(bench.verify(key, CKM_SHA256_RSA_PKCS, {}, Bytes(1), Bytes(512, 1)).code != CKR_OK);
    CHECK(bench.verify(key, CKM_RSA_PKCS_PSS, pss(CKM_SHA256, CKG_MGF1_SHA256, 32), Bytes(32), Bytes(512, 1)).code !=
          CKR_OK);
    CHECK(bench.verify(key, CKM_RSA_PKCS, {}, {}, Bytes(1, 1)).code != CKR_OK);
  }
}

TEST_CASE("random: as many bytes as were asked for, and different ones") {
  Bench bench;
  const auto ask = [&](std::uint32_t count) { return bench.send(190, ByteWriter().u32(count).view()); };
  for (const std::uint32_t count : {1U, 16U, 1'000'000U}) CHECK(blob_of(ask(count)).size() == count);
  CHECK(blob_of(ask(32)) != blob_of(ask(32)));
  for (const std::uint32_t count : {0U, 1'000'001U, UINT32_MAX}) CHECK(ask(count).code == CKR_ARGUMENTS_BAD);
}

}  // namespace sks::token::test
