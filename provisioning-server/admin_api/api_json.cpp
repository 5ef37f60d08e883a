#include "provisioning-server/admin_api/api_json.h"

#include "provisioning-server/device_registry.h"
#include "provisioning-server/directory/certificate_facts.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

// Bit n of keyUsage. RFC 5280, 4.2.1.3
constexpr auto kKeyUsages = std::to_array<std::string_view>({
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
});

Json key_usage_json(std::uint16_t bits) {
  Json names = Json::array();
  for (std::size_t i = 0; i < kKeyUsages.size(); ++i)
    if ((bits >> i & 1U) != 0) names.push_back(kKeyUsages.at(i));
  return names;
}

}  // namespace

Response json_response(unsigned status, const Json& body) {
  return make_response(status, "application/json", body.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n');
}

Json credential_json(const CredentialRow& row) {
  const Credential& credential = row.credential;
  return {{"fingerprint", credential.fingerprint},
          {"subject", credential.subject},
          {"serial", credential.serial},
          {"issuer", credential.issuer},
          {"profile", credential.profile},
          {"app_usage", credential.app_usage},
          {"friendly_name", credential.friendly_name},
          {"status", to_string(credential.status)},
          {"created", row.created},
          {"issued", credential.issued},
          {"revoked", credential.revoked},
          {"not_after", credential.not_after},
          {"device", credential.device_fingerprint},
          {"session", credential.server_session_id},
          {"owner", row.owner},
          {"privacy_enabled", credential.privacy_enabled}};
}

Json role_list(RoleSet roles) {
  Json names = Json::array();
  for (const RoleRow& row : kRoles)
    if (roles.contains(row.role)) names.push_back(row.name);
  return names;
}

Json session_json(const SessionRow& row) {
  return {{"id", row.id},
          {"ticket", row.ticket_digest},
          {"profile", row.profile},
          {"profile_digest", row.profile_digest},
          {"subject", row.subject},
          {"phase", to_string(row.phase)},
          {"created", row.created},
          {"expires", row.expires},
          {"ended", row.ended},
          {"result", row.result},
          {"client_session_id", row.client_session_id},
          {"device", row.device_fingerprint},
          {"has_puk", row.has_puk}};
}

Json device_json(const DeviceRow& row) {
  Json json{{"fingerprint", row.fingerprint}, {"first_seen", row.first_seen}, {"last_seen", row.last_seen}};
  const Result<crypto::Certificate> certificate = crypto::Certificate::from_der(row.certificate);
  json["subject"] = certificate ? certificate->subject() : std::string();
  json["issuer"] = certificate ? certificate->issuer() : std::string();
  json["not_after"] = certificate ? certificate->not_after() : 0;
  return json;
}

Json certificate_json(const crypto::Certificate& certificate) {
  Json json{{"pem", to_pem(certificate.der(), "CERTIFICATE")},
            {"fingerprint", to_hex(certificate.fingerprint())},
            {"subject", certificate.subject()},
            {"issuer", certificate.issuer()},
            {"serial", serial_of(certificate)},
            {"not_before", certificate.not_before()},
            {"not_after", certificate.not_after()},
            {"is_ca", certificate.is_ca()},
            {"public_key_digest", to_hex(crypto::sha256(certificate.spki()))}};
  // What a certificate does not have is not there.
  if (const auto usage = certificate.key_usage()) json["key_usage"] = key_usage_json(*usage);
  if (const auto usages = certificate.extended_key_usages()) json["extended_key_usage"] = *usages;
  if (const auto policies = certificate.policies()) json["policies"] = *policies;
  if (const auto emails = certificate.alternative_emails(); !emails.empty()) json["emails"] = emails;
  return json;
}

NamedCertificate read_named_certificate(keygen2::JsonReader& body) {
  return {body.optional_text("fingerprint"), body.optional_text("certificate")};
}

Result<std::string> fingerprint_of(const NamedCertificate& named) {
  if (named.fingerprint.has_value() == named.pem.has_value())
    return Error{Status::option, "A certificate is named by its fingerprint or as PEM, one of them."};
  if (named.fingerprint) {
    SKS_LET(const crypto::Sha256Digest digest, parse_fingerprint(*named.fingerprint));
    return to_hex(digest);
  }
  SKS_LET(const std::vector<Bytes> blocks, from_pem(*named.pem, "CERTIFICATE"));
  if (blocks.size() != 1) return Error{Status::option, "The certificate is one block in PEM form."};
  const Result<crypto::Certificate> certificate = crypto::Certificate::from_der(blocks.front());
  if (!certificate) return Error{Status::option, certificate.error().detail};
  return to_hex(certificate->fingerprint());
}

Result<std::string> fingerprint_in(const ApiCall& call, std::string_view name) {
  SKS_LET(const crypto::Sha256Digest parsed, parse_fingerprint(call.path.find(name)->second));
  return to_hex(parsed);
}

}  // namespace sks::issuer
