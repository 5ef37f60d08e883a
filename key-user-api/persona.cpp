#include "key-user-api/persona.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include "key-user-api/socket_place/socket_place.h"

namespace sks {
namespace {

std::string environment(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read once, before threads start
  return value == nullptr ? std::string() : std::string(value);
}

/// Services and scheduled jobs often run without $HOME; the user database knows the folder all the same.
std::string home_folder() {
  if (std::string home = environment("HOME"); !home.empty()) return home;
  std::array<char, 16384> text{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, text.data(), text.size(), &found) != 0 || found == nullptr) return {};
  return found->pw_dir;
}

static_assert(kMaxPersonaName == kMaxPersonaNameLength);

Result<ChosenStore> store_of(const std::string& persona) {
  SKS_LET(std::string folder, persona_folder(persona));
  return ChosenStore{std::move(folder), persona};
}

}  // namespace

// No upper case: a medium that does not tell it from lower case would give two personas one folder. No dot: what is
// being made or removed lies beside the personas under names that have one.
Result<void> check_persona_name(std::string_view name) {
  if (is_persona_name(name)) return {};
  return Error{Status::option, describe_bad_persona_name(name)};
}

std::string personas_folder() {
  if (const std::string data = environment("XDG_DATA_HOME"); !data.empty()) return data + "/sks";
  return home_folder() + "/.local/share/sks";
}

Result<std::string> persona_folder(std::string_view name) {
  SKS_TRY(check_persona_name(name));
  return personas_folder() + "/" + std::string(name);
}

Result<ChosenStore> choose_store(const std::optional<std::string>& store, const std::optional<std::string>& persona) {
  if (store) return ChosenStore{*store, {}};
  if (persona) return store_of(*persona);
  if (std::string folder = environment("SKS_STORE"); !folder.empty()) return ChosenStore{std::move(folder), {}};
  if (const std::string named = environment("SKS_PERSONA"); !named.empty()) return store_of(named);
  return store_of(kDefaultPersona);
}

Result<std::vector<Persona>> list_personas() {
  namespace fs = std::filesystem;
  const std::string all = personas_folder();
  std::vector<Persona> personas;
  std::error_code failure;
  for (auto entry = fs::directory_iterator(all, failure); !failure && entry != fs::directory_iterator();
       entry.increment(failure)) {
    const std::string name = entry->path().filename().string();
    if (!check_persona_name(name)) continue;
    const std::string folder = all + "/" + name;
    if (auto state = sealed::look_at_store(folder)) personas.push_back({name, folder, std::move(*state)});
  }
  if (failure && failure != std::errc::no_such_file_or_directory)
    return Error{Status::storage, "cannot read " + all + ": " + failure.message()};
  std::ranges::sort(personas, {}, &Persona::name);
  return personas;
}

}  // namespace sks
