#pragma once

#include <p11-kit/pkcs11.h>

/// What PKCS#11 3.0 and spec/sksd.md name and p11-kit's header, which ends with version 2.40, does not.
namespace sks::token {

inline constexpr CK_ATTRIBUTE_TYPE kCkaUniqueId = 0x04;
inline constexpr CK_KEY_TYPE kCkkEcMontgomery = 0x41;
inline constexpr CK_MECHANISM_TYPE kCkmEcMontgomeryKeyPairGen = 0x1056;
inline constexpr CK_ULONG kCertificateCategoryTokenUser = 1;
inline constexpr CK_ULONG kCertificateCategoryAuthority = 2;
/// CKA_VENDOR_DEFINED | "SKS".
inline constexpr CK_ATTRIBUTE_TYPE kCkaSksAttestation = 0x80534B53;
/// RSA keys that are made; smaller ones only come from outside.
inline constexpr CK_ULONG kMinGeneratedRsaBits = 2048;

}  // namespace sks::token
