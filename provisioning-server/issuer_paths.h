#pragma once

#include <string>

namespace sks::issuer {

/// Where everything lies in the folder of an issuer.
struct IssuerPaths {
  explicit IssuerPaths(const std::string& folder);

  std::string folder;
  std::string config;
  std::string database;       ///< of SQLite, where the configuration names no other
  std::string profiles;       ///< folder
  std::string trust_anchors;  ///< ca.pem: what clients trust
  std::string credential_ca;  ///< what relying parties trust; the first certificate is the one in use
  std::string tls_certificate;
  std::string tls_previous;  ///< TLS certificates that were replaced, the latest first
  std::string registered_devices;
  std::string device_ca;
  std::string keys;  ///< folder
  std::string kek;
  std::string tls_key;
  std::string tls_ca_key;
  std::string credential_ca_key;
  std::string key_management_key;  ///< of the first generation; see life_cycle/key_generations.h
  std::string audit_key;
  std::string audit_public_keys;  ///< what `sks-issuer audit verify` trusts
  std::string renewal_lock;
};

}  // namespace sks::issuer
