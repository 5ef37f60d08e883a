#pragma once

#include <string>

#include "sks-core/base/bytes.h"
#include "sks-core/base/random.h"
#include "sks-core/base/result.h"

namespace sks::sealed {

/// Where the master key of a store comes from.
class MasterKeyProvider {
 public:
  virtual ~MasterKeyProvider() = default;
  /// The key, kMasterKeySize bytes. Fails with not_available when there is none to be had, storage when it cannot be
  /// read or others could read it, crypto when it is damaged.
  virtual Result<SecureBytes> load() const = 0;
};

/// The key in a file of its own, mode 0600. Spec: spec/sealed-record.md chapter 2.
class KeyFile final : public MasterKeyProvider {
 public:
  explicit KeyFile(std::string path) : path_(std::move(path)) {}

  /// Makes the file with a new key; it must not exist. Fails with storage.
  static Result<SecureBytes> create(const std::string& path, const Random& random);

  Result<SecureBytes> load() const override;

 private:
  std::string path_;
};

}  // namespace sks::sealed
