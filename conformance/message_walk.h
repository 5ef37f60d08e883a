#pragma once

#include <optional>

#include "conformance/mac_input.h"

/// The order in which MACs are made over the elements of messages. Spec: keygen2.md 4.8, 4.12 and 7.6.
namespace sks::conformance {

/// Is shown the elements of a message in the order of their counters.
class ElementVisitor {
 public:
  virtual ~ElementVisitor() = default;

  /// An element with the input of its MAC. `mac` is where the MAC stands, or would stand.
  virtual void on_protected(const Format& format, const Values& values, const Node& mac) = 0;
  /// A keyEntrySpecifier was shown: the next counter is that of the attestation of its key.
  virtual void on_key(const Node& specifier) = 0;
  /// The public key that was generated for the credential with this id. None: the rest of the credential is left out.
  virtual std::optional<Node> find_public_key(const Node& id) = 0;
};

void walk_key_creation(const Node& request, ElementVisitor& visitor);
/// Everything but the close.
void walk_finalization(const Node& request, ElementVisitor& visitor);

/// `ids` is the message that the session ids are taken from.
Values close_values(const Node& ids, const Node& issuer_uri, const Node& nonce);

}  // namespace sks::conformance
