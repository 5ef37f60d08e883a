#include "provisioning-server/policy/certificate_rules.h"

#include <algorithm>

#include "provisioning-server/policy/extension_der.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

using crypto::DnAttribute;

constexpr std::int64_t kMaxValidityDays = 36500;
constexpr std::size_t kMaxExtension = 4096;

struct NamedOid {
  std::string_view name;
  std::string_view oid;
};
constexpr auto kUsages = std::to_array<NamedOid>({
    {"clientAuth", "1.3.6.1.5.5.7.3.2"},
    {"codeSigning", "1.3.6.1.5.5.7.3.3"},
    {"emailProtection", "1.3.6.1.5.5.7.3.4"},
    {"documentSigning", "1.3.6.1.5.5.7.3.36"},
    {"smartcardLogon", "1.3.6.1.4.1.311.20.2.2"},
});

// The bits that make sense for the key of an end entity. RFC 5280, 4.2.1.3
constexpr auto kKeyUsages = std::to_array<Choice>({{"digitalSignature", 0},
                                                   {"nonRepudiation", 1},
                                                   {"keyEncipherment", 2},
                                                   {"dataEncipherment", 3},
                                                   {"keyAgreement", 4}});
constexpr auto kAppUsages = std::to_array<std::string_view>({"signature", "authentication", "encryption", "universal"});

/// Extensions that other settings, or the authority, make.
constexpr auto kMadeElsewhere = std::to_array<NamedOid>({
    {"subjectKeyIdentifier", "2.5.29.14"},
    {"keyUsage", "2.5.29.15"},
    {"subjectAltName", "2.5.29.17"},
    {"basicConstraints", "2.5.29.19"},
    {"cRLDistributionPoints", "2.5.29.31"},
    {"certificatePolicies", "2.5.29.32"},
    {"authorityKeyIdentifier", "2.5.29.35"},
    {"extKeyUsage", "2.5.29.37"},
    {"authorityInfoAccess", "1.3.6.1.5.5.7.1.1"},
});

bool has_duplicates(std::vector<std::string> texts) {
  std::ranges::sort(texts);
  return std::ranges::adjacent_find(texts) != texts.end();
}

std::optional<TextTemplate> read_template(TomlTable& table, std::string_view key, std::string_view text) {
  Result<TextTemplate> made = TextTemplate::parse(text);
  if (made) return std::move(made).value();
  table.refuse(key, std::string(key) + ": " + made.error().detail);
  return std::nullopt;
}

std::vector<TextTemplate> read_templates(TomlTable& table, std::string_view key) {
  std::vector<TextTemplate> templates;
  for (const std::string& text : table.texts_or_none(key))
    if (std::optional<TextTemplate> one = read_template(table, key, text)) templates.push_back(std::move(*one));
  return templates;
}

/// The parts of a template for a name, as parse_dn() takes them apart. X.509 judges what stands in for the
/// placeholders, not the placeholders; so of each part only the type is looked at.
Result<std::vector<DnAttribute>> split_subject(const std::string& text) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') {
      parts.emplace_back();
      continue;
    }
    parts.back() += text[i];
    if (text[i] == '\\' && i + 1 < text.size()) parts.back() += text[++i];
  }
  std::vector<DnAttribute> attributes;
  for (const std::string& part : parts) {
    const std::size_t equals = part.find('=');
    // Any type takes these two letters, the country nothing else.
    SKS_LET(std::vector<DnAttribute> one,
            crypto::parse_dn(equals == std::string::npos ? part : part.substr(0, equals) + "=XX"));
    std::string value;
    for (std::size_t i = equals + 1; i < part.size(); ++i) {
      if (part[i] == '\\' && ++i == part.size()) return Error{Status::option, "a name ends with a backslash"};
      value += part[i];
    }
    if (value.empty()) return Error{Status::option, "the attribute " + one.front().type + " has no value"};
    attributes.push_back({one.front().type, std::move(value)});
  }
  return attributes;
}

void read_subject(TomlTable& table, CertificateRules& rules) {
  if (!table.has("subject")) return;
  const Result<std::vector<DnAttribute>> name = split_subject(table.text("subject"));
  if (!name) return table.refuse("subject", "subject: " + name.error().detail);
  for (const DnAttribute& attribute : *name)
    if (std::optional<TextTemplate> value = read_template(table, "subject", attribute.value))
      rules.subject.push_back({attribute.type, std::move(*value)});
}

void read_alternative_names(TomlTable& table, CertificateRules& rules) {
  TomlTable names = table.table("alternative_names");
  rules.emails = read_templates(names, "email");
  rules.upns = read_templates(names, "upn");
  rules.uris = read_templates(names, "uri");
}

void read_extended_key_usage(TomlTable& table, CertificateRules& rules) {
  constexpr std::string_view kKey = "extended_key_usage";
  if (!table.has(kKey)) {
    // What the authority makes when nobody says otherwise.
    rules.extended_key_usages.emplace_back(kUsages.front().name);
    return;
  }
  std::vector<std::string> oids;
  for (const std::string& name : table.texts_or_none(kKey)) {
    const auto* const row = std::ranges::find(kUsages, name, &NamedOid::name);
    const std::string oid(row == kUsages.end() ? name : row->oid);
    if (object_identifier(oid).empty())
      table.refuse(kKey, "extended_key_usage holds \"" + name +
                             "\", which is neither an object identifier nor one of \"clientAuth\", \"codeSigning\", "
                             "\"emailProtection\", \"documentSigning\", \"smartcardLogon\"");
    oids.push_back(oid);
    const auto* const named = std::ranges::find(kUsages, oid, &NamedOid::oid);
    rules.extended_key_usages.emplace_back(named == kUsages.end() ? std::string_view(oid) : named->name);
  }
  if (oids.empty()) return table.refuse(kKey, "extended_key_usage must hold a usage; leave it out for \"clientAuth\"");
  if (has_duplicates(oids)) table.refuse(kKey, "extended_key_usage holds a usage twice");
  rules.extensions.push_back(extended_key_usage_extension(oids));
}

void read_policies(TomlTable& table, CertificateRules& rules) {
  const std::vector<std::string> oids = table.texts_or_none("policies");
  for (const std::string& oid : oids)
    if (object_identifier(oid).empty())
      table.refuse("policies", "policies holds \"" + oid + "\", which is no object identifier");
  if (has_duplicates(oids)) table.refuse("policies", "policies holds an object identifier twice");
  if (!oids.empty()) rules.extensions.push_back(certificate_policies_extension(oids));
  rules.policies = oids;
}

void read_key_usages(TomlTable& table, CertificateRules& rules) {
  TomlTable usages = table.table("key_usage");
  for (std::size_t i = 0; i < kAppUsages.size(); ++i) {
    if (!usages.has(kAppUsages.at(i))) continue;
    std::uint16_t bits = 0;
    for (const std::uint8_t bit : usages.choices_or_none(kAppUsages.at(i), kKeyUsages))
      bits = static_cast<std::uint16_t>(bits | 1 << bit);
    if (bits == 0) usages.refuse(kAppUsages.at(i), std::string(kAppUsages.at(i)) + " must hold a key usage");
    rules.key_usages.at(i) = bits;
  }
}

void read_further_extensions(TomlTable& table, CertificateRules& rules) {
  std::vector<std::string> seen;
  for (TomlTable& row : table.tables("extension")) {
    const std::string oid = row.text("oid");
    const Bytes identifier = object_identifier(oid);
    if (identifier.empty()) row.refuse("oid", "oid \"" + oid + "\" is no object identifier");
    const auto* const made = std::ranges::find(kMadeElsewhere, oid, &NamedOid::oid);
    if (made != kMadeElsewhere.end())
      row.refuse("oid", "the extension " + std::string(made->name) + " is made by the issuer or by other settings");
    seen.push_back(oid);
    if (has_duplicates(seen)) row.refuse("oid", "there are two extensions " + oid);
    const bool critical = row.boolean_or("critical", false);
    const Result<Bytes> value = from_hex(row.text("value"));
    const bool is_one = value && value->size() <= kMaxExtension && crypto::der::first_piece(*value).tag != 0 &&
                        crypto::der::first_piece(*value).rest.empty();
    if (!is_one) {
      row.refuse("value", "value must be one DER element in hexadecimal, at most 4096 bytes");
      continue;
    }
    rules.extensions.push_back(
        encode_extension(identifier, critical ? crypto::der::Critical::yes : crypto::der::Critical::no, *value));
    rules.further_extensions.push_back({oid, critical, *value});
  }
}

/// All of them, without those of which something is missing that may be.
Result<std::vector<std::string>> fill_all(const std::vector<TextTemplate>& templates, const SubjectData& data) {
  std::vector<std::string> texts;
  for (const TextTemplate& one : templates) {
    SKS_LET(std::optional<std::string> text, one.fill(data));
    if (text) texts.push_back(std::move(*text));
  }
  return texts;
}

}  // namespace

CertificateRules read_certificate_rules(TomlTable& root) {
  TomlTable table = root.table("certificate");
  CertificateRules rules;
  rules.validity_days = table.integer("validity_days", 1, kMaxValidityDays);
  rules.email_from_subject = table.boolean_or("email_from_subject", false);
  rules.from_directory = table.boolean_or("from_directory", false);
  read_subject(table, rules);
  read_alternative_names(table, rules);
  read_extended_key_usage(table, rules);
  read_policies(table, rules);
  read_key_usages(table, rules);
  read_further_extensions(table, rules);
  if (rules.from_directory && rules.subject.empty())
    table.refuse("from_directory", "from_directory = true needs a subject that is made of what the directory says");
  return rules;
}

std::vector<std::string_view> key_usage_names(const CertificateRules& rules, std::uint8_t app_usage) {
  constexpr std::uint16_t kDigitalSignature = 1;  // what the authority makes when nobody says otherwise
  const std::uint16_t bits = rules.key_usages.at(app_usage).value_or(kDigitalSignature);
  std::vector<std::string_view> names;
  for (const Choice& row : kKeyUsages)
    if ((bits >> row.value & 1) != 0) names.push_back(row.word);
  return names;
}

std::map<std::string, bool> placeholders(const CertificateRules& rules) {
  std::map<std::string, bool> found;
  for (const CertificateRules::SubjectAttribute& attribute : rules.subject) attribute.value.add_placeholders(found);
  for (const auto* const templates : {&rules.emails, &rules.upns, &rules.uris})
    for (const TextTemplate& one : *templates) one.add_placeholders(found);
  return found;
}

Result<std::vector<DnAttribute>> fill_subject(const CertificateRules& rules, const SubjectData& data) {
  std::vector<DnAttribute> name;
  for (const CertificateRules::SubjectAttribute& attribute : rules.subject) {
    SKS_LET(std::optional<std::string> value, attribute.value.fill(data));
    if (value) name.push_back({attribute.type, std::move(*value)});
  }
  // What X.509 does not allow, such as a country of three letters, is found before a session starts.
  SKS_TRY(crypto::parse_dn(dn_text(name)));
  return name;
}

std::string dn_text(const std::vector<DnAttribute>& name) {
  constexpr std::string_view kSpecial = ",+\"\\<>;=#";
  std::string text;
  for (const DnAttribute& attribute : name) {
    if (!text.empty()) text += ',';
    text += attribute.type + '=';
    for (const char c : attribute.value) {
      if (kSpecial.find(c) != std::string_view::npos) text += '\\';
      text += c;
    }
  }
  return text;
}

Result<CertificateRequest> make_certificate_request(const CertificateRules& rules, const std::string& subject,
                                                    const SubjectData& data, std::uint8_t app_usage) {
  CertificateRequest request;
  SKS_LET(request.subject, crypto::parse_dn(subject));
  request.validity_days = rules.validity_days;
  request.extensions = rules.extensions;
  if (const auto& bits = rules.key_usages.at(app_usage)) request.extensions.push_back(key_usage_extension(*bits));
  AlternativeNames names;
  SKS_LET(names.emails, fill_all(rules.emails, data));
  SKS_LET(names.upns, fill_all(rules.upns, data));
  SKS_LET(names.uris, fill_all(rules.uris, data));
  if (rules.email_from_subject)
    for (const DnAttribute& attribute : request.subject)
      if (attribute.type == "emailAddress" && std::ranges::count(names.emails, attribute.value) == 0)
        names.emails.push_back(attribute.value);
  SKS_LET(Bytes extension, alternative_names_extension(names));
  if (!extension.empty()) request.extensions.push_back(std::move(extension));
  return request;
}

}  // namespace sks::issuer
