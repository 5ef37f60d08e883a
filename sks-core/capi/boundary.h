#pragma once

#include <cstring>
#include <new>
#include <string>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"
#include "sks-core/capi/sks.h"

/// What every function of sks.h does at the border to C.
namespace sks::capi {

/// Writes `error`, if there is one, and returns the status.
sks_status report(sks_error* error, sks_status status, std::string_view text) noexcept;

/// Runs `body`, a function that returns Result<void>, and turns whatever happens into a status.
template <class Body>
sks_status guard(sks_error* error, Body body) noexcept {
  try {
    const Result<void> done = body();
    if (done) return report(error, SKS_OK, {});
    return report(error, static_cast<sks_status>(done.error().status), done.error().detail);
  } catch (const std::bad_alloc&) {
    return report(error, SKS_ERROR_INTERNAL, "Out of memory");
  } catch (...) {
    return report(error, SKS_ERROR_INTERNAL, "Unexpected fault");  // not what(): it may hold anything
  }
}

inline Error null_argument(std::string_view name) { return {Status::option, std::string(name) + " must not be null"}; }

/// Whatever a caller of a later version may have appended is less than this: more is a struct_size that was never set.
inline constexpr std::size_t kLargestGrowth = 1024;

/// Copies a struct that begins with struct_size. Fails with option: null, smaller than its first version, or with
/// members set that this version does not know.
template <class T>
Result<T> read_struct(const T* in, std::string_view name) {
  if (in == nullptr) return null_argument(name);
  const std::size_t size = in->struct_size;
  if (size < sizeof(T) || size > sizeof(T) + kLargestGrowth)
    return Error{Status::option, std::string(name) + " has a wrong struct_size"};
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(in);
  for (std::size_t at = sizeof(T); at < size; ++at)
    if (bytes[at] != 0) return Error{Status::option, std::string(name) + " is for a later version of the library"};
  T out;
  std::memcpy(&out, in, sizeof(T));
  return out;
}

/// Fails with option when there is a size but no data.
Result<ByteView> read_bytes(const std::uint8_t* data, std::size_t size, std::string_view name);
inline Result<ByteView> read_bytes(sks_bytes bytes, std::string_view name) {
  return read_bytes(bytes.data, bytes.size, name);
}

/// A flag is 0 or 1. Fails with option.
Result<bool> read_flag(std::uint8_t flag, std::string_view name);

/// A copy that sks_buffer_free takes back. Never null.
Result<sks_buffer> to_buffer(ByteView bytes);

}  // namespace sks::capi
