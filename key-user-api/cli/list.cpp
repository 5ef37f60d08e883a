#include <nlohmann/json.hpp>

#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/listed_key.h"
#include "key-user-api/cli/output.h"
#include "key-user-api/cli/token_key.h"
#include "sks-core/base/encoding.h"

namespace sks::cli {
namespace {

std::string pin_column(const ListedKey& key) {
  if ((key.protection.protection_status & kDevicePin) != 0) return "device PIN";
  if (!key.pin_protected()) return "none";
  if (key.locked()) return "locked";
  return remaining_tries(key.protection.retry_limit, key.protection.pin_error_count);
}

void write_json(const std::vector<ListedKey>& keys, std::ostream& out) {
  auto array = nlohmann::ordered_json::array();
  for (const ListedKey& key : keys)
    array.push_back({{"handle", key.handle.value},
                     {"certificateFingerprint", key.fingerprint},
                     {"friendlyName", key.friendly_name},
                     {"subject", key.subject},
                     {"issuerUri", key.issuer_uri},
                     {"appUsage", key.app_usage},
                     {"algorithm", key.algorithm},
                     {"pinProtected", key.pin_protected()},
                     {"locked", key.locked()}});
  out << array.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

void write_text(const std::vector<ListedKey>& keys, std::ostream& out) {
  if (keys.empty()) {
    out << "There is no key in this key store.\n";
    return;
  }
  std::vector<TableRow> rows{{"HANDLE", "NAME", "SUBJECT", "ALGORITHM", "USAGE", "PIN", "ISSUER"}};
  for (const ListedKey& key : keys)
    rows.push_back({std::to_string(key.handle.value), key.friendly_name, key.subject, key.algorithm,
                    std::string(key.app_usage), pin_column(key), key.issuer_uri});
  write_table(rows, out);
}

/// The types of RFC 7512 of the objects that a key has.
std::vector<std::string_view> types_of(const TokenKey& key) {
  if (key.symmetric) return {"secret-key"};
  return {"private", "public", "cert"};
}

void write_uris(const std::vector<TokenKey>& keys, Format format, std::ostream& out) {
  auto array = nlohmann::ordered_json::array();
  std::vector<TableRow> rows{{"HANDLE", "NAME", "TYPE", "URI"}};
  for (const TokenKey& key : keys) {
    nlohmann::ordered_json uris;
    for (const std::string_view type : types_of(key)) {
      const std::string uri = pkcs11_uri(key, type);
      rows.push_back({std::to_string(key.key.handle.value), key.label, std::string(type), uri});
      uris[std::string(type)] = uri;
    }
    array.push_back({{"handle", key.key.handle.value},
                     {"label", key.label},
                     {"id", to_hex(key.id)},
                     {"tokenLabel", key.token.label},
                     {"tokenSerial", key.token.serial},
                     {"uris", std::move(uris)}});
  }
  if (format == Format::json)
    out << array.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  else if (keys.empty())
    write_text({}, out);
  else
    write_table(rows, out);
}

}  // namespace

Result<void> run_list(Format format, SecureKeyStore& store, std::ostream& out) {
  SKS_LET(const std::vector<ListedKey> keys, list_keys(store));
  format == Format::json ? write_json(keys, out) : write_text(keys, out);
  return {};
}

Result<void> run_list_uris(Format format, SecureKeyStore& store, const UserApi::PinGroupOf& pin_group_of,
                           std::ostream& out) {
  SKS_LET(std::vector<TokenKey> keys, list_token_keys(store, pin_group_of));
  std::erase_if(keys, [](const TokenKey& key) { return key.is_hidden; });
  write_uris(keys, format, out);
  return {};
}

}  // namespace sks::cli
