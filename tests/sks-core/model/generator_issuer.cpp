#include <algorithm>

#include "tests/sks-core/model/generator.h"

// Calls of issuers.
namespace sks::model {

// Something wrong with a call that an issuer makes. It costs the session.
void Generator::spoil(Call& call) {
  if (chance(1)) call.wrong_mac = true;
  if (chance(1)) call.damage = one_of({Damage::shorter_than_iv, Damage::odd_length});
}

// What is still missing before the session can be closed, or else the close.
Call Generator::advance_session() {
  const Handle handle = any_session(true);
  const Session& session = state().sessions.at(handle);
  std::vector<Handle> own_keys;
  for (const auto& [key_handle, key] : state().keys)
    if (key.session == handle) own_keys.push_back(key_handle);
  for (const auto& [policy_handle, policy] : state().pins)
    if (policy.session == handle && !session.ids.at(policy.id)) return create_key_in(handle, policy_handle);
  for (const auto& [policy_handle, policy] : state().puks)
    if (policy.session == handle && !session.ids.at(policy.id)) {
      Call made = create_pin_policy();
      made.session = session_label(handle);
      made.puk_policy = world_->puk_label(policy_handle);
      return made;
    }
  for (const Handle key_handle : own_keys) {
    const Key& key = state().keys.at(key_handle);
    if (!key.certificate) return certify(key_handle);
    const bool is_for_symmetric = std::ranges::any_of(key.endorsed, [](int row) { return row == 2 || row == 9; });
    if (is_for_symmetric && !key.symmetric) {
      Call made = call(Method::import_symmetric_key);
      made.key = key_label(key_handle);
      made.length = 32;
      return made;
    }
    if (key.certificate->pair != key.private_pair && (key.backup & 1) == 0) {
      Call made = call(Method::import_private_key);
      made.key = key_label(key_handle);
      made.pair = key.certificate->pair;
      return made;
    }
  }
  const std::size_t wanted = 1 + below(3);
  const std::vector<Handle> policies = policies_for(handle);
  if (own_keys.empty() && policies.empty() && chance(70)) {
    Call made = chance(50) ? create_puk_policy() : create_pin_policy();
    made.session = session_label(handle);
    return made;
  }
  if (own_keys.size() < wanted) return create_key_in(handle, policies.empty() || chance(25) ? 0 : pick(policies));
  Call made = close_session();
  made.session = session_label(handle);
  return made;
}

Call Generator::create_puk_policy() {
  Call made = call(Method::create_puk_policy);
  made.session = session_label(any_session(true));
  made.id = id("PUK");
  made.format = static_cast<std::uint8_t>(one_of({0, 0, 0, 1, 2, 3}));
  made.value = made.format == 0 ? "0815" : made.format == 1 ? "ABC12" : "x.y";
  if (chance(3)) made.value = one_of<const char*>({"0815", "ABC12", "x.y", ""});
  made.retry_limit = static_cast<std::uint16_t>(one_of({0, 1, 2, 3, 3, 5}));
  if (chance(1)) made.format = 4;
  if (chance(1)) made.retry_limit = 10001;
  spoil(made);
  return made;
}

Call Generator::create_pin_policy() {
  Call made = call(Method::create_pin_policy);
  const Handle session = any_session(true);
  made.session = session_label(session);
  made.id = id("PIN");
  std::vector<Handle> puks;
  for (const auto& [handle, puk] : state().puks)
    if (puk.session == session || chance(2)) puks.push_back(handle);
  if (!puks.empty() && chance(80)) made.puk_policy = world_->puk_label(pick(puks));
  made.user_defined = chance(70);
  made.user_modifiable = chance(85);
  made.format = static_cast<std::uint8_t>(one_of({0, 0, 1, 2, 3}));
  made.retry_limit = static_cast<std::uint16_t>(one_of({1, 2, 3, 3, 5}));
  made.grouping = static_cast<std::uint8_t>(below(4));
  made.patterns = static_cast<std::uint8_t>(one_of({0, 0, 0, 1, 2, 4, 8, 6, 16}));
  if (made.patterns == 16 && chance(95)) made.format = static_cast<std::uint8_t>(1 + below(2));
  made.input_method = static_cast<std::uint8_t>(below(3));
  switch (below(100)) {
    case 0:
      made.grouping = 4;
      break;
    case 1:
      made.input_method = 3;
      break;
    case 2:
      made.retry_limit = 0;
      break;
    case 3:
      made.min_length = 9;
      break;
    case 4:
      made.patterns = 0x20;
      break;
    default:
      break;
  }
  spoil(made);
  return made;
}

// Whether the policy admits a PIN for a new key, which has to agree with the PINs of the keys that are there.
bool Generator::suits(Handle policy_handle, std::uint8_t app_usage, const std::string& pin) const {
  const PinPolicy& policy = state().pins.at(policy_handle);
  if (!obeys(policy, pin)) return false;
  return std::ranges::all_of(state().keys, [&](const auto& entry) {
    const Key& key = entry.second;
    if (key.policy != policy_handle || policy.grouping == 0) return true;
    const bool same_group = policy.grouping == 1   ? true
                            : policy.grouping == 2 ? (key.app_usage == 0) == (app_usage == 0)
                                                   : key.app_usage == app_usage;
    return same_group == (key.pin == pin);
  });
}

std::string Generator::pin_for(Handle policy, std::uint8_t app_usage) {
  if (policy == 0) return chance(99) ? "" : "1234";
  std::vector<std::string> pins;
  for (const auto& [handle, key] : state().keys)
    if (key.policy == policy) pins.push_back(key.pin);
  for (int i = 0; i < 20; ++i) pins.push_back(any_pin());
  std::erase_if(pins, [&](const std::string& pin) { return !suits(policy, app_usage, pin); });
  return pins.empty() || chance(1) ? any_pin() : pick(pins);
}

std::vector<Handle> Generator::policies_for(Handle session) {
  std::vector<Handle> policies;
  for (const auto& [handle, policy] : state().pins)
    if (policy.session == session || chance(1)) policies.push_back(handle);
  return policies;
}

Call Generator::create_key() {
  const Handle session = any_session(true);
  const std::vector<Handle> policies = policies_for(session);
  return create_key_in(session, policies.empty() || chance(25) ? 0 : pick(policies));
}

Call Generator::create_key_in(Handle session, Handle policy) {
  Call made = call(Method::create_key);
  made.session = session_label(session);
  made.id = id("Key");
  made.pin_policy = policy == 0 ? 0 : world_->pin_label(policy);
  made.app_usage = static_cast<std::uint8_t>(below(4));
  made.value = pin_for(policy, made.app_usage);
  made.pair = static_cast<int>(chance(90) ? below(kP384Pair) : below(kPairs));
  made.device_pin = policy == 0 ? chance(8) : chance(1);
  const bool has_pin = policy != 0 || made.device_pin;
  const bool has_puk = policy != 0 && state().pins.at(policy).puk != 0;
  const auto protection = [&]() {
    const std::uint8_t highest = has_puk ? 3 : has_pin ? 2 : 1;
    const std::uint8_t chosen = static_cast<std::uint8_t>(chance(1) ? below(5) : below(highest));
    return chosen;
  };
  made.export_protection = chance(15) ? std::uint8_t{3} : protection();
  made.delete_protection = chance(3) ? std::uint8_t{3} : protection();
  if (!has_pin && chance(99)) {
    if (made.export_protection != 3) made.export_protection = 0;
    if (made.delete_protection != 3) made.delete_protection = 0;
  }
  if (chance(25)) made.biometric = static_cast<std::uint8_t>(has_pin ? 1 + below(2) : 3);
  if (below(200) == 0) made.biometric = static_cast<std::uint8_t>(below(5));
  made.caching = policy != 0 && state().pins.at(policy).input_method == 2 && chance(50);
  if (below(200) == 0) made.caching = true;
  const bool is_rsa = made.pair == kRsaPair;
  if (chance(40)) made.endorsed = is_rsa ? one_of({2, 3, 4, 5, 7}) : one_of({1, 3, 4, 5, 6, 8});
  if (chance(1)) made.endorsed = static_cast<int>(below(static_cast<unsigned>(kEndorsedLists.size())));
  spoil(made);
  return made;
}

// A key that can take the place of the target, or join it.
Call Generator::create_heir(Handle target) {
  const Key& key = state().keys.at(target);
  const bool privacy = state().sessions.at(key.session).privacy;
  std::vector<Handle> sessions;
  for (const auto& [handle, session] : state().sessions)
    if (session.open && session.privacy == privacy) sessions.push_back(handle);
  if (sessions.empty()) {
    Call made = create_session();
    made.privacy = privacy;
    return made;
  }
  Call made = create_key_in(pick(sessions), 0);
  made.app_usage = key.app_usage;
  made.device_pin = false;
  if (made.biometric != 3) made.biometric = 0;
  return made;
}

Handle Generator::any_open_key() {
  std::vector<Handle> certified;
  for (const auto& [handle, key] : state().keys)
    if (state().open_key(handle) != nullptr && key.certificate && (key.backup & 1) == 0) certified.push_back(handle);
  return certified.empty() || chance(3) ? any_key(!chance(20)) : pick(certified);
}

Call Generator::certify(Handle handle) {
  Call made = call(Method::set_certificate_path);
  made.key = key_label(handle);
  made.serial = label_;
  if (handle != 0) made.pair = state().keys.at(handle).pair;
  if (chance(4)) made.pair = static_cast<int>(below(kPairs));
  if (chance(6))
    for (const auto& [other_handle, other] : state().keys)
      if (other.certificate && other.certificate->pair == made.pair) made.serial = other.certificate->serial;
  spoil(made);
  return made;
}

Call Generator::import_symmetric() {
  Call made = call(Method::import_symmetric_key);
  made.key = key_label(any_open_key());
  made.length = one_of<std::size_t>({16, 16, 20, 24, 32, 32, 128});
  if (chance(5)) made.length = one_of<std::size_t>({0, 129, 143, 144});
  spoil(made);
  return made;
}

Call Generator::import_private() {
  Call made = call(Method::import_private_key);
  const Handle key = any_open_key();
  made.key = key_label(key);
  if (key != 0 && state().keys.at(key).certificate) made.pair = state().keys.at(key).certificate->pair;
  if (chance(6)) made.pair = static_cast<int>(below(kPairs));
  spoil(made);
  return made;
}

Call Generator::add_extension() {
  Call made = call(Method::add_extension);
  made.type = "urn:" + std::to_string(below(chance(95) ? 1000 : 2));
  if (chance(50)) made.type = "urn:bag";
  const Handle key = any_open_key();
  made.key = key_label(key);
  if (key != 0 && state().keys.at(key).extensions.contains(made.type) && chance(95)) made.type += "s";
  if (chance(1)) made.type.clear();
  made.sub_type = static_cast<std::uint8_t>(made.type == "urn:bag" ? 2 : one_of({0, 1, 3}));
  made.length = 1 + below(40);
  if (chance(3)) made.length = 0;
  if (made.sub_type == 3) made.name = "image/png";
  if (chance(1)) made.sub_type = 4;
  if (chance(1)) made.name = chance(50) ? "" : std::string(129, 'q');
  spoil(made);
  return made;
}

// Rather with the key management key that the target wants.
Call Generator::post() {
  Call made = call(one_of({Method::post_delete, Method::post_unlock, Method::post_update, Method::post_update,
                           Method::post_clone, Method::post_clone}));
  Handle target = any_target();
  const auto is_wanted = [&](const Key& key) {
    if (state().sessions.at(key.session).kmk == 0) return false;
    if (made.method == Method::post_unlock) return key.policy != 0;
    return made.method != Method::post_clone || key.policy == 0 || state().pins.at(key.policy).grouping == 1;
  };
  if (chance(90)) target = any_key_like(is_wanted);
  made.target = chance(1) ? key_label(any_key(true)) : key_label(target);
  const bool privacy = target != 0 && state().sessions.at(state().keys.at(target).session).privacy;
  made.signer = target == 0 ? 1 : state().sessions.at(state().keys.at(target).session).kmk;
  if (chance(1)) made.signer = static_cast<int>(below(kKmks + 1));
  std::vector<Handle> sessions;
  std::vector<Handle> keys;
  for (const auto& [handle, session] : state().sessions)
    if (session.open && (session.privacy == privacy || chance(1))) sessions.push_back(handle);
  for (const auto& [handle, key] : state().keys) {
    const Session& owner = state().sessions.at(key.session);
    const bool fits =
        owner.open && (owner.privacy == privacy || chance(1)) && !key.has_pin() &&
        (made.method == Method::post_clone || target == 0 || key.app_usage == state().keys.at(target).app_usage);
    const bool needs_heir = made.method == Method::post_update || made.method == Method::post_clone;
    if (fits && needs_heir && !key.certificate && chance(95)) return certify(handle);
    if (fits || (owner.open && chance(1))) keys.push_back(handle);
  }
  if (made.method == Method::post_update || made.method == Method::post_clone) {
    if (keys.empty() && target != 0 && chance(85)) return create_heir(target);
    made.key = key_label(keys.empty() ? 0 : pick(keys));
  } else {
    if (sessions.empty() && target != 0 && chance(85)) return create_heir(target);
    made.session = session_label(sessions.empty() ? 0 : pick(sessions));
  }
  spoil(made);
  return made;
}

Call Generator::switch_as_issuer() {
  Call made = call(chance(40) ? Method::deactivate : Method::activate);
  const bool is_own = chance(40);
  const Handle target = is_own ? any_key(true) : any_target();
  made.target = key_label(target);
  made.session = session_label(any_session(true));
  if (target != 0) {
    const Session& owner = state().sessions.at(state().keys.at(target).session);
    if (is_own) made.session = session_label(state().keys.at(target).session);
    made.signer = is_own ? 0 : owner.kmk;
  }
  if (chance(3)) made.signer = static_cast<int>(below(kKmks + 1));
  spoil(made);
  return made;
}

Call Generator::close_session() {
  Call made = call(Method::close_session);
  made.session = session_label(any_session(!chance(5)));
  made.length = chance(98) ? 1 + below(32) : below(2) * 33;
  made.wrong_mac = chance(1);
  return made;
}

Call Generator::abort_session() {
  Call made = call(Method::abort_session);
  made.session = session_label(any_session(!chance(20)));
  return made;
}

Call Generator::update_kmk() {
  Call made = call(Method::update_kmk);
  const Handle session = any_session(chance(10));
  made.session = session_label(session);
  made.kmk = chance(95) ? 1 + static_cast<int>(below(kKmks)) : 0;
  made.signer = session == 0 ? 1 : state().sessions.at(session).kmk;
  if (chance(10)) made.signer = static_cast<int>(below(kKmks + 1));
  return made;
}

Call Generator::get_key_handle() {
  Call made = call(Method::get_key_handle);
  const Handle key = any_key(true);
  made.session = session_label(key == 0 ? any_session(true) : state().keys.at(key).session);
  made.id = key == 0 || chance(20) ? "PIN1" : state().keys.at(key).id;
  return made;
}

}  // namespace sks::model
