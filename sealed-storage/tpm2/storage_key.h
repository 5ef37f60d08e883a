#pragma once

#include "sealed-storage/tpm2/device.h"
#include "sealed-storage/tpm2/sealed_part.h"

namespace sks::sealed::tpm2 {

/// The primary storage key of the owner hierarchy, which the TPM computes anew from its seed each time: the same one
/// until the TPM is cleared. Spec: spec/sealed-record.md chapter 2.3.
class StorageKey {
 public:
  /// Fails as tpm_error().
  static Result<StorageKey> create(const Device& device);

  ESYS_TR handle() const { return handle_.get(); }
  const TpmName& name() const { return name_; }

 private:
  StorageKey(Handle handle, const TpmName& name) : handle_(std::move(handle)), name_(name) {}

  Handle handle_;
  TpmName name_;
};

/// The name of a loaded object or of an index. Fails as tpm_error().
Result<TpmName> name_of(const Device& device, ESYS_TR object);

}  // namespace sks::sealed::tpm2
