#include <array>

#include "tests/key-user-api/pkcs11_client/module.h"

/// Operations: checks, round trips, and who gets which bytes. Expected values: PKCS#11 2.40, 5.2 and 5.8 to 5.12.
namespace sks::test {
namespace {

TEST_CASE("C_SignInit asks for a key once, and refuses by itself") {
  Lab lab;
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  CHECK(sign_init(session, CKM_ECDSA, 0x909) == CKR_KEY_HANDLE_INVALID);
  CHECK(sign_init(session, CKM_ECDSA, 0x10003) == CKR_KEY_HANDLE_INVALID);  // a certificate
  CHECK(sign_init(session, 0x80001234, kOpenEcKey) == CKR_MECHANISM_INVALID);
  CHECK(sign_init(session, CKM_SHA256, kOpenEcKey) == CKR_MECHANISM_INVALID);
  CHECK(sign_init(session, CKM_RSA_PKCS, kOpenEcKey) == CKR_KEY_TYPE_INCONSISTENT);
  CHECK(sign_init(session, CKM_RSA_PKCS_PSS, kOpenEcKey) == CKR_MECHANISM_PARAM_INVALID);
  CK_BYTE parameter = 0;
  CK_MECHANISM mechanism{CKM_ECDSA, &parameter, 1};
  CHECK(functions().C_SignInit(session, &mechanism, kOpenEcKey) == CKR_MECHANISM_PARAM_INVALID);
  mechanism = {CKM_ECDSA, nullptr, 1};
  CHECK(functions().C_SignInit(session, &mechanism, kOpenEcKey) == CKR_MECHANISM_PARAM_INVALID);
  mechanism = {CKM_ECDSA, nullptr, 0};
  CHECK(functions().C_VerifyInit(session, &mechanism, kOpenEcKey) == CKR_KEY_FUNCTION_NOT_PERMITTED);
  const int asked = lab.daemon.calls(171);
  for (int i = 0; i < 20; ++i) {
    REQUIRE(sign_init(session, CKM_ECDSA, kOpenEcKey) == CKR_OK);
    CHECK(sign_init(session, CKM_ECDSA, kOpenEcKey) == CKR_OPERATION_ACTIVE);
    REQUIRE(sign(session) == CKR_OK);
  }
  CHECK(lab.daemon.calls(171) == asked);
  CHECK(lab.daemon.calls(180) == 20);
  // A change may have changed what the key is good for.
  CK_ATTRIBUTE label{CKA_LABEL, nullptr, 0};
  REQUIRE(functions().C_SetAttributeValue(session, kOpenEcKey, &label, 1) == CKR_OK);
  REQUIRE(sign_init(session, CKM_ECDSA, kOpenEcKey) == CKR_OK);
  CHECK(lab.daemon.calls(171) == asked + 1);
}

TEST_CASE("The two-call convention costs no signature") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  Bytes data(32);
  std::array<CK_BYTE, 66> out{};
  out[64] = out[65] = 0xEE;
  REQUIRE(sign_init(session, CKM_ECDSA, kOpenEcKey) == CKR_OK);
  CK_ULONG size = 0;
  CHECK(f.C_Sign(session, data.data(), data.size(), nullptr, &size) == CKR_OK);
  CHECK(size == 64);
  size = 63;
  CHECK(f.C_Sign(session, data.data(), data.size(), out.data(), &size) == CKR_BUFFER_TOO_SMALL);
  CHECK(size == 64);
  CHECK(lab.daemon.calls(180) == 0);
  REQUIRE(f.C_Sign(session, data.data(), data.size(), out.data(), &size) == CKR_OK);
  CHECK(lab.daemon.calls(180) == 1);
  CHECK(out[63] == 0x51);
  CHECK(out[64] == 0xEE);
  CHECK(sign(session) == CKR_OPERATION_NOT_INITIALIZED);
}

TEST_CASE("What did not fit is kept, and not computed again") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.logged_in();
  CK_MECHANISM mechanism{CKM_RSA_PKCS, nullptr, 0};
  Bytes data(256, 1);
  std::array<CK_BYTE, 20> out{};
  REQUIRE(f.C_DecryptInit(session, &mechanism, kRsaKey) == CKR_OK);
  REQUIRE(login(session, kPin, CKU_CONTEXT_SPECIFIC) == CKR_OK);
  CK_ULONG size = 0;
  CHECK(f.C_Decrypt(session, data.data(), data.size(), nullptr, &size) == CKR_OK);
  CHECK(size == 256);  // not more than this
  size = 10;
  CHECK(f.C_Decrypt(session, data.data(), data.size(), out.data(), &size) == CKR_BUFFER_TOO_SMALL);
  CHECK(size == 20);
  CHECK(out == std::array<CK_BYTE, 20>{});
  size = 0;
  CHECK(f.C_Decrypt(session, data.data(), data.size(), nullptr, &size) == CKR_OK);
  CHECK(size == 20);
  REQUIRE(f.C_Decrypt(session, data.data(), data.size(), out.data(), &size) == CKR_OK);
  CHECK(to_bytes(out) == Bytes(20, 0xDE));
  CHECK(lab.daemon.calls(180) == 1);
  CHECK(f.C_Decrypt(session, data.data(), data.size(), out.data(), &size) == CKR_OPERATION_NOT_INITIALIZED);
}

TEST_CASE("A signature in parts: short ones are gathered, long ones travel") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  Bytes part(1000, 0x22);
  Bytes signature(64);
  CK_ULONG size = signature.size();
  REQUIRE(sign_init(session, CKM_ECDSA_SHA256, kOpenEcKey) == CKR_OK);
  Bytes asked;
  lab.daemon.on(180, [&](ScriptedDaemon::Call& call) {
    asked = to_bytes(call.body);
    return outputs(ByteWriter().blob(Bytes(64, 0x51)));
  });
  REQUIRE(f.C_SignUpdate(session, part.data(), 3) == CKR_OK);
  REQUIRE(f.C_SignUpdate(session, nullptr, 0) == CKR_OK);
  REQUIRE(f.C_SignUpdate(session, part.data(), 2) == CKR_OK);
  REQUIRE(f.C_SignFinal(session, nullptr, &size) == CKR_OK);
  CHECK(size == 64);
  REQUIRE(f.C_SignFinal(session, signature.data(), &size) == CKR_OK);
  ByteWriter expected;  // byte kind, object key, mechanism, uint ticket, blob data
  expected.u8(180).u8(3).u32(0).u64(kOpenEcKey).u64(CKM_ECDSA_SHA256).blob({}).u32(0).blob(Bytes(5, 0x22));
  CHECK(asked == expected.take());

  REQUIRE(sign_init(session, CKM_ECDSA_SHA256, kOpenEcKey) == CKR_OK);
  for (int i = 0; i < 100; ++i) REQUIRE(f.C_SignUpdate(session, part.data(), part.size()) == CKR_OK);
  REQUIRE(f.C_SignFinal(session, signature.data(), &size) == CKR_OK);
  CHECK(lab.daemon.calls(182) == 1);
  CHECK(lab.daemon.calls(184) == 1);
  // One that is given up does not stay behind.
  REQUIRE(sign_init(session, CKM_ECDSA_SHA256, kOpenEcKey) == CKR_OK);
  for (int i = 0; i < 20; ++i) REQUIRE(f.C_SignUpdate(session, part.data(), part.size()) == CKR_OK);
  REQUIRE(f.C_SignInit(session, nullptr, 0) == CKR_OK);
  CHECK(lab.daemon.calls(186) == 1);
  // C_Sign does not end what C_SignUpdate began.
  REQUIRE(sign_init(session, CKM_ECDSA_SHA256, kOpenEcKey) == CKR_OK);
  REQUIRE(f.C_SignUpdate(session, part.data(), part.size()) == CKR_OK);
  CHECK(sign(session) == CKR_OPERATION_NOT_INITIALIZED);
  // A digest has no parts that would not fit.
  REQUIRE(sign_init(session, CKM_ECDSA, kOpenEcKey) == CKR_OK);
  Bytes long_part(20'000);
  CHECK(f.C_SignUpdate(session, long_part.data(), long_part.size()) == CKR_DATA_LEN_RANGE);
}

TEST_CASE("Data that no frame takes is cut into parts") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  Bytes data(2'500'000, 0x0F);
  Bytes signature(64);
  CK_ULONG size = signature.size();
  REQUIRE(sign_init(session, CKM_ECDSA_SHA256, kOpenEcKey) == CKR_OK);
  REQUIRE(f.C_Sign(session, data.data(), data.size(), signature.data(), &size) == CKR_OK);
  CHECK(lab.daemon.calls(183) == 3);
  REQUIRE(sign_init(session, CKM_ECDSA, kOpenEcKey) == CKR_OK);
  CHECK(f.C_Sign(session, data.data(), data.size(), signature.data(), &size) == CKR_DATA_LEN_RANGE);

  CK_BYTE iv[16] = {};
  CK_MECHANISM mechanism{CKM_AES_CBC, iv, sizeof iv};
  Bytes out(data.size());
  size = out.size();
  REQUIRE(f.C_EncryptInit(session, &mechanism, kOpenAesKey) == CKR_OK);
  REQUIRE(f.C_Encrypt(session, data.data(), data.size(), out.data(), &size) == CKR_OK);
  CHECK(size == data.size());
  CHECK(out == Bytes(data.size(), 0xF0));
}

TEST_CASE("Encryption in parts") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  CK_BYTE iv[16] = {};
  CK_MECHANISM mechanism{CKM_AES_CBC, iv, sizeof iv};
  REQUIRE(f.C_EncryptInit(session, &mechanism, kOpenAesKey) == CKR_OK);
  Bytes part(48, 0x0F);
  Bytes out(48);
  CK_ULONG size = 0;
  REQUIRE(f.C_EncryptUpdate(session, part.data(), part.size(), nullptr, &size) == CKR_OK);
  CHECK(size == 48);
  size = 10;
  CHECK(f.C_EncryptUpdate(session, part.data(), part.size(), out.data(), &size) == CKR_BUFFER_TOO_SMALL);
  CHECK(size == 48);
  REQUIRE(f.C_EncryptUpdate(session, part.data(), part.size(), out.data(), &size) == CKR_OK);
  CHECK(out == Bytes(48, 0xF0));
  CHECK(lab.daemon.calls(183) == 1);  // the daemon has it once
  size = out.size();
  REQUIRE(f.C_EncryptFinal(session, out.data(), &size) == CKR_OK);
  CHECK(size == 0);
  CHECK(f.C_EncryptFinal(session, out.data(), &size) == CKR_OPERATION_NOT_INITIALIZED);
  // Other data in between: the output that is kept is lost, and with it the operation.
  REQUIRE(f.C_EncryptInit(session, &mechanism, kOpenAesKey) == CKR_OK);
  size = 10;
  CHECK(f.C_EncryptUpdate(session, part.data(), part.size(), out.data(), &size) == CKR_BUFFER_TOO_SMALL);
  CHECK(f.C_EncryptUpdate(session, part.data(), 16, out.data(), &size) == CKR_DATA_INVALID);
  CHECK(f.C_EncryptFinal(session, out.data(), &size) == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(lab.daemon.calls(186) == 1);
}

TEST_CASE("Parameters travel in the form of the specification") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.logged_in();
  Bytes asked;
  lab.daemon.on(180, [&](ScriptedDaemon::Call& call) {
    call.in.u8();
    call.in.u32();
    call.in.u64();
    call.in.u64();
    asked = to_bytes(call.in.blob());
    return refusal(CKR_FUNCTION_FAILED);
  });
  Bytes out(4096);
  Bytes data(16);
  const auto parameter_of = [&](CK_MECHANISM mechanism, CK_SESSION_HANDLE in, CK_OBJECT_HANDLE key, bool encrypts) {
    asked.clear();
    CK_ULONG size = out.size();
    REQUIRE((encrypts ? f.C_EncryptInit : f.C_SignInit)(in, &mechanism, key) == CKR_OK);
    CHECK((encrypts ? f.C_Encrypt : f.C_Sign)(in, data.data(), data.size(), out.data(), &size) == CKR_FUNCTION_FAILED);
    return asked;
  };
  CK_RSA_PKCS_PSS_PARAMS pss{CKM_SHA256, CKG_MGF1_SHA256, 32};
  CHECK(parameter_of({CKM_RSA_PKCS_PSS, &pss, sizeof pss}, session, kRsaKey, false) ==
        ByteWriter().u64(0x250).u64(2).u64(32).take());

  const CK_SESSION_HANDLE open = lab.open(kOpenSlot);
  CK_BYTE iv[16] = {1, 2, 3};
  CK_BYTE aad[2] = {8, 9};
  CK_GCM_PARAMS gcm{iv, sizeof iv, 96, aad, sizeof aad, 128};
  const Bytes gcm_travels = ByteWriter().blob(iv).blob(aad).u64(128).take();
  CHECK(parameter_of({CKM_AES_GCM, &gcm, sizeof gcm}, open, kOpenAesKey, true) == gcm_travels);
  CK_GCM_PARAMS_WITHOUT_IV_BITS older{iv, sizeof iv, aad, sizeof aad, 128};
  CHECK(parameter_of({CKM_AES_GCM, &older, sizeof older}, open, kOpenAesKey, true) == gcm_travels);
  CK_AES_CTR_PARAMS counter{64, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
  CHECK(parameter_of({CKM_AES_CTR, &counter, sizeof counter}, open, kOpenAesKey, true) ==
        Bytes{0, 0, 0, 0, 0, 0, 0, 64, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});

  CK_ULONG mac_length = 10;
  CHECK(parameter_of({CKM_AES_CBC, iv, sizeof iv}, open, kOpenAesKey, true) == Bytes(iv, iv + sizeof iv));
  CHECK(sign_init(open, CKM_SHA256_HMAC_GENERAL, kOpenAesKey) == CKR_MECHANISM_PARAM_INVALID);
  CK_MECHANISM general{CKM_SHA256_HMAC_GENERAL, &mac_length, sizeof mac_length};
  CHECK(f.C_SignInit(open, &general, kOpenAesKey) == CKR_KEY_FUNCTION_NOT_PERMITTED);
  mac_length = 0;
  CHECK(f.C_SignInit(open, &general, kOpenAesKey) == CKR_MECHANISM_PARAM_INVALID);

  const auto refused = [&](CK_MECHANISM mechanism) { return f.C_EncryptInit(open, &mechanism, kOpenAesKey); };
  gcm.ulIvLen = 0;
  CHECK(refused({CKM_AES_GCM, &gcm, sizeof gcm}) == CKR_MECHANISM_PARAM_INVALID);
  gcm = {iv, sizeof iv, 96, nullptr, 4, 128};
  CHECK(refused({CKM_AES_GCM, &gcm, sizeof gcm}) == CKR_MECHANISM_PARAM_INVALID);
  gcm = {iv, sizeof iv, 96, aad, CK_ULONG{1} << 60, 128};
  CHECK(refused({CKM_AES_GCM, &gcm, sizeof gcm}) == CKR_MECHANISM_PARAM_INVALID);
  gcm = {iv, sizeof iv, 96, aad, 2, 1024};
  CHECK(refused({CKM_AES_GCM, &gcm, sizeof gcm}) == CKR_MECHANISM_PARAM_INVALID);
  CHECK(refused({CKM_AES_GCM, nullptr, 0}) == CKR_MECHANISM_PARAM_INVALID);
  CHECK(refused({CKM_AES_GCM, &gcm, sizeof gcm - 1}) == CKR_MECHANISM_PARAM_INVALID);
  CHECK(refused({CKM_AES_CBC, iv, 12}) == CKR_MECHANISM_PARAM_INVALID);
}

TEST_CASE("Verification and digests") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kPinSlot);
  CK_MECHANISM ecdsa{CKM_ECDSA, nullptr, 0};
  Bytes data(32);
  Bytes right(64, 0x51);
  Bytes wrong(64, 0x52);
  REQUIRE(f.C_VerifyInit(session, &ecdsa, kEcPublicKey) == CKR_OK);
  CHECK(f.C_Verify(session, data.data(), data.size(), right.data(), right.size()) == CKR_OK);
  CHECK(f.C_Verify(session, data.data(), data.size(), right.data(), right.size()) == CKR_OPERATION_NOT_INITIALIZED);
  REQUIRE(f.C_VerifyInit(session, &ecdsa, kEcPublicKey) == CKR_OK);
  CHECK(f.C_Verify(session, data.data(), data.size(), wrong.data(), wrong.size()) == CKR_SIGNATURE_INVALID);
  REQUIRE(f.C_VerifyInit(session, &ecdsa, kEcPublicKey) == CKR_OK);
  CHECK(f.C_Verify(session, data.data(), data.size(), data.data(), CK_ULONG{1} << 40) == CKR_SIGNATURE_LEN_RANGE);
  REQUIRE(f.C_VerifyInit(session, &ecdsa, kEcPublicKey) == CKR_OK);
  REQUIRE(f.C_VerifyUpdate(session, data.data(), 16) == CKR_OK);
  CHECK(f.C_VerifyFinal(session, right.data(), right.size()) == CKR_OK);

  CK_MECHANISM sha256{CKM_SHA256, nullptr, 0};
  Bytes digest(32);
  CK_ULONG size = 0;
  const CK_SESSION_HANDLE open = lab.open(kOpenSlot);
  REQUIRE(f.C_DigestInit(open, &sha256) == CKR_OK);
  CHECK(f.C_Digest(open, data.data(), data.size(), nullptr, &size) == CKR_OK);
  CHECK(size == 32);
  REQUIRE(f.C_Digest(open, data.data(), data.size(), digest.data(), &size) == CKR_OK);
  CHECK(digest == Bytes(32, 0xD1));
  Bytes asked;
  lab.daemon.on(180, [&](ScriptedDaemon::Call& call) {
    asked = to_bytes(call.body);
    return outputs(ByteWriter().blob(Bytes(32, 0xD1)));
  });
  REQUIRE(f.C_DigestInit(open, &sha256) == CKR_OK);
  REQUIRE(f.C_DigestUpdate(open, right.data(), 1) == CKR_OK);
  REQUIRE(f.C_DigestKey(open, kOpenAesKey) == CKR_OK);
  REQUIRE(f.C_DigestFinal(open, digest.data(), &size) == CKR_OK);
  ByteWriter value;
  value.raw(Bytes{0x51}).raw(Bytes(16, 0x42));
  ByteWriter expected;
  expected.u8(180).u8(5).u32(0).u64(0).u64(CKM_SHA256).blob({}).u32(0).blob(value.view());
  CHECK(asked == expected.take());
  REQUIRE(f.C_DigestInit(open, &sha256) == CKR_OK);
  CHECK(f.C_DigestKey(open, kOpenEcKey) == CKR_KEY_INDIGESTIBLE);
  CHECK(f.C_DigestFinal(open, digest.data(), &size) == CKR_OPERATION_NOT_INITIALIZED);
}

#ifndef SKS_SANITIZED  // there it ends the program
TEST_CASE("An operation ends when there is no memory for it") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  CK_MECHANISM sha256{CKM_SHA256, nullptr, 0};
  Bytes data(32);
  Bytes digest(32);
  CK_ULONG size = digest.size();
  REQUIRE(f.C_DigestInit(session, &sha256) == CKR_OK);
  CHECK(f.C_Digest(session, data.data(), CK_ULONG{1} << 62, digest.data(), &size) == CKR_HOST_MEMORY);
  CHECK(f.C_DigestUpdate(session, data.data(), data.size()) == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(lab.daemon.calls(186) == 1);  // abandon
  CHECK(f.C_DigestInit(session, &sha256) == CKR_OK);
}
#endif

}  // namespace
}  // namespace sks::test
