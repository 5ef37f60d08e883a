#include "key-user-api/cli/token_key.h"

#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>

#include "key-user-api/cli/extension_view.h"
#include "key-user-api/cli/url.h"
#include "key-user-api/local_issuer/local_keys.h"
#include "sks-core/base/encoding.h"

namespace sks::cli {
namespace {

constexpr std::string_view kUriStart = "pkcs11:";
constexpr std::size_t kMaxUri = 4096;

/// SHA-1 of the bits of the public key. Spec: sksd.md 6.
Bytes default_id(const crypto::Certificate& certificate) {
  const ASN1_BIT_STRING* const bits = X509_get0_pubkey_bitstr(certificate.openssl_without_key());
  return crypto::sha1({ASN1_STRING_get0_data(bits), static_cast<std::size_t>(ASN1_STRING_length(bits))});
}

/// What the owner of a local key may change. Spec: local-keys.md 2.
Result<void> read_own_names(SecureKeyStore& store, const KeyAttributes& attributes, TokenKey& key) {
  const std::string type(kPkcs11ExtensionType);
  if (std::ranges::find(attributes.extension_types, type) == attributes.extension_types.end()) return {};
  SKS_LET(const ShownExtension extension, read_extension(store, key.key.handle, type));
  for (const ShownExtension::Property& property : extension.properties) {
    if (property.name == kPkcs11Label) key.label = property.value;
    if (property.name != kPkcs11Id || property.value.empty()) continue;
    if (auto id = from_hex(property.value)) key.id = std::move(*id);
  }
  return {};
}

Result<TokenKey> describe(SecureKeyStore& store, ListedKey listed) {
  SKS_LET(const KeyAttributes attributes, store.get_key_attributes(listed.handle));
  SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(attributes.certificate_path.at(0)));
  std::string label = attributes.friendly_name.empty() ? listed.subject : attributes.friendly_name;
  const bool is_hidden =
      std::ranges::find(attributes.extension_types, kPinManagerType) != attributes.extension_types.end();
  TokenKey key{
      std::move(listed), attributes.symmetric_key_length != 0, 0, {}, default_id(certificate), std::move(label),
      is_hidden};
  SKS_TRY(read_own_names(store, attributes, key));
  return key;
}

/// RFC 7512 lets more characters stand for themselves, but shells do not.
bool is_plain(char c) {
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return letter || (c >= '0' && c <= '9') || std::string_view("-._~").find(c) != std::string_view::npos;
}

/// RFC 3986 prefers upper case.
void append_encoded(std::string& uri, char c) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const auto byte = static_cast<std::uint8_t>(c);
  uri += '%';
  uri += kDigits[byte >> 4U];
  uri += kDigits[byte & 0x0fU];
}

void append(std::string& uri, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  if (uri != kUriStart) uri += ';';
  uri += std::string(name) + "=";
  for (const char c : value) {
    if (is_plain(c))
      uri += c;
    else
      append_encoded(uri, c);
  }
}

/// An attribute of a URI's path, and whether a key has its (decoded) value.
struct UriAttribute {
  std::string_view name;
  bool (*matches)(const TokenKey& key, std::string_view value);
};

bool has_type(const TokenKey& key, std::string_view type) {
  if (key.symmetric) return type == "secret-key";
  return type == "private" || type == "public" || type == "cert";
}

constexpr auto kUriAttributes = std::to_array<UriAttribute>({
    {"token", [](const TokenKey& key, std::string_view value) { return key.token.label == value; }},
    {"manufacturer", [](const TokenKey&, std::string_view value) { return value == kTokenManufacturer; }},
    {"model", [](const TokenKey&, std::string_view value) { return value == kTokenModel; }},
    {"serial", [](const TokenKey& key, std::string_view value) { return key.token.serial == value; }},
    {"slot-id", [](const TokenKey& key, std::string_view value) { return std::to_string(key.slot) == value; }},
    {"object", [](const TokenKey& key, std::string_view value) { return key.label == value; }},
    {"id", [](const TokenKey& key, std::string_view value) { return equal(key.id, as_bytes(value)); }},
    {"type", has_type},
});

using Condition = std::function<bool(const TokenKey&)>;

Result<Condition> parse_attribute(std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const auto* const row = std::ranges::find(kUriAttributes, name, &UriAttribute::name);
  if (equals == std::string_view::npos || row == kUriAttributes.end())
    return Error{Status::option, "the URI has an attribute that names no key: '" + std::string(name) + "'"};
  SKS_LET(std::string value, percent_decode(text.substr(equals + 1)));
  return Condition([row, value = std::move(value)](const TokenKey& key) { return row->matches(key, value); });
}

Result<Condition> parse_uri(std::string_view uri) {
  if (uri.size() > kMaxUri) return Error{Status::option, "the URI is too long"};
  if (uri.find('?') != std::string_view::npos)
    return Error{Status::option, "a URI that names a key has no '?'; a PIN is given by --pin-file"};
  uri.remove_prefix(kUriStart.size());
  if (uri.empty()) return Error{Status::option, "the URI names no key"};
  std::vector<Condition> conditions;
  for (bool more = true; more;) {
    const std::size_t end = uri.find(';');
    more = end != std::string_view::npos;
    SKS_LET(Condition condition, parse_attribute(uri.substr(0, end)));
    conditions.push_back(std::move(condition));
    if (more) uri.remove_prefix(end + 1);
  }
  return Condition([conditions = std::move(conditions)](const TokenKey& key) {
    return !key.is_hidden &&
           std::ranges::all_of(conditions, [&](const Condition& condition) { return condition(key); });
  });
}

/// The ways to name a key, in the order in which they are tried.
std::vector<Condition> conditions_for(const std::string& text) {
  std::vector<Condition> ways;
  ways.emplace_back([&](const TokenKey& key) { return std::to_string(key.key.handle.value) == text; });
  ways.emplace_back([&](const TokenKey& key) { return equal_ignoring_case(key.key.fingerprint, text); });
  ways.emplace_back([&](const TokenKey& key) { return equal_ignoring_case(to_hex(key.id), text); });
  ways.emplace_back([&](const TokenKey& key) { return key.label == text; });
  return ways;
}

}  // namespace

Result<std::vector<TokenKey>> list_token_keys(SecureKeyStore& store, const UserApi::PinGroupOf& pin_group_of) {
  SKS_LET(std::vector<ListedKey> listed, list_keys(store));
  SKS_LET(const DeviceInfo device, store.get_device_info());
  if (device.certificate_path.empty()) return Error{Status::internal, "the store has no device certificate"};
  std::map<std::uint32_t, TokenNames> tokens;
  std::vector<TokenKey> keys;
  for (ListedKey& entry : listed) {
    SKS_LET(TokenKey key, describe(store, std::move(entry)));
    SKS_LET(const std::optional<PinGroupHandle> group, pin_group_of(key.key.handle));
    key.slot = group ? group->value : 0;
    if (!tokens.contains(key.slot))
      tokens.emplace(key.slot, token_names(key.slot, key.key.issuer_uri, device.certificate_path.front()));
    key.token = tokens.at(key.slot);
    keys.push_back(std::move(key));
  }
  return keys;
}

std::string pkcs11_uri(const TokenKey& key, std::string_view type) {
  std::string uri(kUriStart);
  append(uri, "model", kTokenModel);
  append(uri, "manufacturer", kTokenManufacturer);
  append(uri, "serial", key.token.serial);
  append(uri, "token", key.token.label);
  uri += ";id=";  // every byte encoded, as RFC 7512 recommends
  for (const std::uint8_t byte : key.id) append_encoded(uri, static_cast<char>(byte));
  append(uri, "object", key.label);
  append(uri, "type", type);
  return uri;
}

Result<std::string> resolve_key(SecureKeyStore& store, const UserApi::PinGroupOf& pin_group_of,
                                const std::string& text) {
  std::vector<Condition> ways;
  if (text.starts_with(kUriStart)) {
    SKS_LET(Condition by_uri, parse_uri(text));
    ways.push_back(std::move(by_uri));
  } else {
    ways = conditions_for(text);
  }
  SKS_LET(const std::vector<TokenKey> keys, list_token_keys(store, pin_group_of));
  for (const Condition& is_named : ways) {
    std::vector<std::string> found;
    for (const TokenKey& key : keys)
      if (is_named(key)) found.push_back(std::to_string(key.key.handle.value));
    if (found.size() == 1) return std::move(found.front());
    if (found.size() > 1)
      return Error{Status::option, "'" + text + "' names several keys, among them " + found[0] + " and " + found[1] +
                                       ": give the handle"};
  }
  return Error{Status::no_key, "there is no key " + text + " in this key store (see 'sks list')"};
}

}  // namespace sks::cli
