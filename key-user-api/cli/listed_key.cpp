#include "key-user-api/cli/listed_key.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "key-user-api/cli/url.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/x509.h"

namespace sks::cli {
namespace {

/// Indexed by the byte of sks-api.md 5.1.
constexpr auto kAppUsages = std::to_array<std::string_view>({"signature", "authentication", "encryption", "universal"});

std::string suffix(std::string_view uri) { return std::string(uri.substr(uri.find('#') + 1)); }

/// The key generation algorithm that makes such keys with nothing but its own defaults.
std::string algorithm_name(const crypto::PublicKey& key) {
  const bool rsa = key.kind() == KeyKind::rsa;
  const std::size_t rsa_bits = rsa ? key.rsa_modulus_bytes() * 8 : 0;
  for (const Algorithm& row : all_algorithms()) {
    if (row.category != Category::key_generation || row.takes_parameters || row.kind != key.kind()) continue;
    if (key.kind() == KeyKind::ec && row.curve != key.curve()) continue;
    if (rsa && row.size != rsa_bits) continue;
    return suffix(row.uri);
  }
  return "rsa" + std::to_string(rsa_bits);
}

Result<ListedKey> describe_key(SecureKeyStore& store, const EnumeratedKey& entry, std::string issuer_uri) {
  SKS_LET(const KeyAttributes attributes, store.get_key_attributes(entry.handle));
  SKS_LET(const KeyProtectionInfo protection, store.get_key_protection_info(entry.handle));
  if (attributes.certificate_path.empty() || attributes.app_usage >= kAppUsages.size())
    return Error{Status::internal, "key " + std::to_string(entry.handle.value) + " of the key store is damaged"};
  SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(attributes.certificate_path[0]));
  SKS_LET(std::string algorithm, algorithm_of(certificate, attributes.symmetric_key_length));
  return ListedKey{
      entry.handle,          to_hex(certificate.fingerprint()), attributes.friendly_name, certificate.subject(),
      std::move(issuer_uri), kAppUsages[attributes.app_usage],  std::move(algorithm),     protection,
      entry.session};
}

}  // namespace

std::string symmetric_algorithm(std::size_t bytes) { return "symmetric" + std::to_string(bytes * 8); }

Result<std::string> algorithm_of(const crypto::Certificate& certificate, std::size_t symmetric_bytes) {
  if (symmetric_bytes != 0) return symmetric_algorithm(symmetric_bytes);
  SKS_LET(const crypto::PublicKey key, certificate.public_key());
  return algorithm_name(key);
}

std::string_view app_usage_name(std::uint8_t app_usage) { return kAppUsages.at(app_usage); }

Result<std::vector<SessionInfo>> list_sessions(SecureKeyStore& store, SessionState state) {
  std::vector<SessionInfo> sessions;
  ProvisioningHandle previous;
  while (true) {
    SKS_LET(std::optional<SessionInfo> next, store.enumerate_provisioning_sessions(previous, state));
    if (!next) return sessions;
    previous = next->handle;
    sessions.push_back(std::move(*next));
  }
}

Result<std::vector<ListedKey>> list_keys(SecureKeyStore& store) {
  SKS_LET(const std::vector<SessionInfo> sessions, list_sessions(store, SessionState::closed));
  std::map<ProvisioningHandle, std::string> issuers;
  for (const SessionInfo& session : sessions) issuers[session.handle] = session.issuer_uri;
  std::vector<ListedKey> keys;
  KeyHandle previous;
  while (true) {
    SKS_LET(const std::optional<EnumeratedKey> next, store.enumerate_keys(previous));
    if (!next) return keys;
    previous = next->handle;
    SKS_LET(ListedKey key, describe_key(store, *next, issuers[next->session]));
    keys.push_back(std::move(key));
  }
}

Result<ListedKey> find_key(SecureKeyStore& store, std::string_view handle_or_fingerprint) {
  constexpr std::size_t kFingerprintDigits = 2 * crypto::kSha256Size;
  const bool is_fingerprint = handle_or_fingerprint.size() == kFingerprintDigits && from_hex(handle_or_fingerprint);
  std::uint32_t handle = 0;
  if (!is_fingerprint) {
    const char* const end = handle_or_fingerprint.data() + handle_or_fingerprint.size();
    const auto [stop, error] = std::from_chars(handle_or_fingerprint.data(), end, handle);
    if (error != std::errc() || stop != end || handle == 0)
      return Error{Status::option, "a key is named by its handle or its certificate fingerprint (see 'sks list')"};
  }
  SKS_LET(std::vector<ListedKey> keys, list_keys(store));
  const auto found = std::ranges::find_if(keys, [&](const ListedKey& key) {
    return is_fingerprint ? equal_ignoring_case(key.fingerprint, handle_or_fingerprint) : key.handle.value == handle;
  });
  if (found == keys.end())
    return Error{Status::no_key, "there is no key " + std::string(handle_or_fingerprint) + " in this key store"};
  return std::move(*found);
}

std::string remaining_tries(std::uint16_t retry_limit, std::uint16_t error_count) {
  const int left = std::max(0, int{retry_limit} - int{error_count});
  return left == 1 ? "1 try is left" : std::to_string(left) + " tries are left";
}

Error explain_wrong_pin(SecureKeyStore& store, KeyHandle key) {
  const auto protection = store.get_key_protection_info(key);
  if (!protection) return protection.error();
  if ((protection->protection_status & kPinBlocked) != 0)
    return {Status::authorization, "the PIN is blocked: too many wrong tries"};
  if ((protection->protection_status & kPinProtected) == 0) return {Status::authorization, "the device PIN is wrong"};
  return {Status::authorization,
          "the PIN is wrong; " + remaining_tries(protection->retry_limit, protection->pin_error_count)};
}

Error explain_wrong_puk(SecureKeyStore& store, KeyHandle key) {
  const auto protection = store.get_key_protection_info(key);
  if (!protection) return protection.error();
  if ((protection->protection_status & kPukBlocked) != 0)
    return {Status::authorization, "the PUK is blocked: too many wrong tries"};
  if (protection->puk_retry_limit == 0) return {Status::authorization, "the PUK is wrong"};
  return {Status::authorization,
          "the PUK is wrong; " + remaining_tries(protection->puk_retry_limit, protection->puk_error_count)};
}

}  // namespace sks::cli
