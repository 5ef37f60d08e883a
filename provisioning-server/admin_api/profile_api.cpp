#include "provisioning-server/admin_api/api_json.h"
#include "provisioning-server/admin_api/parts.h"
#include "provisioning-server/admin_api/profile_json.h"

namespace sks::issuer {
namespace {

Result<Response> list_profiles(ApiCall& call) {
  SKS_LET(const std::vector<std::string> names, call.issuer.profiles().names());
  Json rows = Json::array();
  for (const std::string& name : names) {
    const Result<std::shared_ptr<const Profile>> profile = call.issuer.profiles().find(name);
    // One that cannot be read is there all the same.
    rows.push_back(profile ? profile_summary_json(**profile)
                           : Json{{"name", name}, {"refusal", profile.error().detail}});
  }
  return json_response(200, {{"rows", std::move(rows)}, {"next", ""}});
}

Result<Response> get_profile(ApiCall& call) {
  const std::string& name = call.path.find("name")->second;
  SKS_LET(const std::shared_ptr<const Profile> profile, call.issuer.profiles().find(name));
  Json json = profile_summary_json(*profile);
  json["content"] = profile->text.content;
  json["decoded"] = decoded_profile_json(*profile, call.issuer.ports().key_manager.generation());
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
