#pragma once

#include <memory>

#include "key-user-api/ssh_agent/agent_keys.h"
#include "key-user-api/ssh_agent/agent_lock.h"
#include "key-user-api/ssh_agent/session_binds.h"
#include "sks-core/base/byte_reader.h"

/// The SSH agent protocol (draft-ietf-sshm-ssh-agent) and session-bind@openssh.com, without sockets.
namespace sks::ssh {

/// Of a message without its length, in both directions.
inline constexpr std::size_t kMaxMessage = 256 * 1024;

/// Before which signatures the user is asked for consent.
enum class Confirm : std::uint8_t { never, forwarded, always };

/// A request, for the log.
struct AgentUse {
  std::string_view request;         ///< "sshSign", "sshLock" ...; a text that never goes away
  std::optional<KeyHandle> handle;  ///< none: the request is about no key that is there
  std::string key;                  ///< fingerprint; empty where there is none
  std::string_view scheme;          ///< of a signature
  std::vector<std::string> hosts;
  token::Program program;
  std::optional<Error> failure;
  std::chrono::microseconds duration{};
};

struct AgentPorts {
  AgentKeys& keys;
  token::TrustedDialog& dialog;
  const Random& random;
  AgentLock::Pause pause;
  /// Gets every signature, lock, unlock, bind and refusal. May be empty. Called by several threads at once.
  std::function<void(const AgentUse&)> record = {};
};

struct AgentOptions {
  Confirm confirm = Confirm::never;
};

/// What the connections of an agent share. Thread-safe.
class Agent {
 public:
  explicit Agent(AgentPorts ports, AgentOptions options = {});

  const AgentPorts& ports() const { return ports_; }
  const AgentOptions& options() const { return options_; }
  AgentLock& lock() { return lock_; }

 private:
  AgentPorts ports_;
  AgentOptions options_;
  AgentLock lock_;
};

struct Reply {
  Bytes message;       ///< without its length; never empty
  bool close = false;  ///< the request was malformed: there is no telling what comes next
};

/// One connection. Its requests are answered one after the other.
class AgentConnection {
 public:
  AgentConnection(Agent& agent, token::Program program) : agent_(agent), program_(std::move(program)) {}

  /// Answers a message without its length. Throws only for want of memory.
  Reply answer(ByteView message);

 private:
  struct Request {
    ByteReader in;
    AgentUse use;
    bool malformed = false;
  };
  struct Row {
    std::uint8_t id;
    std::string_view name;
    bool is_recorded;
    Result<Bytes> (AgentConnection::*handle)(Request& request);
  };
  static const Row kRows[];

  static Result<void> finish(Request& request);

  Result<Bytes> list(Request& request);
  Result<Bytes> sign(Request& request);
  Result<Bytes> lock(Request& request);
  Result<Bytes> unlock(Request& request);
  Result<Bytes> extend(Request& request);
  Result<Bytes> bind_session(Request& request);

  Result<Bytes> permitted_signature(ByteView key_blob, const Scheme& scheme, ByteView data, AgentUse& use);
  Requester requester(ByteView data) const;
  std::vector<std::string> hosts() const;

  Agent& agent_;
  token::Program program_;
  SessionBinds binds_;
};

}  // namespace sks::ssh
