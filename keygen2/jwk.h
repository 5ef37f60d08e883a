#pragma once

#include <optional>

#include "keygen2/json_reader.h"
#include "keygen2/json_writer.h"
#include "sks-core/crypto/public_key.h"

/// Public keys as JSON objects. Spec: keygen2.md 5.1.
namespace sks::keygen2 {

/// Where a key stands decides of which types it may be.
enum class KeyPlace : std::uint8_t {
  ephemeral,   ///< EC; another type fails with crypto
  management,  ///< RSA or EC; another type fails with value
  generated,   ///< any
  signature,   ///< RSA or EC with a JOSE curve name; another type fails with crypto, another name with value
};

/// Reads the mandatory key object `name`. Empty after a failure: value (unknown type or curve), crypto (malformed key,
/// or a point not on its curve).
std::optional<crypto::PublicKey> read_public_key(JsonReader& in, std::string_view name, KeyPlace place);

void write_public_key(JsonWriter& out, std::string_view name, const crypto::PublicKey& key);

}  // namespace sks::keygen2
