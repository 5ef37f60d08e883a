#include "key-user-api/socket_place/socket_place.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

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

struct FreeDeleter {
  void operator()(char* text) const { std::free(text); }
};

std::string absolute_name(const std::string& name) {
  if (name.starts_with('/')) return name;
  const std::unique_ptr<char, FreeDeleter> here(::getcwd(nullptr, 0));
  return std::string(here == nullptr ? "" : here.get()) + "/" + name;
}

/// Without empty parts, ".", and ".." with what is before it. Absolute names stay absolute.
std::string without_detours(std::string_view name) {
  std::string plain;
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('/'), name.size());
    const std::string_view part = name.substr(0, end);
    name.remove_prefix(std::min(end + 1, name.size()));
    if (part.empty() || part == ".") continue;
    if (part == "..")
      plain.resize(plain.empty() ? 0 : plain.find_last_of('/'));
    else
      plain.append("/").append(part);
  }
  return plain.empty() ? "/" : plain;
}

}  // namespace

bool is_persona_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxPersonaNameLength && is_letter_or_digit(name.front()) &&
         std::ranges::all_of(name, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; });
}

std::string describe_bad_persona_name(std::string_view name) {
  return "'" + std::string(name.substr(0, kMaxPersonaNameLength)) +
         "' cannot name a persona: a name has 1 to 64 lower-case letters, digits, '-' and '_', and starts with a "
         "letter or digit";
}

SocketPlaceOrProblem socket_of_persona(std::string_view persona) {
  if (!is_persona_name(persona)) return problem(describe_bad_persona_name(persona));
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
  // Without std::filesystem, which brings the locales of the C++ library into every program that loads the module.
  std::string existing = absolute_name(folder);
  std::string rest;
  for (;;) {
    const std::unique_ptr<char, FreeDeleter> real(::realpath(existing.c_str(), nullptr));
    if (real != nullptr) return without_detours(std::string(real.get()) + "/" + rest);
    const std::size_t slash = existing.find_last_of('/');
    if (slash == std::string::npos) return without_detours(existing + "/" + rest);
    rest = existing.substr(slash + 1) + "/" + rest;
    existing.resize(slash);
    if (existing.empty()) return without_detours("/" + rest);
  }
}

}  // namespace sks
