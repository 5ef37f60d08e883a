#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "provisioning-server/authority/certificate_authority.h"
#include "provisioning-server/internal/toml_table.h"
#include "provisioning-server/policy/text_template.h"

namespace sks::issuer {

/// [certificate] of a profile: what the certificates of its keys say.
struct CertificateRules {
  std::int64_t validity_days = 730;
  bool email_from_subject = false;
  /// The name of the subject, attribute by attribute; empty: it stands in the ticket.
  struct SubjectAttribute {
    std::string type;
    TextTemplate value;
  };
  std::vector<SubjectAttribute> subject;
  bool from_directory = false;  ///< what is known about the subject comes from the issuer's directory
  std::vector<TextTemplate> emails;
  std::vector<TextTemplate> upns;
  std::vector<TextTemplate> uris;
  std::vector<std::string> extended_key_usages;  ///< "clientAuth" where it has a name, else dotted; never empty
  std::vector<std::string> policies;             ///< dotted
  struct FurtherExtension {
    std::string oid;  ///< dotted
    bool critical = false;
    Bytes value;  ///< DER
  };
  std::vector<FurtherExtension> further_extensions;
  std::vector<Bytes> extensions;  ///< those that the profile names, as DER; the same for all keys
  std::array<std::optional<std::uint16_t>, 4> key_usages;  ///< by app_usage, as Certificate::key_usage()
};

/// Failures stick to the table.
CertificateRules read_certificate_rules(TomlTable& root);

/// What keys with this app_usage may be used for, as RFC 5280 4.2.1.3 spells it.
std::vector<std::string_view> key_usage_names(const CertificateRules& rules, std::uint8_t app_usage);
/// What has to be known about a subject, by name; false: what may be missing wherever it stands.
std::map<std::string, bool> placeholders(const CertificateRules& rules);

/// The name of the subject by the rules. Fails with option when something is not known, or not a name.
Result<std::vector<crypto::DnAttribute>> fill_subject(const CertificateRules& rules, const SubjectData& data);
/// A name as parse_dn() reads it, with the escapes of RFC 4514.
std::string dn_text(const std::vector<crypto::DnAttribute>& name);

/// What is asked of the authority for one key. Fails with option, as fill_subject() and
/// alternative_names_extension().
Result<CertificateRequest> make_certificate_request(const CertificateRules& rules, const std::string& subject,
                                                    const SubjectData& data, std::uint8_t app_usage);

}  // namespace sks::issuer
