#pragma once

#include <optional>
#include <string>

#include "keygen2/json_reader.h"
#include "keygen2/json_writer.h"
#include "sks-core/crypto/public_key.h"

/// Signatures inside JSON objects. Spec: keygen2.md 5.5.
namespace sks::keygen2 {

struct JsfSignature {
  std::string algorithm;
  std::optional<crypto::PublicKey> public_key;  ///< always there
  Bytes value;
  std::string signed_text;  ///< as received: the object without signature.value, canonical
};

/// Reads the mandatory member `signature` of an object. Fails with json (a member that has no place here), value
/// (unknown algorithm), crypto (no public key, or one that does not fit the algorithm).
JsfSignature read_jsf_signature(JsonReader& in);

void write_jsf_signature(JsonWriter& out, const JsfSignature& signature);

/// The algorithm for a key: RS256 or ES256. None for a key of another type.
std::optional<std::string> jsf_algorithm(const crypto::PublicKey& key);

/// Whether a signature that was read is one by its own public key. Fails with crypto.
Outcome<void> verify_jsf(const JsfSignature& signature);

}  // namespace sks::keygen2
