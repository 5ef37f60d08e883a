#pragma once

#include <string>
#include <vector>

#include "key-user-api/ssh_agent/signatures.h"
#include "key-user-api/token/service.h"

namespace sks::ssh {

struct Identity {
  Bytes key_blob;
  std::string comment;  ///< printable, in one line
  KeyHandle handle;     ///< in its key store
};

/// Who wants a signature, and for what.
struct Requester {
  token::Program program;
  std::vector<std::string> hosts;  ///< fingerprints of the hosts that the connection is bound to, nearest first
  std::string user;                ///< who is logged in at the last host; empty: it is no login
  bool forwarded = false;          ///< the program is at another host
};

/// The keys that an agent offers. Thread-safe.
class AgentKeys {
 public:
  virtual ~AgentKeys() = default;

  /// Keys that may sign, at most kMaxIdentities.
  virtual Result<std::vector<Identity>> identities() = 0;

  /// The identity with this blob. Fails with no_key.
  virtual Result<Identity> find(ByteView key_blob) = 0;

  /// A signature blob. Asks for the PIN where the key has one. Fails with no_key, not_allowed (suspended),
  /// authorization (the PIN is wrong or locked), user_abort (nobody gives it), or as the key store.
  virtual Result<Bytes> sign(const Requester& requester, ByteView key_blob, const Scheme& scheme, ByteView data) = 0;

  /// Forgets every PIN.
  virtual void forget_pins() = 0;
};

inline constexpr std::size_t kMaxIdentities = 2'048;

}  // namespace sks::ssh
