#pragma once

#include "conformance/recording.h"
#include "sks-core/crypto/private_key.h"

namespace sks::conformance {

/// A signature that a key management key made while a session was recorded.
struct RecordedSignature {
  const crypto::PrivateKey* key;
  Bytes data;
  Bytes signature;
};

/// What a session used and nobody could tell from its messages and calls.
struct SessionSecrets {
  const crypto::PrivateKey* server_ephemeral_key;
  std::vector<const crypto::PrivateKey*> key_management_keys;
  std::vector<RecordedSignature> signatures;
};

/// The file secrets.json of a recording whose messages and calls are complete: everything is computed from them with
/// the tables of mac_input.h, and not taken from the two halves. `session` counts the sessions of a test from 1. Fails
/// with option, and the sentence of the first thing that does not read.
Result<Json> make_secrets(const Recording& recording, std::string_view test, std::size_t session,
                          const SessionSecrets& known);

}  // namespace sks::conformance
