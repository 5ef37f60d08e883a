#include "key-user-api/key_files/key_files.h"

#include <algorithm>

#include "key-user-api/key_files/collection.h"
#include "key-user-api/key_files/der.h"
#include "key-user-api/key_files/jwk.h"
#include "key-user-api/key_files/pem.h"

namespace sks::key_files {
namespace {

bool is_json(ByteView content) {
  const auto is_space = [](std::uint8_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  const auto first = std::ranges::find_if_not(content, is_space);
  return first != content.end() && *first == '{';
}

Result<void> read(ByteView content, Reading& reading) {
  if (is_json(content)) return read_jwk(content, reading);
  if (is_pem(content)) return read_pem(content, reading);
  return read_der(content, reading);
}

}  // namespace

Result<KeyFile> read_key_file(ByteView content, const AskPassphrase& ask) {
  if (content.size() > kMaxFile)
    return Error{Status::option, "the file is longer than " + std::to_string(kMaxFile) + " bytes"};
  Reading reading{{}, Passphrase(ask)};
  SKS_TRY(read(content, reading));
  return std::move(reading.found).finish();
}

}  // namespace sks::key_files
