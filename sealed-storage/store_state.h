#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sealed-storage/record.h"

namespace sks::sealed {

/// What a store shows without its master key, and while another process uses it.
struct StoreState {
  std::optional<StoreId> store_id;    ///< none when the database cannot be read
  std::string protection;             ///< name of a MasterKeyProvider; empty when the master key file cannot be read
  std::optional<std::string> holder;  ///< "process N"
  bool destroyed = false;             ///< the master key was overwritten: what is left can never be opened
  bool key_missing = false;           ///< a removal was interrupted, or somebody has the master key elsewhere
  std::string problem;                ///< why something above is missing, one sentence; else empty
};

/// Looks at a store without changing anything. None when there is no store in `folder`, and no remains of one; a folder
/// that cannot be looked into is a store with a problem.
std::optional<StoreState> look_at_store(const std::string& folder);

/// What is left of the master key of a store. A link, wherever it leads to, and what cannot be read are present.
enum class KeyState : std::uint8_t {
  present,
  missing,    ///< there is no such name, or an empty file: what it held may be elsewhere
  destroyed,  ///< a file of zeros alone, which a removal has left
};
KeyState look_at_key(const std::string& master_key_path);

/// What to do about a store in `folder` whose master key is missing.
std::string missing_key_advice(const std::string& folder);

}  // namespace sks::sealed
