#include "key-user-api/pkcs11/calls.h"
#include "key-user-api/pkcs11/functions.h"

/// The C functions for encryption, decryption, digests, signatures and verification.

using sks::p11::Answer;
using sks::p11::Client;
using sks::p11::guard;
using sks::p11::is_missing;
using sks::p11::Kind;
using sks::p11::Operation;
using sks::p11::Session;
using sks::p11::Step;
using sks::p11::view_of;
using sks::p11::with_locked_session;

namespace {

/// The row of a kind: what the mechanism and the key must be good for.
struct KindRow {
  Kind kind;
  CK_FLAGS use;
};
constexpr KindRow kEncrypt{Kind::encrypt, CKF_ENCRYPT};
constexpr KindRow kDecrypt{Kind::decrypt, CKF_DECRYPT};
constexpr KindRow kSign{Kind::sign, CKF_SIGN};
constexpr KindRow kVerify{Kind::verify, CKF_VERIFY};
constexpr KindRow kDigest{Kind::digest, CKF_DIGEST};
constexpr KindRow kKinds[] = {kEncrypt, kDecrypt, kSign, kVerify, kDigest};

/// The checks of C_...Init, in the order in which it makes them: CKR_OPERATION_ACTIVE, the mechanism, its parameter,
/// the key, its type, its use.
Answer<void> begin(Client& client, Session& session, const KindRow& row, const CK_MECHANISM& mechanism,
                   CK_OBJECT_HANDLE key) {
  std::unique_ptr<Operation>& place = session.operation(row.kind);
  if (place) return sks::p11::Rv{CKR_OPERATION_ACTIVE};
  SKS_LET(sks::p11::EncodedMechanism encoded, sks::p11::encode_mechanism(mechanism, row.use));
  sks::p11::KeyFacts facts;
  if (row.kind != Kind::digest) {
    SKS_LET(facts, client.keys.facts(session.slot, key));
    SKS_TRY(sks::p11::check_use(facts, *encoded.row, row.use));
  }
  place = std::make_unique<Operation>(client.daemon,
                                      Operation::Start{row.kind, std::move(encoded), session.slot, key, facts});
  session.latest = row.kind;
  return {};
}

CK_RV init(CK_SESSION_HANDLE session, const KindRow& row, const CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    if (mechanism != nullptr) return code_of(begin(client, found, row, *mechanism, key));
    // Version 3.0: ends the operation.
    if (!found.operation(row.kind)) return CKR_ARGUMENTS_BAD;
    found.drop(row.kind);
    return CKR_OK;
  });
}

/// Failures that say that what is known here of keys and logins is wrong.
constexpr CK_RV kSurprises[] = {CKR_KEY_HANDLE_INVALID, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_USER_NOT_LOGGED_IN,
                                CKR_PIN_INCORRECT, CKR_PIN_LOCKED};

/// A key that was there is gone because nobody is logged in any more, or really.
CK_RV explain(Client& client, const Session& session, CK_OBJECT_HANDLE key, CK_RV code) {
  if (std::find(std::begin(kSurprises), std::end(kSurprises), code) == std::end(kSurprises)) return code;
  client.keys.forget();
  client.tokens.forget();
  return code == CKR_KEY_HANDLE_INVALID ? client.keys.explain_missing(session.slot, key) : code;
}

/// "A call to C_Sign always terminates the active signing operation unless it returns CKR_BUFFER_TOO_SMALL or is a
/// successful call to determine the length of the buffer": this includes calls that lack an argument.
template <class Body>
CK_RV step(CK_SESSION_HANDLE session, const KindRow& row, bool lacks_argument, Body&& body) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    const std::unique_ptr<Operation>& operation = found.operation(row.kind);
    if (!operation) return CKR_OPERATION_NOT_INITIALIZED;
    const CK_OBJECT_HANDLE key = operation->key();
    Step done{CKR_ARGUMENTS_BAD, false};
    // Without memory an operation ends too: how far the daemon has come with it is not known.
    done.code = guard([&] {
      if (!lacks_argument) done = body(*operation);
      return done.code;
    });
    if (!done.goes_on) found.drop(row.kind);
    return explain(client, found, key, done.code);
  });
}

CK_RV one_part(CK_SESSION_HANDLE session, const KindRow& row, const CK_BYTE* data, CK_ULONG size, CK_BYTE* out,
               CK_ULONG* out_size) {
  return step(session, row, out_size == nullptr || is_missing(data, size), [&](Operation& operation) {
    return operation.one_part(view_of(data, size), {out, out_size});
  });
}

CK_RV update(CK_SESSION_HANDLE session, const KindRow& row, const CK_BYTE* part, CK_ULONG size, CK_BYTE* out,
             CK_ULONG* out_size) {
  return step(session, row, out_size == nullptr || is_missing(part, size), [&](Operation& operation) {
    return operation.update(view_of(part, size), {out, out_size});
  });
}

CK_RV update(CK_SESSION_HANDLE session, const KindRow& row, const CK_BYTE* part, CK_ULONG size) {
  return step(session, row, is_missing(part, size),
              [&](Operation& operation) { return operation.update(view_of(part, size)); });
}

CK_RV finish(CK_SESSION_HANDLE session, const KindRow& row, CK_BYTE* out, CK_ULONG* out_size) {
  return step(session, row, out_size == nullptr, [&](Operation& operation) {
    return operation.finish({out, out_size});
  });
}

}  // namespace

extern "C" {

CK_RV C_EncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return init(session, kEncrypt, mechanism, key);
}
CK_RV C_Encrypt(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG size, CK_BYTE* out, CK_ULONG* out_size) {
  return one_part(session, kEncrypt, data, size, out, out_size);
}
CK_RV C_EncryptUpdate(CK_SESSION_HANDLE session, CK_BYTE* part, CK_ULONG size, CK_BYTE* out, CK_ULONG* out_size) {
  return update(session, kEncrypt, part, size, out, out_size);
}
CK_RV C_EncryptFinal(CK_SESSION_HANDLE session, CK_BYTE* out, CK_ULONG* out_size) {
  return finish(session, kEncrypt, out, out_size);
}

CK_RV C_DecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return init(session, kDecrypt, mechanism, key);
}
CK_RV C_Decrypt(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG size, CK_BYTE* out, CK_ULONG* out_size) {
  return one_part(session, kDecrypt, data, size, out, out_size);
}
CK_RV C_DecryptUpdate(CK_SESSION_HANDLE session, CK_BYTE* part, CK_ULONG size, CK_BYTE* out, CK_ULONG* out_size) {
  return update(session, kDecrypt, part, size, out, out_size);
}
CK_RV C_DecryptFinal(CK_SESSION_HANDLE session, CK_BYTE* out, CK_ULONG* out_size) {
  return finish(session, kDecrypt, out, out_size);
}

CK_RV C_DigestInit(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism) { return init(session, kDigest, mechanism, 0); }
CK_RV C_Digest(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG size, CK_BYTE* out, CK_ULONG* out_size) {
  return one_part(session, kDigest, data, size, out, out_size);
}
CK_RV C_DigestUpdate(CK_SESSION_HANDLE session, CK_BYTE* part, CK_ULONG size) {
  return update(session, kDigest, part, size);
}
CK_RV C_DigestKey(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    if (!found.operation(Kind::digest)) return CKR_OPERATION_NOT_INITIALIZED;
    const Answer<sks::SecureBytes> value = client.objects.secret_value(found, key);
    const Step done = value ? found.operation(Kind::digest)->update(value->view()) : Step{value.error().code, false};
    if (!done.goes_on) found.drop(Kind::digest);
    return done.code;
  });
}
CK_RV C_DigestFinal(CK_SESSION_HANDLE session, CK_BYTE* out, CK_ULONG* out_size) {
  return finish(session, kDigest, out, out_size);
}

CK_RV C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return init(session, kSign, mechanism, key);
}
CK_RV C_Sign(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG size, CK_BYTE* signature, CK_ULONG* signature_size) {
  return one_part(session, kSign, data, size, signature, signature_size);
}
CK_RV C_SignUpdate(CK_SESSION_HANDLE session, CK_BYTE* part, CK_ULONG size) {
  return update(session, kSign, part, size);
}
CK_RV C_SignFinal(CK_SESSION_HANDLE session, CK_BYTE* signature, CK_ULONG* signature_size) {
  return finish(session, kSign, signature, signature_size);
}

CK_RV C_VerifyInit(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return init(session, kVerify, mechanism, key);
}
CK_RV C_Verify(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG size, CK_BYTE* signature, CK_ULONG signature_size) {
  return step(
      session, kVerify, is_missing(data, size) || is_missing(signature, signature_size),
      [&](Operation& operation) { return operation.verify(view_of(data, size), view_of(signature, signature_size)); });
}
CK_RV C_VerifyUpdate(CK_SESSION_HANDLE session, CK_BYTE* part, CK_ULONG size) {
  return update(session, kVerify, part, size);
}
CK_RV C_VerifyFinal(CK_SESSION_HANDLE session, CK_BYTE* signature, CK_ULONG signature_size) {
  return step(session, kVerify, is_missing(signature, signature_size),
              [&](Operation& operation) { return operation.finish_verify(view_of(signature, signature_size)); });
}

}  // extern "C"

namespace sks::p11 {

/// Version 3.0. Operations that this module does not have are none to be ended.
CK_RV session_cancel(CK_SESSION_HANDLE session, CK_FLAGS flags) {
  return with_locked_session(session, [&](Client&, Session& found) -> CK_RV {
    for (const KindRow& row : kKinds)
      if ((flags & row.use) != 0) found.drop(row.kind);
    if ((flags & kCkfFindObjects) != 0) found.search.reset();
    return CKR_OK;
  });
}

}  // namespace sks::p11
