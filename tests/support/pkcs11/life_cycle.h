#pragma once

#include "tests/support/pkcs11/client.h"

namespace sks::pkcs11_client {

/// The life of a key, again and again: a P-256 pair is generated in the token, found by its CKA_ID, used for a
/// signature that OpenSSL verifies, and destroyed. Others may do the same in the same token at the same time.
class LifeCycle {
 public:
  explicit LifeCycle(Session session);
  Answer<void> run();

 private:
  Answer<void> use(CK_OBJECT_HANDLE public_key, CK_OBJECT_HANDLE private_key);

  Session session_;
  Bytes id_;  ///< of this object alone, and different each time
  std::uint64_t number_ = 0;
};

}  // namespace sks::pkcs11_client
