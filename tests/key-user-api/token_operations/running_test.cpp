#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "key-user-api/token/operations/mechanisms.h"
#include "tests/key-user-api/token_operations/harness.h"

/// Operations between begin and their end.
namespace sks::token::test {

TEST_CASE("running: an operation ends with finish, finishVerify, abandon and its first failure") {
  Bench bench;
  const CK_OBJECT_HANDLE ec = bench.stored("ec.nist.p256"), ec_public = bench.public_of(ec);
  const CK_OBJECT_HANDLE aes = bench.session_secret(Bytes(16, 1));
  const auto is_gone = [&](std::uint32_t operation) {
    return bench.update(operation, Bytes(1)).code == CKR_OPERATION_NOT_INITIALIZED &&
           bench.finish(operation, {}).code == CKR_OPERATION_NOT_INITIALIZED &&
           bench.finish_verify(operation, {}).code == CKR_OPERATION_NOT_INITIALIZED &&
           bench.abandon(operation).code == CKR_OPERATION_NOT_INITIALIZED;
  };
  CHECK(is_gone(0));
  CHECK(is_gone(77));
  const std::uint32_t finished = u32_of(bench.begin(kSign, ec, CKM_ECDSA_SHA256));
  CHECK(bench.finish(finished, {}).code == CKR_OK);
  CHECK(is_gone(finished));
  const std::uint32_t verified = u32_of(bench.begin(kVerify, ec_public, CKM_ECDSA_SHA256));
  CHECK(bench.finish_verify(verified, Bytes(64, 1)).code == CKR_SIGNATURE_INVALID);
  CHECK(is_gone(verified));
  const std::uint32_t abandoned = u32_of(bench.begin(kDigest, 0, CKM_SHA256));
  CHECK(bench.abandon(abandoned).code == CKR_OK);
  CHECK(is_gone(abandoned));
  const std::uint32_t failed = u32_of(bench.begin(kEncrypt, aes, CKM_AES_CTR, counter(1, Bytes(16))));
  CHECK(bench.update(failed, Bytes(100)).code == CKR_DATA_LEN_RANGE);
  CHECK(is_gone(failed));
  // An end of the wrong kind is an end.
  const std::uint32_t signing = u32_of(bench.begin(kSign, ec, CKM_ECDSA_SHA256));
  CHECK(bench.finish_verify(signing, Bytes(64)).code == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(is_gone(signing));
  const std::uint32_t verifying = u32_of(bench.begin(kVerify, ec_public, CKM_ECDSA_SHA256));
  CHECK(bench.finish(verifying, {}).code == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(is_gone(verifying));
  const std::uint32_t digesting = u32_of(bench.begin(kDigest, 0, CKM_SHA256));
  CHECK(bench.finish_verify(digesting, {}).code == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(is_gone(digesting));
}

TEST_CASE("running: the log learns what the parts belong to") {
  Bench bench;
  const CK_OBJECT_HANDLE ec = bench.stored("ec.nist.p256");
  const Answer begun = bench.begin(kSign, ec, CKM_ECDSA_SHA256);
  CHECK(begun.record.subject == ec);
  CHECK(begun.record.mechanism == CKM_ECDSA_SHA256);
  const std::uint32_t operation = u32_of(begun);
  for (const Answer& answer : {bench.update(operation, Bytes(1)), bench.finish(operation, {})}) {
    CHECK(answer.record.subject == ec);
    CHECK(answer.record.mechanism == CKM_ECDSA_SHA256);
  }
  CHECK(bench.operate(kSign, 999, CKM_ECDSA, {}, {}).record.subject == 999);
  CHECK(bench.verify(998, CKM_ECDSA, {}, {}, {}).record.mechanism == CKM_ECDSA);
  // The service says what each method is; a digest is no use of a key.
  CHECK(bench.operate(kSign, ec, CKM_ECDSA, {}, Bytes(32)).record.is_use);
  CHECK_FALSE(bench.operate(kDigest, 0, CKM_SHA256, {}, {}).record.is_use);
  CHECK_FALSE(bench.finish(u32_of(bench.begin(kDigest, 0, CKM_SHA256)), {}).record.is_use);
}

TEST_CASE("running: an operation in parts is one use for the log, from the first part that gives something") {
  Bench bench;
  const CK_OBJECT_HANDLE ec = bench.stored("ec.nist.p256"), aes = bench.stored_secret(Bytes(16, 1));
  const auto is_use = [](const Answer& answer) {
    REQUIRE(answer.code == CKR_OK);
    return answer.record.is_use;
  };
  const auto begin_counter = [&] {
    const Answer begun = bench.begin(kDecrypt, aes, CKM_AES_CTR, counter(128, Bytes(16)));
    CHECK_FALSE(is_use(begun));
    return u32_of(begun);
  };
  // Whoever has got something cannot keep it out of the log by not finishing.
  const std::uint32_t abandoned = begin_counter();
  CHECK_FALSE(is_use(bench.update(abandoned, {})));
  CHECK(is_use(bench.update(abandoned, Bytes(500))));
  CHECK_FALSE(is_use(bench.update(abandoned, Bytes(500))));
  CHECK_FALSE(is_use(bench.abandon(abandoned)));
  const std::uint32_t finished = begin_counter();
  CHECK(is_use(bench.update(finished, Bytes(500))));
  CHECK_FALSE(is_use(bench.finish(finished, Bytes(500))));
  CHECK(is_use(bench.finish(begin_counter(), Bytes(500))));
  // Of these nothing comes before the end.
  const std::uint32_t whole = u32_of(bench.begin(kEncrypt, aes, CKM_AES_GCM, gcm(Bytes(12), {}, 128)));
  CHECK_FALSE(is_use(bench.update(whole, Bytes(500))));
  CHECK(is_use(bench.finish(whole, {})));
  const std::uint32_t signing = u32_of(bench.begin(kSign, ec, CKM_ECDSA_SHA256));
  CHECK_FALSE(is_use(bench.update(signing, Bytes(500))));
  CHECK(is_use(bench.finish(signing, {})));
}

TEST_CASE("running: an application has at most 1,024 operations, and others have theirs") {
  Bench bench;
  std::vector<std::uint32_t> running;
  for (int i = 0; i < 1024; ++i) running.push_back(u32_of(bench.begin(kDigest, 0, CKM_SHA256)));
  CHECK(bench.begin(kDigest, 0, CKM_SHA256).code == CKR_HOST_MEMORY);
  Application other;
  ByteWriter request;
  request.u8(kDigest).raw(head(0, CKM_SHA256, {}, 0).view());
  CHECK(bench.send(182, request.view(), other).code == CKR_OK);
  // Nobody gets at those of another application.
  CHECK(bench.send(184, ByteWriter().u32(running[1]).blob({}).view(), other).code == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(bench.abandon(running[500]).code == CKR_OK);
  const std::uint32_t again = u32_of(bench.begin(kDigest, 0, CKM_SHA256));
  CHECK(again != running[500]);
  CHECK(bench.begin(kDigest, 0, CKM_SHA256).code == CKR_HOST_MEMORY);
  for (const std::uint32_t operation : running)
    if (operation != running[500]) CHECK(blob_of(bench.finish(operation, {})).size() == 32);
  CHECK(bench.begin(kDigest, 0, CKM_SHA256).code == CKR_OK);
}

TEST_CASE("running: what is collected is at most 1,000,000 bytes") {
  Bench bench;
  const CK_OBJECT_HANDLE aes = bench.session_secret(Bytes(16, 1));
  const Bytes half = some_bytes(500'000), parameter = gcm(Bytes(12), {}, 128);
  const std::uint32_t fits = u32_of(bench.begin(kEncrypt, aes, CKM_AES_GCM, parameter));
  CHECK(bench.update(fits, half).code == CKR_OK);
  CHECK(blob_of(bench.finish(fits, half)).size() == 1'000'016);
  const std::uint32_t too_long = u32_of(bench.begin(kEncrypt, aes, CKM_AES_GCM, parameter));
  CHECK(bench.update(too_long, half).code == CKR_OK);
  CHECK(bench.update(too_long, half).code == CKR_OK);
  CHECK(bench.update(too_long, Bytes(1)).code == CKR_DATA_LEN_RANGE);
  CHECK(bench.finish(too_long, {}).code == CKR_OPERATION_NOT_INITIALIZED);
  const std::uint32_t decrypting = u32_of(bench.begin(kDecrypt, aes, CKM_AES_GCM, parameter));
  CHECK(bench.update(decrypting, half).code == CKR_OK);
  CHECK(bench.update(decrypting, half).code == CKR_OK);
  CHECK(bench.finish(decrypting, Bytes(1)).code == CKR_ENCRYPTED_DATA_LEN_RANGE);
}

TEST_CASE("running: the operations of an application keep at most 32 MiB, parameters too") {
  Bench bench;
  const CK_OBJECT_HANDLE aes = bench.session_secret(Bytes(16, 1));
  const Bytes large = some_bytes(1'000'000);
  std::vector<std::uint32_t> running;
  for (int i = 0; i < 33; ++i) {
    running.push_back(u32_of(bench.begin(kEncrypt, aes, CKM_AES_GCM, gcm(Bytes(12), {}, 128))));
    REQUIRE(bench.update(running.back(), large).code == CKR_OK);
  }
  const std::uint32_t last = u32_of(bench.begin(kEncrypt, aes, CKM_AES_GCM, gcm(Bytes(12), {}, 128)));
  CHECK(bench.update(last, large).code == CKR_HOST_MEMORY);
  CHECK(bench.finish(last, {}).code == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(bench.begin(kEncrypt, aes, CKM_AES_GCM, gcm(Bytes(12), large, 128)).code == CKR_HOST_MEMORY);
  // What is not kept is not counted, and others have their own.
  const std::uint32_t digest = u32_of(bench.begin(kDigest, 0, CKM_SHA256));
  for (int i = 0; i < 3; ++i) CHECK(bench.update(digest, Bytes(300'000)).code == CKR_OK);
  Application other;
  ByteWriter request;
  request.u8(kEncrypt).raw(head(aes, CKM_AES_GCM, gcm(Bytes(12), large, 128), 0).view());
  CHECK(bench.send(182, request.view(), other).code == CKR_OK);
  // Of a secret the object may be gone.
  const CK_OBJECT_HANDLE long_secret = bench.session_secret(some_bytes(600'000), CKK_GENERIC_SECRET);
  CHECK(bench.begin(kSign, long_secret, CKM_SHA256_HMAC).code == CKR_HOST_MEMORY);
  // What ends makes room, however it ends.
  CHECK(bench.abandon(running[0]).code == CKR_OK);
  CHECK(blob_of(bench.finish(running[1], {})).size() == large.size() + 16);
  for (int i = 0; i < 2; ++i) CHECK(bench.begin(kEncrypt, aes, CKM_AES_GCM, gcm(Bytes(12), large, 128)).code == CKR_OK);
  CHECK(bench.begin(kEncrypt, aes, CKM_AES_GCM, gcm(Bytes(12), large, 128)).code == CKR_HOST_MEMORY);
}

TEST_CASE("running: connections of one application work at the same time, on one operation too") {
  Bench bench;
  const CK_OBJECT_HANDLE ec = bench.stored("ec.nist.p256"), ec_public = bench.public_of(ec);
  const CK_OBJECT_HANDLE aes = bench.stored_secret(Bytes(16, 1));
  const std::uint32_t shared = u32_of(bench.begin(kDigest, 0, CKM_SHA256));
  constexpr int kThreads = 4, kRounds = 50;
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&] {
      const Program program;
      const auto send = [&](std::uint8_t method, ByteView body) {
        UseRecord record;
        ByteReader in(body);
        wire::BodyWriter out(64);
        Call call{*bench.device.engine, bench.keys, *bench.application, program, in, out, record};
        const bool served = static_cast<bool>(operation_methods()[std::size_t{method} - 180].serve(call));
        const SecureBytes answer = out.take();
        return served ? std::optional(to_bytes(answer.view())) : std::nullopt;
      };
      for (int i = 0; i < kRounds; ++i) {
        const Bytes data = some_bytes(32);
        ByteWriter sign;
        sign.u8(kSign).raw(head(ec, CKM_ECDSA, {}, 0).view()).blob(data);
        const auto signature = send(180, sign.view());
        ByteWriter begin;
        begin.u8(kEncrypt).raw(head(aes, CKM_AES_CBC, Bytes(16), 0).view());
        const auto begun = send(182, begin.view());
        if (!signature || !begun) continue;
        ByteWriter verify;
        verify.u32(kSlot).u64(ec_public).u64(CKM_ECDSA).blob({}).blob(data).raw(*signature);
        const bool verified = send(181, verify.view()).has_value();
        const bool updated = send(183, concat({*begun, ByteWriter().blob(data).view()})).has_value();
        const bool finished = send(184, concat({*begun, ByteWriter().blob({}).view()})).has_value();
        const bool together = send(183, ByteWriter().u32(shared).blob(Bytes(64, 9)).view()).has_value();
        if (verified && updated && finished && together) ++good;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(good == kThreads * kRounds);
  CHECK(blob_of(bench.finish(shared, {})) ==
        blob_of(bench.operate(kDigest, 0, CKM_SHA256, {}, Bytes(64UL * kThreads * kRounds, 9))));
}

}  // namespace sks::token::test
