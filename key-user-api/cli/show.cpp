#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/extension_view.h"
#include "key-user-api/cli/listed_key.h"
#include "key-user-api/cli/output.h"
#include "key-user-api/dialog/pin_text.h"
#include "sealed-storage/files.h"
#include "sks-core/base/encoding.h"

namespace sks::cli {
namespace {

/// A value of an enumeration of sks-api.md 5.1: the name of KeyGen2, and words.
struct Named {
  std::string_view name;
  std::string_view words;
};
using NamedValues = std::array<Named, 4>;

constexpr NamedValues kFormats{{{"numeric", "digits"},
                                {"alphanumeric", "digits and letters A to Z"},
                                {"string", "text"},
                                {"binary", "bytes, written in hexadecimal"}}};
constexpr NamedValues kGroupings{{{"none", "of this key alone"},
                                  {"shared", "shared with the other keys of its policy"},
                                  {"signature+standard", "shared with the other keys of its kind, signature or not"},
                                  {"unique", "shared with the other keys of its usage"}}};
constexpr NamedValues kInputMethods{{{"any", "typed anywhere"},
                                     {"programmatic", "given by a program"},
                                     {"trusted-gui", "typed into a trusted dialog"},
                                     {"", ""}}};
constexpr NamedValues kExport{
    {{"none", "free"}, {"pin", "takes the PIN"}, {"puk", "takes the PUK"}, {"non-exportable", "not possible"}}};
constexpr NamedValues kDelete{
    {{"none", "free"}, {"pin", "takes the PIN"}, {"puk", "takes the PUK"}, {"non-deletable", "not possible"}}};
constexpr NamedValues kBiometric{{{"none", "none"},
                                  {"alternative", "instead of the PIN"},
                                  {"combined", "together with the PIN"},
                                  {"exclusive", "required"}}};

constexpr auto kPatterns =
    std::to_array<std::string_view>({"two-in-a-row", "three-in-a-row", "sequence", "repeated", "missing-group"});

/// Everything about one key.
struct Details {
  ListedKey key;
  KeyAttributes attributes;
  SessionInfo session;
  std::vector<crypto::Certificate> path;
  std::vector<ShownExtension> extensions;

  bool has(std::uint8_t status) const { return (key.protection.protection_status & status) != 0; }
};

Result<SessionInfo> find_session(SecureKeyStore& store, ProvisioningHandle handle) {
  SKS_LET(std::vector<SessionInfo> sessions, list_sessions(store, SessionState::closed));
  const auto found = std::ranges::find(sessions, handle, &SessionInfo::handle);
  if (found == sessions.end()) return Error{Status::internal, "the key store is damaged: a key has no session"};
  return std::move(*found);
}

/// What is looked up in the tables above.
bool has_known_values(const KeyProtectionInfo& info) {
  return std::ranges::all_of(std::array{info.format, info.puk_format, info.grouping, info.input_method,
                                        info.export_protection, info.delete_protection, info.biometric_protection},
                             [](std::uint8_t value) { return value < std::tuple_size_v<NamedValues>; });
}

Result<Details> collect(SecureKeyStore& store, ListedKey key) {
  if (!has_known_values(key.protection))
    return Error{Status::internal, "key " + std::to_string(key.handle.value) + " of the key store is damaged"};
  SKS_LET(KeyAttributes attributes, store.get_key_attributes(key.handle));
  SKS_LET(SessionInfo session, find_session(store, key.session));
  Details out{std::move(key), std::move(attributes), std::move(session), {}, {}};
  for (const Bytes& der : out.attributes.certificate_path) {
    SKS_LET(crypto::Certificate certificate, crypto::Certificate::from_der(der));
    out.path.push_back(std::move(certificate));
  }
  for (const std::string& type : out.attributes.extension_types) {
    SKS_LET(ShownExtension extension, read_extension(store, out.key.handle, type));
    out.extensions.push_back(std::move(extension));
  }
  return out;
}

/// The content of the DER INTEGER, whose length is one byte: RFC 5280 allows 20.
std::string serial_number(const crypto::Certificate& certificate) {
  const Bytes der = certificate.serial_number_der();
  return to_hex(ByteView(der).subspan(std::min<std::size_t>(2, der.size())));
}

keygen2::PinRequest pin_policy(const KeyProtectionInfo& info) {
  return {"", {}, info.format, info.min_length, info.max_length, info.retry_limit, info.pattern_restrictions, 0};
}

std::vector<TableRow> pin_rows(const Details& details) {
  const KeyProtectionInfo& info = details.key.protection;
  if (details.has(kDevicePin)) return {{"PIN", "that of the device"}};
  if (!details.has(kPinProtected)) return {{"PIN", "none"}};
  const std::string owner = info.user_defined ? "chosen by its user" : "set by the issuer";
  return {{"PIN", dialog::describe_policy(pin_policy(info))},
          {"", owner + (info.user_modifiable ? ", may be changed" : ", cannot be changed")},
          {"", std::string(kGroupings.at(info.grouping).words)},
          {"", std::string(kInputMethods.at(info.input_method).words) +
                   (info.enable_pin_caching ? ", may be kept for a while" : "")},
          {"tries", details.has(kPinBlocked) ? "blocked: too many wrong PINs"
                                             : remaining_tries(info.retry_limit, info.pin_error_count)}};
}

std::vector<TableRow> puk_rows(const Details& details) {
  const KeyProtectionInfo& info = details.key.protection;
  if (!details.has(kPukProtected)) return {{"PUK", "none"}};
  const std::string tries = details.has(kPukBlocked)    ? "blocked: too many wrong PUKs"
                            : info.puk_retry_limit == 0 ? "any number of tries, with a delay"
                                                        : remaining_tries(info.puk_retry_limit, info.puk_error_count);
  return {{"PUK", std::string(kFormats.at(info.puk_format).words) + "; " + tries}};
}

std::string origin(std::uint8_t key_backup) {
  const std::string made = (key_backup & kImported) != 0 ? "imported" : "made in this key store";
  return made + ((key_backup & kExported) != 0 ? ", has been exported" : ", never exported");
}

/// A heading, and rows of a label and a text below it. A label that is empty belongs to the row above.
void write_section(const std::string& heading, std::vector<TableRow> rows, std::ostream& out) {
  out << heading << "\n";
  for (TableRow& row : rows) row[0] = row[0].empty() ? " " : row[0];
  for (TableRow& row : rows) row.insert(row.begin(), " ");
  write_table(rows, out);
}

void append(std::vector<TableRow>& rows, const std::vector<TableRow>& more) {
  rows.insert(rows.end(), more.begin(), more.end());
}

void write_protection(const Details& details, std::ostream& out) {
  const KeyProtectionInfo& info = details.key.protection;
  std::vector<TableRow> rows = pin_rows(details);
  append(rows, puk_rows(details));
  append(rows, {{"export", std::string(kExport.at(info.export_protection).words)},
                {"deletion", std::string(kDelete.at(info.delete_protection).words)},
                {"biometrics", std::string(kBiometric.at(info.biometric_protection).words)},
                {"suspended", details.has(kSuspended) ? "yes" : "no"},
                {"origin", origin(info.key_backup)}});
  write_section("Protection", std::move(rows), out);
}

void write_certificates(const std::vector<crypto::Certificate>& path, std::ostream& out) {
  for (std::size_t i = 0; i < path.size(); ++i)
    write_section("Certificate " + std::to_string(i + 1) + " of " + std::to_string(path.size()),
                  {{"subject", path[i].subject()},
                   {"issuer", path[i].issuer()},
                   {"serial number", serial_number(path[i])},
                   {"valid from", format_time(path[i].not_before())},
                   {"valid until", format_time(path[i].not_after())},
                   {"SHA-256", to_hex(path[i].fingerprint())}},
                  out);
}

void write_extensions(const std::vector<ShownExtension>& extensions, std::ostream& out) {
  for (const ShownExtension& extension : extensions) {
    std::vector<TableRow> rows{{"kind", std::string(extension.kind_text)},
                               {"size", std::to_string(extension.data.size()) + " bytes"}};
    if (!extension.qualifier.empty()) rows.push_back({"MIME type", extension.qualifier});
    for (const ShownExtension::Property& property : extension.properties)
      rows.push_back({property.writable ? "property, writable" : "property", property.name + " = " + property.value});
    write_section("Extension " + dialog::printable(extension.type), std::move(rows), out);
  }
}

void write_text(const Details& details, std::ostream& out) {
  write_section("Key " + std::to_string(details.key.handle.value),
                {{"name", details.key.friendly_name},
                 {"algorithm", details.key.algorithm},
                 {"usage", std::string(details.key.app_usage)}},
                out);
  std::vector<TableRow> endorsed;
  for (const std::string& algorithm : details.attributes.endorsed_algorithms)
    endorsed.push_back({endorsed.empty() ? "only for" : "", algorithm});
  if (endorsed.empty()) endorsed.push_back({"for", "every algorithm of its kind"});
  write_section("Endorsed algorithms", std::move(endorsed), out);
  write_protection(details, out);
  write_certificates(details.path, out);
  write_section("Provisioning session " + std::to_string(details.session.handle.value),
                {{"issuer", details.session.issuer_uri},
                 {"server session", details.session.server_session_id},
                 {"client session", details.session.client_session_id},
                 {"begun", format_time(details.session.client_time)}},
                out);
  write_extensions(details.extensions, out);
}

using Json = nlohmann::ordered_json;

Json pin_json(const Details& details) {
  const KeyProtectionInfo& info = details.key.protection;
  if (!details.has(kPinProtected)) return nullptr;
  Json patterns = Json::array();
  for (std::size_t bit = 0; bit < kPatterns.size(); ++bit)
    if ((info.pattern_restrictions & (1U << bit)) != 0) patterns.push_back(kPatterns[bit]);
  return {{"format", kFormats.at(info.format).name},
          {"minLength", info.min_length},
          {"maxLength", info.max_length},
          {"retryLimit", info.retry_limit},
          {"errorCount", info.pin_error_count},
          {"blocked", details.has(kPinBlocked)},
          {"grouping", kGroupings.at(info.grouping).name},
          {"patternRestrictions", std::move(patterns)},
          {"inputMethod", kInputMethods.at(info.input_method).name},
          {"userDefined", info.user_defined},
          {"userModifiable", info.user_modifiable},
          {"enablePinCaching", info.enable_pin_caching}};
}

Json puk_json(const Details& details) {
  const KeyProtectionInfo& info = details.key.protection;
  if (!details.has(kPukProtected)) return nullptr;
  return {{"format", kFormats.at(info.puk_format).name},
          {"retryLimit", info.puk_retry_limit},
          {"errorCount", info.puk_error_count},
          {"blocked", details.has(kPukBlocked)}};
}

Json protection_json(const Details& details) {
  const KeyProtectionInfo& info = details.key.protection;
  return {{"pin", pin_json(details)},
          {"puk", puk_json(details)},
          {"devicePin", details.has(kDevicePin)},
          {"exportProtection", kExport.at(info.export_protection).name},
          {"deleteProtection", kDelete.at(info.delete_protection).name},
          {"biometricProtection", kBiometric.at(info.biometric_protection).name},
          {"suspended", details.has(kSuspended)},
          {"imported", (info.key_backup & kImported) != 0},
          {"exported", (info.key_backup & kExported) != 0}};
}

Json path_json(const std::vector<crypto::Certificate>& path) {
  Json out = Json::array();
  for (const crypto::Certificate& certificate : path)
    out.push_back({{"subject", certificate.subject()},
                   {"issuer", certificate.issuer()},
                   {"serialNumber", serial_number(certificate)},
                   {"notBefore", certificate.not_before()},
                   {"notAfter", certificate.not_after()},
                   {"certificateFingerprint", to_hex(certificate.fingerprint())}});
  return out;
}

void write_json(const Json& json, std::ostream& out) {
  out << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

void write_json(const Details& details, std::ostream& out) {
  Json extensions = Json::array();
  for (const ShownExtension& extension : details.extensions) extensions.push_back(describe_extension(extension));
  write_json(Json{{"handle", details.key.handle.value},
                  {"friendlyName", details.key.friendly_name},
                  {"algorithm", details.key.algorithm},
                  {"appUsage", details.key.app_usage},
                  {"endorsedAlgorithms", details.attributes.endorsed_algorithms},
                  {"protection", protection_json(details)},
                  {"certificatePath", path_json(details.path)},
                  {"session",
                   {{"handle", details.session.handle.value},
                    {"issuerUri", details.session.issuer_uri},
                    {"serverSessionId", details.session.server_session_id},
                    {"clientSessionId", details.session.client_session_id},
                    {"clientTime", details.session.client_time},
                    {"privacyEnabled", details.session.privacy_enabled}}},
                  {"extensions", std::move(extensions)}},
             out);
}

Result<void> show_extension(const ShowOptions& options, Format format, SecureKeyStore& store, const ListedKey& key,
                            std::ostream& out) {
  SKS_LET(const KeyAttributes attributes, store.get_key_attributes(key.handle));
  if (std::ranges::find(attributes.extension_types, options.extension) == attributes.extension_types.end())
    return Error{Status::option, "key " + std::to_string(key.handle.value) + " has no extension " + options.extension};
  SKS_LET(const ShownExtension extension, read_extension(store, key.handle, options.extension));
  if (!options.file.empty()) {
    SKS_TRY(sealed::write_whole_file(options.file, extension.data.view()));
    out << "Wrote " << extension.data.size() << " bytes to " << dialog::printable(options.file) << ".\n";
    return {};
  }
  if (format == Format::json) {
    Json json = describe_extension(extension);
    json["data"] = to_base64url(extension.data.view());
    write_json(json, out);
    return {};
  }
  if (options.reader == Reader::person) return write_content_for_person(extension, out);
  out.write(reinterpret_cast<const char*>(extension.data.data()), static_cast<std::streamsize>(extension.data.size()));
  return {};
}

}  // namespace

Result<void> run_show(const ShowOptions& options, Format format, SecureKeyStore& store, std::ostream& out) {
  SKS_LET(ListedKey key, find_key(store, options.key));
  if (!options.extension.empty()) return show_extension(options, format, store, key, out);
  SKS_LET(const Details details, collect(store, std::move(key)));
  format == Format::json ? write_json(details, out) : write_text(details, out);
  return {};
}

}  // namespace sks::cli
