#pragma once

#include "sks-core/crypto/private_key.h"
#include "tests/provisioning-server/authority/fake_module.h"

namespace sks::test {

inline constexpr const char* kFakeModule = SKS_FAKE_MODULE;

/// The fake module with a key of the test's own. Loaded as long as this lives, so that what it counts is not lost. One
/// at a time.
class FakeModule {
 public:
  FakeModule();  ///< with a new P-256 key
  explicit FakeModule(crypto::PrivateKey key);
  FakeModule(const FakeModule&) = delete;
  FakeModule& operator=(const FakeModule&) = delete;
  ~FakeModule();

  FakeToken& token() { return *token_; }
  const crypto::PublicKey& public_key() const { return key_.public_key(); }

 private:
  void* library_;
  FakeToken* token_ = nullptr;
  crypto::PrivateKey key_;
};

}  // namespace sks::test
