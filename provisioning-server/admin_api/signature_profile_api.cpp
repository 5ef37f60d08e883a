#include "provisioning-server/admin_api/api_json.h"
#include "provisioning-server/admin_api/parts.h"
#include "provisioning-server/admin_api/query_reader.h"

namespace sks::issuer {
namespace {

Json signature_profile_json(const SignatureProfileRow& row) {
  return {{"uri", row.profile.uri()},        {"service", row.profile.service}, {"operation", row.profile.operation},
          {"loa", row.profile.loa},          {"sscd", row.profile.sscd},       {"credential", row.credential},
          {"status", to_string(row.status)}, {"not_after", row.not_after}};
}

/// What a user can sign with: those of credentials in force, unless all are asked for.
Result<Response> list_signature_profiles(ApiCall& call) {
  QueryReader query(call.request.query());
  SignatureProfileFilter filter;
  filter.subject = query.text("user");
  filter.in_force = query.choice("status", {"in-force", "any"}) == 0;
  const PageRequest page = query.page();
  SKS_TRY(query.finish());
  if (filter.subject.empty()) return Error{Status::option, "The parameter user is missing: a whole subject."};
  SKS_LET(const Page<SignatureProfileRow> found,
          Directory(call.issuer.database()).signature_profiles(filter, page, call.now()));
  return page_response(found, signature_profile_json);
}

}  // namespace

std::vector<ApiRoute> signature_profile_api() {
  return {
      {"GET", "/signature-profiles", Right::view_signature_profiles, ApiBody::none, "", list_signature_profiles},
  };
}

}  // namespace sks::issuer
