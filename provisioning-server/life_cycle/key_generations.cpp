#include "provisioning-server/life_cycle/key_generations.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "provisioning-server/authority/certificate_files.h"
#include "provisioning-server/database/schema.h"
#include "provisioning-server/internal/files.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"

namespace sks::issuer {
namespace {

constexpr mode_t kPrivateFile = 0600;

std::string name_of(std::int64_t generation) {
  return generation == 1 ? "keys/kmk.key" : "keys/kmk-" + std::to_string(generation) + ".key";
}

Result<SqlRows> read_known(SqlTransaction& transaction) {
  return transaction.query("SELECT generation, public_key FROM key_management_keys ORDER BY generation", {});
}

/// How many of the keys are on record.
Result<std::int64_t> compare(const SqlRows& known, const KeyManager& keys) {
  for (const SqlRow& row : known) {
    const std::int64_t generation = row.integer(0);
    if (generation > keys.generation())
      return Error{Status::option, "the database knows key management key " + std::to_string(generation) + ", but " +
                                       name_of(generation) + " is missing: copy or restore it"};
    if (!equal(keys.public_key_of(generation), row.blob(1)))
      return Error{Status::option, name_of(generation) + " is not the key management key that the database knows as " +
                                       "generation " + std::to_string(generation) + ": restore that one"};
  }
  return static_cast<std::int64_t>(known.size());
}

}  // namespace

std::string key_generation_file(const IssuerPaths& paths, std::int64_t generation) {
  return generation == 1 ? paths.key_management_key : paths.folder + '/' + name_of(generation);
}

std::vector<std::string> key_generation_files(const IssuerPaths& paths) {
  std::vector<std::string> files;
  std::error_code failure;
  for (;;) {
    const std::string file = key_generation_file(paths, static_cast<std::int64_t>(files.size() + 1));
    if (!std::filesystem::exists(file, failure)) return files;
    files.push_back(file);
  }
}

Result<KeyManager> read_key_generations(const IssuerPaths& paths, const FileSeal& seal) {
  std::vector<std::string> files = key_generation_files(paths);
  if (files.empty()) files.push_back(paths.key_management_key);  // reading it tells what is wrong
  std::vector<crypto::PrivateKey> keys;
  for (const std::string& file : files) {
    SKS_LET(crypto::PrivateKey key, read_key_file(file, seal));
    if (const Result<void> usable = crypto::check_halves(key); !usable)
      return Error{usable.error().status, file + ": " + usable.error().detail};
    keys.push_back(std::move(key));
  }
  return KeyManager::from_keys(std::move(keys));
}

Result<std::int64_t> make_next_generation(const IssuerPaths& paths, const FileSeal& seal) {
  const auto generation = static_cast<std::int64_t>(key_generation_files(paths).size() + 1);
  const std::string file = key_generation_file(paths, generation);
  SKS_LET(const crypto::PrivateKey key, make_key());
  SKS_LET(const SecureBytes pem, key_to_pem(key));
  const std::string sealed = seal.seal(std::filesystem::path(file).filename().string(), pem.view());
  const std::string fresh = file + ".new-" + std::to_string(getpid());
  unlink(fresh.c_str());  // of a process with this number that was killed
  SKS_TRY(write_new_file(fresh, as_bytes(sealed), kPrivateFile));
  // link() and not rename(): it does not replace what another process has made.
  const int failed = link(fresh.c_str(), file.c_str()) == 0 ? 0 : errno;
  unlink(fresh.c_str());
  if (failed == EEXIST) return Error{Status::not_allowed, file + " was made by another process at the same time"};
  if (failed != 0)
    return Error{Status::storage,
                 "cannot make " + file + ": " + std::strerror(failed)};  // NOLINT(concurrency-mt-unsafe): glibc's is
  return generation;
}

Result<void> check_key_generations(Database& database, const KeyManager& keys) {
  return database.read([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const bool is_there, has_table(transaction, database.dialect(), "key_management_keys"));
    if (!is_there) return {};
    SKS_LET(const SqlRows known, read_known(transaction));
    SKS_TRY(compare(known, keys));
    return {};
  });
}

Result<void> note_key_generations(Database& database, AuditLog& audit, const KeyManager& keys, const std::string& actor,
                                  std::int64_t now) {
  std::int64_t count = 0;
  // Most of the time there is nothing to write.
  SKS_TRY(database.read([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const SqlRows known, read_known(transaction));
    SKS_LET(count, compare(known, keys));
    return {};
  }));
  if (count == keys.generation()) return {};
  return database.write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const SqlRows known, read_known(transaction));
    SKS_LET(const std::int64_t noted, compare(known, keys));
    for (std::int64_t generation = noted + 1; generation <= keys.generation(); ++generation) {
      const Bytes key = keys.public_key_of(generation);
      SKS_TRY(transaction.run("INSERT INTO key_management_keys (generation, public_key, since) VALUES ($1, $2, $3)",
                              {generation, key, now}));
      // The first one is as old as the issuer.
      if (generation > 1)
        SKS_TRY(audit.append(transaction, {now, actor, "kmk", "", "", "ok",
                                           "key management key " + std::to_string(generation) + ", SHA-256 " +
                                               to_hex(crypto::sha256(key))}));
    }
    return {};
  });
}

}  // namespace sks::issuer
