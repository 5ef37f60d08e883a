#include "provisioning-server/admin_api/api_json.h"
#include "provisioning-server/admin_api/parts.h"

namespace sks::issuer {
namespace {

Json key_json(const keygen2::KeySpec& key) {
  return {{"app_usage", app_usage_name(key.app_usage)},
          {"algorithm", key.key_algorithm},
          {"friendly_name", key.friendly_name},
          {"endorsed_algorithms", key.endorsed_algorithms}};
}

Json summary_json(const Profile& profile) {
  return {{"name", profile.name},
          {"digest", profile.digest},
          {"keys", keys_in_message_order(profile).size()},
          {"pin_policies", profile.pin_policies.size()},
          {"has_puk", profile.puk.has_value()},
          {"lookups", profile.lookups.size()},
          {"privacy_enabled", profile.privacy_enabled},
          {"validity_days", profile.certificate.validity_days}};
}

Json decoded_json(const Profile& profile) {
  Json json{{"session_life_time", profile.session_life_time},
            {"validity_days", profile.certificate.validity_days},
            {"privacy_enabled", profile.privacy_enabled},
            {"email_from_subject", profile.certificate.email_from_subject}};
  Json policies = Json::array();
  for (const keygen2::PinPolicySpec& policy : profile.pin_policies)
    policies.push_back({{"min_length", policy.min_length},
                        {"max_length", policy.max_length},
                        {"retry_limit", policy.retry_limit},
                        {"user_modifiable", policy.user_modifiable},
                        {"keys", policy.keys.size()}});
  json["pin_policies"] = std::move(policies);
  if (profile.puk) json["puk_policy"] = {{"retry_limit", profile.puk->retry_limit}, {"length", profile.puk->length}};
  Json keys = Json::array();
  for (const keygen2::KeySpec* const key : keys_in_message_order(profile)) keys.push_back(key_json(*key));
  json["keys"] = std::move(keys);
  return json;
}

Result<Response> list_profiles(ApiCall& call) {
  SKS_LET(const std::vector<std::string> names, call.issuer.profiles().names());
  Json rows = Json::array();
  for (const std::string& name : names) {
    const Result<std::shared_ptr<const Profile>> profile = call.issuer.profiles().find(name);
    // One that cannot be read is there all the same.
    rows.push_back(profile ? summary_json(**profile) : Json{{"name", name}, {"refusal", profile.error().detail}});
  }
  return json_response(200, {{"rows", std::move(rows)}, {"next", ""}});
}

Result<Response> get_profile(ApiCall& call) {
  const std::string& name = call.path.find("name")->second;
  SKS_LET(const std::shared_ptr<const Profile> profile, call.issuer.profiles().find(name));
  Json json = summary_json(*profile);
  json["content"] = profile->text.content;
  json["decoded"] = decoded_json(*profile);
  return json_response(200, json);
}

Result<Response> check_profile(ApiCall& call) {
  keygen2::JsonReader body = call.body();
  const std::string name = body.text("name");
  const std::string content = body.text("content");
  SKS_TRY(call.finish_body());
  if (!is_profile_name(name))
    return Error{Status::option, "The name of a profile has 1 to 64 characters: letters, digits, '-' and '_'."};
  const Result<std::shared_ptr<const Profile>> checked = call.issuer.profiles().check(name, content);
  if (!checked && checked.error().status != Status::option) return checked.error();
  return json_response(200, {{"ok", static_cast<bool>(checked)}, {"sentence", checked ? "" : checked.error().detail}});
}

}  // namespace

std::vector<ApiRoute> profile_api() {
  return {
      {"GET", "/profiles", Right::view_profiles, ApiBody::none, "", list_profiles},
      {"GET", "/profiles/{name}", Right::view_profiles, ApiBody::none, "", get_profile},
      // It changes nothing, so nobody needs to know.
      {"POST", "/profiles/check", Right::check_profiles, ApiBody::json, "", check_profile},
  };
}

}  // namespace sks::issuer
