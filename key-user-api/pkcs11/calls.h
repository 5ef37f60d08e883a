#pragma once

#include "key-user-api/pkcs11/client.h"

/// What the C functions begin with: they check pointers, keep exceptions inside, and find what they work with.
namespace sks::p11 {

template <class Body>
CK_RV with_client(Body&& body) noexcept {
  return guard([&]() -> CK_RV {
    const std::shared_ptr<Client> client = current_client();
    return client == nullptr ? CKR_CRYPTOKI_NOT_INITIALIZED : body(*client);
  });
}

/// Without the lock of the session.
template <class Body>
CK_RV with_session(CK_SESSION_HANDLE handle, Body&& body) noexcept {
  return with_client([&](Client& client) -> CK_RV {
    const Answer<std::shared_ptr<Session>> session = client.sessions.find(handle);
    return session ? body(client, **session) : session.error().code;
  });
}

template <class Body>
CK_RV with_locked_session(CK_SESSION_HANDLE handle, Body&& body) noexcept {
  return with_session(handle, [&](Client& client, Session& session) -> CK_RV {
    const std::lock_guard lock(session.mutex);
    return body(client, session);
  });
}

inline ByteView view_of(const CK_BYTE* data, CK_ULONG size) { return {data, data == nullptr ? 0 : size}; }

}  // namespace sks::p11
