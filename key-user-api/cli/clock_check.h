#pragma once

#include "sks-core/base/result.h"
#include "sks-core/engine/secure_key_store.h"

/// A clock that was set back: sessions do not expire, and certificates seem not to be valid yet. The key store is proof
/// of the time that it has seen: its device certificate and the sessions in it were made at a time that is past.
namespace sks::cli {

/// What a clock may be put back by those who keep it right, in seconds.
constexpr std::int64_t kClockTolerance = 300;

/// Whether `now`, in seconds since 1970, can be the time. Fails as the enumerations of the key store, and with
/// not_allowed when the key store was in use more than kClockTolerance after `now`.
Result<void> check_clock(SecureKeyStore& store, std::int64_t now);

}  // namespace sks::cli
