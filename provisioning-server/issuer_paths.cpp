#include "provisioning-server/issuer_paths.h"

#include <filesystem>

namespace sks::issuer {
namespace {

std::string normalized(const std::string& folder) {
  std::error_code failure;
  const std::filesystem::path absolute = std::filesystem::absolute(folder, failure);
  // Without a current folder there is no absolute name; opening the file tells the reason.
  std::string path = (failure ? std::filesystem::path(folder) : absolute).lexically_normal().string();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

IssuerPaths::IssuerPaths(const std::string& given) : folder(normalized(given)) {
  config = folder + "/issuer.toml";
  database = folder + "/issuer.db";
  profiles = folder + "/profiles";
  trust_anchors = folder + "/ca.pem";
  credential_ca = folder + "/credential-ca.pem";
  tls_certificate = folder + "/tls.pem";
  tls_previous = folder + "/tls-previous.pem";
  registered_devices = folder + "/registered-devices";
  device_ca = folder + "/device-ca.pem";
  keys = folder + "/keys";
  kek = keys + "/kek";
  tls_key = keys + "/tls.key";
  tls_ca_key = keys + "/tls-ca.key";
  credential_ca_key = keys + "/credential-ca.key";
  key_management_key = keys + "/kmk.key";
  audit_key = keys + "/audit.key";
  audit_public_keys = folder + "/audit.pem";
  renewal_lock = keys + "/renewal.lock";
}

}  // namespace sks::issuer
