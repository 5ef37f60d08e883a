#include "provisioning-server/admin_api/api_json.h"
#include "provisioning-server/admin_api/parts.h"
#include "provisioning-server/admin_api/query_reader.h"
#include "provisioning-server/revocation/revocation_config.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

// Behind "any" in the order of Credential::Status.
const std::vector<std::string_view>& status_names() {
  static const std::vector<std::string_view> kNames = [] {
    std::vector<std::string_view> names{"any"};
    for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(Credential::Status::replaced); ++i)
      names.push_back(to_string(static_cast<Credential::Status>(i)));
    return names;
  }();
  return kNames;
}

Result<Response> list_credentials(ApiCall& call) {
  QueryReader query(call.request.query());
  CredentialFilter filter;
  filter.text = query.text("text");
  filter.profile = query.text("profile");
  filter.device = query.fingerprint("device");
  filter.session = query.text("session");
  if (const std::size_t status = query.choice("status", status_names()); status != 0)
    filter.status = static_cast<Credential::Status>(status - 1);
  const PageRequest page = query.page();
  SKS_TRY(query.finish());
  SKS_LET(const Page<CredentialRow> found, Directory(call.issuer.database()).credentials(filter, page));
  return page_response(found, credential_json);
}

/// What the issuer tells the world about the certificate.
Result<Json> revocation_json(ApiCall& call, const crypto::Certificate& certificate, const Credential& credential) {
  SKS_LET(const CertificateStatus status,
          call.issuer.revocations().find_status(credential.serial, authority_id_of_issuer(certificate), call.now()));
  if (status.kind != CertificateStatus::Kind::revoked) return Json::object();
  return Json{{"time", status.time}, {"reason", name_of(status.reason)}};
}

Result<Response> get_credential(ApiCall& call) {
  SKS_LET(const std::string fingerprint, fingerprint_in(call));
  const Directory directory(call.issuer.database());
  SKS_LET(const std::optional<CredentialRow> row, directory.credential(fingerprint));
  if (!row) return Error{Status::not_available, "There is no such credential."};
  Json json = credential_json(*row);
  SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(row->credential.certificate));
  json["certificate"] = certificate_json(certificate);
  SKS_LET(json["revocation"], revocation_json(call, certificate, row->credential));
  json["key_management"] = {{"generation", row->credential.kmk_generation},
                            {"current_generation", call.issuer.ports().key_manager.generation()}};
  SKS_LET(const std::optional<SessionRow> session, directory.session(row->credential.server_session_id));
  // All that the help desk needs of a session that it may not see.
  json["has_puk"] = session && session->has_puk;
  if (session && call.caller.may(Right::view_sessions)) json["session_details"] = session_json(*session);
  if (call.caller.may(Right::view_devices)) {
    SKS_LET(const std::optional<DeviceRow> device, directory.device(row->credential.device_fingerprint));
    if (device) json["device_details"] = device_json(*device);
  }
  return json_response(200, json);
}

/// The credential after a change of its status, or why it was not changed.
Result<Response> changed(ApiCall& call, const std::string& fingerprint, RevocationOutcome outcome, const char* why) {
  if (outcome == RevocationOutcome::unknown) return Error{Status::not_available, "There is no such credential."};
  if (outcome == RevocationOutcome::not_possible) return Error{Status::not_allowed, why};
  SKS_LET(const std::optional<CredentialRow> row, Directory(call.issuer.database()).credential(fingerprint));
  if (!row) return Error{Status::not_available, "There is no such credential."};
  return json_response(200, credential_json(*row));
}

Result<Response> revoke(ApiCall& call) {
  SKS_LET(const std::string fingerprint, fingerprint_in(call));
  const std::string name = call.body().optional_text("reason").value_or("unspecified");
  SKS_TRY(call.finish_body());
  const std::optional<RevocationReason> reason = find_revocation_reason(name);
  if (!reason || *reason == RevocationReason::certificate_hold)
    return Error{Status::option,
                 "The reason is keyCompromise, superseded, ... as RFC 5280 spells them, and not "
                 "certificateHold: that is what /suspend is for."};
  SKS_LET(const RevocationOutcome outcome,
          call.issuer.revocations().revoke(
              fingerprint, *reason, call.audit("credential " + fingerprint + ' ' + std::string(name_of(*reason)))));
  return changed(call, fingerprint, outcome, "The credential is not in force.");
}

Result<Response> suspend(ApiCall& call) {
  SKS_LET(const std::string fingerprint, fingerprint_in(call));
  SKS_LET(const RevocationOutcome outcome,
          call.issuer.revocations().suspend(fingerprint, call.audit("credential " + fingerprint)));
  return changed(call, fingerprint, outcome, "The credential is not in force.");
}

Result<Response> resume(ApiCall& call) {
  SKS_LET(const std::string fingerprint, fingerprint_in(call));
  SKS_LET(const RevocationOutcome outcome,
          call.issuer.revocations().resume(fingerprint, call.audit("credential " + fingerprint)));
  return changed(call, fingerprint, outcome, "The credential is not suspended.");
}

}  // namespace

std::vector<ApiRoute> credential_api() {
  constexpr Right kRevoke = Right::revoke_credentials;
  return {
      {"GET", "/credentials", Right::view_credentials, ApiBody::none, "", list_credentials},
      {"GET", "/credentials/{fingerprint}", Right::view_credentials, ApiBody::none, "", get_credential},
      {"POST", "/credentials/{fingerprint}/revoke", kRevoke, ApiBody::json, "revoke", revoke},
      {"POST", "/credentials/{fingerprint}/suspend", kRevoke, ApiBody::none, "suspend", suspend},
      {"POST", "/credentials/{fingerprint}/resume", kRevoke, ApiBody::none, "resume", resume},
  };
}

}  // namespace sks::issuer
