#include "key-user-api/local_issuer/local_keys.h"

#include <algorithm>
#include <set>

#include "key-user-api/local_issuer/local_issuer.h"
#include "keygen2/key_algorithm.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/private_key.h"
#include "sks-core/crypto/x509.h"

namespace sks {
namespace {

using keygen2::KeyEntrySpecifier;
using keygen2::PinPolicySpecifier;
using keygen2::PukPolicySpecifier;

constexpr std::string_view kP256 = "https://webpki.github.io/sks/algorithm#ec.nist.p256";
/// What createKeyEntry makes before the imported key takes its place: the quickest there is.
constexpr std::string_view kPlaceholderAlgorithm = kP256;
constexpr std::string_view kManagerAlgorithm = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
constexpr const char* kManagerLabel = "PIN manager";

constexpr std::size_t kMaxLabel = 100;          // characters, sks-api.md appendix E1
constexpr std::size_t kMaxCommonName = 64;      // characters, RFC 5280
constexpr std::size_t kMaxSymmetricKey = 128;   // bytes, sks-api.md appendix E4
constexpr std::uint8_t kPlainExtension = 0x00;  // subTypes of sks-api.md 4.14
constexpr std::uint8_t kPropertyBag = 0x02;
constexpr std::uint8_t kShared = 1;  // grouping of sks-api.md 5.1

/// Uses of the session key, sks-api.md 3.7: two each for the creation, the import and the PIN of a key, one for its
/// path and one for its extension.
constexpr std::size_t kOperationsPerKey = 8;
constexpr std::size_t kOtherOperations = 16;  // policies, the manager of the PIN, close

Error option(std::string why) { return {Status::option, std::move(why)}; }

/// A request that was found to be one that SKS can express, with what follows from it.
struct CheckedKey {
  const LocalKeyRequest& request;
  Bytes public_key;  ///< SPKI, of a private key that comes from outside
};

Result<void> check_spec(const LocalKeySpec& spec, const LocalPin& pin) {
  if (!is_utf8(spec.label) || count_code_points(spec.label) > kMaxLabel)
    return option("the label is not text of at most 100 characters");
  const auto asks = [](Protection protection) {
    return protection == Protection::pin || protection == Protection::puk;
  };
  if (std::holds_alternative<SharedPin>(pin) && (asks(spec.export_protection) || asks(spec.delete_protection)))
    return option("a key that joins the PIN of other keys can be exported and deleted without it, or not at all");
  return {};
}

Result<Bytes> check_source(SecureKeyStore&, const GeneratedKey&) { return Bytes(); }

Result<Bytes> check_source(SecureKeyStore& store, const BroughtKey& key) {
  SKS_LET(const crypto::PrivateKey private_key, crypto::PrivateKey::from_pkcs8(key.pkcs8.view()));
  const Bytes& spki = private_key.public_key().spki();
  SKS_TRY(check_storable(store, spki));
  if (key.certificate_path.empty()) return spki;
  SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(key.certificate_path.front()));
  const auto certified = certificate.public_key();
  if (!certified || certified->spki() != spki) return option("the certificate is that of another key");
  return spki;
}

Result<Bytes> check_source(SecureKeyStore&, const BroughtSymmetricKey& key) {
  if (key.value.empty() || key.value.size() > kMaxSymmetricKey)
    return option("a symmetric key has 1 to 128 bytes, this one has " + std::to_string(key.value.size()));
  return Bytes();
}

/// What X.509 takes: the beginning of the label.
std::string common_name_of(const std::string& label) {
  std::string name = label;
  while (count_code_points(name) > kMaxCommonName || !is_utf8(name)) name.pop_back();
  return name.empty() ? "Key" : name;
}

Bytes property_bag(const LocalKeySpec& spec) {
  ByteWriter bag;
  bag.text(kPkcs11Id).boolean(true).text(to_hex(spec.pkcs11_id));
  bag.text(kPkcs11Label).boolean(true).text(spec.label);
  bag.text(kPkcs11Certificates).boolean(true).text("");
  return bag.take();
}

KeyEntrySpecifier entry_of(const LocalKeyRequest& request, std::size_t number) {
  KeyEntrySpecifier entry;
  entry.id = "Key." + std::to_string(number);
  entry.app_usage = static_cast<std::uint8_t>(request.spec.app_usage);
  entry.export_protection = static_cast<std::uint8_t>(request.spec.export_protection);
  entry.delete_protection = static_cast<std::uint8_t>(request.spec.delete_protection);
  entry.friendly_name = request.spec.label;
  entry.endorsed_algorithms = request.spec.endorsed_algorithms;
  std::ranges::sort(entry.endorsed_algorithms);
  const auto* const generated = std::get_if<GeneratedKey>(&request.source);
  entry.key_algorithm = generated == nullptr ? std::string(kPlaceholderAlgorithm) : generated->algorithm;
  if (generated != nullptr) entry.key_parameters = generated->parameters;
  return entry;
}

/// The session in which the keys of one call come to be.
class Provisioner {
 public:
  Provisioner(SecureKeyStore& store, LocalIssuer& issuer, const LocalPin& pin, std::int64_t now)
      : store_(store), issuer_(issuer), pin_(pin), now_(now) {}

  /// `manager`: the key management key of the session, when the PIN is a new one.
  Result<void> begin(const std::optional<crypto::PrivateKey>& manager) {
    const auto* const pin = std::get_if<NewPin>(&pin_);
    if (pin == nullptr) return {};
    SKS_TRY(create_policy(*pin));
    return create_manager(*manager);
  }

  Result<LocalKey> provision(const CheckedKey& key, std::size_t number) {
    const LocalKeySpec& spec = key.request.spec;
    SKS_LET(const Made made, create(entry_of(key.request, number), key.public_key, spec.label,
                                    std::get_if<BroughtKey>(&key.request.source)));
    if (const auto* const brought = std::get_if<BroughtKey>(&key.request.source))
      SKS_TRY(issuer_.import_private_key(made.handle, brought->pkcs8));
    if (const auto* const brought = std::get_if<BroughtSymmetricKey>(&key.request.source))
      SKS_TRY(issuer_.import_symmetric_key(made.handle, brought->value));
    const Bytes bag = property_bag(spec);
    SKS_TRY(issuer_.add_extension(made.handle, {kPkcs11ExtensionType, kPropertyBag, "", bag}));
    if (const auto* const shared = std::get_if<SharedPin>(&pin_)) SKS_TRY(share(made.handle, *shared));
    return LocalKey{made.handle, made.certificate};
  }

 private:
  struct Made {
    KeyHandle handle;
    Bytes certificate;
  };

  Result<void> create_policy(const NewPin& pin) {
    LocalIssuer::PukChoice puk;
    if (pin.puk) {
      puk_policy_.id = "PUK.1";
      puk_policy_.format = static_cast<std::uint8_t>(pin.puk->format);
      puk_policy_.retry_limit = pin.puk->retry_limit;
      puk.policy = &puk_policy_;
      SKS_LET(puk.handle, issuer_.create_puk_policy(puk_policy_, pin.puk->value));
    }
    policy_.id = "PIN.1";
    policy_.min_length = pin.min_length;
    policy_.max_length = pin.max_length;
    policy_.retry_limit = pin.retry_limit;
    policy_.format = static_cast<std::uint8_t>(pin.format);
    policy_.grouping = kShared;
    policy_.pattern_restrictions = pin.pattern_restrictions;
    choice_.policy = &policy_;
    choice_.value = &pin.value;
    SKS_LET(choice_.handle, issuer_.create_pin_policy(policy_, puk));
    return {};
  }

  // The session's key management key as a key of the store under the new PIN: whoever knows the PIN, and nobody else,
  // can let further keys under it. Being under the PIN it cannot undo a lock either.
  Result<void> create_manager(const crypto::PrivateKey& manager) {
    KeyEntrySpecifier entry;
    entry.id = "Manager";
    entry.app_usage = static_cast<std::uint8_t>(AppUsage::signature);
    entry.friendly_name = kManagerLabel;
    entry.key_algorithm = kPlaceholderAlgorithm;
    entry.endorsed_algorithms = {std::string(kManagerAlgorithm)};
    SKS_LET(const Made made, create(entry, manager.public_key().spki(), kManagerLabel, nullptr));
    SKS_LET(const SecureBytes pkcs8, manager.to_pkcs8());
    SKS_TRY(issuer_.import_private_key(made.handle, pkcs8));
    return issuer_.add_extension(made.handle, {kPinManagerType, kPlainExtension, "", {}});
  }

  // `public_key` empty: that of the key pair that the store makes.
  Result<Made> create(const KeyEntrySpecifier& entry, ByteView public_key, const std::string& label,
                      const BroughtKey* brought) {
    SKS_LET(const CreatedKey created, issuer_.create_key(entry, choice_));
    std::vector<Bytes> path;
    if (brought != nullptr) path = brought->certificate_path;
    if (path.empty()) {
      SKS_LET(Bytes certificate, certify_locally(public_key.empty() ? ByteView(created.public_key) : public_key,
                                                 common_name_of(label), now_));
      path.push_back(std::move(certificate));
    }
    SKS_TRY(issuer_.set_certificate_path(created, entry.id, path));
    return Made{created.handle, std::move(path.front())};
  }

  Result<void> share(KeyHandle key, const SharedPin& shared) {
    return issuer_.clone_protection(key, shared.manager.key, shared.manager.certificate, [&](ByteView data) {
      Authorization authorization;
      authorization.pin = SecureBytes::copy_of(shared.pin.view());
      return store_.sign_data(shared.manager.key, kManagerAlgorithm, {}, authorization, data);
    });
  }

  SecureKeyStore& store_;
  LocalIssuer& issuer_;
  const LocalPin& pin_;
  std::int64_t now_;
  PukPolicySpecifier puk_policy_;
  PinPolicySpecifier policy_;
  LocalIssuer::PinChoice choice_;
};

Result<std::vector<CheckedKey>> check_requests(SecureKeyStore& store, const std::vector<LocalKeyRequest>& requests,
                                               const LocalPin& pin) {
  if (requests.size() * kOperationsPerKey + kOtherOperations > LocalIssuer::kOperations)
    return option("these are more keys than one provisioning session can bring");
  std::vector<CheckedKey> checked;
  for (const LocalKeyRequest& request : requests) {
    SKS_TRY(check_spec(request.spec, pin));
    SKS_LET(Bytes public_key,
            std::visit([&](const auto& source) { return check_source(store, source); }, request.source));
    checked.push_back({request, std::move(public_key)});
  }
  return checked;
}

template <class Source>
Result<LocalKey> provision_one(SecureKeyStore& store, Source source, LocalKeySpec spec, const LocalPin& pin,
                               const Clock& clock) {
  std::vector<LocalKeyRequest> requests;
  requests.push_back({std::move(source), std::move(spec)});
  SKS_LET(std::vector<LocalKey> keys, provision_local_keys(store, requests, pin, clock));
  return std::move(keys.front());
}

Result<std::optional<SessionInfo>> find_closed_session(SecureKeyStore& store, ProvisioningHandle session) {
  ProvisioningHandle previous;
  while (true) {
    SKS_LET(std::optional<SessionInfo> next, store.enumerate_provisioning_sessions(previous, SessionState::closed));
    if (!next || next->handle == session) return next;
    previous = next->handle;
  }
}

struct KeysOfSession {
  ProvisioningHandle session;
  std::vector<KeyHandle> keys;
};

// The keys that share the session of `key`.
Result<KeysOfSession> find_session_of(SecureKeyStore& store, KeyHandle key) {
  std::vector<EnumeratedKey> all;
  KeysOfSession found;
  KeyHandle previous;
  while (true) {
    SKS_LET(const std::optional<EnumeratedKey> next, store.enumerate_keys(previous));
    if (!next) break;
    if (next->handle == key) found.session = next->session;
    all.push_back(*next);
    previous = next->handle;
  }
  if (!found.session) return Error{Status::no_key, "Unknown key " + std::to_string(key.value)};
  for (const EnumeratedKey& other : all)
    if (other.session == found.session) found.keys.push_back(other.handle);
  return found;
}

}  // namespace

Result<std::vector<LocalKey>> provision_local_keys(SecureKeyStore& store, const std::vector<LocalKeyRequest>& requests,
                                                   const LocalPin& pin, const Clock& clock) {
  SKS_LET(const std::vector<CheckedKey> checked, check_requests(store, requests, pin));
  if (checked.empty()) return std::vector<LocalKey>();
  std::optional<crypto::PrivateKey> manager;
  Bytes management_key;
  if (std::holds_alternative<NewPin>(pin)) {
    const Algorithm* const algorithm = find_algorithm(kP256);
    SKS_CHECK(algorithm != nullptr);
    SKS_LET(manager, crypto::PrivateKey::generate(*algorithm));
    management_key = manager->public_key().spki();
  }
  if (const auto* const shared = std::get_if<SharedPin>(&pin)) management_key = shared->manager.public_key;

  SKS_LET(LocalIssuer issuer, LocalIssuer::open(store, clock, system_random(), management_key));
  Provisioner provisioner(store, issuer, pin, clock.now());
  SKS_TRY(provisioner.begin(manager));
  std::vector<LocalKey> made;
  for (const CheckedKey& key : checked) {
    SKS_LET(LocalKey one, provisioner.provision(key, made.size() + 1));
    made.push_back(std::move(one));
  }
  SKS_TRY(issuer.close());
  return made;
}

Result<LocalKey> create_key(SecureKeyStore& store, GeneratedKey key, LocalKeySpec spec, const LocalPin& pin,
                            const Clock& clock) {
  return provision_one(store, std::move(key), std::move(spec), pin, clock);
}

Result<LocalKey> import_key(SecureKeyStore& store, BroughtKey key, LocalKeySpec spec, const LocalPin& pin,
                            const Clock& clock) {
  return provision_one(store, std::move(key), std::move(spec), pin, clock);
}

Result<LocalKey> import_symmetric_key(SecureKeyStore& store, BroughtSymmetricKey key, LocalKeySpec spec,
                                      const LocalPin& pin, const Clock& clock) {
  return provision_one(store, std::move(key), std::move(spec), pin, clock);
}

std::string write_certificates(const std::vector<Bytes>& path) {
  std::string text;
  for (const Bytes& certificate : path) {
    if (!text.empty()) text += kCertificateSeparator;
    text += to_base64url(certificate);
  }
  return text;
}

Result<PinManager> find_pin_manager(SecureKeyStore& store, KeyHandle key) {
  SKS_LET(const KeyProtectionInfo protection, store.get_key_protection_info(key));
  const std::string name = "key " + std::to_string(key.value);
  if ((protection.protection_status & kPinProtected) == 0) return option(name + " has no PIN of its own");
  SKS_LET(const KeysOfSession siblings, find_session_of(store, key));
  SKS_LET(const std::optional<SessionInfo> session, find_closed_session(store, siblings.session));
  if (!session || session->issuer_uri != kLocalIssuerUri || session->key_management_key.empty())
    return option("no key made here can join the PIN of " + name + ": it is not from this program");
  for (const KeyHandle candidate : siblings.keys) {
    SKS_LET(KeyAttributes attributes, store.get_key_attributes(candidate));
    if (std::ranges::find(attributes.extension_types, kPinManagerType) == attributes.extension_types.end()) continue;
    SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(attributes.certificate_path.front()));
    SKS_LET(const crypto::PublicKey public_key, certificate.public_key());
    if (public_key.spki() != session->key_management_key) continue;
    return PinManager{candidate, std::move(attributes.certificate_path.front()), public_key.spki()};
  }
  return option("no key can join the PIN of " + name + " any more: its PIN manager was deleted");
}

Result<void> check_storable(SecureKeyStore& store, ByteView public_key_spki) {
  SKS_LET(const crypto::PublicKey key, crypto::PublicKey::from_spki(public_key_spki));
  SKS_LET(const DeviceInfo device, store.get_device_info());
  const bool is_rsa = key.kind() == KeyKind::rsa;
  std::set<std::size_t> sizes;
  for (const std::string& uri : device.supported_algorithms) {
    const keygen2::KeyAlgorithm* const row = keygen2::find_key_algorithm(uri);
    if (row == nullptr || row->kind != key.kind()) continue;
    if (key.kind() == KeyKind::ec && row->curve != key.curve()) continue;
    if (!is_rsa || key.rsa_modulus_bytes() * 8 == row->rsa_bits) return {};
    sizes.insert(row->rsa_bits);
  }
  if (is_rsa) {
    std::string names;
    for (const std::size_t bits : sizes) names += (names.empty() ? "" : ", ") + std::to_string(bits);
    return Error{Status::not_available, "the key store cannot hold an RSA key of " +
                                            std::to_string(key.rsa_modulus_bytes() * 8) + " bits, only of " + names};
  }
  return Error{Status::not_available, "the key store cannot hold keys of this type or on this curve"};
}

}  // namespace sks
