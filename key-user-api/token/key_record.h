#pragma once

#include <array>
#include <optional>
#include <vector>

#include "key-user-api/token/digest_index.h"
#include "key-user-api/token/key_details.h"
#include "sks-core/engine/key_notes.h"

namespace sks::token {

/// Attributes by which objects are found without looking into the key store.
enum class Indexed : std::uint8_t { id, label, subject, issuer, serial_number, value, modulus, ec_point, count };
using Digests = std::array<Digest, static_cast<std::size_t>(Indexed::count)>;

/// A key as far as finding it and its yes-or-no attributes take. There may be many.
struct KeyRecord {
  /// That owns it: another one may have put another key under this handle. 0: not known yet.
  ProvisioningHandle session;
  KeyMark mark = 0;  ///< of the key that this was made from; 0: not known
  std::optional<KeyKind> kind;
  std::uint32_t size = 0;  ///< bits of a modulus, bytes of a secret
  CK_KEY_TYPE key_type = 0;
  std::uint16_t usages = 0;
  bool has_objects = true;  ///< besides authorities
  bool is_imported = false;
  bool is_extractable = false;
  bool always_authenticate = false;
  bool has_properties = false;
  bool has_own_certificate = true;
  DeleteProtection delete_protection = DeleteProtection::forbidden;
  Digests digests{};
  std::vector<Digest> authorities;  ///< of CKA_VALUE, from part 4 on

  bool operator==(const KeyRecord&) const = default;
};

}  // namespace sks::token
