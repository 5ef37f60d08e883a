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
};
template <class T>
using Answer = Result<T, Rv>;

/// The code for an SKS error that no chapter of PKCS#11 names more precisely.
CK_RV to_ckrv(Status status);

/// Passes an SKS result on as an answer.
Answer<void> answer(const Result<void>& result);
template <class T>
Answer<T> answer(Result<T> result) {
  if (!result) return Rv{to_ckrv(result.error().status)};
  return std::move(result).value();
}

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

/// The two-call convention: a null buffer asks for the size, and a buffer that is too small says so; in both cases
/// nothing has happened yet. `produce` returns an Answer with at most `size` elements and is called only when they fit.
template <class T, class Produce>
CK_RV emit(T* out, CK_ULONG* out_count, std::size_t size, Produce&& produce) {
  if (out == nullptr) {
    *out_count = size;
    return CKR_OK;
  }
  if (*out_count < size) {
    *out_count = size;
    return CKR_BUFFER_TOO_SMALL;
  }
  auto produced = produce();
  if (!produced) return produced.error().code;
  std::copy(produced->begin(), produced->end(), out);
  *out_count = produced->size();
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

}  // namespace sks::p11
