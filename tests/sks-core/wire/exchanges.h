#pragma once

#include <string>
#include <vector>

#include "sks-core/engine/secure_key_store.h"

namespace sks::test {

/// Bytes as people write them down: hexadecimal digits, 'text', and blanks where they help.
Bytes wire_bytes(std::string_view notation);

/// One call of a method with a SpyStore at the far end, its bytes written by hand from the tables of sks-api.md chapter
/// 4 and sks-extensions.md.
struct Exchange {
  const char* name;
  const char* request;   ///< see wire_bytes
  const char* call;      ///< as SpyStore notes it
  const char* response;  ///< to what SpyStore answers
  const char* result;    ///< as `ask` writes it down
  Result<std::string> (*ask)(SecureKeyStore&);
};

/// Every method once, in the order of the ids.
const std::vector<Exchange>& exchanges();

}  // namespace sks::test
