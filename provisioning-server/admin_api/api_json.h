#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "provisioning-server/admin_api/api_route.h"
#include "provisioning-server/directory/directory.h"

/// How the REST API writes what the directory knows. Spec: openapi.json, components/schemas
namespace sks::issuer {

using Json = nlohmann::ordered_json;

/// Bytes that are no UTF-8, which only peers can have brought in, are replaced.
Response json_response(unsigned status, const Json& body);

template <class Row>
Response page_response(const Page<Row>& page, Json (*write)(const Row&)) {
  Json rows = Json::array();
  for (const Row& row : page.rows) rows.push_back(write(row));
  return json_response(200, {{"rows", std::move(rows)}, {"next", page.next}});
}

Json credential_json(const CredentialRow& row);
/// The names of roles.
Json role_list(RoleSet roles);
Json session_json(const SessionRow& row);
Json device_json(const DeviceRow& row);
/// What stands in a certificate, with the certificate as PEM.
Json certificate_json(const crypto::Certificate& certificate);

/// A certificate as bodies name it: "fingerprint", or "certificate" as PEM.
struct NamedCertificate {
  std::optional<std::string> fingerprint;
  std::optional<std::string> pem;
  bool is_empty() const { return !fingerprint && !pem; }
};
NamedCertificate read_named_certificate(keygen2::JsonReader& body);
/// In lower case. Fails with option: both are there or none; what is there is malformed.
Result<std::string> fingerprint_of(const NamedCertificate& named);

/// A fingerprint that stands in the path, in lower case. Fails with option.
Result<std::string> fingerprint_in(const ApiCall& call, std::string_view name = "fingerprint");

}  // namespace sks::issuer
