#pragma once

#include <cstdint>
#include <string>

#include "provisioning-server/authority/certificate_authority.h"
#include "provisioning-server/internal/toml_table.h"
#include "provisioning-server/url.h"

namespace sks::issuer {

/// [revocation]: how the world learns which certificates no longer count.
struct RevocationConfig {
  bool addresses_in_certificates = false;
  std::string base_url;      ///< empty: the origin of the main URL
  std::string plain_listen;  ///< HOST:PORT for plain HTTP with these answers alone; empty: none
  std::int64_t crl_interval_seconds = 60;
  std::int64_t crl_hours = 24;
  std::int64_t ocsp_minutes = 60;
  std::int64_t ocsp_cache_seconds = 30;
  std::int64_t responder_days = 7;
};
RevocationConfig read_revocation(TomlTable& root);

/// Names an authority by its key: the subjectKeyIdentifier of its certificates, which those that it issues carry as
/// authorityKeyIdentifier, in hexadecimal. Empty when there is none.
std::string authority_id(const crypto::Certificate& authority);
std::string authority_id_of_issuer(const crypto::Certificate& issued);

/// The serial number in hexadecimal, without a leading zero byte: how the database knows it. `content` is that of the
/// INTEGER.
std::string serial_text(ByteView content);

/// Where the certificates of this authority say that their status can be had. Empty when they are to say nothing.
StatusAddresses status_addresses(const RevocationConfig& config, const MainUrl& url,
                                 const crypto::Certificate& authority);

}  // namespace sks::issuer
