#include "key-user-api/cli/new_keys.h"
#include "keygen2/key_algorithm.h"
#include "sks-core/crypto/algorithms.h"

namespace sks::cli {
namespace {

constexpr std::string_view kAlgorithms = "https://webpki.github.io/sks/algorithm#";

/// Only what the store makes without further parameters, and KeyGen2 has a name for: no rsa1024.
Result<std::string> find_key_kind(const std::string& name) {
  std::string names;
  for (const Algorithm& row : all_algorithms()) {
    if (row.category != Category::key_generation || row.takes_parameters) continue;
    if (keygen2::find_key_algorithm(row.uri) == nullptr) continue;
    const std::string_view end = row.uri.substr(kAlgorithms.size());
    if (end == name) return std::string(row.uri);
    names += (names.empty() ? "" : ", ") + std::string(end);
  }
  return Error{Status::option, "'" + name + "' is not a kind of key; there are " + names};
}

}  // namespace

Result<void> run_key_create(KeyCreateOptions options, Format format, SecureKeyStore& store, const PinAskers& askers,
                            const Clock& clock, std::ostream& out) {
  SKS_LET(std::string algorithm, find_key_kind(options.algorithm));
  LocalKeySpec spec;
  spec.label = options.label;
  if (options.exportable) spec.export_protection = Protection::none;
  std::vector<LocalKeyRequest> requests;
  requests.push_back({GeneratedKey{std::move(algorithm)}, std::move(spec)});
  SKS_LET(const std::vector<LocalKey> keys,
          provision_with_pin(std::move(requests), std::move(options.pin), store, askers, clock));
  return show_new_keys(keys, "Made in this key store:", format, store, out);
}

}  // namespace sks::cli
