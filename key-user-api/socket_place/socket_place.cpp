#include "key-user-api/socket_place/socket_place.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>

namespace sks {
namespace {

std::string environment(const char* name) {
  const char* const value =
      std::getenv(name);  // NOLINT(concurrency-mt-unsafe): programs that change it are on their own
  return value == nullptr ? std::string() : std::string(value);
}

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_our_folder(const std::string& name) {
  struct stat found {};
  return ::stat(name.c_str(), &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == ::geteuid();
}

/// Empty when the user has none.
std::string folder_of_sockets() {
  if (std::string runtime = environment("XDG_RUNTIME_DIR"); runtime.starts_with('/')) return runtime + "/sks";
  if (std::string runtime = "/run/user/" + std::to_string(::geteuid()); is_our_folder(runtime)) return runtime + "/sks";
  // Containers and services of root have no folder of a login session.
  if (std::string state = environment("XDG_STATE_HOME"); state.starts_with('/')) return state + "/sks";
  if (std::string home = environment("HOME"); home.starts_with('/')) return home + "/.local/state/sks";
  return {};
}

SocketPlaceOrProblem problem(std::string sentence) { return {std::nullopt, std::move(sentence)}; }

SocketPlaceOrProblem checked(SocketPlace place) {
  if (place.socket.size() > kMaxSocketPath)
    return problem(place.socket + " is too long for the path of a socket; choose a shorter one with SKS_SOCKET");
  return {std::move(place), {}};
}

SocketPlaceOrProblem in_folder_of_sockets(const std::string& name, std::string option, std::string value) {
  const std::string folder = folder_of_sockets();
  if (folder.empty()) return problem("there is no place for the socket of sksd: set XDG_RUNTIME_DIR or SKS_SOCKET");
  return checked({folder + "/" + name + ".sock", std::move(option), std::move(value)});
}

/// FNV-1a with 64 bits, as 16 hexadecimal digits.
std::string digest_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  std::string digits;
  for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789abcdef"[(hash >> shift) & 0xF];
  return digits;
}

}  // namespace

bool is_persona_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxPersonaNameLength && is_letter_or_digit(name.front()) &&
         std::ranges::all_of(name, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; });
}

SocketPlaceOrProblem socket_of_persona(std::string_view persona) {
  if (!is_persona_name(persona)) return problem("the persona has a name that is none");
  const std::string name(persona);
  return in_folder_of_sockets(name, "--for", name);
}

SocketPlaceOrProblem socket_of_store(const std::string& folder) {
  const std::string canonical = canonical_folder(folder);
  return in_folder_of_sockets("store-" + digest_of(canonical), "--for-store", canonical);
}

SocketPlaceOrProblem socket_of_environment() {
  if (std::string socket = environment("SKS_SOCKET"); !socket.empty()) {
    if (!socket.starts_with('/')) return problem("SKS_SOCKET is not an absolute name");
    return checked({std::move(socket), {}, {}});
  }
  if (const std::string store = environment("SKS_STORE"); !store.empty()) return socket_of_store(store);
  const std::string persona = environment("SKS_PERSONA");
  return socket_of_persona(persona.empty() ? "default" : persona);
}

std::string canonical_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code failure;
  fs::path canonical = fs::weakly_canonical(fs::absolute(folder, failure), failure);
  if (failure) canonical = fs::absolute(folder, failure).lexically_normal();
  std::string name = canonical.string();
  while (name.size() > 1 && name.ends_with('/')) name.pop_back();
  return name;
}

}  // namespace sks
