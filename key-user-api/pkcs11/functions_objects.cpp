#include "key-user-api/pkcs11/calls.h"

/// The C functions for objects, keys and random numbers.

using sks::p11::Answer;
using sks::p11::assign;
using sks::p11::Client;
using sks::p11::code_of;
using sks::p11::is_missing;
using sks::p11::Session;
using sks::p11::Template;
using sks::p11::view_of;
using sks::p11::with_client;
using sks::p11::with_locked_session;
using sks::p11::with_session;

namespace {

/// Of generateRandom, spec/sksd.md 7.
constexpr CK_ULONG kMostRandom = 1'000'000;

Answer<void> fill_with_random(Client& client, std::span<CK_BYTE> out) {
  while (!out.empty()) {
    const std::size_t size = std::min<std::size_t>(out.size(), kMostRandom);
    sks::p11::Request request(sks::p11::kGenerateRandom);
    request.out.u32(static_cast<std::uint32_t>(size));
    SKS_LET(sks::p11::Reply reply, client.daemon.call(std::move(request)));
    const sks::ByteView random = reply.in.blob();
    SKS_TRY(reply.finish());
    if (random.size() != size) return sks::p11::Rv{CKR_DEVICE_ERROR};
    std::copy(random.begin(), random.end(), out.begin());
    out = out.subspan(size);
  }
  return {};
}

}  // namespace

extern "C" {

CK_RV C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE* attributes, CK_ULONG count, CK_OBJECT_HANDLE* object) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    if (object == nullptr || is_missing(attributes, count)) return CKR_ARGUMENTS_BAD;
    return assign(object, client.objects.create(found, {attributes, count}));
  });
}

CK_RV C_CopyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes, CK_ULONG count,
                   CK_OBJECT_HANDLE* copy) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    if (copy == nullptr || is_missing(attributes, count)) return CKR_ARGUMENTS_BAD;
    return assign(copy, client.objects.copy(found, object, {attributes, count}));
  });
}

CK_RV C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
  return with_locked_session(
      session, [&](Client& client, Session& found) { return code_of(client.objects.destroy(found, object)); });
}

CK_RV C_GetObjectSize(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ULONG* size) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    if (size == nullptr) return CKR_ARGUMENTS_BAD;
    const Answer<void> exists = client.objects.exists(found, object);
    if (!exists) return exists.error().code;
    *size = CK_UNAVAILABLE_INFORMATION;  // what it takes in the store is nobody's business here
    return CKR_OK;
  });
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes,
                          CK_ULONG count) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    if (is_missing(attributes, count)) return CKR_ARGUMENTS_BAD;
    return client.objects.get(found, object, {attributes, count});
  });
}

CK_RV C_SetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes,
                          CK_ULONG count) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    if (is_missing(attributes, count)) return CKR_ARGUMENTS_BAD;
    return code_of(client.objects.set(found, object, {attributes, count}));
  });
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE* attributes, CK_ULONG count) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    if (is_missing(attributes, count)) return CKR_ARGUMENTS_BAD;
    return code_of(client.objects.start_search(found, {attributes, count}));
  });
}

CK_RV C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE* objects, CK_ULONG limit, CK_ULONG* count) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    if (count == nullptr || is_missing(objects, limit)) return CKR_ARGUMENTS_BAD;
    return assign(count, client.objects.take_found(found, {objects, limit}));
  });
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE session) {
  return with_locked_session(session, [&](Client&, Session& found) -> CK_RV {
    if (!found.search) return CKR_OPERATION_NOT_INITIALIZED;
    found.search.reset();
    return CKR_OK;
  });
}

CK_RV C_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_ATTRIBUTE* attributes, CK_ULONG count,
                    CK_OBJECT_HANDLE* key) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    if (mechanism == nullptr || key == nullptr || is_missing(attributes, count)) return CKR_ARGUMENTS_BAD;
    return assign(key, client.objects.generate_key(found, *mechanism, {attributes, count}));
  });
}

CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_ATTRIBUTE* public_attributes,
                        CK_ULONG public_count, CK_ATTRIBUTE* private_attributes, CK_ULONG private_count,
                        CK_OBJECT_HANDLE* public_key, CK_OBJECT_HANDLE* private_key) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    if (mechanism == nullptr || public_key == nullptr || private_key == nullptr ||
        is_missing(public_attributes, public_count) || is_missing(private_attributes, private_count))
      return CKR_ARGUMENTS_BAD;
    const Answer<sks::p11::Objects::Pair> pair = client.objects.generate_pair(
        found, *mechanism, {public_attributes, public_count}, {private_attributes, private_count});
    if (!pair) return pair.error().code;
    *public_key = pair->public_key;
    *private_key = pair->private_key;
    return CKR_OK;
  });
}

CK_RV C_WrapKey(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE key,
                CK_BYTE* wrapped, CK_ULONG* size) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    if (mechanism == nullptr || size == nullptr) return CKR_ARGUMENTS_BAD;
    const Answer<sks::SecureBytes> bytes = client.objects.wrap(found, *mechanism, wrapping, key);
    if (!bytes) return bytes.error().code;
    return sks::p11::emit_list(wrapped, size, bytes->view());
  });
}

CK_RV C_UnwrapKey(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE unwrapping, CK_BYTE* wrapped,
                  CK_ULONG size, CK_ATTRIBUTE* attributes, CK_ULONG count, CK_OBJECT_HANDLE* key) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    if (mechanism == nullptr || key == nullptr || wrapped == nullptr || is_missing(attributes, count))
      return CKR_ARGUMENTS_BAD;
    return assign(key,
                  client.objects.unwrap(found, *mechanism, unwrapping, view_of(wrapped, size), {attributes, count}));
  });
}

CK_RV C_DeriveKey(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE base, CK_ATTRIBUTE* attributes,
                  CK_ULONG count, CK_OBJECT_HANDLE* key) {
  return with_locked_session(session, [&](Client& client, Session& found) -> CK_RV {
    if (mechanism == nullptr || key == nullptr || is_missing(attributes, count)) return CKR_ARGUMENTS_BAD;
    return assign(key, client.objects.derive(found, *mechanism, base, {attributes, count}));
  });
}

CK_RV C_SeedRandom(CK_SESSION_HANDLE session, CK_BYTE* seed, CK_ULONG size) {
  return with_session(session, [&](Client&, Session&) -> CK_RV {
    return is_missing(seed, size) ? CKR_ARGUMENTS_BAD : CKR_RANDOM_SEED_NOT_SUPPORTED;
  });
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE* random, CK_ULONG size) {
  return with_session(session, [&](Client& client, Session&) -> CK_RV {
    if (is_missing(random, size)) return CKR_ARGUMENTS_BAD;
    return code_of(fill_with_random(client, {random, size}));
  });
}

}  // extern "C"
