#include "key-user-api/pkcs11/general.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>

namespace sks::p11 {
namespace {

/// Never freed: the application may call from its own exit handlers, after destructors of this library would have run.
constinit std::atomic<Module*> g_module{nullptr};

Answer<void> check(const CK_C_INITIALIZE_ARGS& arguments) {
  if (arguments.pReserved != nullptr) return Rv{CKR_ARGUMENTS_BAD};
  const int mutex_functions = (arguments.CreateMutex != nullptr) + (arguments.DestroyMutex != nullptr) +
                              (arguments.LockMutex != nullptr) + (arguments.UnlockMutex != nullptr);
  if (mutex_functions != 0 && mutex_functions != 4) return Rv{CKR_ARGUMENTS_BAD};
  // Only the operating system's locks are used here; an application that forbids them cannot be served.
  if (mutex_functions == 4 && (arguments.flags & CKF_OS_LOCKING_OK) == 0) return Rv{CKR_CANT_LOCK};
  return {};
}

Rv report(const Error& error) {
  std::fprintf(stderr, "sks-pkcs11: %s\n", error.detail.c_str());
  return Rv{CKR_DEVICE_ERROR};
}

}  // namespace

CK_RV to_ckrv(Status status) {
  switch (status) {
    case Status::authorization:
      return CKR_PIN_INCORRECT;
    case Status::not_allowed:
      return CKR_ACTION_PROHIBITED;
    case Status::storage:
    case Status::external:
    case Status::not_available:
      return CKR_DEVICE_ERROR;
    case Status::crypto:
      return CKR_FUNCTION_FAILED;
    case Status::no_key:
      return CKR_KEY_HANDLE_INVALID;
    case Status::algorithm:
      return CKR_KEY_FUNCTION_NOT_PERMITTED;
    case Status::option:
      return CKR_DATA_INVALID;
    case Status::user_abort:
      return CKR_FUNCTION_CANCELED;
    case Status::mac:
    case Status::no_session:
    case Status::internal:
      return CKR_GENERAL_ERROR;
  }
  SKS_CHECK(false);
}

Answer<void> answer(const Result<void>& result) {
  if (!result) return Rv{to_ckrv(result.error().status)};
  return {};
}

Module& Module::current() {
  Module* known = g_module.load(std::memory_order_acquire);
  const int process = ::getpid();
  if (known != nullptr && known->process_ == process) return *known;
  auto fresh = std::unique_ptr<Module>(new Module(process, known));
  if (g_module.compare_exchange_strong(known, fresh.get(), std::memory_order_acq_rel)) return *fresh.release();
  return *known;  // another thread of this process was faster
}

Answer<void> Module::initialize(const CK_C_INITIALIZE_ARGS* arguments) {
  if (arguments != nullptr) SKS_TRY(check(*arguments));
  const std::lock_guard lock(mutex_);
  if (running_) return Rv{CKR_CRYPTOKI_ALREADY_INITIALIZED};
  if (const Result<void> dropped = drop_inherited(); !dropped) return report(dropped.error());
  Result<std::unique_ptr<Backend>> backend = Backend::open();
  if (!backend) return report(backend.error());
  SKS_LET(std::vector<std::unique_ptr<Token>> tokens, load_tokens((*backend)->api()));
  UserApi& api = (*backend)->api();
  running_ = std::make_unique<Running>(Running{std::move(backend).value(), SessionTable(api, std::move(tokens))});
  return {};
}

Result<void> Module::drop_inherited() {
  for (; inherited_ != nullptr; inherited_ = inherited_->inherited_) {
    const std::unique_lock lock(inherited_->mutex_, std::try_to_lock);
    // The thread that holds it was not copied, and has left a half-done change that nothing here can end.
    if (!lock)
      return Error{Status::not_available, "this process was forked off while another thread used the key store"};
    inherited_->running_.reset();
  }
  return {};
}

Answer<void> Module::finalize() {
  const std::lock_guard lock(mutex_);
  if (!running_) return Rv{CKR_CRYPTOKI_NOT_INITIALIZED};
  running_.reset();
  return {};
}

CK_INFO library_info(CK_VERSION cryptoki) {
  CK_INFO info{};
  info.cryptokiVersion = cryptoki;
  fill_text(info.manufacturerID, "OpenSKS");
  fill_text(info.libraryDescription, "OpenSKS PKCS#11 module");
  info.libraryVersion = {SKS_VERSION_MAJOR, SKS_VERSION_MINOR};
  return info;
}

}  // namespace sks::p11
