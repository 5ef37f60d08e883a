#include "provisioning-server/init.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "provisioning-server/audit/audit_key.h"
#include "provisioning-server/authority/certificate_files.h"
#include "provisioning-server/authority/file_seal.h"
#include "provisioning-server/database/schema.h"
#include "provisioning-server/default_files.h"
#include "provisioning-server/device_registry.h"
#include "provisioning-server/internal/files.h"
#include "provisioning-server/issuer.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kPrivateFile = 0600;
constexpr mode_t kPublicFile = 0644;
constexpr mode_t kPrivateFolder = 0700;

/// Removes a half-made folder.
class Scaffold {
 public:
  explicit Scaffold(std::string folder) : folder_(std::move(folder)) {}
  Scaffold(const Scaffold&) = delete;
  Scaffold& operator=(const Scaffold&) = delete;
  ~Scaffold() {
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }
  void keep() { folder_.clear(); }

 private:
  std::string folder_;
};

Error system_error(const std::string& what) {
  return {Status::storage, what + ": " + std::strerror(errno)};  // NOLINT(concurrency-mt-unsafe): glibc's is
}

Result<void> make_folder(const std::string& folder) {
  if (mkdir(folder.c_str(), kPrivateFolder) != 0) return system_error("cannot make the folder " + folder);
  return {};
}

/// Sealed: a copy of the file alone is of no use.
Result<void> write_key(const std::string& file, const crypto::PrivateKey& key, const FileSeal& seal) {
  SKS_LET(const SecureBytes pem, key_to_pem(key));
  return write_new_file(file, as_bytes(seal.seal(fs::path(file).filename().string(), pem.view())), kPrivateFile);
}

Result<void> write_keys_and_certificates(const MainUrl& url, const IssuerPaths& paths, std::int64_t now,
                                         const Random& random) {
  // Two authorities: a key that signs credentials online all day must not be able to speak for a server.
  SKS_LET(const crypto::PrivateKey tls_ca_key, make_key());
  SKS_LET(const crypto::PrivateKey credential_ca_key, make_key());
  SKS_LET(const crypto::PrivateKey tls_key, make_key());
  SKS_LET(const crypto::PrivateKey key_management_key, make_key());
  const crypto::KeySigner tls_signer = crypto::KeySigner::borrow(tls_ca_key);
  SKS_LET(const crypto::Certificate tls_ca,
          make_authority_certificate(common_name("OpenSKS TLS CA", url), tls_signer, now));
  SKS_LET(const crypto::Certificate credential_ca,
          make_authority_certificate(common_name("OpenSKS credential CA", url),
                                     crypto::KeySigner::borrow(credential_ca_key), now));
  SKS_LET(const crypto::Certificate tls,
          make_server_certificate(url, tls_key.public_key(), tls_ca, tls_signer, now, RenewalConfig().tls_days));
  SecureBytes kek(kKekSize);
  random.fill(kek.span());
  const FileSeal seal(SecureBytes::copy_of(kek.view()), random);

  SKS_TRY(write_new_file(paths.kek, kek.view(), kPrivateFile));
  SKS_TRY(write_key(paths.tls_ca_key, tls_ca_key, seal));
  SKS_TRY(write_key(paths.tls_key, tls_key, seal));
  SKS_TRY(write_key(paths.credential_ca_key, credential_ca_key, seal));
  SKS_TRY(write_key(paths.key_management_key, key_management_key, seal));
  SKS_TRY(make_audit_key(paths.audit_key, paths.audit_public_keys, seal));
  const std::string credential_ca_pem = to_pem(credential_ca.der(), "CERTIFICATE");
  const std::string anchors = to_pem(tls_ca.der(), "CERTIFICATE") + credential_ca_pem;
  SKS_TRY(write_new_file(paths.trust_anchors, as_bytes(anchors), kPublicFile));
  SKS_TRY(write_new_file(paths.credential_ca, as_bytes(credential_ca_pem), kPublicFile));
  return write_new_file(paths.tls_certificate, as_bytes(to_pem(tls.der(), "CERTIFICATE")), kPublicFile);
}

Result<void> write_policy(const InitRequest& request, const IssuerPaths& paths, const std::string& device_ca) {
  SKS_TRY(write_new_file(paths.config, as_bytes(default_config(request.url, request.device_trust, request.database)),
                         kPrivateFile));
  SKS_TRY(write_new_file(paths.profiles + "/default.toml", as_bytes(default_profile()), kPrivateFile));
  SKS_TRY(write_new_file(paths.profiles + "/pair.toml", as_bytes(pair_profile()), kPrivateFile));
  SKS_TRY(write_new_file(paths.registered_devices, as_bytes(default_registered_devices()), kPrivateFile));
  if (!device_ca.empty()) SKS_TRY(write_new_file(paths.device_ca, as_bytes(device_ca), kPublicFile));
  return {};
}

Result<void> make_database(const InitRequest& request, const IssuerPaths& paths) {
  SKS_LET(const std::unique_ptr<Database> database,
          request.database.empty() ? open_sqlite(paths.database, true) : open_database(request.database, paths.folder));
  return bring_schema_forward(*database);
}

/// Fails when the folder is taken; an empty one may be used.
Result<void> check_free(const IssuerPaths& paths) {
  std::error_code failure;
  if (fs::exists(paths.config, failure)) return Error{Status::option, paths.folder + " already holds an issuer"};
  if (!fs::exists(paths.folder, failure)) return {};  // making it tells what is in the way
  const bool is_empty = fs::is_empty(paths.folder, failure);
  if (failure) return Error{Status::not_available, "cannot read " + paths.folder + ": " + failure.message()};
  if (!is_empty) return Error{Status::option, paths.folder + " is not an empty folder"};
  return {};
}

}  // namespace

Result<void> init_issuer(const InitRequest& request, const Clock& clock, const Random& random) {
  const IssuerPaths target(request.folder);
  SKS_TRY(check_free(target));
  if (request.database.find_first_of("\"\\\n") != std::string::npos)
    return Error{Status::option, "the URL of the database must not hold quotation marks or backslashes"};
  std::string device_ca;
  if (request.device_trust == DeviceTrustMode::ca) {
    SKS_LET(device_ca, read_file(request.device_ca_file));
    SKS_TRY(parse_device_authorities(device_ca, request.device_ca_file));
  }

  std::error_code failure;
  fs::create_directories(fs::path(target.folder).parent_path(), failure);
  const IssuerPaths paths(target.folder + ".new-" + std::to_string(getpid()));
  SKS_TRY(make_folder(paths.folder));
  Scaffold scaffold(paths.folder);
  SKS_TRY(make_folder(paths.keys));
  SKS_TRY(make_folder(paths.profiles));
  SKS_TRY(write_keys_and_certificates(request.url, paths, clock.now(), random));
  SKS_TRY(make_database(request, paths));
  SKS_TRY(write_policy(request, paths, device_ca));
  // rename() replaces an empty folder and nothing else.
  if (rename(paths.folder.c_str(), target.folder.c_str()) != 0)
    return system_error("cannot make the folder " + target.folder);
  scaffold.keep();
  return {};
}

}  // namespace sks::issuer
