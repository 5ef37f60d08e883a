#pragma once

#include <optional>
#include <string>

#include "sealed-storage/record.h"

namespace sks::sealed {

/// What a store shows without its master key, and while another process uses it.
struct StoreState {
  std::optional<StoreId> store_id;    ///< none when the database cannot be read
  std::string protection;             ///< name of a MasterKeyProvider; empty when the master key file cannot be read
  std::optional<std::string> holder;  ///< "process N"
  bool destroyed = false;             ///< the master key is gone: what is left can never be opened
  std::string problem;                ///< why something above is missing, one sentence; else empty
};

/// Looks at a store without changing anything. None when there is no store in `folder`, and no remains of one; a folder
/// that cannot be looked into is a store with a problem.
std::optional<StoreState> look_at_store(const std::string& folder);

/// Whether a removal has destroyed the master key of a store, and was interrupted behind that: there is no such name,
/// or a file of zeros alone. A link is none of both, wherever it leads to.
bool master_key_is_destroyed(const std::string& master_key_path);

}  // namespace sks::sealed
