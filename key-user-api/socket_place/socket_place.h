#pragma once

#include <optional>
#include <string>
#include <string_view>

/// Where the sksd of a key store listens, and how it is started. Spec: spec/sksd.md 1.
///
/// For the PKCS#11 module too: needs no OpenSSL and opens no file.
namespace sks {

/// The longest name of a persona, and of a path that a socket can have, in bytes.
inline constexpr std::size_t kMaxPersonaNameLength = 64;
inline constexpr std::size_t kMaxSocketPath = 107;

struct SocketPlace {
  std::string socket;  ///< absolute name
  /// The arguments that start a sksd for it: "--for" PERSONA or "--for-store" FOLDER. Both empty when SKS_SOCKET names
  /// the socket: whoever set it starts its server.
  std::string start_option;
  std::string start_value;
};

/// A place, or the sentence that says why there is none.
struct SocketPlaceOrProblem {
  std::optional<SocketPlace> place;
  std::string problem;
};

/// 1 to 64 lower-case letters, digits, '-' and '_', of which the first is a letter or digit.
bool is_persona_name(std::string_view name);

/// The sentence that refuses a name that is none, with its first 64 bytes as they are.
std::string describe_bad_persona_name(std::string_view name);

/// Problems, in this order: the name is none; the user has no folder for sockets; the path is too long for a socket.
SocketPlaceOrProblem socket_of_persona(std::string_view persona);

/// Of a store in a folder of its own, which need not exist. Problems as above.
SocketPlaceOrProblem socket_of_store(const std::string& folder);

/// What the environment says, as it is now: SKS_SOCKET, else SKS_STORE, else SKS_PERSONA, else the persona "default".
/// An empty variable is none. Problems as above, or SKS_SOCKET is not an absolute name.
SocketPlaceOrProblem socket_of_environment();

/// The folder name by which a store's socket is called: absolute, without symbolic links as far as the folder exists.
std::string canonical_folder(const std::string& folder);

}  // namespace sks
