#include "key-user-api/cli/commands.h"
#include "key-user-api/local_store.h"

namespace sks::cli {

Result<void> run_reprotect(const ReprotectOptions& options, SecretSource& secrets, std::ostream& out) {
  SKS_TRY(LocalStore::reprotect(options.store, options.protection, secrets));
  out << "The key store in " << options.store << " is protected by: " << options.protection.provider->name << "\n";
  return {};
}

}  // namespace sks::cli
