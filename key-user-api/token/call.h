#pragma once

#include <span>
#include <string_view>

#include "key-user-api/token/key_access.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/wire/body_writer.h"

/// One request on its way through the service, and the rows that serve requests.
namespace sks::token {

struct Call {
  SecureKeyStore& store;
  KeyAccess& keys;
  Application& application;
  const Program& program;
  ByteReader& in;         ///< behind the method; a handler reads all of it, and then asks finish()
  wire::BodyWriter& out;  ///< behind the status
  UseRecord& record;
};

struct MethodRow {
  std::uint8_t id;
  std::string_view name;  ///< as in spec/sksd.md
  bool is_use;            ///< for the log
  Outcome<void> (*serve)(Call& call);
};

/// Rows of spec/sksd.md 7 (methods 180 to 190), ascending.
std::span<const MethodRow> operation_methods();

/// Mechanisms that a slot offers, spec/sksd.md 5 listMechanisms.
struct MechanismInfo {
  CK_MECHANISM_TYPE type;
  CK_ULONG min_key_size;  ///< in the unit that PKCS#11 gives for the mechanism
  CK_ULONG max_key_size;
  CK_FLAGS flags;
};
std::span<const MechanismInfo> all_mechanisms();

}  // namespace sks::token
