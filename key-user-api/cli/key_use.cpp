#include "key-user-api/cli/key_use.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "key-user-api/cli/url.h"
#include "sks-core/base/encoding.h"

namespace sks::cli {
namespace {

#define SKS_ALG "https://webpki.github.io/sks/algorithm#"
#define XMLENC_ALG "http://www.w3.org/2001/04/xmlenc#"
#define DSIG_ALG "http://www.w3.org/2000/09/xmldsig#"
#define DSIGMORE_ALG "http://www.w3.org/2001/04/xmldsig-more#"
#define DSIGMORE2007_ALG "http://www.w3.org/2007/05/xmldsig-more#"
#define EXT_ALG "urn:sks:ext:"

/// Of those that fit a key, the first is its default; of ECDSA, the one that choose_default() says.
constexpr auto kMechanisms = std::to_array<Mechanism>({
    {"ecdsa-sha256", "ECDSA-SHA256", DSIGMORE_ALG "ecdsa-sha256"},
    {"ecdsa-sha384", "ECDSA-SHA384", DSIGMORE_ALG "ecdsa-sha384"},
    {"ecdsa-sha512", "ECDSA-SHA512", DSIGMORE_ALG "ecdsa-sha512"},
    {"rsa-sha256", "SHA256-RSA-PKCS", DSIGMORE_ALG "rsa-sha256"},
    {"rsa-sha384", "SHA384-RSA-PKCS", DSIGMORE_ALG "rsa-sha384"},
    {"rsa-sha512", "SHA512-RSA-PKCS", DSIGMORE_ALG "rsa-sha512"},
    {"rsa-pss-sha256", "SHA256-RSA-PKCS-PSS", DSIGMORE2007_ALG "sha256-rsa-MGF1"},
    {"rsa-pss-sha384", "SHA384-RSA-PKCS-PSS", DSIGMORE2007_ALG "sha384-rsa-MGF1"},
    {"rsa-pss-sha512", "SHA512-RSA-PKCS-PSS", DSIGMORE2007_ALG "sha512-rsa-MGF1"},
    {"ed25519", "", SKS_ALG "ed25519"},
    {"ed448", "", SKS_ALG "ed448"},
    {"hmac-sha256", "SHA256-HMAC", DSIGMORE_ALG "hmac-sha256"},
    {"hmac-sha384", "SHA384-HMAC", DSIGMORE_ALG "hmac-sha384"},
    {"hmac-sha512", "SHA512-HMAC", DSIGMORE_ALG "hmac-sha512"},
    {"hmac-sha1", "SHA-1-HMAC", DSIG_ALG "hmac-sha1"},
    {"rsa-oaep-sha256", "", SKS_ALG "rsa.oaep.sha256"},
    {"rsa-oaep-sha1", "", SKS_ALG "rsa.oaep.sha1"},
    {"rsa-pkcs1", "RSA-PKCS", SKS_ALG "rsa.es.pkcs1_5"},
    {"aes-gcm", "", EXT_ALG "aes.gcm"},
    {"aes128-cbc", "", XMLENC_ALG "aes128-cbc"},
    {"aes192-cbc", "", XMLENC_ALG "aes192-cbc"},
    {"aes256-cbc", "", XMLENC_ALG "aes256-cbc"},
    {"aes-kw", "", EXT_ALG "aes.kw"},
    {"aes-kwp", "", EXT_ALG "aes.kwp"},
});

Purpose purpose_of(const Algorithm& algorithm) {
  const bool signs = is_signature(algorithm) || algorithm.category == Category::hmac;
  return signs ? Purpose::signing : Purpose::encryption;
}

bool fits_symmetric(const Algorithm& algorithm, std::size_t key_bytes) {
  if (algorithm.category == Category::hmac) return true;
  if (algorithm.category != Category::cipher) return false;
  return algorithm.size == 0 ? key_bytes == 16 || key_bytes == 24 || key_bytes == 32 : key_bytes == algorithm.size;
}

bool fits(const Algorithm& algorithm, const UsableKey& key) {
  if (key.symmetric_bytes != 0) return fits_symmetric(algorithm, key.symmetric_bytes);
  const KeyKind kind = key.public_key->kind();
  if (algorithm.also_signature) return algorithm.kind == kind;
  if (algorithm.family == KeyFamily::rsa) return kind == KeyKind::rsa;
  return algorithm.category == Category::signature && kind == KeyKind::ec;
}

bool is_endorsed(const Mechanism& row, const UsableKey& key) {
  const std::vector<std::string>& endorsed = key.endorsed_algorithms;
  return endorsed.empty() || std::ranges::find(endorsed, row.uri) != endorsed.end();
}

std::string describe(const UsableKey& key) {
  return "key " + std::to_string(key.listed.handle.value) + " (" + key.listed.algorithm + ")";
}

std::string_view verb_of(Purpose purpose) { return purpose == Purpose::signing ? "sign" : "encrypt and decrypt"; }

/// Whether a hash is as long as the numbers of the key's curve, so that it takes nothing from the strength of the key.
bool is_long_enough(const Algorithm& algorithm, const UsableKey& key) {
  if (algorithm.category != Category::signature || algorithm.family == KeyFamily::rsa) return true;
  return crypto::digest_size(algorithm.hash) >= curve_info(key.public_key->curve()).field_bytes;
}

/// The first that the key may do; a hash that is too short for it only where there is no longer one, and then the last.
Result<const Mechanism*> choose_default(const UsableKey& key, Purpose purpose) {
  const Mechanism* chosen = nullptr;
  bool fitting = false;
  for (const Mechanism& row : kMechanisms) {
    if (purpose_of(row.algorithm()) != purpose || !fits(row.algorithm(), key)) continue;
    fitting = true;
    if (!is_endorsed(row, key)) continue;
    chosen = &row;
    if (is_long_enough(row.algorithm(), key)) break;
  }
  if (chosen != nullptr) return chosen;
  if (!fitting) return Error{Status::option, describe(key) + " cannot " + std::string(verb_of(purpose))};
  return Error{Status::not_allowed,
               "the issuer of " + describe(key) + " lets it do other things than " + std::string(verb_of(purpose))};
}

/// "CKM_ECDSA_SHA256" and "ECDSA-SHA256" are the same name.
std::string plain_mechanism(std::string_view name) {
  std::string plain = to_lower(name);
  std::ranges::replace(plain, '_', '-');
  if (plain.starts_with("ckm-")) plain.erase(0, 4);
  return plain;
}

const Mechanism* find_mechanism(const std::string& name, Purpose purpose) {
  const std::string plain = plain_mechanism(name);
  for (const Mechanism& row : kMechanisms) {
    if (purpose_of(row.algorithm()) != purpose) continue;
    if (row.uri == name || row.name == plain) return &row;
    if (!row.pkcs11.empty() && plain_mechanism(row.pkcs11) == plain) return &row;
  }
  return nullptr;
}

}  // namespace

const Algorithm& Mechanism::algorithm() const {
  const Algorithm* const found = find_algorithm(uri);
  SKS_CHECK(found != nullptr);
  return *found;
}

std::string mechanism_names(Purpose purpose) {
  std::string names;
  for (const Mechanism& row : kMechanisms)
    if (purpose_of(row.algorithm()) == purpose) names += (names.empty() ? "" : ", ") + std::string(row.name);
  return names;
}

Result<UsableKey> find_usable_key(SecureKeyStore& store, const std::string& handle) {
  UsableKey key;
  SKS_LET(key.listed, find_key(store, handle));
  SKS_LET(KeyAttributes attributes, store.get_key_attributes(key.listed.handle));
  key.symmetric_bytes = attributes.symmetric_key_length;
  key.endorsed_algorithms = std::move(attributes.endorsed_algorithms);
  if (key.symmetric_bytes != 0) return key;
  SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(attributes.certificate_path.at(0)));
  SKS_LET(crypto::PublicKey public_key, certificate.public_key());
  key.public_key = std::move(public_key);
  return key;
}

Result<const Mechanism*> choose_mechanism(const UsableKey& key, Purpose purpose, const std::string& name) {
  if (name.empty()) return choose_default(key, purpose);
  const Mechanism* const row = find_mechanism(name, purpose);
  if (row == nullptr)
    return Error{Status::option, "'" + name + "' is no way to " + std::string(verb_of(purpose)) + "; there are " +
                                     mechanism_names(purpose)};
  if (!fits(row->algorithm(), key))
    return Error{Status::option, std::string(row->name) + " is for keys of another kind than " + describe(key)};
  if (!is_endorsed(*row, key))
    return Error{Status::not_allowed,
                 "the issuer of " + describe(key) + " does not let it do " + std::string(row->name)};
  return row;
}

Result<Authorization> authorize_use(const UsableKey& key, const std::vector<SecureBytes>& pins,
                                    dialog::Terminal* terminal) {
  Authorization authorization;
  if (!key.listed.pin_protected()) return authorization;
  if (key.listed.locked())
    return Error{Status::authorization, "the PIN is blocked: too many wrong tries (see 'sks pin unblock')"};
  SKS_LET(authorization.pin, take_password(pins, pin_of(key.listed), terminal));
  return authorization;
}

Error explain_refused_use(SecureKeyStore& store, const UsableKey& key, Error error) {
  if (error.status != Status::authorization) return error;
  return explain_wrong_pin(store, key.listed.handle);
}

Result<void> deliver_result(const UsableKey& key, const Mechanism& mechanism, std::string_view name, ByteView content,
                            const UseOptions& options, Format format, std::ostream& out) {
  const bool to_file = !options.output.file.empty();
  if (to_file || format == Format::text) SKS_TRY(deliver(content, options.output, out));
  if (format == Format::text) return {};
  nlohmann::ordered_json json{{"handle", key.listed.handle.value}, {"algorithm", mechanism.name}};
  if (to_file) {
    json["file"] = options.output.file;
    json["size"] = content.size();
  } else {
    json[std::string(name)] = to_base64url(content);
  }
  out << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  return {};
}

}  // namespace sks::cli
