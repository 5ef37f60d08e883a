#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sks-core/base/bytes.h"

namespace sks::keygen2 {

struct ConsentRequest {
  std::string host;        ///< TLS-verified name of the issuer
  std::string action;      ///< "manage" or "unlock"
  bool device_identified;  ///< privacyEnabled is false
  /// What the issuer will do, one sentence each, where its first message tells: when a deferred run is resumed.
  std::vector<std::string> consequences = {};
};

/// A key that is about to be created, told before because some kinds take a while.
struct KeyCreationProgress {
  std::size_t number;     ///< counts from 1
  std::size_t total;      ///< keys of this run
  std::string key_name;   ///< friendly name, or id
  std::string algorithm;  ///< URI
};

/// One PIN to be chosen. Spec: keygen2.md 8.4.
struct PinRequest {
  std::string label;                   ///< "PIN", "signature PIN", "authentication PIN", "encryption PIN"
  std::vector<std::string> key_names;  ///< friendly name, or id, of the keys it will protect
  std::uint8_t format;
  std::uint16_t min_length;  ///< bytes
  std::uint16_t max_length;
  std::uint16_t retry_limit;
  std::uint8_t pattern_restrictions;
  std::uint8_t grouping;
};

/// What the client asks its user. Implementations: terminal, pinentry, script.
class UserDialog {
 public:
  virtual ~UserDialog() = default;
  virtual bool consent(const ConsentRequest& request) = 0;
  /// The chosen PIN as bytes, or none to cancel the session. `problem` is empty at the first try, and says afterwards
  /// which rule the last PIN broke.
  virtual std::optional<SecureBytes> choose_pin(const PinRequest& request, const std::string& problem) = 0;
  /// Whether to go on with more keys than the sanity limit (keygen2.md Appendix B and E.5).
  virtual bool accept_many_keys(std::size_t count) = 0;
  /// Whether the issuer may learn these attributes of the device, URIs of keygen2.md 4.2.
  virtual bool disclose(const std::vector<std::string>& /*attributes*/) { return false; }
  /// Tells the user something about the issuer's keys that is not a question, one sentence. Spec: keygen2.md 9.6.
  virtual void alert(const std::string& /*sentence*/) {}
  /// Asks nothing: a dialog may show it.
  virtual void creating_key(const KeyCreationProgress& /*progress*/) {}
};

}  // namespace sks::keygen2
