#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "key-user-api/cli/listed_key.h"
#include "key-user-api/token_names.h"
#include "key-user-api/user_api.h"

/// Keys as PKCS#11 applications see them, and how users name keys.
namespace sks::cli {

struct TokenKey {
  ListedKey key;
  bool symmetric;
  std::uint32_t slot;
  TokenNames token;
  Bytes id;           ///< CKA_ID
  std::string label;  ///< CKA_LABEL, UTF-8
  bool is_hidden;     ///< applications do not see it: a PIN manager
};

/// All keys in ascending order of handles. Fails as list_keys() and get_extension.
Result<std::vector<TokenKey>> list_token_keys(SecureKeyStore& store, const UserApi::PinGroupOf& pin_group_of);

/// The RFC 7512 URI of one object of a key. `type`: as there, "private", "public", "cert" or "secret-key".
std::string pkcs11_uri(const TokenKey& key, std::string_view type);

/// The handle, in decimal, of the key that a user names: by handle, certificate fingerprint (64 hexadecimal digits),
/// CKA_ID (hexadecimal), label, or RFC 7512 URI, tried in this order.
///
/// Fails with no_key (none), option (several, or a URI that is malformed or asks for what no key has), or as
/// list_token_keys().
Result<std::string> resolve_key(SecureKeyStore& store, const UserApi::PinGroupOf& pin_group_of,
                                const std::string& text);

}  // namespace sks::cli
