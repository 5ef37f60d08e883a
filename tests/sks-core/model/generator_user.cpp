#include "tests/sks-core/model/generator.h"

// Calls of users.
namespace sks::model {

std::string Generator::pin_guess(Handle handle) {
  if (handle == 0 || chance(4)) return "";
  const Key& key = state().keys.at(handle);
  if (chance(22)) return any_pin();
  return key.device_pin ? "1234" : key.pin;
}

std::string Generator::puk_guess(Handle handle) {
  const PukPolicy* const puk = handle == 0 ? nullptr : state().puk_of(state().keys.at(handle));
  if (puk == nullptr || chance(22)) return chance(10) ? "" : any_pin();
  return puk->value;
}

std::string Generator::authorization_for(std::uint8_t protection, Handle key) {
  if (protection == 2) return puk_guess(key);
  return protection == 1 || chance(3) ? pin_guess(key) : "";
}

Call Generator::try_pin() {
  Call made = call(Method::verify_pin);
  const Handle key = any_key_with_pin();
  made.key = key_label(key);
  made.authorization = pin_guess(key);
  return made;
}

Call Generator::use_key() {
  const Handle handle = chance(50) ? any_key_with_pin() : any_key(chance(2));
  static const Key nothing;
  const Key& key = handle == 0 ? nothing : state().keys.at(handle);
  const bool is_rsa = key.certificate && key.certificate->pair == kRsaPair;
  Call made = call(Method::sign_data);
  made.algorithm = is_rsa ? 1 : 0;
  made.length = below(60);
  if (key.symmetric) {
    made.method = chance(50) ? Method::hmac : Method::cipher;
    made.algorithm = made.method == Method::hmac ? 2 : one_of({3, 9});
    if (made.algorithm == 3 && chance(95)) made.length = 16 * below(4);
  } else if (chance(40)) {
    made.method = one_of({Method::sign_hashed_data, Method::key_agreement, Method::decrypt});
    if (made.method == Method::sign_hashed_data) made.length = 32;
    if (made.method == Method::key_agreement) made.algorithm = 4;
    if (made.method == Method::decrypt) made.algorithm = 5;
  }
  if (chance(5)) made.algorithm = static_cast<int>(below(static_cast<unsigned>(kUserAlgorithms.size())));
  if (chance(3)) made.method = one_of({Method::sign_data, Method::hmac, Method::cipher, Method::key_agreement});
  if (chance(1)) made.length = 16385;
  made.has_parameters = chance(2);
  made.key = key_label(handle);
  made.biometric_auth = key.biometric >= 2 ? chance(85) : chance(key.biometric == 1 ? 40 : 3);
  const bool wants_none = made.biometric_auth && key.biometric != 2;
  if (!wants_none || chance(5)) made.authorization = pin_guess(handle);
  return made;
}

Call Generator::change_pin() {
  Call made = call(Method::change_pin);
  const Handle key = any_key_with_pin();
  made.key = key_label(key);
  made.authorization = pin_guess(key);
  made.value = any_pin();
  if (key != 0 && chance(70)) made.value = pin_for(state().keys.at(key).policy, state().keys.at(key).app_usage);
  if (key != 0 && state().keys.at(key).policy != 0)
    for (int i = 0; i < 20 && !obeys(state().pins.at(state().keys.at(key).policy), made.value); ++i)
      made.value = any_pin();
  return made;
}

Call Generator::use_puk() {
  Call made = change_pin();
  made.method = chance(50) ? Method::set_pin : Method::unlock_key;
  const Handle key = any_key_like([&](const Key& other) { return state().puk_of(other) != nullptr; });
  made.key = key_label(key);
  made.authorization = puk_guess(key);
  if (key != 0 && chance(70)) made.value = pin_for(state().keys.at(key).policy, state().keys.at(key).app_usage);
  if (made.method == Method::unlock_key) made.value.clear();
  return made;
}

Call Generator::delete_key() {
  Call made = call(Method::delete_key);
  const Handle key = any_key(chance(2));
  made.key = key_label(key);
  if (key != 0) made.authorization = authorization_for(state().keys.at(key).delete_protection, key);
  return made;
}

Call Generator::export_key() {
  Call made = call(Method::export_key);
  const Handle key = any_key(chance(2));
  made.key = key_label(key);
  if (key != 0) made.authorization = authorization_for(state().keys.at(key).export_protection, key);
  return made;
}

Call Generator::set_property() {
  Call made = call(Method::set_property);
  const Handle key = any_key_like([](const Key& other) { return other.extensions.contains("urn:bag"); });
  made.key = key_label(key);
  made.type = chance(90) ? "urn:bag" : "urn:1";
  made.name = one_of<const char*>({"a", "a", "a", "b", "c"});
  made.value = std::string(below(30), static_cast<char>('a' + below(26)));
  return made;
}

Call Generator::switch_as_user() {
  Call made = call(chance(30) ? Method::deactivate : Method::activate);
  const Handle key = made.method == Method::activate
                         ? any_key_like([](const Key& other) { return other.suspended != 0; })
                         : any_key(chance(2));
  made.target = key_label(key);
  made.authorization = key != 0 && state().keys.at(key).has_pin() ? pin_guess(key) : "";
  made.wrong_mac = chance(2);
  return made;
}

}  // namespace sks::model
