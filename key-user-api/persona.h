#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealed-storage/persona_file.h"
#include "sealed-storage/store_state.h"
#include "sks-core/base/result.h"

/// Personas: the key stores of one person, told apart by name. Each is a folder of that name.
namespace sks {

inline constexpr const char* kDefaultPersona = "default";
inline constexpr std::size_t kMaxPersonaName = sealed::kPersonaNameField;

/// Fails with option unless `name` is 1 to kMaxPersonaName lower-case letters, digits, '-' and '_', of which the first
/// is a letter or digit.
Result<void> check_persona_name(std::string_view name);

/// The folder that holds the stores of all personas: $XDG_DATA_HOME/sks, else .local/share/sks in $HOME or, without
/// it, in the home folder that the user database has.
std::string personas_folder();

/// The store of a persona. Fails as check_persona_name.
Result<std::string> persona_folder(std::string_view name);

/// A key store that was chosen, which need not exist.
struct ChosenStore {
  std::string folder;
  std::string persona;  ///< empty when it was chosen by its folder
};

/// The store that a program works with: `store` if given, else that of `persona`, else $SKS_STORE, else that of
/// $SKS_PERSONA, else that of the persona "default". An empty variable is none. Fails as check_persona_name.
Result<ChosenStore> choose_store(const std::optional<std::string>& store = {},
                                 const std::optional<std::string>& persona = {});

/// A persona that there is.
struct Persona {
  std::string name;
  std::string folder;
  sealed::StoreState state;
};

/// All personas, by name. What has no proper name or holds no store is none. Fails with storage.
Result<std::vector<Persona>> list_personas();

}  // namespace sks
