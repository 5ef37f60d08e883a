#include <doctest/doctest.h>

#include <random>

#include "key-user-api/token/operations/mechanisms.h"
#include "tests/key-user-api/token_operations/harness.h"

/// Requests that are none, and requests that were right once.
namespace sks::token::test {
namespace {

struct Request {
  std::uint8_t method;
  Bytes body;
};

std::vector<Request> good_requests(Bench& bench) {
  const CK_OBJECT_HANDLE ec = bench.stored("ec.nist.p256"), ec_public = bench.public_of(ec);
  const CK_OBJECT_HANDLE rsa = bench.stored("rsa1024"), rsa_public = bench.public_of(rsa);
  const CK_OBJECT_HANDLE aes = bench.stored_secret(Bytes(16, 1)), session = bench.session_secret(Bytes(16, 2));
  const std::uint32_t operation = u32_of(bench.begin(kDigest, 0, CKM_SHA256));
  std::vector<Request> all;
  const auto operate = [&](std::uint8_t kind, CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE type, const Bytes& parameter,
                           std::size_t size) {
    ByteWriter out;
    out.u8(kind).raw(head(key, type, parameter, 0).view());
    all.push_back({182, to_bytes(out.view())});
    out.blob(Bytes(size, 5));
    all.push_back({180, out.take()});
  };
  operate(kSign, ec, CKM_ECDSA, {}, 32);
  operate(kSign, ec, CKM_ECDSA_SHA256, {}, 100);
  operate(kSign, rsa, CKM_RSA_PKCS_PSS, pss(CKM_SHA256, CKG_MGF1_SHA256, 32), 32);
  operate(kDecrypt, rsa, CKM_RSA_PKCS_OAEP, oaep(CKM_SHA_1, CKG_MGF1_SHA1, Bytes(3)), 128);
  operate(kEncrypt, rsa_public, CKM_RSA_PKCS, {}, 32);
  operate(kSign, session, CKM_SHA256_HMAC_GENERAL, ulongs({10}), 10);
  for (const CK_OBJECT_HANDLE key : {aes, session}) {
    operate(kEncrypt, key, CKM_AES_GCM, gcm(Bytes(12), Bytes(3), 128), 40);
    operate(kDecrypt, key, CKM_AES_GCM, gcm(Bytes(12), Bytes(3), 128), 40);
    operate(kEncrypt, key, CKM_AES_CTR, counter(32, Bytes(16)), 40);
    operate(kDecrypt, key, CKM_AES_CBC_PAD, Bytes(16), 48);
    operate(kEncrypt, key, CKM_AES_KEY_WRAP_KWP, {}, 40);
  }
  operate(kDigest, 0, CKM_SHA256, {}, 10);
  all.push_back(
      {181, ByteWriter().u32(kSlot).u64(ec_public).u64(CKM_ECDSA).blob({}).blob(Bytes(32)).blob(Bytes(64, 1)).take()});
  all.push_back({183, ByteWriter().u32(operation).blob(Bytes(10)).take()});
  all.push_back({184, ByteWriter().u32(operation).blob(Bytes(10)).take()});
  all.push_back({185, ByteWriter().u32(operation).blob(Bytes(64)).take()});
  all.push_back({186, ByteWriter().u32(operation).take()});
  const Template wanted = attributes(attribute(CKA_CLASS, CKO_SECRET_KEY), attribute(CKA_VALUE_LEN, 16));
  const auto& key = bench.public_value(ec);
  ByteWriter derive =
      head(ec, CKM_ECDH1_DERIVE, ecdh(CKD_SHA256_KDF, Bytes(4), concat({Bytes{4}, key.ec_x(), key.ec_y()})), 0);
  put(derive, wanted);
  all.push_back({187, derive.take()});
  all.push_back({188, head(aes, CKM_AES_KEY_WRAP, {}, 0).u32(kSlot).u64(session).take()});
  ByteWriter unwrap = head(aes, CKM_AES_KEY_WRAP, {}, 0);
  unwrap.blob(Bytes(24));
  put(unwrap, wanted);
  all.push_back({189, unwrap.take()});
  all.push_back({190, ByteWriter().u32(20).take()});
  return all;
}

}  // namespace

TEST_CASE("malformed: every request that is cut or too long is refused, and does nothing") {
  Bench bench;
  for (const Request& request : good_requests(bench)) {
    CAPTURE(static_cast<int>(request.method));
    const int before = bench.keys.authorizations;
    for (std::size_t size = 0; size < request.body.size(); ++size) {
      const Answer answer = bench.send(request.method, ByteView(request.body).first(size));
      CHECK_FALSE(answer.decodable);
      CHECK(answer.code == CKR_ARGUMENTS_BAD);
    }
    const Answer longer = bench.send(request.method, concat({request.body, Bytes{0}}));
    CHECK_FALSE(longer.decodable);
    CHECK(longer.code == CKR_ARGUMENTS_BAD);
    CHECK(bench.keys.authorizations == before);
    CHECK(bench.keys.made.empty());
  }
}

TEST_CASE("malformed: templates are limited") {
  Bench bench;
  const CK_OBJECT_HANDLE aes = bench.session_secret(Bytes(16, 2));
  const CK_OBJECT_HANDLE other = bench.session_secret(Bytes(16, 3));
  const Bytes wrapped = blob_of(bench.wrap(aes, CKM_AES_KEY_WRAP, {}, other));
  const auto unwrap = [&](const Template& wanted) { return bench.unwrap(aes, CKM_AES_KEY_WRAP, {}, wrapped, wanted); };
  Template many;
  for (CK_ULONG i = 0; i < 64; ++i) many.push_back(attribute(CKA_VENDOR_DEFINED + i, 1));
  CHECK(unwrap(many).code == CKR_OK);
  many.push_back(attribute(CKA_LABEL, 1));
  CHECK(unwrap(many).code == CKR_ARGUMENTS_BAD);
  CHECK(unwrap(attributes(attribute_of(CKA_LABEL, Bytes(65'536)))).code == CKR_OK);
  CHECK(unwrap(attributes(attribute_of(CKA_LABEL, Bytes(65'537)))).code == CKR_ARGUMENTS_BAD);
}

TEST_CASE("malformed: requests with random changes are answered or refused") {
  Bench bench;
  const std::vector<Request> good = good_requests(bench);
  std::mt19937 random(20261130);
  const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random()) % limit; };
  int answered = 0, refused = 0;
  for (int round = 0; round < 6'000; ++round) {
    Request request = good[below(good.size())];
    const std::size_t changes = 1 + below(4);
    for (std::size_t i = 0; i < changes && !request.body.empty(); ++i) {
      std::uint8_t& byte = request.body[below(request.body.size())];
      byte = static_cast<std::uint8_t>(below(3) == 0 ? random() : byte ^ (1U << below(8)));
    }
    if (below(20) == 0) request.method = static_cast<std::uint8_t>(180 + below(11));
    if (request.method == 190) request.body[0] = 0;  // a megabyte of random bytes is tested elsewhere
    (bench.send(request.method, request.body).code == CKR_OK ? answered : refused) += 1;
  }
  CHECK(answered > 500);
  CHECK(refused > 500);
}

TEST_CASE("malformed: random bytes are refused") {
  Bench bench;
  std::mt19937 random(7);
  for (int round = 0; round < 5'000; ++round) {
    Bytes body(random() % 80);
    for (std::uint8_t& byte : body) byte = static_cast<std::uint8_t>(random() % 4 == 0 ? random() : 0);
    const auto method = static_cast<std::uint8_t>(180 + random() % 10);
    CHECK(bench.send(method, body).code != CKR_OK);
  }
}

}  // namespace sks::token::test
