#pragma once

#include <mutex>

#include "key-user-api/pkcs11/backend.h"
#include "key-user-api/pkcs11/session.h"

namespace sks::p11 {

/// The module in one process, from C_Initialize to C_Finalize and beyond.
///
/// A forked child has its own, not initialized one: it never touches the store of its parent. What it inherited is
/// dropped by C_Initialize.
class Module {
 public:
  /// The module of the calling process.
  static Module& current();

  Answer<void> initialize(const CK_C_INITIALIZE_ARGS* arguments);
  Answer<void> finalize();

  /// Runs `body` with the sessions, under the module's lock. Fails with CKR_CRYPTOKI_NOT_INITIALIZED.
  template <class Body>
  CK_RV run(Body&& body) {
    const std::lock_guard lock(mutex_);
    if (!running_) return CKR_CRYPTOKI_NOT_INITIALIZED;
    return body(running_->sessions);
  }

 private:
  struct Running {
    std::unique_ptr<Backend> backend;
    SessionTable sessions;  // refers to the backend
  };

  Module(int process, Module* inherited) : process_(process), inherited_(inherited) {}

  /// Frees the sessions, PINs and store connections of the processes that this one descends from. Must come before the
  /// store is opened: SQLite takes the locks of an inherited connection for those of the new one.
  Result<void> drop_inherited();

  int process_;
  /// Of the parent process, whose own may stand behind it. Never deleted: its lock may be held by a thread that does
  /// not exist here.
  Module* inherited_;
  std::mutex mutex_;
  std::unique_ptr<Running> running_;
};

CK_INFO library_info(CK_VERSION cryptoki);

}  // namespace sks::p11
