#include "provisioning-server/revocation/revocation_config.h"

#include <openssl/x509v3.h>

#include <algorithm>

#include "provisioning-server/listener/listen_address.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

std::string text_of(const ASN1_OCTET_STRING* value) {
  if (value == nullptr) return {};
  return to_hex({ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value))});
}

/// It enters certificates as it is.
bool is_base_url(const std::string& url) {
  const bool has_scheme = url.starts_with("http://") || url.starts_with("https://");
  const auto is_printable = [](char c) { return c > 0x20 && c < 0x7f; };
  return has_scheme && url.back() != '/' && std::ranges::all_of(url, is_printable) &&
         url.find_first_of("?#\"<>\\^`{|}") == std::string::npos;
}

}  // namespace

RevocationConfig read_revocation(TomlTable& root) {
  RevocationConfig config;
  TomlTable table = root.table("revocation");
  config.addresses_in_certificates = table.boolean_or("addresses_in_certificates", false);
  config.base_url = table.text_or("base_url", "");
  config.plain_listen = listen_address_or_none(table, "revocation", "plain_listen");
  config.crl_interval_seconds = table.integer_or("crl_interval_seconds", 1, 86400, config.crl_interval_seconds);
  config.crl_hours = table.integer_or("crl_hours", 1, 24 * 365, config.crl_hours);
  config.ocsp_minutes = table.integer_or("ocsp_minutes", 1, 60 * 24 * 30, config.ocsp_minutes);
  config.ocsp_cache_seconds = table.integer_or("ocsp_cache_seconds", 0, 3600, config.ocsp_cache_seconds);
  config.responder_days = table.integer_or("responder_days", 1, 365, config.responder_days);
  if (!config.base_url.empty() && !is_base_url(config.base_url))
    table.refuse("base_url", "base_url must be an http:// or https:// URL without query and without / at its end");
  return config;
}

std::string authority_id(const crypto::Certificate& authority) {
  const ossl::Ptr<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> identifier(static_cast<ASN1_OCTET_STRING*>(
      X509_get_ext_d2i(authority.openssl_without_key(), NID_subject_key_identifier, nullptr, nullptr)));
  (void)ossl::take_error("");
  return text_of(identifier.get());
}

std::string authority_id_of_issuer(const crypto::Certificate& issued) {
  const ossl::Ptr<AUTHORITY_KEYID, AUTHORITY_KEYID_free> identifier(static_cast<AUTHORITY_KEYID*>(
      X509_get_ext_d2i(issued.openssl_without_key(), NID_authority_key_identifier, nullptr, nullptr)));
  (void)ossl::take_error("");
  return identifier == nullptr ? std::string() : text_of(identifier->keyid);
}

std::string serial_text(ByteView content) {
  if (content.size() > 1 && content.front() == 0) content = content.subspan(1);
  return to_hex(content);
}

StatusAddresses status_addresses(const RevocationConfig& config, const MainUrl& url,
                                 const crypto::Certificate& authority) {
  if (!config.addresses_in_certificates) return {};
  const std::string base = config.base_url.empty() ? url.origin() : config.base_url;
  const std::string id = authority_id(authority);
  return {{base + "/crl/" + id + ".crl"}, {base + "/ocsp"}, {base + "/ca/" + id + ".cer"}};
}

}  // namespace sks::issuer
