#include "keygen2/json_reader.h"
#include "provisioning-server/admin_api/api_json.h"
#include "provisioning-server/admin_api/parts.h"
#include "provisioning-server/admin_api/query_reader.h"

namespace sks::issuer {
namespace {

Result<Response> list_sessions(ApiCall& call) {
  QueryReader query(call.request.query());
  SessionFilter filter;
  // In the order of SessionFilter::State.
  filter.state = static_cast<SessionFilter::State>(query.choice("state", {"any", "open", "done", "aborted"}));
  filter.profile = query.text("profile");
  filter.device = query.fingerprint("device");
  filter.result = query.text("result");
  filter.text = query.text("text");
  const PageRequest page = query.page();
  SKS_TRY(query.finish());
  SKS_LET(const Page<SessionRow> found, Directory(call.issuer.database()).sessions(filter, page));
  return page_response(found, session_json);
}

Result<Response> get_session(ApiCall& call) {
  const std::string& id = call.path.find("id")->second;
  const Directory directory(call.issuer.database());
  std::optional<SessionRow> row;
  if (keygen2::is_id(id)) {
    SKS_LET(row, directory.session(id));
  }
  if (!row) return Error{Status::not_available, "There is no such session."};
  Json json = session_json(*row);
  CredentialFilter filter;
  filter.session = id;
  SKS_LET(const Page<CredentialRow> credentials, directory.credentials(filter, {kMaxPage, {}}));
  Json rows = Json::array();
  for (const CredentialRow& credential : credentials.rows) rows.push_back(credential_json(credential));
  json["credentials"] = std::move(rows);
  return json_response(200, json);
}

}  // namespace

std::vector<ApiRoute> session_api() {
  return {
      {"GET", "/sessions", Right::view_sessions, ApiBody::none, "", list_sessions},
      {"GET", "/sessions/{id}", Right::view_sessions, ApiBody::none, "", get_session},
  };
}

}  // namespace sks::issuer
