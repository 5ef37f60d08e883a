#include "tests/fuzz/program.h"

#include <algorithm>

#include "sks-core/crypto/algorithms.h"

namespace sks::fuzz {
namespace {

constexpr unsigned kMaxSteps = 60;
constexpr std::size_t kMaxSessions = 4;
constexpr std::array<std::string_view, 8> kPins{"1234", "", "4321", "123456", "abcd", "Ab1!", "0000", "87654321"};
constexpr std::array<std::string_view, 3> kExtensionTypes{"https://a.example/one", "https://a.example/two", ""};
constexpr std::array<std::string_view, 3> kProperties{"name", "other", ""};
constexpr std::string_view kP256 = "https://webpki.github.io/sks/algorithm#ec.nist.p256";

/// Two keys that own closed sessions.
const crypto::PrivateKey& management_key(std::size_t number) {
  static const auto& keys =
      *new std::array{any_key_of(*find_algorithm(kP256), 0), any_key_of(*find_algorithm(kP256), 1)};
  return keys[number % keys.size()];
}

/// Keys that an issuer brings with it.
const crypto::PrivateKey& imported_key(std::size_t number) {
  static const auto& keys =
      *new std::array{test::generate_key(kP256), test::generate_key("https://webpki.github.io/sks/algorithm#rsa2048")};
  return keys[number % keys.size()];
}

/// For calls whose outcome does not matter here: the device has checked the answer.
template <class T>
bool succeeded(const Result<T>& result) {
  return static_cast<bool>(result);
}

}  // namespace

const Program::Step Program::kSteps[] = {
    &Program::open_session,
    &Program::create_puk_policy,
    &Program::create_pin_policy,
    &Program::create_key,
    &Program::set_certificate_path,
    &Program::import_symmetric_key,
    &Program::import_private_key,
    &Program::add_extension,
    &Program::close_session,
    &Program::abort_session,
    &Program::manage_key,
    &Program::issuer_activation,
    &Program::update_key_management_key,
    &Program::ask,
    &Program::sign,
    &Program::decrypt,
    &Program::agree,
    &Program::compute_hmac,
    &Program::encrypt,
    &Program::manage_pin,
    &Program::dispose_of_key,
    &Program::set_property,
    &Program::user_activation,
    &Program::send_frame,
    &Program::tamper,
    &Program::fail_storage,
    &Program::restart,
};

Program::Program(ByteView input) : in_(input) {}

void Program::run() {
  while (!in_.at_end() && steps_++ < kMaxSteps) (this->*in_.one_of(kSteps))();
  device_.restart();
}

Program::Session* Program::session() {
  if (sessions_.empty()) return nullptr;
  return sessions_[in_.below(sessions_.size())].get();
}

std::pair<CreatedKey, std::string>* Program::session_key(Session& session) {
  if (session.keys.empty()) return nullptr;
  return &session.keys[in_.below(session.keys.size())];
}

KeyHandle Program::any_key() {
  const std::uint8_t choice = in_.u8();
  return choice < keys_.size() ? keys_[choice] : KeyHandle{choice};
}

std::string Program::id() {
  const std::uint8_t choice = in_.u8();
  if (choice < 0xF0) return "Id." + std::to_string(choice % 8);
  return to_string(in_.array());
}

std::string Program::operation_algorithm() {
  const std::uint8_t choice = in_.u8();
  const std::span<const Algorithm> all = all_algorithms();
  return choice < all.size() ? std::string(all[choice].uri) : to_string(in_.array());
}

Bytes Program::parameters_of(const std::string& algorithm) {
  const Algorithm* const row = find_algorithm(algorithm);
  const bool has_form = row != nullptr && row->parameters != Parameters::none && row->parameters != Parameters::iv;
  return has_form ? to_bytes(in_.array()) : Bytes();
}

SecureBytes Program::pin() { return SecureBytes::copy_of(as_bytes(in_.one_of(kPins))); }

Authorization Program::authorization() { return {pin(), in_.flag()}; }

void Program::open_session() {
  if (sessions_.size() == kMaxSessions) sessions_.erase(sessions_.begin());
  auto made = std::make_unique<Session>(device_.api(), any_key_of(*find_algorithm(kP256), in_.u8()));
  SessionRequest& request = made->issuer.request;
  const std::uint8_t choices = in_.u8();
  request.privacy_enabled = (choices & 1) == 0;
  if ((choices & 2) != 0) request.key_management_key = management_key(choices >> 2).public_key().spki();
  if ((choices & 8) != 0) request.session_key_limit = in_.u8();
  if ((choices & 16) != 0) request.server_session_id = id();
  if (succeeded(made->issuer.open(device_.identity().certificate_path().front()))) sessions_.push_back(std::move(made));
}

void Program::create_puk_policy() {
  Session* const open = session();
  if (open == nullptr) return;
  PukPolicyRequest request;
  request.id = id();
  request.encrypted_puk = open->issuer.encrypt(as_bytes(in_.one_of(kPins)));
  request.format = in_.u8() % 5;
  request.retry_limit = in_.u8() % 4;
  const auto made = open->issuer.create_puk_policy(std::move(request));
  if (succeeded(made)) open->puk_policies.push_back(*made);
}

void Program::create_pin_policy() {
  Session* const open = session();
  if (open == nullptr) return;
  PinPolicyRequest request;
  request.id = id();
  const std::uint8_t choices = in_.u8();
  request.user_defined = (choices & 1) == 0;
  request.user_modifiable = (choices & 2) == 0;
  if ((choices & 4) != 0 && !open->puk_policies.empty()) request.puk_policy = in_.one_of(open->puk_policies);
  request.format = in_.u8() % 5;
  request.retry_limit = in_.u8() % 4;
  request.grouping = in_.u8() % 5;
  request.pattern_restrictions = in_.u8();
  request.min_length = in_.u8() % 8;
  request.max_length = in_.u8() % 16;
  request.input_method = in_.u8() % 4;
  const auto made = open->issuer.create_pin_policy(std::move(request));
  if (succeeded(made)) open->pin_policies.push_back(*made);
}

void Program::create_key() {
  Session* const open = session();
  if (open == nullptr) return;
  KeyEntryRequest request;
  request.id = id();
  request.key_entry_algorithm = kKeyEntryAlgorithm;
  request.key_algorithm = kP256;
  const std::uint8_t choices = in_.u8();
  if ((choices & 1) != 0) request.key_algorithm = operation_algorithm();
  if ((choices & 2) != 0) request.key_parameters = in_.array();
  if ((choices & 4) != 0) request.server_seed = in_.array();
  if ((choices & 8) != 0 && !open->pin_policies.empty()) {
    request.pin_policy = in_.one_of(open->pin_policies);
    const std::string_view value = in_.one_of(kPins);
    request.pin_value = in_.flag() ? open->issuer.encrypted_pin(value) : SecureBytes::copy_of(as_bytes(value));
  }
  request.device_pin_protection = (choices & 16) != 0;
  if ((choices & 32) != 0) request.endorsed_algorithms = {operation_algorithm(), operation_algorithm()};
  if ((choices & 64) != 0) {
    request.enable_pin_caching = in_.flag();
    request.biometric_protection = in_.u8() % 5;
    request.export_protection = in_.u8() % 5;
    request.delete_protection = in_.u8() % 5;
  }
  request.app_usage = 3;
  if (choices >= 0x80) request.app_usage = in_.u8() % 5;
  request.friendly_name = "A key";
  const std::string name = request.id;
  const auto made = open->issuer.create_key_entry(std::move(request));
  if (!succeeded(made)) return;
  open->keys.emplace_back(*made, name);
  keys_.push_back(made->handle);
}

void Program::set_certificate_path() {
  Session* const open = session();
  const auto* const key = open == nullptr ? nullptr : session_key(*open);
  if (key == nullptr) return;
  const std::uint8_t choices = in_.u8();
  std::vector<Bytes> path{test::certify(key->first.public_key)};
  if ((choices & 1) != 0) path.push_back(device_.identity().certificate_path().front());
  if ((choices & 2) != 0) path.push_back(in_.array());
  if ((choices & 4) != 0) path.front() = device_.identity().certificate_path().front();
  if ((choices & 8) != 0) path.front() = test::certify(imported_key(choices >> 4).public_key().spki());
  succeeded(open->issuer.set_certificate_path(key->first, key->second, path));
}

void Program::import_symmetric_key() {
  Session* const open = session();
  const auto* const key = open == nullptr ? nullptr : session_key(*open);
  if (key == nullptr) return;
  const bool is_encrypted = in_.flag();
  const Bytes secret = to_bytes(in_.take(in_.u8()));
  succeeded(open->issuer.import_symmetric_key(key->first.handle, is_encrypted ? open->issuer.encrypt(secret) : secret));
}

void Program::import_private_key() {
  Session* const open = session();
  const auto* const key = open == nullptr ? nullptr : session_key(*open);
  if (key == nullptr) return;
  Bytes pkcs8 = to_bytes(imported_key(in_.u8()).to_pkcs8().value().view());
  if (in_.flag()) pkcs8[in_.u16() % pkcs8.size()] ^= in_.u8();
  succeeded(open->issuer.import_private_key(key->first.handle, open->issuer.encrypt(pkcs8)));
}

void Program::add_extension() {
  Session* const open = session();
  const auto* const key = open == nullptr ? nullptr : session_key(*open);
  if (key == nullptr) return;
  ExtensionRequest request;
  request.type = in_.one_of(kExtensionTypes);
  request.sub_type = in_.u8() % 5;
  if (in_.flag()) request.qualifier = "image/png";
  request.data = in_.bytes();
  if (in_.flag()) request.data = open->issuer.encrypt(request.data);
  succeeded(open->issuer.add_extension(key->first.handle, std::move(request)));
}

void Program::close_session() {
  Session* const open = session();
  if (open != nullptr) succeeded(open->issuer.close(Bytes(in_.flag() ? 32 : in_.u8(), 0x77)));
}

void Program::abort_session() {
  Session* const open = session();
  if (open != nullptr) succeeded(device_.api().abort_provisioning_session(open->issuer.handle()));
}

void Program::manage_key() {
  Session* const open = session();
  if (open == nullptr) return;
  const std::uint8_t method = in_.u8() % 4;
  const KeyHandle target = any_key();
  const auto attributes = device_.api().get_key_attributes(target);
  Bytes end_entity;
  if (attributes && !attributes->certificate_path.empty()) end_entity = attributes->certificate_path.front();
  const TargetAuthorization request{
      target, open->issuer.target_authorization(management_key(in_.u8()), end_entity), {}};
  if (method == 0) succeeded(open->issuer.post_delete_key(request));
  if (method == 1) succeeded(open->issuer.post_unlock_key(request));
  const auto* const heir = method >= 2 ? session_key(*open) : nullptr;
  if (heir == nullptr) return;
  if (method == 2) succeeded(open->issuer.post_update_key(heir->first.handle, request));
  if (method == 3) succeeded(open->issuer.post_clone_key_protection(heir->first.handle, request));
}

void Program::issuer_activation() {
  Session* const open = session();
  if (open == nullptr) return;
  const bool activates = in_.flag();
  const KeyHandle target = any_key();
  Bytes authorization;
  if (in_.flag()) {
    const auto attributes = device_.api().get_key_attributes(target);
    if (attributes && !attributes->certificate_path.empty())
      authorization = open->issuer.target_authorization(management_key(in_.u8()), attributes->certificate_path.front());
  }
  succeeded(activates ? open->issuer.activate(target, authorization) : open->issuer.deactivate(target, authorization));
}

void Program::update_key_management_key() {
  Session* const closed = session();
  if (closed == nullptr) return;
  const std::size_t from = in_.u8();
  const Bytes spki = management_key(in_.u8()).public_key().spki();
  succeeded(device_.api().update_key_management_key(closed->issuer.handle(), spki,
                                                    test::roll_over_authorization(management_key(from), spki)));
}

void Program::ask() {
  const KeyHandle key = any_key();
  succeeded(device_.api().get_device_info());
  succeeded(device_.api().update_firmware({}));
  succeeded(device_.api().enumerate_keys(key));
  succeeded(device_.api().get_key_attributes(key));
  succeeded(device_.api().get_key_protection_info(key));
  succeeded(device_.api().get_extension(key, in_.one_of(kExtensionTypes)));
  if (const Session* const open = session(); open != nullptr)
    succeeded(device_.api().get_key_handle(open->issuer.handle(), id()));
}

void Program::sign() {
  const KeyHandle key = any_key();
  const std::string algorithm = operation_algorithm();
  const Authorization who = authorization();
  const Bytes data = in_.bytes();
  const bool hashes = in_.flag();
  const Bytes parameters = parameters_of(algorithm);
  succeeded(hashes ? device_.api().sign_data(key, algorithm, parameters, who, data)
                   : device_.api().sign_hashed_data(key, algorithm, parameters, who, data));
}

void Program::decrypt() {
  const KeyHandle key = any_key();
  const std::string algorithm = operation_algorithm();
  const Authorization who = authorization();
  const Bytes parameters = parameters_of(algorithm);
  succeeded(device_.api().asymmetric_key_decrypt(key, algorithm, parameters, who, in_.bytes()));
}

void Program::agree() {
  const KeyHandle key = any_key();
  const Algorithm* const row = find_algorithm(operation_algorithm());
  const Bytes spki = row != nullptr && row->kind ? any_key_of(*row, 0).public_key().spki() : in_.bytes();
  const std::string algorithm = operation_algorithm();
  succeeded(device_.api().key_agreement(key, algorithm, {}, authorization(), spki));
}

void Program::compute_hmac() {
  const KeyHandle key = any_key();
  const std::string algorithm = operation_algorithm();
  const Authorization who = authorization();
  succeeded(device_.api().perform_hmac(key, algorithm, {}, who, in_.bytes()));
}

void Program::encrypt() {
  const KeyHandle key = any_key();
  const std::string algorithm = operation_algorithm();
  const CipherMode mode = in_.flag() ? CipherMode::encrypt : CipherMode::decrypt;
  const Bytes iv(in_.u8() % 18, 0x42);
  const Authorization who = authorization();
  const Bytes form = parameters_of(algorithm);
  const Bytes& parameters = form.empty() ? iv : form;
  succeeded(device_.api().symmetric_key_encrypt(key, algorithm, mode, parameters, who, in_.bytes()));
}

void Program::manage_pin() {
  const std::uint8_t method = in_.u8() % 4;
  const KeyHandle key = any_key();
  const SecureBytes old = pin();
  if (method == 0) succeeded(device_.api().verify_pin(key, old));
  if (method == 1) succeeded(device_.api().change_pin(key, old, pin()));
  if (method == 2) succeeded(device_.api().set_pin(key, old, pin()));
  if (method == 3) succeeded(device_.api().unlock_key(key, old));
}

void Program::dispose_of_key() {
  const KeyHandle key = any_key();
  if (in_.flag())
    succeeded(device_.api().delete_key(key, pin()));
  else
    succeeded(device_.api().export_key(key, pin()));
}

void Program::set_property() {
  const KeyHandle key = any_key();
  const std::string_view type = in_.one_of(kExtensionTypes);
  const std::string_view name = in_.one_of(kProperties);
  succeeded(device_.api().set_property(key, type, name, to_string(in_.array())));
}

void Program::user_activation() {
  ActivationRequest request;
  const bool activates = in_.flag();
  request.target = any_key();
  request.authorization = pin();
  succeeded(activates ? device_.api().activate(request) : device_.api().deactivate(request));
}

void Program::send_frame() {
  const Bytes frame = in_.bytes();
  if (!frame.empty()) device_.transact(frame);
}

void Program::tamper() {
  const auto how = static_cast<Tampering>(in_.below(static_cast<std::size_t>(Tampering::count)));
  const std::uint16_t where = in_.u16();
  device_.tamper(how, where, in_.u8());
}

void Program::fail_storage() { device_.fail_storage_after(in_.u8() % 16 + 1); }

}  // namespace sks::fuzz
