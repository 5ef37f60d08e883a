#pragma once

#include <ostream>
#include <string_view>
#include <vector>

#include "sealed-storage/backup_file.h"

namespace sks::cli {

/// What a backup holds, for people and without secrets: where it is from, a table of its keys, and one of those that
/// stayed behind with the reasons. A certificate that does not decode is told as unreadable.
void show_backup(const sealed::Backup& backup, std::ostream& out);

/// A table of keys under a title; nothing when there are none.
void show_keys(const std::vector<sealed::BackupKey>& keys, std::string_view title, std::ostream& out);

/// Those that stayed behind alone; nothing when there are none.
void show_left_behind(const sealed::Backup& backup, std::ostream& out);

}  // namespace sks::cli
