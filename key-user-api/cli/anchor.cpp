#include <sys/stat.h>

#include <filesystem>

#include "key-user-api/cli/commands.h"
#include "key-user-api/local_store.h"

namespace sks::cli {
namespace {

/// Whoever puts back the file system of the store puts back an anchor on it too.
bool on_one_file_system(const sealed::AnchorChoice& anchor, const std::string& store) {
  struct stat of_anchor {};
  struct stat of_store {};
  return !anchor.place.empty() && ::stat(anchor.place.c_str(), &of_anchor) == 0 &&
         ::stat(store.c_str(), &of_store) == 0 && of_anchor.st_dev == of_store.st_dev;
}

}  // namespace

void describe_anchor(const sealed::AnchorChoice& anchor, const std::string& store, std::ostream& out) {
  out << "The key store in " << store << " is anchored by: " << sealed::to_string(anchor) << "\n";
  if (on_one_file_system(anchor, store))
    out << "The anchor is on the file system of the key store: it does not notice when both are put back together.\n";
}

Result<void> run_anchor(const AnchorOptions& options, SecretSource& secrets, std::ostream& out) {
  SKS_TRY(LocalStore::set_anchor(options.store, options.anchor, secrets, options.check));
  describe_anchor(options.anchor, options.store, out);
  return {};
}

}  // namespace sks::cli
