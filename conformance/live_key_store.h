#pragma once

#include <memory>
#include <string_view>

#include "sks-core/engine/secure_key_store.h"

namespace sks::conformance {

/// A live key store, and what holds it.
class LiveKeyStore {
 public:
  virtual ~LiveKeyStore() = default;
  virtual SecureKeyStore& store() = 0;

  /// "memory:" is a new OpenSKS engine in this process, with the device PIN 1234 and with biometrics that are believed.
  /// Everything else is an address of the byte stream, such as "tcp:127.0.0.1:7788" or "unix:PATH". Fails with option
  /// (no address) or not_available (nobody there).
  static Result<std::unique_ptr<LiveKeyStore>> open(std::string_view address);
};

}  // namespace sks::conformance
