#pragma once

#include <string>

#include "key-user-api/ssh_agent/agent.h"
#include "sks-core/crypto/private_key.h"

/// The other parties of an SSH connection, as far as an agent hears of them.
namespace sks::test {

/// The blob that a key signs with, in its only or its best scheme.
const ssh::Scheme& scheme_of(const crypto::PrivateKey& key);
Bytes ssh_signature(const crypto::PrivateKey& key, ByteView message);
Bytes ssh_blob(const crypto::PrivateKey& key);

/// A server with its key, and one session with it.
struct Host {
  explicit Host(const std::string& algorithm, std::string id = "session");
  ssh::Bind bind(bool forwarding) const { return {host_key, session_id, forwarding}; }

  crypto::PrivateKey key;
  Bytes host_key;
  Bytes session_id;
  Bytes signature;
};

/// The data of a login. `host` null: without a host key in it.
Bytes login_data(const Bytes& session_id, const std::string& user, std::string_view scheme, const Bytes& key_blob,
                 const Host* host = nullptr);

// Messages of clients, without their lengths.
Bytes list_message();
Bytes sign_message(const Bytes& key_blob, const Bytes& data, std::uint32_t flags = 0);
Bytes lock_message(std::string_view passphrase);
Bytes unlock_message(std::string_view passphrase);
Bytes bind_message(const Host& host, bool forwarding);

inline constexpr std::uint8_t kAgentFailure = 5;
inline constexpr std::uint8_t kAgentSuccess = 6;
inline constexpr std::uint8_t kIdentitiesAnswer = 12;
inline constexpr std::uint8_t kSignResponse = 14;
inline constexpr std::uint8_t kExtensionFailure = 28;
inline constexpr std::uint8_t kExtensionResponse = 29;

}  // namespace sks::test
