#pragma once

#include "sks-core/base/result.h"

namespace sks::p11 {

/// Keeps OpenSSL engines of the application away from the keys of this library. Once per process, before any other use
/// of library_context(); fails with crypto.
///
/// A program that makes an engine its default (openssl -engine pkcs11) makes it the default for every EVP_PKEY
/// operation in the process, those of this module included, whatever library context their keys live in: EVP_PKEY_CTX
/// looks for an engine by the first name of the key type. The engine for PKCS#11 would then be asked to carry out what
/// it had asked us for. So library_context() gets OpenSSL's default provider with a name of ours before each of its key
/// types: no engine answers to that one.
Result<void> shield_from_engines();

}  // namespace sks::p11
