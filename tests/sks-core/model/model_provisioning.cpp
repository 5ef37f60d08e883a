#include <algorithm>

#include "tests/sks-core/model/model.h"

// What issuers do in an open session: sks-api.md 4.2 to 4.14. Steps are those of the tables there.
namespace sks::model {
namespace {

constexpr std::uint8_t kImported = 0x01;

bool is_id(const std::string& text) {
  const auto visible = [](char c) { return c >= 0x21 && c <= 0x7E; };
  return !text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), visible);
}

std::optional<Status> register_id(Session& session, const std::string& id, bool referenced) {
  if (session.ids.contains(id) || !is_id(id)) return Status::option;
  session.ids[id] = referenced;
  return {};
}

// Chapter 3.3.
std::optional<Status> decrypt(Session& session, Damage damage) {
  if (!take_op(session)) return Status::option;
  if (damage == Damage::shorter_than_iv) return Status::internal;
  if (damage == Damage::odd_length) return Status::crypto;
  return {};
}

std::optional<Status> check_mac(Session& session, bool wrong) {
  if (!take_op(session)) return Status::option;
  ++session.counter;
  return wrong ? std::optional(Status::mac) : std::nullopt;
}

// IV and padded plaintext.
std::size_t encrypted_size(std::size_t size) { return 16 + (size / 16 + 1) * 16; }

// Chapter 6.6, at creation.
std::optional<Status> check_endorsed(const std::vector<int>& rows) {
  std::string previous;
  for (const int row : rows) {
    const UserAlgorithm& algorithm = kUserAlgorithms.at(static_cast<std::size_t>(row));
    if (algorithm.uri <= previous || algorithm.kind == Kind::unknown) return Status::option;
    if (algorithm.kind == Kind::none_at_all && rows.size() > 1) return Status::option;
    previous = algorithm.uri;
  }
  return {};
}

}  // namespace

State::Refusal State::create_session(const Request& request, Verdict&) {
  if (!is_id(request.id)) return Status::option;
  Session session;
  session.privacy = request.privacy;
  session.kmk = request.kmk;
  session.name = request.id;
  session.ops = request.op_limit;
  sessions[request.made] = session;
  return {};
}

State::Refusal State::abort_session(const Request& request, Verdict&) {
  if (open_session(request.session_handle) == nullptr) return Status::no_session;
  abort(request.session_handle);
  return {};
}

State::Refusal State::update_kmk(const Request& request, Verdict&) {
  const auto found = sessions.find(request.session_handle);
  if (found == sessions.end()) return Status::no_session;
  Session& session = found->second;
  if (session.open || session.kmk == 0) return Status::not_allowed;
  if (request.kmk == 0) return Status::option;
  if (request.signer == 0) return Status::crypto;
  if (request.signer != session.kmk) return Status::option;
  session.kmk = request.kmk;
  return {};
}

State::Refusal State::create_puk_policy(const Request& request, Verdict&) {
  if (open_session(request.session_handle) == nullptr) return Status::no_session;
  Session& session = sessions.at(request.session_handle);
  if (request.format > 3 || request.retry_limit > 10000) return Status::option;
  if (const Refusal refusal = decrypt(session, request.damage)) return refusal;
  if (request.value.empty() || request.value.size() > 128) return Status::option;
  if (!has_syntax(request.format, request.value)) return Status::option;
  if (const Refusal refusal = check_mac(session, request.wrong_mac)) return refusal;
  if (const Refusal refusal = register_id(session, request.id, false)) return refusal;
  puks[request.made] = {request.session_handle, request.value, request.format, request.retry_limit, 0, request.id};
  return {};
}

State::Refusal State::create_pin_policy(const Request& request, Verdict&) {
  if (open_session(request.session_handle) == nullptr) return Status::no_session;
  Session& session = sessions.at(request.session_handle);
  if (request.grouping > 3 || request.input_method > 2 || request.format > 3) return Status::option;
  if (request.retry_limit < 1 || request.retry_limit > 10000 || (request.patterns & 0xE0) != 0) return Status::option;
  if (request.puk_policy_handle != 0) {
    const auto puk = puks.find(request.puk_policy_handle);
    if (puk == puks.end() || puk->second.session != request.session_handle) return Status::option;
    session.ids[puk->second.id] = true;
  }
  if ((request.patterns & 0x10) != 0 && request.format != 1 && request.format != 2) return Status::option;
  if (request.min_length < 1 || request.max_length > 128 || request.max_length < request.min_length)
    return Status::option;
  if (const Refusal refusal = check_mac(session, request.wrong_mac)) return refusal;
  if (const Refusal refusal = register_id(session, request.id, false)) return refusal;
  pins[request.made] = {
      request.session_handle, request.puk_policy_handle, request.user_defined, request.user_modifiable,
      request.format,         request.retry_limit,       request.grouping,     request.patterns,
      request.min_length,     request.max_length,        request.input_method, request.id};
  return {};
}

// Steps 10 to 12.
State::Refusal State::check_pin_arrangement(const Request& request) {
  const auto policy = pins.find(request.pin_policy_handle);
  const bool is_own = policy != pins.end() && policy->second.session == request.session_handle;
  if (request.device_pin) {
    if (request.pin_policy_handle != 0) return Status::option;
  } else if (request.pin_policy_handle != 0) {
    if (!is_own || (request.caching && policy->second.input_method != 2)) return Status::option;
    sessions.at(request.session_handle).ids[policy->second.id] = true;
  } else {
    const auto needs_authorization = [](std::uint8_t protection) { return protection == 1 || protection == 2; };
    if (needs_authorization(request.delete_protection) || needs_authorization(request.export_protection))
      return Status::option;
    if (request.caching || !request.value.empty()) return Status::option;
  }
  const bool has_pin = request.device_pin || request.pin_policy_handle != 0;
  const bool fits = request.biometric == 0 || (request.biometric == 3) != has_pin;
  if (!fits) return Status::option;
  const bool has_puk = !request.device_pin && is_own && policy->second.puk != 0;
  if (!has_puk && (request.delete_protection == 2 || request.export_protection == 2)) return Status::option;
  return {};
}

// Step 17, chapter 5.4.
State::Refusal State::check_new_pin(const Request& request) const {
  const PinPolicy& policy = pins.at(request.pin_policy_handle);
  if (!obeys(policy, request.value)) return Status::option;
  for (const auto& [handle, other] : keys) {
    if (other.policy != request.pin_policy_handle) continue;
    const bool same_pin = other.pin == request.value;
    const bool same_class = (other.app_usage == 0) == (request.app_usage == 0);
    if (policy.grouping == 1 && !same_pin) return Status::option;
    if (policy.grouping == 2 && same_class != same_pin) return Status::option;
    if (policy.grouping == 3 && (other.app_usage == request.app_usage) != same_pin) return Status::option;
  }
  return {};
}

State::Refusal State::create_key(const Request& request, Verdict&) {
  if (open_session(request.session_handle) == nullptr) return Status::no_session;
  Session& session = sessions.at(request.session_handle);
  for (const std::uint8_t value :
       {request.export_protection, request.delete_protection, request.app_usage, request.biometric})
    if (value > 3) return Status::option;
  if (const Refusal refusal = check_pin_arrangement(request)) return refusal;
  const bool has_policy = !request.device_pin && request.pin_policy_handle != 0;
  if (!take_op(session)) return Status::option;
  if (has_policy && !pins.at(request.pin_policy_handle).user_defined)
    if (const Refusal refusal = decrypt(session, request.damage)) return refusal;
  const std::vector<int>& endorsed = kEndorsedLists.at(static_cast<std::size_t>(request.endorsed));
  if (const Refusal refusal = check_endorsed(endorsed)) return refusal;
  if (request.wrong_mac) return Status::mac;
  if (has_policy)
    if (const Refusal refusal = check_new_pin(request)) return refusal;
  if (const Refusal refusal = register_id(session, request.id, true)) return refusal;
  if (!take_op(session)) return Status::option;
  session.counter = static_cast<std::uint16_t>(session.counter + 2);
  Key key;
  key.session = request.session_handle;
  key.identity = request.label;
  key.id = request.id;
  key.pair = key.private_pair = request.pair;
  key.policy = has_policy ? request.pin_policy_handle : 0;
  key.pin = has_policy ? request.value : "";
  key.device_pin = request.device_pin;
  key.caching = request.caching;
  key.biometric = request.biometric;
  key.export_protection = request.export_protection;
  key.delete_protection = request.delete_protection;
  key.app_usage = request.app_usage;
  key.friendly_name = request.id;
  key.endorsed = endorsed;
  keys[request.made] = key;
  return {};
}

State::Refusal State::get_key_handle(const Request& request, Verdict& verdict) {
  if (open_session(request.session_handle) == nullptr) return Status::no_session;
  for (const auto& [handle, key] : keys)
    if (key.session == request.session_handle && key.id == request.id) {
      verdict.found = handle;
      return {};
    }
  return Status::option;
}

State::Refusal State::set_certificate_path(const Request& request, Verdict& verdict) {
  if (open_key(request.key_handle) == nullptr) return Status::no_key;
  Key& key = keys.at(request.key_handle);
  // B3: the MAC of these tests always covers the generated key.
  if (key.certificate && key.certificate->pair != key.pair) verdict.tolerated = Status::mac;
  if (const Refusal refusal = check_mac(sessions.at(key.session), request.wrong_mac)) return refusal;
  if (key.certificate) return Status::option;
  key.certificate = Certificate{request.pair, request.serial};
  return {};
}

State::Refusal State::import_symmetric_key(const Request& request, Verdict&) {
  if (open_key(request.key_handle) == nullptr) return Status::no_key;
  Key& key = keys.at(request.key_handle);
  Session& session = sessions.at(key.session);
  if (request.damage == Damage::none && encrypted_size(request.length) > 160) return Status::option;
  if ((key.backup & kImported) != 0 || !key.certificate) return Status::option;
  if (const Refusal refusal = check_mac(session, request.wrong_mac)) return refusal;
  if (const Refusal refusal = decrypt(session, request.damage)) return refusal;
  if (request.length < 1 || request.length > 128) return Status::option;
  key.backup |= kImported;
  key.symmetric = std::string(request.length, static_cast<char>('A' + request.label % 26));
  return {};
}

State::Refusal State::import_private_key(const Request& request, Verdict&) {
  if (open_key(request.key_handle) == nullptr) return Status::no_key;
  Key& key = keys.at(request.key_handle);
  Session& session = sessions.at(key.session);
  if (!key.certificate) return Status::option;
  if (const Refusal refusal = check_mac(session, request.wrong_mac)) return refusal;
  if ((key.backup & kImported) != 0) return Status::option;
  if (const Refusal refusal = decrypt(session, request.damage)) return refusal;
  if ((key.certificate->pair == kRsaPair) != (request.pair == kRsaPair)) return Status::option;
  key.backup |= kImported;
  key.private_pair = request.pair;
  return {};
}

State::Refusal State::add_extension(const Request& request, Verdict&) {
  if (open_key(request.key_handle) == nullptr) return Status::no_key;
  Key& key = keys.at(request.key_handle);
  Session& session = sessions.at(key.session);
  if (request.sub_type > 3 || request.type.empty() || key.extensions.contains(request.type)) return Status::option;
  if ((request.sub_type == 3) == request.name.empty() || request.name.size() > 128) return Status::option;
  if (request.sub_type == 2 && request.length == 0) return Status::option;
  if (!key.certificate) return Status::option;
  if (const Refusal refusal = check_mac(session, request.wrong_mac)) return refusal;
  if (request.sub_type == 1)
    if (const Refusal refusal = decrypt(session, request.damage)) return refusal;
  Extension extension{request.sub_type, request.name, {}, {}};
  if (request.sub_type == 2) {
    extension.properties = {{"a", true, "x"}, {"b", false, "y"}};
  } else {
    extension.data = std::string(request.length, static_cast<char>('a' + request.label % 26));
  }
  key.extensions[request.type] = extension;
  key.extension_order.push_back(request.type);
  return {};
}

}  // namespace sks::model
