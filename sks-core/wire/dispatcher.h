#pragma once

#include "sks-core/engine/secure_key_store.h"

namespace sks::wire {

/// The server end of the byte stream without its sockets: runs the method that a request body asks for and returns the
/// response body, both without the frame's length. Pure but for the store; as thread-safe as the store is.
///
/// A request that cannot be decoded is answered with option and reaches no method. An exception of the store, such as
/// running out of memory, and an answer that no frame can hold are answered with internal. The result is empty, and the
/// method has not run, only when there is no memory for any answer. Spec: sks-byte-stream.md, sks-api.md 2.2 and 2.3.
SecureBytes dispatch(SecureKeyStore& store, ByteView request) noexcept;

/// A response body that must not be sent before finish().
struct PendingAnswer {
  SecureBytes body;
  std::unique_ptr<PendingCall> pending;  ///< null: nothing to wait for
};

/// dispatch() in two halves: the method runs in the first one, the wait for its durability is the second one. `store`
/// must outlive both. Spec: sks-byte-stream.md, detail 8.
PendingAnswer begin_dispatch(SecureKeyStore& store, ByteView request) noexcept;
SecureBytes finish(PendingAnswer answer) noexcept;

/// Whether a request is one of those that work on a session: they are served one at a time, in the order in which they
/// arrive. Spec: sks-byte-stream.md, detail 8.
bool works_on_session(ByteView request);

}  // namespace sks::wire
