#pragma once

#include <tss2/tss2_esys.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "sks-core/base/result.h"

/// A TPM 2.0 through the Enhanced System API of tpm2-tss.
namespace sks::sealed::tpm2 {

struct EsysFree {
  template <class T>
  void operator()(T* p) const noexcept {
    Esys_Free(p);
  }
};
/// What an ESAPI call gave out.
template <class T>
using Owned = std::unique_ptr<T, EsysFree>;

/// A connection to the TPM. For one operation: others may have to wait for it.
class Device {
 public:
  /// Opens what the environment variable SKS_TPM2_TCTI names as tpm2-tss does ("swtpm:path=SOCKET"), else the kernel's
  /// resource manager /dev/tpmrm0. Fails with not_available.
  static Result<Device> open();

  ESYS_CONTEXT* esys() const { return esys_.get(); }

 private:
  struct CloseTcti {
    void operator()(TSS2_TCTI_CONTEXT* tcti) const noexcept;
  };
  struct CloseEsys {
    void operator()(ESYS_CONTEXT* esys) const noexcept { Esys_Finalize(&esys); }
  };
  std::unique_ptr<TSS2_TCTI_CONTEXT, CloseTcti> tcti_;
  std::unique_ptr<ESYS_CONTEXT, CloseEsys> esys_;  // destroyed first: it speaks through the other
};

/// A transient object or a session: takes up one of the few places in the TPM until it is flushed, which is done on
/// every way out; but ESAPI does not go on behind an answer that was altered on its way, and leaves that to the
/// resource manager. The device must outlive it.
class Handle {
 public:
  explicit Handle(const Device& device) : esys_(device.esys()) {}
  Handle(Handle&& other) noexcept : esys_(other.esys_), object_(std::exchange(other.object_, ESYS_TR_NONE)) {}
  Handle& operator=(Handle&&) = delete;
  ~Handle() {
    if (object_ != ESYS_TR_NONE) Esys_FlushContext(esys_, object_);
  }

  ESYS_TR get() const { return object_; }
  ESYS_TR* out() { return &object_; }  ///< for the call that makes it

 private:
  ESYS_CONTEXT* esys_;
  ESYS_TR object_ = ESYS_TR_NONE;
};

/// Runs a command, and again while the TPM says that it did nothing because it was busy, or that its memory has been
/// written to too often of late.
TSS2_RC run(const std::function<TSS2_RC()>& command);

/// What a response code says, without the number of the handle, session or parameter that it says it of.
TSS2_RC kind_of(TSS2_RC code);

/// Whether the TPM itself refused an argument of a command, other than for an authorization.
bool refuses_argument(TSS2_RC code);

/// "cannot WHAT: why". The status is not_available, unless the TPM has run out of room (storage) or an answer did not
/// come from it as it is (crypto).
Error tpm_error(const std::string& what, TSS2_RC code);

/// Starts a session that authorizes with a HMAC, or a policy session, with `attributes` beside its going on. `salt_key`
/// is the key to which the session's secret is encrypted, ESYS_TR_NONE when what it authorizes has a secret.
Result<Handle> start_session(const Device& device, ESYS_TR salt_key, TPM2_SE type, TPMA_SESSION attributes);

}  // namespace sks::sealed::tpm2
