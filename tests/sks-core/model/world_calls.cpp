#include <algorithm>

#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/hash.h"
#include "sks-core/crypto/mac.h"
#include "tests/sks-core/model/world.h"

// Calls as bytes: what the issuer and the user send, and whether the bytes that come back are right.
namespace sks::model {
namespace {

const Bytes kWrongMac(32, 0xEE);

SecureBytes secret(const std::string& text) { return SecureBytes::copy_of(as_bytes(text)); }

template <class T>
Answer answer_of(const Result<T>& result) {
  Answer answer;
  if (!result) answer.status = result.error().status;
  return answer;
}

template <class H>
Answer made(const Result<H>& result) {
  Answer answer = answer_of(result);
  if (result) answer.made = result->value;
  return answer;
}

Bytes encrypted(const test::TestIssuer* issuer, Damage damage, ByteView plaintext) {
  if (damage == Damage::shorter_than_iv) return Bytes(8, 1);
  if (damage == Damage::odd_length || issuer == nullptr) return Bytes(33, 1);
  return issuer->encrypt(plaintext);
}

// Left empty, the issuer fills in the right one.
Bytes mac_for(const test::TestIssuer* issuer, const Request& request) {
  return request.wrong_mac || issuer == nullptr ? kWrongMac : Bytes();
}

const char* generation_of(int pair) {
  if (pair == kRsaPair) return "https://webpki.github.io/sks/algorithm#rsa2048";
  if (pair == kP384Pair) return "https://webpki.github.io/sks/algorithm#ec.nist.p384";
  return "https://webpki.github.io/sks/algorithm#ec.nist.p256";
}

}  // namespace

test::TestIssuer* World::issuer_of(Handle session) {
  const auto found = issuers_.find(session);
  if (found == issuers_.end() || state_.open_session(session) == nullptr) return nullptr;
  found->second->use(*store_);
  found->second->set_counter(state_.sessions.at(session).counter);
  return found->second.get();
}

test::TestIssuer* World::issuer_of_key(Handle key) {
  const Key* const open = state_.open_key(key);
  return open == nullptr ? nullptr : issuer_of(open->session);
}

Answer World::send(const Request& request) {
  const KeyHandle key{request.key_handle};
  const ProvisioningHandle session{request.session_handle};
  switch (request.method) {
    case Method::create_session:
      return create_session(request);
    case Method::close_session:
      return close_session(request);
    case Method::abort_session:
      return answer_of(store_->abort_provisioning_session(session));
    case Method::update_kmk:
      return update_kmk(request);
    case Method::create_puk_policy:
      return create_puk_policy(request);
    case Method::create_pin_policy:
      return create_pin_policy(request);
    case Method::create_key:
      return create_key(request);
    case Method::get_key_handle: {
      const Result<KeyHandle> found = store_->get_key_handle(session, request.id);
      Answer answer = answer_of(found);
      if (found) answer.found = found->value;
      return answer;
    }
    case Method::set_certificate_path:
      return set_certificate_path(request);
    case Method::import_symmetric_key:
    case Method::import_private_key:
      return import_key(request);
    case Method::add_extension:
      return add_extension(request);
    case Method::post_delete:
    case Method::post_unlock:
    case Method::post_update:
    case Method::post_clone:
      return post(request);
    case Method::activate:
    case Method::deactivate:
      return switch_activation(request);
    case Method::set_property:
      return answer_of(store_->set_property(key, request.type, request.name, request.value));
    case Method::delete_key:
      return answer_of(store_->delete_key(key, secret(request.authorization)));
    case Method::export_key:
      return export_key(request);
    case Method::unlock_key:
      return answer_of(store_->unlock_key(key, secret(request.authorization)));
    case Method::change_pin:
      return answer_of(store_->change_pin(key, secret(request.authorization), secret(request.value)));
    case Method::set_pin:
      return answer_of(store_->set_pin(key, secret(request.authorization), secret(request.value)));
    case Method::verify_pin:
      return answer_of(store_->verify_pin(key, secret(request.authorization)));
    case Method::sign_data:
    case Method::sign_hashed_data:
    case Method::key_agreement:
    case Method::decrypt:
    case Method::hmac:
    case Method::cipher:
      return use_key(request);
    case Method::restart:
    case Method::kill:
      break;
  }
  return {};
}

Answer World::create_session(const Request& request) {
  auto issuer = std::make_unique<test::TestIssuer>(*store_);
  issuer->request.privacy_enabled = request.privacy;
  issuer->request.server_session_id = request.id;
  if (request.kmk != 0) issuer->request.key_management_key = Supplies::get().kmk(request.kmk).public_key().spki();
  issuer->request.session_key_limit = request.op_limit;
  const test::TestIdentity& identity = Supplies::get().identity();
  Answer answer = made(issuer->open(identity.certificate_path().front()));
  if (answer.status) return answer;
  if (!issuer->session_attestation_holds(request.privacy ? nullptr : &identity.public_key()))
    answer.wrong = "the session attestation is wrong";
  client_ids_[answer.made] = issuer->created().client_session_id;
  issuers_[answer.made] = std::move(issuer);
  return answer;
}

Answer World::close_session(const Request& request) {
  test::TestIssuer* const issuer = issuer_of(request.session_handle);
  const Bytes nonce(request.length, 7);
  if (issuer == nullptr || request.wrong_mac)
    return answer_of(store_->close_provisioning_session(ProvisioningHandle{request.session_handle}, nonce, kWrongMac));
  return answer_of(issuer->close(nonce));
}

Answer World::update_kmk(const Request& request) {
  Bytes next;
  if (request.kmk != 0) next = Supplies::get().kmk(request.kmk).public_key().spki();
  const Bytes authorization =
      request.signer == 0 ? Bytes(63, 1) : test::roll_over_authorization(Supplies::get().kmk(request.signer), next);
  return answer_of(store_->update_key_management_key(ProvisioningHandle{request.session_handle}, next, authorization));
}

Answer World::create_puk_policy(const Request& request) {
  test::TestIssuer* const issuer = issuer_of(request.session_handle);
  PukPolicyRequest puk{request.id, encrypted(issuer, request.damage, as_bytes(request.value)), request.format,
                       request.retry_limit, mac_for(issuer, request)};
  return made(issuer == nullptr ? store_->create_puk_policy(ProvisioningHandle{request.session_handle}, puk)
                                : issuer->create_puk_policy(std::move(puk)));
}

Answer World::create_pin_policy(const Request& request) {
  test::TestIssuer* const issuer = issuer_of(request.session_handle);
  PinPolicyRequest pin;
  pin.id = request.id;
  pin.puk_policy = PukPolicyHandle{request.puk_policy_handle};
  pin.user_defined = request.user_defined;
  pin.user_modifiable = request.user_modifiable;
  pin.format = request.format;
  pin.retry_limit = request.retry_limit;
  pin.grouping = request.grouping;
  pin.pattern_restrictions = request.patterns;
  pin.min_length = request.min_length;
  pin.max_length = request.max_length;
  pin.input_method = request.input_method;
  pin.mac = mac_for(issuer, request);
  return made(issuer == nullptr ? store_->create_pin_policy(ProvisioningHandle{request.session_handle}, pin)
                                : issuer->create_pin_policy(std::move(pin)));
}

Answer World::create_key(const Request& request) {
  test::TestIssuer* const issuer = issuer_of(request.session_handle);
  const auto policy = state_.pins.find(request.pin_policy_handle);
  const bool is_set_by_issuer = policy != state_.pins.end() && !policy->second.user_defined;
  KeyEntryRequest key;
  key.id = request.id;
  key.key_entry_algorithm = "https://webpki.github.io/sks/algorithm#key.1";
  key.device_pin_protection = request.device_pin;
  key.pin_policy = PinPolicyHandle{request.pin_policy_handle};
  key.pin_value = is_set_by_issuer ? SecureBytes::copy_of(encrypted(issuer, request.damage, as_bytes(request.value)))
                                   : secret(request.value);
  key.enable_pin_caching = request.caching;
  key.biometric_protection = request.biometric;
  key.export_protection = request.export_protection;
  key.delete_protection = request.delete_protection;
  key.app_usage = request.app_usage;
  key.friendly_name = request.id;
  key.key_algorithm = generation_of(request.pair);
  for (const int row : kEndorsedLists.at(static_cast<std::size_t>(request.endorsed)))
    key.endorsed_algorithms.emplace_back(kUserAlgorithms.at(static_cast<std::size_t>(row)).uri);
  key.mac = mac_for(issuer, request);
  const Result<CreatedKey> created = issuer == nullptr
                                         ? store_->create_key_entry(ProvisioningHandle{request.session_handle}, key)
                                         : issuer->create_key_entry(std::move(key));
  Answer answer = answer_of(created);
  if (!created) return answer;
  answer.made = created->handle.value;
  created_keys_[answer.made] = *created;
  if (created->public_key != Supplies::get().public_key(request.pair).spki()) answer.wrong = "another public key";
  return answer;
}

Answer World::set_certificate_path(const Request& request) {
  test::TestIssuer* const issuer = issuer_of_key(request.key_handle);
  const std::vector<Bytes> path{Supplies::get().certificate({request.pair, request.serial})};
  if (issuer == nullptr || request.wrong_mac)
    return answer_of(store_->set_certificate_path(KeyHandle{request.key_handle}, path, kWrongMac));
  const std::string& id = state_.keys.at(request.key_handle).id;
  return answer_of(issuer->set_certificate_path(created_keys_.at(request.key_handle), id, path));
}

Answer World::import_key(const Request& request) {
  test::TestIssuer* const issuer = issuer_of_key(request.key_handle);
  const KeyHandle key{request.key_handle};
  const bool is_symmetric = request.method == Method::import_symmetric_key;
  const Bytes material = is_symmetric ? Bytes(request.length, static_cast<std::uint8_t>('A' + request.label % 26))
                                      : Supplies::get().pkcs8(request.pair);
  const Bytes wrapped = encrypted(issuer, request.damage, material);
  if (issuer == nullptr)
    return answer_of(is_symmetric ? store_->import_symmetric_key(key, wrapped, kWrongMac)
                                  : store_->import_private_key(key, wrapped, kWrongMac));
  return answer_of(is_symmetric ? issuer->import_symmetric_key(key, wrapped, mac_for(issuer, request))
                                : issuer->import_private_key(key, wrapped, mac_for(issuer, request)));
}

Answer World::add_extension(const Request& request) {
  test::TestIssuer* const issuer = issuer_of_key(request.key_handle);
  Bytes data(request.length, static_cast<std::uint8_t>('a' + request.label % 26));
  if (request.sub_type == 1) data = encrypted(issuer, request.damage, data);
  if (request.sub_type == 2 && request.length != 0) data = {0, 1, 'a', 1, 0, 1, 'x', 0, 1, 'b', 0, 0, 1, 'y'};
  ExtensionRequest extension{request.type, request.sub_type, request.name, data, mac_for(issuer, request)};
  return answer_of(issuer == nullptr ? store_->add_extension(KeyHandle{request.key_handle}, extension)
                                     : issuer->add_extension(KeyHandle{request.key_handle}, std::move(extension)));
}

namespace {

const Bytes& end_entity_of(const State& state, Handle handle) {
  static const Bytes nothing(10, 3);
  const auto key = state.keys.find(handle);
  if (key == state.keys.end() || !key->second.certificate) return nothing;
  return Supplies::get().certificate(*key->second.certificate);
}

Bytes authorization_for(const test::TestIssuer* issuer, const Request& request, const State& state) {
  if (issuer == nullptr || request.signer == 0) return Bytes(63, 1);
  return issuer->target_authorization(Supplies::get().kmk(request.signer), end_entity_of(state, request.target_handle));
}

}  // namespace

Answer World::post(const Request& request) {
  const bool has_new_key = request.method == Method::post_update || request.method == Method::post_clone;
  test::TestIssuer* const issuer = has_new_key ? issuer_of_key(request.key_handle) : issuer_of(request.session_handle);
  const KeyHandle key{request.key_handle};
  const ProvisioningHandle session{request.session_handle};
  const TargetAuthorization target{KeyHandle{request.target_handle}, authorization_for(issuer, request, state_),
                                   mac_for(issuer, request)};
  switch (request.method) {
    case Method::post_delete:
      return answer_of(issuer == nullptr ? store_->post_delete_key(session, target) : issuer->post_delete_key(target));
    case Method::post_unlock:
      return answer_of(issuer == nullptr ? store_->post_unlock_key(session, target) : issuer->post_unlock_key(target));
    case Method::post_update:
      return answer_of(issuer == nullptr ? store_->post_update_key(key, target) : issuer->post_update_key(key, target));
    default:
      return answer_of(issuer == nullptr ? store_->post_clone_key_protection(key, target)
                                         : issuer->post_clone_key_protection(key, target));
  }
}

Answer World::switch_activation(const Request& request) {
  const bool activates = request.method == Method::activate;
  test::TestIssuer* const issuer = issuer_of(request.session_handle);
  ActivationRequest activation;
  activation.session = ProvisioningHandle{request.session_handle};
  activation.target = KeyHandle{request.target_handle};
  if (request.wrong_mac) activation.mac = kWrongMac;
  if (request.session_handle == 0) {
    activation.authorization = secret(request.authorization);
  } else {
    const auto own = state_.keys.find(request.target_handle);
    const bool is_own = own != state_.keys.end() && own->second.session == request.session_handle;
    const Bytes authorization = is_own && request.signer == 0 ? Bytes() : authorization_for(issuer, request, state_);
    activation.authorization = SecureBytes::copy_of(authorization);
    ByteWriter data;
    if (is_own) data.array(end_entity_of(state_, request.target_handle));
    data.array(authorization);
    if (issuer != nullptr && !request.wrong_mac)
      activation.mac = issuer->mac(activates ? "activate" : "deactivate", data.view());
  }
  const Result<std::uint8_t> result = activates ? store_->activate(activation) : store_->deactivate(activation);
  Answer answer = answer_of(result);
  if (result) answer.activation = *result;
  return answer;
}

Answer World::export_key(const Request& request) {
  const Result<SecureBytes> exported = store_->export_key(KeyHandle{request.key_handle}, secret(request.authorization));
  Answer answer = answer_of(exported);
  const Key* const key = state_.std_key(request.key_handle);
  if (!exported || key == nullptr) return answer;
  if (key->symmetric) {
    if (!equal(exported->view(), as_bytes(*key->symmetric))) answer.wrong = "another symmetric key was exported";
    return answer;
  }
  const Result<crypto::PrivateKey> decoded = crypto::PrivateKey::from_pkcs8(exported->view());
  if (!decoded || decoded->public_key().spki() != Supplies::get().public_key(key->private_pair).spki())
    answer.wrong = "another private key was exported";
  return answer;
}

Answer World::use_key(const Request& request) {
  const KeyHandle key{request.key_handle};
  const char* const uri = kUserAlgorithms.at(static_cast<std::size_t>(request.algorithm)).uri;
  const Bytes parameters(request.has_parameters ? 3 : 0, 9);
  const Authorization authorization{secret(request.authorization), request.biometric_auth};
  Bytes data(request.length, 0x5A);
  if (request.method == Method::sign_hashed_data && request.length == 32)
    data = to_bytes(crypto::sha256(as_bytes("message")));
  if (request.method == Method::key_agreement) data = Supplies::get().public_key(0).spki();
  const auto checked = [&](const auto& result) {
    Answer answer = answer_of(result);
    if (!result) return answer;
    if constexpr (std::is_same_v<decltype(result), const Result<Bytes>&>) {
      answer.wrong = check_use(request, data, *result);
    } else {
      answer.wrong = check_use(request, data, result->view());
    }
    return answer;
  };
  switch (request.method) {
    case Method::sign_data:
      return checked(store_->sign_data(key, uri, parameters, authorization, data));
    case Method::sign_hashed_data:
      return checked(store_->sign_hashed_data(key, uri, parameters, authorization, data));
    case Method::key_agreement:
      return checked(store_->key_agreement(key, uri, parameters, authorization, data));
    case Method::decrypt:
      return checked(store_->asymmetric_key_decrypt(key, uri, parameters, authorization, data));
    case Method::hmac:
      return checked(store_->perform_hmac(key, uri, parameters, authorization, data));
    default:
      return checked(store_->symmetric_key_encrypt(key, uri, CipherMode::encrypt, parameters, authorization, data));
  }
}

// Empty if the result is what the key's own material gives.
std::string World::check_use(const Request& request, ByteView data, ByteView result) const {
  const Key* const key = state_.std_key(request.key_handle);
  if (key == nullptr) return {};
  const std::string wrong = "the result is not that of the key";
  if (request.method == Method::sign_data || request.method == Method::sign_hashed_data) {
    const ByteView message = request.method == Method::sign_data ? data : as_bytes("message");
    const crypto::PublicKey& signer = Supplies::get().public_key(key->certificate->pair);
    return crypto::verify_signature(signer, message, result) ? "" : wrong;
  }
  if (request.method == Method::key_agreement) {
    const Result<SecureBytes> secret = Supplies::get().pair(key->private_pair).agree(Supplies::get().public_key(0));
    return secret && equal(secret->view(), result) ? "" : wrong;
  }
  if (!key->symmetric) return wrong;
  const ByteView material = as_bytes(*key->symmetric);
  if (request.method == Method::hmac) return equal(crypto::hmac_sha256(material, data), result) ? "" : wrong;
  if (kUserAlgorithms.at(static_cast<std::size_t>(request.algorithm)).key_length == 0)
    return equal(crypto::aes_ecb_encrypt(material, data).view(), result) ? "" : wrong;
  if (result.size() < crypto::kAesBlock) return wrong;
  const Result<SecureBytes> plaintext =
      crypto::aes_cbc_decrypt(material, result.first(crypto::kAesBlock), result.subspan(crypto::kAesBlock));
  return plaintext && equal(plaintext->view(), data) ? "" : wrong;
}

}  // namespace sks::model
