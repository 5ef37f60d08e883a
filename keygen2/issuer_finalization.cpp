#include <algorithm>
#include <array>

#include "attestation/verifier.h"
#include "keygen2/certificate_path.h"
#include "keygen2/enumerations.h"
#include "keygen2/issued_credential.h"
#include "keygen2/issuer_plan.h"
#include "keygen2/issuer_steps.h"
#include "keygen2/mac_data.h"
#include "keygen2/message_common.h"
#include "keygen2/target_rules.h"
#include "sks-core/crypto/private_key.h"

/// S6: certificates and what comes with them, operations on other keys, the end. Spec: keygen2.md 1.5 I-5, 4.11, 4.12,
/// 7.7, 7.8.
namespace sks::keygen2 {
namespace {

constexpr std::size_t kCloseNonceSize = 32;
constexpr std::size_t kMaxSymmetricKey = 128;  // bytes
constexpr std::size_t kMaxPrivateKey = 16384;  // bytes of PKCS #8

/// Builds the request in the order of execution, which is that of the MAC counters.
class FinalizationBuilder {
 public:
  FinalizationBuilder(StepInput in, Finalization& what)
      : in_(in), what_(what), secrets_key_(encryption_key(what.session_key.value)) {}

  Outcome<void> credential(std::size_t index);
  Outcome<void> target_lists();
  Outcome<ProvisioningFinalizationRequest> close();

 private:
  /// Everything of one credential that is MACed with its certificate.
  struct Target {
    IssuedCredential& credential;
    ByteView end_entity;
  };

  Outcome<void> certificate_path(Target to, const CredentialSpec& spec, std::size_t index);
  Outcome<void> import(Target to, const CredentialSpec& spec);
  Outcome<void> extensions(Target to, const std::vector<ExtensionSpec>& specs);
  Outcome<void> replacement(Target to, const CredentialSpec& spec, const PendingKey& key);
  Outcome<TargetKeyReference> reference(const TargetKey& target, TargetOperation operation);
  Outcome<ImportedKey> imported(const SecureBytes& key, std::string_view method, ByteView end_entity);
  Outcome<void> use_suspension(std::size_t uses);
  Bytes encrypted(ByteView plaintext) const { return encrypt(secrets_key_, plaintext, in_.context.random); }

  StepInput in_;
  Finalization& what_;
  SecureBytes secrets_key_;
  ProvisioningFinalizationRequest request_;
  TargetRules rules_;
};

/// The key that the certificate of a credential has to be for: the generated one, or the private key that takes its
/// place.
Outcome<Bytes> certified_key(const CredentialSpec& spec, const Bytes& generated) {
  if (!spec.private_key) return generated;
  const Result<crypto::PrivateKey> key = crypto::PrivateKey::from_pkcs8(spec.private_key->view());
  if (!key) return failure(ErrorClass::crypto, key.error());
  return key->public_key().spki();
}

Outcome<void> check_path(const CredentialSpec& spec, const Bytes& generated) {
  const std::vector<Bytes>& path = spec.certificate_path.der();
  const auto too_large = [](const Bytes& certificate) { return certificate.size() > kMaxCertificate; };
  if (path.size() > kMaxCertificatesPerPath || std::ranges::any_of(path, too_large))
    return Failure{ErrorClass::policy, "the certificate path is larger than clients accept"};
  SKS_TRY(check_certificate_path(spec.certificate_path));
  const std::vector<crypto::Certificate>& parsed = spec.certificate_path.certificates().value();
  const crypto::Certificate& last = parsed.back();
  if (spec.trust_anchor && !(last.is_ca() && last.is_issued_by(last)))
    return Failure{ErrorClass::value, "the trust anchor is no self-signed CA certificate"};
  SKS_LET(const Bytes expected, certified_key(spec, generated));
  if (!equal(parsed.front().spki(), expected)) return Failure{ErrorClass::crypto, "the certificate is for another key"};
  return {};
}

Outcome<void> check_import(const CredentialSpec& spec) {
  if (spec.symmetric_key && spec.private_key)
    return Failure{ErrorClass::value, "a credential imports a symmetric and a private key"};
  if (spec.symmetric_key && (spec.symmetric_key->empty() || spec.symmetric_key->size() > kMaxSymmetricKey))
    return Failure{ErrorClass::value, "a symmetric key is not 1 to 128 bytes"};
  if (spec.private_key && spec.private_key->size() > kMaxPrivateKey)
    return Failure{ErrorClass::value, "a private key is longer than 16384 bytes"};
  return {};
}

Outcome<void> check_replacement(const CredentialSpec& spec, const PendingKey& key) {
  if (spec.update && spec.clone) return Failure{ErrorClass::value, "a key updates one key and clones another"};
  if (!spec.update && !spec.clone) return {};
  if (key.has_pin)
    return Failure{ErrorClass::value, "a key that updates or clones another has a PIN policy or the device PIN"};
  if (spec.update && spec.update->app_usage && *spec.update->app_usage != key.app_usage)
    return Failure{ErrorClass::value, "an update changes the application usage"};
  return {};
}

Outcome<void> FinalizationBuilder::use_suspension(std::size_t uses) {
  const std::vector<ClientCapability>& answers = in_.state.capabilities;
  const auto answer = std::ranges::find(answers, kKeySuspension, &ClientCapability::type);
  if (answer == answers.end() || !answer->supported)
    return Failure{ErrorClass::policy, "the client has not announced that it can suspend keys"};
  return spend(what_.session_key, uses);
}

Outcome<void> FinalizationBuilder::certificate_path(Target to, const CredentialSpec& spec, std::size_t index) {
  SKS_TRY(spend(what_.session_key, cost::kCertificatePath));
  to.credential.certificate_path = spec.certificate_path.der();
  to.credential.trust_anchor = spec.trust_anchor;
  // The public key is the generated one, whatever key the certificate is for.
  to.credential.mac =
      next_mac(what_.session_key, method::kSetCertificatePath,
               certificate_path_data(what_.public_keys[index], to.credential.id, to.credential.certificate_path));
  return {};
}

Outcome<ImportedKey> FinalizationBuilder::imported(const SecureBytes& key, std::string_view method,
                                                   ByteView end_entity) {
  SKS_TRY(spend(what_.session_key, cost::kImport));
  ImportedKey result{encrypted(key.view()), {}};
  result.mac = next_mac(what_.session_key, method, imported_key_data(end_entity, result.encrypted_key));
  return result;
}

Outcome<void> FinalizationBuilder::import(Target to, const CredentialSpec& spec) {
  if (spec.symmetric_key) {
    SKS_LET(to.credential.symmetric_key, imported(*spec.symmetric_key, method::kImportSymmetricKey, to.end_entity));
  }
  if (spec.private_key) {
    SKS_LET(to.credential.private_key, imported(*spec.private_key, method::kImportPrivateKey, to.end_entity));
  }
  return {};
}

Outcome<void> FinalizationBuilder::extensions(Target to, const std::vector<ExtensionSpec>& specs) {
  std::vector<Extension>& made = to.credential.extensions;
  for (const ExtensionSpec& spec : specs)
    made.push_back({spec.kind, spec.type, spec.mime_type, {}, spec.properties, {}});
  // Before anything is MACed: MAC data cannot express what is too long.
  SKS_TRY(check_extensions(made));
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const bool is_encrypted = made[i].sub_type == kEncryptedExtension;
    SKS_TRY(spend(what_.session_key, is_encrypted ? cost::kEncryptedExtension : cost::kExtension));
    const ByteView content = specs[i].content.view();
    made[i].data = is_encrypted ? encrypted(content) : to_bytes(content);
    made[i].mac = next_mac(
        what_.session_key, method::kAddExtension,
        extension_data(to.end_entity, made[i].type, made[i].sub_type, made[i].mime_type, extension_content(made[i])));
  }
  return {};
}

Outcome<TargetKeyReference> FinalizationBuilder::reference(const TargetKey& target, TargetOperation operation) {
  if (!in_.state.manageable)
    return Failure{ErrorClass::value, "a session that manages keys asks for a key management key"};
  SKS_TRY(rules_.add(target.certificate, operation));
  SKS_TRY(spend(what_.session_key, cost::kTargetOperation));
  Result<Bytes> authorization = in_.decisions.sign(
      target.key_management_key, target_key_data(what_.session_key.value, device_id_of(in_.state), target.certificate));
  if (!authorization) return failure(ErrorClass::policy, authorization.error());
  return TargetKeyReference{
      to_bytes(crypto::sha256(target.certificate)), target.owner, std::move(authorization).value(), {}};
}

Outcome<void> FinalizationBuilder::replacement(Target to, const CredentialSpec& spec, const PendingKey& key) {
  SKS_TRY(check_replacement(spec, key));
  const auto make = [&](const std::optional<TargetKey>& target, TargetOperation operation, std::string_view method,
                        std::optional<TargetKeyReference>& made) -> Outcome<void> {
    if (!target) return {};
    SKS_LET(made, reference(*target, operation));
    made->mac = next_mac(what_.session_key, method, replacing_operation_data(to.end_entity, made->authorization));
    return {};
  };
  SKS_TRY(make(spec.clone, TargetOperation::clone, method::kPostCloneKeyProtection, to.credential.clone_key));
  SKS_TRY(make(spec.update, TargetOperation::update, method::kPostUpdateKey, to.credential.update_key));
  if (!spec.deactivated) return {};
  SKS_TRY(use_suspension(cost::kDeactivated));
  to.credential.deactivated_mac =
      next_mac(what_.session_key, method::kDeactivate, replacing_operation_data(to.end_entity, {}));
  return {};
}

Outcome<void> FinalizationBuilder::credential(std::size_t index) {
  const PendingKey& key = what_.keys[index];
  Result<crypto::PublicKey> public_key = crypto::PublicKey::from_spki(what_.public_keys[index]);
  if (!public_key) return failure(ErrorClass::crypto, public_key.error());
  Result<CredentialSpec> spec = in_.decisions.certify(AttestedKey{key.id, index, std::move(public_key).value()});
  if (!spec) return failure(ErrorClass::policy, spec.error());
  SKS_TRY(check_import(*spec));
  SKS_TRY(check_path(*spec, what_.public_keys[index]));
  std::ranges::stable_sort(spec->extensions, {}, &ExtensionSpec::kind);

  IssuedCredential made;
  made.id = key.id;
  const Target to{made, spec->certificate_path.der().front()};
  SKS_TRY(certificate_path(to, *spec, index));
  SKS_TRY(import(to, *spec));
  SKS_TRY(extensions(to, spec->extensions));
  SKS_TRY(replacement(to, *spec, key));
  request_.credentials.push_back(std::move(made));
  return {};
}

/// The operations that stand by themselves, in the order of execution. Spec: 4.11, sks-extensions.md.
struct TargetListRow {
  TargetOperation operation;
  std::vector<TargetKey> TargetOperations::*wanted;
  std::vector<TargetKeyReference> ProvisioningFinalizationRequest::*made;
  std::string_view method;
  bool suspension;
};

constexpr auto kTargetLists = std::to_array<TargetListRow>({
    {TargetOperation::unlock, &TargetOperations::unlock, &ProvisioningFinalizationRequest::unlock_keys,
     method::kPostUnlockKey, false},
    {TargetOperation::remove, &TargetOperations::remove, &ProvisioningFinalizationRequest::delete_keys,
     method::kPostDeleteKey, false},
    {TargetOperation::activate, &TargetOperations::activate, &ProvisioningFinalizationRequest::activate_keys,
     method::kActivate, true},
    {TargetOperation::deactivate, &TargetOperations::deactivate, &ProvisioningFinalizationRequest::deactivate_keys,
     method::kDeactivate, true},
});

Outcome<void> FinalizationBuilder::target_lists() {
  for (const TargetListRow& row : kTargetLists) {
    for (const TargetKey& target : what_.operations.*row.wanted) {
      if (row.suspension) SKS_TRY(use_suspension(0));
      SKS_LET(TargetKeyReference made, reference(target, row.operation));
      made.mac = next_mac(what_.session_key, row.method, plain_operation_data(made.authorization));
      (request_.*row.made).push_back(std::move(made));
    }
  }
  return {};
}

Outcome<ProvisioningFinalizationRequest> FinalizationBuilder::close() {
  SKS_TRY(spend(what_.session_key, cost::kClose));
  request_.ids = in_.state.ids;
  request_.close_nonce = in_.context.random.bytes(kCloseNonceSize);
  request_.close_mac = next_mac(what_.session_key, method::kCloseProvisioningSession,
                                close_data(in_.state.ids, in_.state.issuer_uri, request_.close_nonce));
  return std::move(request_);
}

}  // namespace

Outcome<std::string> begin_finalization(StepInput in, Finalization finalization) {
  FinalizationBuilder builder(in, finalization);
  for (std::size_t i = 0; i < finalization.keys.size(); ++i) SKS_TRY(builder.credential(i));
  SKS_TRY(builder.target_lists());
  SKS_LET(const ProvisioningFinalizationRequest request, builder.close());
  SessionKey& key = finalization.session_key;
  in.state.data = Finalizing{std::move(key.value), key.mac_counter, request.close_nonce};
  in.state.phase = IssuerPhase::finalization;
  return request.encode();
}

Outcome<std::string> on_finalization(StepInput in, IncomingMessage& message) {
  SKS_LET(const ProvisioningFinalizationResponse response, message.decode<ProvisioningFinalizationResponse>());
  SKS_TRY(check_ids(response.ids, in.state.ids));
  const auto& own = std::get<Finalizing>(in.state.data);
  const auto verified = attestation::verify_device_attestation(own.session_key, own.attestation_counter,
                                                               attestation::close_attestation_data(own.close_nonce),
                                                               response.attestation);
  if (!verified) return failure(ErrorClass::crypto, verified.error());
  in.state.data = Over{};
  in.state.phase = IssuerPhase::done;
  return std::string();
}

}  // namespace sks::keygen2
