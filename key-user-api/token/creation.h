#pragma once

#include "key-user-api/token/core.h"

/// How objects come to be. Spec: spec/sksd.md 6.
namespace sks::token {

/// C_CreateObject. `secret`: what stands for CKA_VALUE of a secret key that another key made, or of an unwrapped
/// private key in PKCS#8; the template then has neither it nor what follows from it.
Outcome<CK_OBJECT_HANDLE> make_object(Core& core, Application& application, std::uint32_t slot,
                                      const Template& attributes, std::optional<SecureBytes> secret = std::nullopt);

Outcome<CK_OBJECT_HANDLE> generate_key(Core& core, Application& application, std::uint32_t slot,
                                       CK_MECHANISM_TYPE mechanism, const Template& attributes);

struct Pair {
  CK_OBJECT_HANDLE public_key;
  CK_OBJECT_HANDLE private_key;
};
Outcome<Pair> generate_key_pair(Core& core, Application& application, std::uint32_t slot, CK_MECHANISM_TYPE mechanism,
                                const Template& public_attributes, const Template& private_attributes);

Outcome<CK_OBJECT_HANDLE> copy_object(Core& core, Application& application, std::uint32_t slot, CK_OBJECT_HANDLE object,
                                      const Template& attributes);

Outcome<void> set_attributes(Core& core, Application& application, std::uint32_t slot, CK_OBJECT_HANDLE object,
                             const Template& attributes);

Outcome<void> destroy_object(Core& core, Application& application, std::uint32_t slot, CK_OBJECT_HANDLE object);

}  // namespace sks::token
