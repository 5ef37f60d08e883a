#pragma once

#include <map>
#include <memory>
#include <optional>

#include "conformance/document.h"
#include "sks-core/base/bytes.h"

/// What a key store has to hold and to tell after the calls that were made. Handles are those of the live key store.
namespace sks::conformance {

struct ModelKey {
  std::uint32_t session = 0;
  std::string id;
  Bytes public_key;                  ///< SPKI of the key that was generated
  Json entry = Json::object();       ///< the arguments of createKeyEntry
  Json attributes = Json::object();  ///< what getKeyAttributes returns
  Json protection = Json::object();  ///< what getKeyProtectionInfo returns; what cannot be known is not in it
  std::map<std::string, Json> extensions;
  Json pin;  ///< hexadecimal, or null
  Json puk;
  std::shared_ptr<const SecureBytes> symmetric_key;
};

struct ModelSession {
  bool open = false;
  Json info = Json::object();  ///< what enumerateProvisioningSessions returns
};

/// What postUpdateKey and the like asked for.
struct ModelOperation {
  enum class Kind : std::uint8_t { remove, unlock, update, clone };
  Kind kind;
  std::uint32_t target;
  std::uint32_t key = 0;  ///< the new one, where there is one
};

class KeyModel {
 public:
  std::map<std::uint32_t, ModelKey> keys;          ///< of closed sessions
  std::map<std::uint32_t, ModelSession> sessions;  ///< open and closed

  /// What the enumerations return after `previous`, or null.
  Json key_after(std::uint32_t previous) const;
  Json session_after(std::uint32_t previous, bool open) const;

  /// Spec: sks-api.md 4.3 steps 7 to 9, 7.5, 7.6.
  void close(std::uint32_t session, std::map<std::uint32_t, ModelKey> made,
             const std::vector<ModelOperation>& operations);
  /// Spec: sks-api.md 1.4.
  void remove_key(std::uint32_t key);
};

/// getKeyProtectionInfo of a new key. `pin` and `puk` are the arguments with which its policies were made, or null.
/// Spec: sks-api.md 4.19.
Json protection_of(const Json& entry, const Json& pin, const Json& puk);

}  // namespace sks::conformance
