#pragma once

#include <algorithm>
#include <new>

#include "key-user-api/pkcs11/cryptoki.h"
#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

namespace sks::p11 {

/// What the inner functions of the module return: a value, or the code that the application gets.
struct Rv {
  CK_RV code;
  bool is_unreachable = false;  ///< there is no daemon, and none could be started
};
template <class T>
using Answer = Result<T, Rv>;

/// Keeps exceptions from the application, which may be written in C.
template <class Body>
CK_RV guard(Body&& body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return CKR_HOST_MEMORY;
  } catch (...) {
    return CKR_GENERAL_ERROR;
  }
}

/// The two-call convention for lists that are there: a null buffer asks for the number, and a buffer that is too small
/// says so.
template <class T>
CK_RV emit_list(T* out, CK_ULONG* out_count, std::span<const T> list) {
  const CK_ULONG room = *out_count;
  *out_count = list.size();
  if (out == nullptr) return CKR_OK;
  if (room < list.size()) return CKR_BUFFER_TOO_SMALL;
  std::copy(list.begin(), list.end(), out);
  return CKR_OK;
}

inline CK_RV code_of(const Answer<void>& done) { return done ? CKR_OK : done.error().code; }

template <class T, class Value>
CK_RV assign(T* out, const Answer<Value>& value) {
  if (!value) return value.error().code;
  *out = *value;
  return CKR_OK;
}

/// Fills a fixed text field of the standard: blank padded, not terminated, cut where it does not fit.
template <std::size_t Size>
void fill_text(unsigned char (&field)[Size], std::string_view text) {
  std::fill(std::begin(field), std::end(field), static_cast<unsigned char>(' '));
  std::copy_n(text.begin(), std::min(text.size(), Size), std::begin(field));
}

inline bool is_missing(const void* data, CK_ULONG size) { return data == nullptr && size != 0; }

}  // namespace sks::p11
