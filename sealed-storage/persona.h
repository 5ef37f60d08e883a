#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "sealed-storage/files.h"
#include "sealed-storage/master_key.h"
#include "sealed-storage/persona_file.h"

/// How a whole store goes: into a file and back, or for good. Spec: spec/persona.md.
namespace sks::sealed {

/// Whether somebody wants what runs to end. It is asked as long as everything can be undone; what was begun is undone
/// then, and fails with user_abort.
using Stop = std::function<bool()>;
inline bool never() { return false; }

/// Whether a store may come to life. It is asked when nothing else is to be done before, and while no other import into
/// the same folder can make one come to life.
using LastCheck = std::function<Result<void>()>;
inline Result<void> no_check() { return {}; }

/// What remove_store() would refuse before it changes anything, but for use by another process: for whoever has to do
/// something else before.
Result<void> check_removable(const std::string& folder);

/// Destroys a store: its master key first, so that what an interruption leaves behind cannot be opened. A store that
/// cannot be opened any more is removed too.
///
/// Fails with not_available (no store there; in use by process N), option (the folder holds something else, which is
/// to be moved away first) or storage. `patience`: how long to wait for another process that uses the store.
Result<void> remove_store(const std::string& folder, std::chrono::milliseconds patience = {});

struct ExportRequest {
  std::string folder;   ///< of the store
  std::string persona;  ///< its name, kept in the file
  std::string file;     ///< that is to be made
  std::chrono::milliseconds patience{};
  crypto::ScryptCosts costs = kDefaultCosts;
  Stop stop = never;
};

/// Moves a store into a file that did not exist. At every instant there is the store or the file, whole; the store is
/// removed when the file has been read back and is durable.
///
/// Fails with not_available (no store there; in use by process N), option (the file exists, or lies in the store's
/// folder; the folder holds something else; the store has an anchor), crypto (the store cannot be opened any more, or
/// was altered), storage (also when the file is there, but may not survive a power cut), user_abort, or as the sources
/// of secrets; the store is there then. Fails so, too, when the file is there for good, but the store could not be
/// removed. The sentence says whether the file was made.
Result<void> export_store(const ExportRequest& request, SecretSource& store_secrets, SecretSource& file_secrets);

/// The file of an exported persona, locked: no other process of this machine imports it meanwhile.
class ExportedPersona {
 public:
  /// Fails with not_available (no such file; in use by another process), option (not an exported persona, or one of a
  /// higher version), crypto (damaged) or storage.
  static Result<ExportedPersona> open(const std::string& path);

  const PersonaHead& head() const { return head_; }

  /// Puts the store into `folder`, with its master key under `protection`, and destroys the file. At every instant
  /// there is the store or the file, whole.
  ///
  /// Fails with option (there is a store already, or something in the way), storage (also when the file could not be
  /// destroyed afterwards), authorization (wrong passphrase), crypto (damaged), user_abort, or as the sources of
  /// secrets; nothing is changed then, but for what interrupted imports have left beside the folder, which is removed
  /// once the passphrase is right. Fails with external when the store is in its place and the file is there too: the
  /// one may not survive a power cut, or the other could not be destroyed or removed. Fails as `last_check`, too, and
  /// nothing is changed then.
  Result<void> import_to(const std::string& folder, const Protection& protection, SecretSource& store_secrets,
                         SecretSource& file_secrets, const Stop& stop = never, const LastCheck& last_check = no_check);

  /// Fails with storage unless the file, which is locked, still has this name.
  Result<void> check_name(const std::string& path) const;

  /// Whether the file opens, holds this master key and its image is whole. Fails as import_to.
  Result<void> verify(ByteView master_key, SecretSource& file_secrets, const Stop& stop = never);

 private:
  ExportedPersona(std::string path, FileDescriptor file, Bytes head_bytes, PersonaHead head)
      : path_(std::move(path)), file_(std::move(file)), head_bytes_(std::move(head_bytes)), head_(std::move(head)) {}

  Result<void> copy_image(const std::string& database, const Stop& stop);
  Result<void> make_store(const std::string& staging, const std::string& name, ByteView master_key,
                          const Protection& protection, SecretSource& store_secrets, const Stop& stop);

  std::string path_;
  FileDescriptor file_;
  Bytes head_bytes_;
  PersonaHead head_;
};

/// The folders in `folder`, by name, that imports have left which did not come to their end, and hold a store that was
/// not finished, maybe with its master key. The next import into `folder` removes them. A store that somebody has moved
/// to such a name is none of them.
std::vector<std::string> interrupted_imports(const std::string& folder);

}  // namespace sks::sealed
