#include "provisioning-server/authority/authority_config.h"

#include <array>

#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

constexpr auto kHomes = std::to_array<Choice>({{"file", static_cast<std::uint8_t>(AuthorityConfig::Home::file)},
                                               {"pkcs11", static_cast<std::uint8_t>(AuthorityConfig::Home::pkcs11)}});
constexpr auto kTlsRenewals = std::to_array<Choice>({{"manual", 0}, {"automatic", 1}});
constexpr auto kTlsKeys = std::to_array<Choice>({{"keep", 0}, {"new", 1}});

}  // namespace

AuthorityConfig read_authority(TomlTable& root) {
  AuthorityConfig config;
  TomlTable table = root.table("authority");
  config.home = static_cast<AuthorityConfig::Home>(
      table.choice_or("key", kHomes, static_cast<std::uint8_t>(AuthorityConfig::Home::file)));
  if (config.home == AuthorityConfig::Home::file) return config;
  config.location.module = table.text("module");
  config.location.token_label = table.text_or("token_label", "");
  config.location.token_serial = table.text_or("token_serial", "");
  config.location.key_label = table.text_or("key_label", "");
  const Result<Bytes> id = from_hex(table.text_or("key_id", ""));
  if (!id) table.refuse("key_id", "key_id must be hexadecimal");
  if (id) config.location.key_id = *id;
  config.pin_file = table.text_or("pin_file", "");
  config.timeout_seconds = table.integer_or("timeout_seconds", 1, 300, config.timeout_seconds);
  config.queue = table.integer_or("queue", 1, 10000, config.queue);
  if (config.location.token_label.empty() && config.location.token_serial.empty())
    table.refuse("key", "key = \"pkcs11\" needs a token_label or a token_serial");
  if (config.location.key_label.empty() && config.location.key_id.empty())
    table.refuse("key", "key = \"pkcs11\" needs a key_label or a key_id");
  return config;
}

RenewalConfig read_renewal(TomlTable& root) {
  RenewalConfig config;
  TomlTable table = root.table("renewal");
  config.automatic = table.choice_or("tls", kTlsRenewals, 1) == 1;
  config.new_key = table.choice_or("tls_key", kTlsKeys, 0) == 1;
  config.tls_days = table.integer_or("tls_days", 1, 36500, config.tls_days);
  return config;
}

}  // namespace sks::issuer
