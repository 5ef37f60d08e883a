#include <doctest/doctest.h>

#include "key-user-api/local_issuer/local_keys.h"
#include "key-user-api/token/operations/mechanisms.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/cipher.h"
#include "tests/key-user-api/token_operations/harness.h"
#include "tests/support/vectors.h"

namespace sks::token::test {
namespace {

const std::string kSksAlg = "https://webpki.github.io/sks/algorithm#";

Template secret_key() {
  return attributes(attribute(CKA_CLASS, CKO_SECRET_KEY), attribute(CKA_KEY_TYPE, CKK_GENERIC_SECRET));
}
Template private_key() { return attributes(attribute(CKA_CLASS, CKO_PRIVATE_KEY), attribute(CKA_KEY_TYPE, CKK_EC)); }

struct Way {
  CK_MECHANISM_TYPE mechanism;
  Bytes parameter;
};

/// A stored key that may leave the key store as `protection` says.
CK_OBJECT_HANDLE stored_exportable(Bench& bench, LocalKeyRequest request, Protection protection,
                                   const LocalPin& pin = {}) {
  request.spec.label = "key";
  request.spec.export_protection = protection;
  std::vector<LocalKeyRequest> requests;
  const bool symmetric = std::holds_alternative<BroughtSymmetricKey>(request.source);
  requests.push_back(std::move(request));
  const auto made = provision_local_keys(*bench.device.engine, requests, pin, bench.device.clock);
  REQUIRE(made);
  KeyInUse use;
  use.stored = made->front().handle;
  use.usages = 0x7F;
  use.object_class = symmetric ? CKO_SECRET_KEY : CKO_PRIVATE_KEY;
  use.key_type = symmetric ? CKK_AES : CKK_EC;
  if (!symmetric) use.public_key = sks::test::public_key_of(*bench.device.engine, *use.stored);
  return bench.keys.add(std::move(use));
}

}  // namespace

TEST_CASE("wrapping: the vectors of RFC 3394 and RFC 5649") {
  Bench bench;
  for (const sks::test::VectorBlock& block : sks::test::read_vectors("crypto/aes-wrap.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const CK_MECHANISM_TYPE mechanism = block.text("Mode") == "kwp" ? CKM_AES_KEY_WRAP_KWP : CKM_AES_KEY_WRAP;
    const Bytes iv = block.hex("Iv"), value = block.hex("Plaintext"), wrapped = block.hex("Wrapped");
    const CK_OBJECT_HANDLE key = bench.session_secret(value, CKK_GENERIC_SECRET);
    for (const CK_OBJECT_HANDLE with :
         {bench.stored_secret(block.hex("Key")), bench.session_secret(block.hex("Key"))}) {
      CHECK(blob_of(bench.wrap(with, mechanism, iv, key)) == wrapped);
      REQUIRE(bench.unwrap(with, mechanism, iv, wrapped, secret_key()).code == CKR_OK);
      CHECK(bench.keys.made.back().value == value);
      CHECK(bench.keys.made.back().attributes.size() == 2);
      for (std::size_t i = 0; i < wrapped.size(); ++i) {
        Bytes altered = wrapped;
        altered[i] ^= 1;
        CHECK(bench.unwrap(with, mechanism, iv, altered, secret_key()).code == CKR_WRAPPED_KEY_INVALID);
      }
      CHECK(bench.unwrap(with, mechanism, iv, ByteView(wrapped).first(wrapped.size() - 1), secret_key()).code ==
            CKR_WRAPPED_KEY_LEN_RANGE);
      CHECK(bench.unwrap(with, mechanism, iv, {}, secret_key()).code == CKR_WRAPPED_KEY_LEN_RANGE);
    }
  }
}

TEST_CASE("wrapping: secret keys by every mechanism come back as they were") {
  Bench bench;
  const Bytes iv = some_bytes(16);
  const std::vector<Way> symmetric{{CKM_AES_KEY_WRAP, {}},
                                   {CKM_AES_KEY_WRAP, some_bytes(8)},
                                   {CKM_AES_KEY_WRAP_PAD, {}},
                                   {CKM_AES_KEY_WRAP_KWP, some_bytes(4)},
                                   {CKM_AES_CBC_PAD, iv}};
  const std::vector<Way> asymmetric{{CKM_RSA_PKCS, {}},
                                    {CKM_RSA_PKCS_OAEP, oaep(CKM_SHA256, CKG_MGF1_SHA256)},
                                    {CKM_RSA_PKCS_OAEP, oaep(CKM_SHA512, CKG_MGF1_SHA1, some_bytes(9))}};
  const Bytes value = some_bytes(32);
  const CK_OBJECT_HANDLE key = bench.session_secret(value);
  for (const CK_OBJECT_HANDLE with : {bench.stored_secret(some_bytes(32)), bench.session_secret(some_bytes(16))})
    for (const Way& way : symmetric) {
      CAPTURE(way.mechanism);
      const Bytes wrapped = blob_of(bench.wrap(with, way.mechanism, way.parameter, key));
      REQUIRE(bench.unwrap(with, way.mechanism, way.parameter, wrapped, secret_key()).code == CKR_OK);
      CHECK(bench.keys.made.back().value == value);
    }
  const auto own = sks::test::generate_key(kSksAlg + "rsa2048");
  for (const CK_OBJECT_HANDLE with : {bench.stored("rsa2048"), bench.session_private(own.to_pkcs8()->view())})
    for (const Way& way : asymmetric) {
      CAPTURE(way.mechanism);
      Bytes wrapped = blob_of(bench.wrap(bench.public_of(with), way.mechanism, way.parameter, key));
      Template of_size = secret_key();
      of_size.push_back(attribute(CKA_VALUE_LEN, 32));
      REQUIRE(bench.unwrap(with, way.mechanism, way.parameter, wrapped, of_size).code == CKR_OK);
      CHECK(bench.keys.made.back().value == value);
      CHECK_FALSE(bench.keys.made.back().attributes.contains(CKA_VALUE_LEN));
      of_size.back() = attribute(CKA_VALUE_LEN, 16);
      CHECK(bench.unwrap(with, way.mechanism, way.parameter, wrapped, of_size).code == CKR_WRAPPED_KEY_INVALID);
      wrapped.back() ^= 1;
      CHECK(bench.unwrap(with, way.mechanism, way.parameter, wrapped, secret_key()).code == CKR_WRAPPED_KEY_INVALID);
      CHECK(bench.unwrap(with, way.mechanism, way.parameter, Bytes(255), secret_key()).code ==
            CKR_WRAPPED_KEY_LEN_RANGE);
    }
}

TEST_CASE("wrapping: private keys leave as PKCS#8, by the mechanisms that take any length") {
  Bench bench;
  const Bytes value = some_bytes(32), iv = some_bytes(16);
  const CK_OBJECT_HANDLE with = bench.session_secret(value);
  for (const char* const algorithm : {"ec.nist.p256", "ec.nist.p521", "rsa2048", "ed25519", "x25519"}) {
    CAPTURE(algorithm);
    const auto key = sks::test::generate_key(kSksAlg + algorithm);
    const SecureBytes pkcs8 = key.to_pkcs8().value();
    const CK_OBJECT_HANDLE object = bench.session_private(pkcs8.view());
    const Bytes kwp = blob_of(bench.wrap(with, CKM_AES_KEY_WRAP_KWP, {}, object));
    CHECK(equal(crypto::aes_unwrap_padded(value, {}, kwp).value().view(), pkcs8.view()));
    const Bytes cbc = blob_of(bench.wrap(with, CKM_AES_CBC_PAD, iv, object));
    CHECK(equal(crypto::aes_cbc_decrypt(value, iv, cbc).value().view(), pkcs8.view()));
    REQUIRE(bench.unwrap(with, CKM_AES_KEY_WRAP_KWP, {}, kwp, private_key()).code == CKR_OK);
    CHECK(equal(bench.keys.made.back().value, pkcs8.view()));
    CHECK(bench.wrap(with, CKM_AES_KEY_WRAP, {}, object).code == CKR_KEY_NOT_WRAPPABLE);
    CHECK(bench.wrap(bench.public_of(bench.stored("rsa2048")), CKM_RSA_PKCS, {}, object).code == CKR_KEY_NOT_WRAPPABLE);
    CHECK(bench.wrap(with, CKM_AES_KEY_WRAP_KWP, {}, bench.public_of(object)).code == CKR_KEY_NOT_WRAPPABLE);
  }
}

TEST_CASE("wrapping: stored keys leave if nothing protects them, and asking costs no attempt") {
  Bench bench;
  const Bytes value = some_bytes(32), secret = some_bytes(16);
  const CK_OBJECT_HANDLE with = bench.session_secret(value);
  const auto own = sks::test::generate_key(kSksAlg + "ec.nist.p256");
  const auto ec_request = [&] { return LocalKeyRequest{BroughtKey{own.to_pkcs8().value(), {}}, {}}; };
  const auto secret_request = [&] { return LocalKeyRequest{BroughtSymmetricKey{SecureBytes::copy_of(secret)}, {}}; };
  const CK_OBJECT_HANDLE ec = stored_exportable(bench, ec_request(), Protection::none);
  CHECK(equal(crypto::aes_unwrap_padded(value, {}, blob_of(bench.wrap(with, CKM_AES_KEY_WRAP_KWP, {}, ec)))->view(),
              own.to_pkcs8()->view()));
  const CK_OBJECT_HANDLE aes = stored_exportable(bench, secret_request(), Protection::none);
  CHECK(equal(crypto::aes_unwrap(value, {}, blob_of(bench.wrap(with, CKM_AES_KEY_WRAP, {}, aes)))->view(), secret));

  NewPin pin;
  pin.value = SecureBytes::copy_of(as_bytes("1234"));
  pin.format = pin::Format::numeric;
  const CK_OBJECT_HANDLE guarded = stored_exportable(bench, secret_request(), Protection::pin, std::move(pin));
  const CK_OBJECT_HANDLE locked_in = stored_exportable(bench, secret_request(), Protection::forbidden);
  for (int i = 0; i < 5; ++i)
    for (const CK_OBJECT_HANDLE key : {guarded, locked_in})
      CHECK(bench.wrap(with, CKM_AES_KEY_WRAP, {}, key).code == CKR_KEY_UNEXTRACTABLE);
  CHECK(sks::test::pin_errors(*bench.device.engine, *bench.key(guarded).stored) == 0);
  const CK_OBJECT_HANDLE session = bench.session_secret(secret);
  bench.key(session).extractable = false;
  CHECK(bench.wrap(with, CKM_AES_KEY_WRAP, {}, session).code == CKR_KEY_UNEXTRACTABLE);
}

TEST_CASE("wrapping: what is wrong with a wrapped key is not told") {
  Bench bench;
  const CK_OBJECT_HANDLE rsa = bench.stored("rsa1024"), rsa_public = bench.public_of(rsa);
  const auto unwrap = [&](ByteView wrapped) {
    return bench
        .unwrap(rsa, CKM_RSA_PKCS, {}, wrapped,
                attributes(attribute(CKA_CLASS, CKO_SECRET_KEY), attribute(CKA_KEY_TYPE, CKK_AES)))
        .code;
  };
  const auto wrapped = [&](std::size_t size) {
    return blob_of(bench.operate(kEncrypt, rsa_public, CKM_RSA_PKCS, {}, some_bytes(size)));
  };
  CHECK(unwrap(wrapped(16)) == CKR_OK);
  CHECK(unwrap(wrapped(17)) == CKR_WRAPPED_KEY_INVALID);  // the padding is right
  CHECK(unwrap(wrapped(0)) == CKR_WRAPPED_KEY_INVALID);
  Bytes altered = wrapped(16);
  altered.back() ^= 1;
  CHECK(unwrap(altered) == CKR_WRAPPED_KEY_INVALID);
  CHECK(bench.keys.made.size() == 1);
  CHECK(bench
            .unwrap(rsa, CKM_RSA_PKCS, {}, wrapped(16),
                    attributes(attribute(CKA_VALUE_LEN, 16), attribute(CKA_VALUE_LEN, 32)))
            .code == CKR_TEMPLATE_INCONSISTENT);
}

TEST_CASE("wrapping: keys and lengths that do not fit are refused in the terms of wrapping") {
  Bench bench;
  const CK_OBJECT_HANDLE with = bench.session_secret(some_bytes(32));
  const CK_OBJECT_HANDLE odd = bench.session_secret(some_bytes(20), CKK_GENERIC_SECRET);
  const CK_OBJECT_HANDLE rsa = bench.stored("rsa1024"), rsa_public = bench.public_of(rsa);
  CHECK(bench.wrap(with, CKM_AES_KEY_WRAP, {}, odd).code == CKR_KEY_SIZE_RANGE);
  CHECK(bench.wrap(rsa_public, CKM_RSA_PKCS, {}, bench.session_secret(some_bytes(118), CKK_GENERIC_SECRET)).code ==
        CKR_KEY_SIZE_RANGE);
  CHECK(bench.wrap(999, CKM_AES_KEY_WRAP, {}, odd).code == CKR_WRAPPING_KEY_HANDLE_INVALID);
  CHECK(bench.wrap(with, CKM_AES_KEY_WRAP, {}, 999).code == CKR_KEY_HANDLE_INVALID);
  CHECK(bench.wrap(rsa_public, CKM_AES_KEY_WRAP, {}, odd).code == CKR_WRAPPING_KEY_TYPE_INCONSISTENT);
  CHECK(bench.wrap(rsa, CKM_RSA_PKCS, {}, odd).code == CKR_WRAPPING_KEY_TYPE_INCONSISTENT);
  CHECK(bench.wrap(with, CKM_RSA_PKCS, {}, odd).code == CKR_WRAPPING_KEY_TYPE_INCONSISTENT);
  for (const CK_MECHANISM_TYPE other : {CKM_AES_ECB, CKM_AES_GCM, CKM_ECDSA, CKM_SHA256, CK_MECHANISM_TYPE{0xABCDEF}})
    CHECK(bench.wrap(with, other, {}, odd).code == CKR_MECHANISM_INVALID);
  CHECK(bench.unwrap(999, CKM_AES_KEY_WRAP, {}, Bytes(24), secret_key()).code == CKR_UNWRAPPING_KEY_HANDLE_INVALID);
  CHECK(bench.unwrap(rsa_public, CKM_RSA_PKCS, {}, Bytes(128), secret_key()).code ==
        CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT);
  CHECK(bench.unwrap(with, CKM_AES_ECB, {}, Bytes(16), secret_key()).code == CKR_MECHANISM_INVALID);
  bench.key(with).usages = 0x7F & ~0x60;
  CHECK(bench.wrap(with, CKM_AES_KEY_WRAP_KWP, {}, odd).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
  CHECK(bench.unwrap(with, CKM_AES_KEY_WRAP, {}, Bytes(24), secret_key()).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
  bench.key(with).usages = 0x7F;
  bench.keys.refuse_to_make = CKR_TEMPLATE_INCOMPLETE;
  const Bytes wrapped = blob_of(bench.wrap(with, CKM_AES_KEY_WRAP_KWP, {}, odd));
  CHECK(bench.unwrap(with, CKM_AES_KEY_WRAP_KWP, {}, wrapped, secret_key()).code == CKR_TEMPLATE_INCOMPLETE);
}

}  // namespace sks::token::test
