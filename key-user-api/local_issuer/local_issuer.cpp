#include "key-user-api/local_issuer/local_issuer.h"

#include <utility>

#include "attestation/verifier.h"
#include "keygen2/key_algorithm.h"
#include "keygen2/mac_data.h"
#include "sks-core/crypto/algorithms.h"
#include "sks-core/crypto/private_key.h"
#include "sks-core/crypto/x509.h"
#include "sks-core/engine/unseen_calls.h"

namespace sks {
namespace {

constexpr std::string_view kEphemeralKeyAlgorithm = "https://webpki.github.io/sks/algorithm#ec.nist.p256";
constexpr std::string_view kServerSessionId = "local";
/// Seconds, after which another program may remove what this process left when it died.
constexpr std::uint16_t kSessionLifeTime = 60;
constexpr std::size_t kCloseNonceSize = 32;
constexpr std::uint8_t kEncryptedExtension = 0x01;
/// 9999-12-31T23:59:59Z: no well-defined end, RFC 5280 section 4.1.2.5.
constexpr std::int64_t kNoEnd = 253402300799;

Result<crypto::PrivateKey> make_ephemeral_key() {
  const Algorithm* const algorithm = find_algorithm(kEphemeralKeyAlgorithm);
  SKS_CHECK(algorithm != nullptr);
  return crypto::PrivateKey::generate(*algorithm);
}

}  // namespace

Result<LocalIssuer> LocalIssuer::open(SecureKeyStore& store, const Clock& clock, const Random& random,
                                      ByteView key_management_key) {
  LocalIssuer issuer(store, random);
  SKS_TRY(issuer.agree(clock, key_management_key));
  return issuer;
}

LocalIssuer::LocalIssuer(LocalIssuer&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)),
      random_(other.random_),
      session_(other.session_),
      device_certificate_(std::move(other.device_certificate_)),
      ids_(std::move(other.ids_)),
      session_key_(std::move(other.session_key_)),
      counter_(other.counter_),
      end_entities_(std::move(other.end_entities_)) {}

LocalIssuer::~LocalIssuer() {
  if (store_ == nullptr || !session_) return;
  // A failed call may have removed the session already, and whoever aborts has a failure to report.
  try {
    static_cast<void>(store_->abort_provisioning_session(session_));
  } catch (...) {
    return;
  }
}

// Nobody is told of what these calls return before close() has succeeded.
template <class Call>
auto LocalIssuer::without_waiting(const Call& call) {
  const UnseenCalls calls;
  return call();
}

Result<void> LocalIssuer::agree(const Clock& clock, ByteView key_management_key) {
  SKS_LET(DeviceInfo device, store_->get_device_info());
  SKS_CHECK(!device.certificate_path.empty());
  device_certificate_ = std::move(device.certificate_path.front());
  SKS_LET(const crypto::PrivateKey ephemeral, make_ephemeral_key());
  SessionRequest request;
  request.session_key_algorithm = kSessionAlgorithm;
  request.server_session_id = kServerSessionId;
  request.server_ephemeral_key = ephemeral.public_key().spki();
  request.issuer_uri = kLocalIssuerUri;
  request.key_management_key = to_bytes(key_management_key);
  request.client_time = static_cast<std::uint32_t>(clock.now());
  request.session_life_time = kSessionLifeTime;
  request.session_key_limit = static_cast<std::uint16_t>(kOperations);
  SKS_LET(const CreatedSession created, without_waiting([&] { return store_->create_provisioning_session(request); }));
  session_ = created.handle;
  ids_ = {request.server_session_id, created.client_session_id};

  attestation::SessionClaims claims;
  claims.client_session_id = ids_.client;
  claims.server_session_id = ids_.server;
  claims.issuer_uri = request.issuer_uri;
  claims.device_certificate = device_certificate_;
  claims.session_key_algorithm = request.session_key_algorithm;
  claims.server_ephemeral_key = request.server_ephemeral_key;
  claims.client_ephemeral_key = created.client_ephemeral_key;
  claims.key_management_key = request.key_management_key;
  claims.client_time = request.client_time;
  claims.session_life_time = request.session_life_time;
  claims.session_key_limit = request.session_key_limit;
  SKS_LET(const crypto::PublicKey peer, crypto::PublicKey::from_spki(created.client_ephemeral_key));
  SKS_LET(const SecureBytes z, ephemeral.agree(peer));
  session_key_ = attestation::derive_session_key(z.view(), claims);
  return attestation::verify_session(claims, session_key_, created.attestation);
}

Bytes LocalIssuer::next_mac(std::string_view method, ByteView data) {
  return to_bytes(attestation::method_mac(session_key_, method, counter_++, data));
}

Bytes LocalIssuer::encrypt(ByteView plaintext) const {
  return keygen2::encrypt(keygen2::encryption_key(session_key_), plaintext, random_);
}

Result<PukPolicyHandle> LocalIssuer::create_puk_policy(keygen2::PukPolicySpecifier& policy, const SecureBytes& puk) {
  policy.encrypted_puk = encrypt(puk.view());
  PukPolicyRequest request;
  request.id = policy.id;
  request.encrypted_puk = policy.encrypted_puk;
  request.format = policy.format;
  request.retry_limit = policy.retry_limit;
  request.mac = next_mac(keygen2::method::kCreatePukPolicy, keygen2::puk_policy_data(policy));
  return without_waiting([&] { return store_->create_puk_policy(session_, request); });
}

Result<PinPolicyHandle> LocalIssuer::create_pin_policy(const keygen2::PinPolicySpecifier& pin, const PukChoice& puk) {
  SKS_CHECK(pin.user_defined());
  PinPolicyRequest request;
  request.id = pin.id;
  request.puk_policy = puk.handle;
  request.user_defined = true;
  request.user_modifiable = pin.user_modifiable;
  request.format = pin.format;
  request.retry_limit = pin.retry_limit;
  request.grouping = pin.grouping;
  request.pattern_restrictions = pin.pattern_restrictions;
  request.min_length = pin.min_length;
  request.max_length = pin.max_length;
  request.input_method = pin.input_method;
  request.mac = next_mac(keygen2::method::kCreatePinPolicy, keygen2::pin_policy_data(pin, puk.policy));
  return without_waiting([&] { return store_->create_pin_policy(session_, request); });
}

Result<CreatedKey> LocalIssuer::create_key(const keygen2::KeyEntrySpecifier& key, const PinChoice& pin) {
  SKS_CHECK(!key.encrypted_pin && (pin.policy == nullptr) == (pin.value == nullptr));
  KeyEntryRequest request;
  request.id = key.id;
  request.key_entry_algorithm = kKeyEntryAlgorithm;
  request.server_seed = key.server_seed;
  request.device_pin_protection = key.device_pin_protection;
  request.pin_policy = pin.handle;
  if (pin.value != nullptr) request.pin_value = SecureBytes::copy_of(pin.value->view());
  request.enable_pin_caching = key.enable_pin_caching;
  request.biometric_protection = key.biometric_protection;
  request.export_protection = key.export_protection;
  request.delete_protection = key.delete_protection;
  request.app_usage = key.app_usage;
  request.friendly_name = key.friendly_name;
  request.key_algorithm = key.key_algorithm;
  request.key_parameters = key.key_parameters;
  request.endorsed_algorithms = key.endorsed_algorithms;
  request.mac =
      next_mac(keygen2::method::kCreateKeyEntry, keygen2::key_entry_data(key, pin.policy, kKeyEntryAlgorithm));
  SKS_LET(CreatedKey created, without_waiting([&] { return store_->create_key_entry(session_, request); }));
  SKS_TRY(attestation::verify_device_attestation(session_key_, counter_++,
                                                 attestation::key_attestation_data(created.public_key, request.mac),
                                                 created.attestation));
  SKS_LET(const crypto::PublicKey made, crypto::PublicKey::from_spki(created.public_key));
  const keygen2::KeyAlgorithm* const algorithm = keygen2::find_key_algorithm(key.key_algorithm);
  if (algorithm == nullptr || !keygen2::key_matches(made, *algorithm, key.key_parameters))
    return Error{Status::crypto, "the key store made another kind of key than it was asked for"};
  return created;
}

Result<void> LocalIssuer::set_certificate_path(const CreatedKey& key, const std::string& id,
                                               const std::vector<Bytes>& path) {
  SKS_CHECK(!path.empty());
  const Bytes mac =
      next_mac(keygen2::method::kSetCertificatePath, keygen2::certificate_path_data(key.public_key, id, path));
  SKS_TRY(without_waiting([&] { return store_->set_certificate_path(key.handle, path, mac); }));
  end_entities_[key.handle] = path.front();
  return {};
}

Result<void> LocalIssuer::import_private_key(KeyHandle key, const SecureBytes& pkcs8) {
  const Bytes encrypted = encrypt(pkcs8.view());
  const Bytes mac =
      next_mac(keygen2::method::kImportPrivateKey, keygen2::imported_key_data(end_entities_.at(key), encrypted));
  return without_waiting([&] { return store_->import_private_key(key, encrypted, mac); });
}

Result<void> LocalIssuer::import_symmetric_key(KeyHandle key, const SecureBytes& value) {
  const Bytes encrypted = encrypt(value.view());
  const Bytes mac =
      next_mac(keygen2::method::kImportSymmetricKey, keygen2::imported_key_data(end_entities_.at(key), encrypted));
  return without_waiting([&] { return store_->import_symmetric_key(key, encrypted, mac); });
}

Result<void> LocalIssuer::add_extension(KeyHandle key, const ClearExtension& extension) {
  ExtensionRequest request;
  request.type = extension.type;
  request.sub_type = extension.sub_type;
  request.qualifier = extension.qualifier;
  request.data = extension.sub_type == kEncryptedExtension ? encrypt(extension.data) : to_bytes(extension.data);
  request.mac = next_mac(
      keygen2::method::kAddExtension,
      keygen2::extension_data(end_entities_.at(key), request.type, request.sub_type, request.qualifier, request.data));
  return without_waiting([&] { return store_->add_extension(key, request); });
}

Result<void> LocalIssuer::clone_protection(KeyHandle key, KeyHandle target, ByteView target_certificate,
                                           const Authorize& authorize) {
  TargetAuthorization request;
  request.target = target;
  SKS_LET(request.authorization,
          authorize(keygen2::target_key_data(session_key_, device_certificate_, target_certificate)));
  request.mac = next_mac(keygen2::method::kPostCloneKeyProtection,
                         keygen2::replacing_operation_data(end_entities_.at(key), request.authorization));
  return without_waiting([&] { return store_->post_clone_key_protection(key, request); });
}

Result<void> LocalIssuer::close() {
  const Bytes nonce = random_.bytes(kCloseNonceSize);
  const Bytes mac =
      next_mac(keygen2::method::kCloseProvisioningSession, keygen2::close_data(ids_, kLocalIssuerUri, nonce));
  SKS_LET(const Bytes attestation, store_->close_provisioning_session(session_, nonce, mac));
  store_ = nullptr;
  return attestation::verify_device_attestation(session_key_, counter_++, attestation::close_attestation_data(nonce),
                                                attestation);
}

namespace {

struct LocalAuthority {
  crypto::PrivateKey key;
  crypto::Certificate certificate;
};

Result<LocalAuthority> make_authority(std::int64_t not_before) {
  SKS_LET(crypto::PrivateKey key, make_ephemeral_key());
  const crypto::CertificateTemplate contents{
      crypto::CertificateKind::ca, {{"CN", std::string(kLocalAuthorityName)}}, not_before, kNoEnd, {}, {}, {}};
  SKS_LET(crypto::Certificate certificate, crypto::issue_certificate(contents, key.public_key(), nullptr, key));
  return LocalAuthority{std::move(key), std::move(certificate)};
}

}  // namespace

Result<Bytes> certify_locally(ByteView public_key_spki, const std::string& common_name, std::int64_t not_before) {
  // It is never freed: at exit that would race with OpenSSL's own cleanup.
  static const auto* const authority = new Result<LocalAuthority>(make_authority(not_before));
  if (!*authority) return authority->error();
  SKS_LET(const crypto::PublicKey subject_key, crypto::PublicKey::from_spki(public_key_spki));
  const crypto::CertificateTemplate leaf{
      crypto::CertificateKind::tls_client, {{"CN", common_name}}, not_before, kNoEnd, {}, {}, {}};
  SKS_LET(const crypto::Certificate certificate,
          crypto::issue_certificate(leaf, subject_key, &(*authority)->certificate, (*authority)->key));
  return certificate.der();
}

}  // namespace sks
