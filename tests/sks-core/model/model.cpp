#include "tests/sks-core/model/model.h"

#include <algorithm>

namespace sks::model {

const std::map<Method, State::Handler>& State::handlers() {
  static const std::map<Method, Handler> all{
      {Method::create_session, &State::create_session},
      {Method::close_session, &State::close_session},
      {Method::abort_session, &State::abort_session},
      {Method::update_kmk, &State::update_kmk},
      {Method::create_puk_policy, &State::create_puk_policy},
      {Method::create_pin_policy, &State::create_pin_policy},
      {Method::create_key, &State::create_key},
      {Method::get_key_handle, &State::get_key_handle},
      {Method::set_certificate_path, &State::set_certificate_path},
      {Method::import_symmetric_key, &State::import_symmetric_key},
      {Method::import_private_key, &State::import_private_key},
      {Method::add_extension, &State::add_extension},
      {Method::post_delete, &State::post_on_target},
      {Method::post_unlock, &State::post_on_target},
      {Method::post_update, &State::post_with_new_key},
      {Method::post_clone, &State::post_with_new_key},
      {Method::activate, &State::activate_or_deactivate},
      {Method::deactivate, &State::activate_or_deactivate},
      {Method::set_property, &State::set_property},
      {Method::delete_key, &State::delete_key},
      {Method::export_key, &State::export_key},
      {Method::unlock_key, &State::unlock_key},
      {Method::change_pin, &State::change_pin},
      {Method::set_pin, &State::set_pin},
      {Method::verify_pin, &State::verify_pin_only},
      {Method::sign_data, &State::use_key},
      {Method::sign_hashed_data, &State::use_key},
      {Method::key_agreement, &State::use_key},
      {Method::decrypt, &State::use_key},
      {Method::hmac, &State::use_key},
      {Method::cipher, &State::use_key},
  };
  return all;
}

Verdict State::apply(const Request& request) {
  Verdict verdict;
  const auto handler = handlers().find(request.method);
  if (handler == handlers().end()) return verdict;
  const Handle victim = aborts(request);
  verdict.status = (this->*handler->second)(request, verdict);
  if (verdict.status && victim != 0) abort(victim);
  return verdict;
}

// Chapter 1.6, the table. The handle by which the session is found must be good.
Handle State::aborts(const Request& request) const {
  switch (request.method) {
    case Method::create_puk_policy:
    case Method::create_pin_policy:
    case Method::create_key:
    case Method::post_delete:
    case Method::post_unlock:
    case Method::close_session:
    case Method::activate:
    case Method::deactivate:
      return open_session(request.session_handle) == nullptr ? 0 : request.session_handle;
    case Method::set_certificate_path:
    case Method::import_symmetric_key:
    case Method::import_private_key:
    case Method::add_extension:
    case Method::post_update:
    case Method::post_clone: {
      const Key* const key = open_key(request.key_handle);
      return key == nullptr ? 0 : key->session;
    }
    default:
      return 0;
  }
}

void State::abort(Handle session) {
  std::erase_if(keys, [&](const auto& entry) { return entry.second.session == session; });
  std::erase_if(pins, [&](const auto& entry) { return entry.second.session == session; });
  std::erase_if(puks, [&](const auto& entry) { return entry.second.session == session; });
  sessions.erase(session);
}

const Session* State::open_session(Handle handle) const {
  const auto found = sessions.find(handle);
  return found != sessions.end() && found->second.open ? &found->second : nullptr;
}

const Key* State::open_key(Handle handle) const {
  const auto found = keys.find(handle);
  return found != keys.end() && sessions.at(found->second.session).open ? &found->second : nullptr;
}

const Key* State::std_key(Handle handle) const {
  const auto found = keys.find(handle);
  return found != keys.end() && !sessions.at(found->second.session).open ? &found->second : nullptr;
}

const PukPolicy* State::puk_of(const Key& key) const {
  if (key.policy == 0) return nullptr;
  const Handle puk = pins.at(key.policy).puk;
  return puk == 0 ? nullptr : &puks.at(puk);
}

std::vector<Handle> State::group_of(Handle handle) const {
  const Key& key = keys.at(handle);
  std::vector<Handle> group;
  const std::uint8_t grouping = key.policy == 0 ? 0 : pins.at(key.policy).grouping;
  for (const auto& [other_handle, other] : keys) {
    const bool same_class = (other.app_usage == 0) == (key.app_usage == 0);
    const bool belongs = grouping == 0   ? other_handle == handle
                         : grouping == 1 ? true
                         : grouping == 2 ? same_class
                                         : other.app_usage == key.app_usage;
    if (other.policy == key.policy && belongs) group.push_back(other_handle);
  }
  return group;
}

bool take_op(Session& session) {
  if (session.ops == 0) return false;
  --session.ops;
  return true;
}

}  // namespace sks::model
