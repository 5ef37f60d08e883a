#include <algorithm>

#include "provisioning-server/admin_api/api_json.h"
#include "provisioning-server/admin_api/parts.h"
#include "provisioning-server/admin_api/query_reader.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

struct Meaning {
  DeviceTrustMode mode;
  std::string_view proves;
};
/// What an issuer knows about the keys of a device that it has accepted.
constexpr auto kMeanings = std::to_array<Meaning>({
    {DeviceTrustMode::open,
     "Any program may claim to be a device here. The attestation shows that all keys of a session came from the same "
     "one, and nothing about where they live."},
    {DeviceTrustMode::registered,
     "The certificate of the device is registered here. Its key has signed that each key was made inside of the "
     "device, "
     "with the protection that was asked for."},
    {DeviceTrustMode::ca,
     "The certificate of the device was issued by a device CA that this issuer trusts. Its key has signed that each "
     "key "
     "was made inside of the device, with the protection that was asked for."},
});

/// The DER of several certificates, one behind the other.
Result<std::vector<Bytes>> split_path(const Bytes& path) {
  std::vector<Bytes> certificates;
  ByteView rest = path;
  while (!rest.empty()) {
    // X.509 certificates have two or three bytes of length.
    if (rest.size() < 4 || rest[0] != 0x30 || rest[1] < 0x81 || rest[1] > 0x83)
      return Error{Status::storage, "the path of a device in the database is malformed"};
    const std::size_t count = rest[1] & 0x7fU;
    std::size_t size = 0;
    for (std::size_t i = 0; i < count; ++i) size = size << 8 | rest[2 + i];
    size += 2 + count;
    if (size > rest.size()) return Error{Status::storage, "the path of a device in the database is malformed"};
    certificates.push_back(to_bytes(rest.first(size)));
    rest = rest.subspan(size);
  }
  return certificates;
}

Result<Response> list_devices(ApiCall& call) {
  QueryReader query(call.request.query());
  DeviceFilter filter;
  filter.fingerprint = query.text("fingerprint");
  const PageRequest page = query.page();
  SKS_TRY(query.finish());
  SKS_LET(const Page<DeviceRow> found, Directory(call.issuer.database()).devices(filter, page));
  SKS_LET(const std::shared_ptr<const DevicePolicy> policy, call.issuer.devices().current());
  Json rows = Json::array();
  for (const DeviceRow& row : found.rows) {
    Json json = device_json(row);
    const Result<crypto::Sha256Digest> fingerprint = parse_fingerprint(row.fingerprint);
    json["registered"] = fingerprint && policy->fingerprints().contains(*fingerprint);
    rows.push_back(std::move(json));
  }
  return json_response(200, {{"rows", std::move(rows)}, {"next", found.next}});
}

/// What the rules of today say about the device, and what that means.
Result<Json> attestation_json(ApiCall& call, const std::vector<Bytes>& path) {
  const DeviceTrustMode mode = call.issuer.config().device_trust;
  SKS_LET(const std::shared_ptr<const DevicePolicy> policy, call.issuer.devices().current());
  const DeviceDecision decision = policy->decide(crypto::CertificatePath(path), {}, call.issuer.clock());
  Json json{{"device_trust", device_trust_name(mode)}, {"accepted", !decision.refusal}};
  if (decision.refusal) json["refusal"] = decision.sentence;
  json["proves"] = std::ranges::find(kMeanings, mode, &Meaning::mode)->proves;
  return json;
}

/// The credentials on a device.
Result<Json> credentials_json(const Directory& directory, const std::string& device) {
  CredentialFilter filter;
  filter.device = device;
  SKS_LET(const Page<CredentialRow> credentials, directory.credentials(filter, {kMaxPage, {}}));
  Json rows = Json::array();
  for (const CredentialRow& credential : credentials.rows) rows.push_back(credential_json(credential));
  return rows;
}

Result<Response> get_device(ApiCall& call) {
  SKS_LET(const crypto::Sha256Digest digest, parse_fingerprint(call.path.find("fingerprint")->second));
  const std::string fingerprint = to_hex(digest);
  const Directory directory(call.issuer.database());
  SKS_LET(const std::optional<DeviceRow> row, directory.device(fingerprint));
  SKS_LET(const std::shared_ptr<const DevicePolicy> policy, call.issuer.devices().current());
  const bool registered = policy->fingerprints().contains(digest);
  if (!row && !registered) return Error{Status::not_available, "There is no such device."};
  // One that is registered and was never seen has a fingerprint and nothing else.
  const DeviceRow known = row.value_or(DeviceRow{fingerprint, {}, {}, 0, 0});
  Json json = device_json(known);
  json["registered"] = registered;
  SKS_LET(const std::vector<Bytes> path, split_path(known.path));
  Json certificates = Json::array();
  for (const Bytes& der : path) {
    SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(der));
    certificates.push_back(certificate_json(certificate));
  }
  json["path"] = std::move(certificates);
  SKS_LET(json["attestation"], attestation_json(call, path));
  // Who runs the machines is not told whose they are.
  if (call.caller.may(Right::view_credentials)) {
    SKS_LET(json["credentials"], credentials_json(directory, fingerprint));
  }
  return json_response(200, json);
}

Json registration_json(ApiCall& call, const std::string& fingerprint) {
  return {{"fingerprint", fingerprint}, {"device_trust", device_trust_name(call.issuer.config().device_trust)}};
}

Result<Response> register_device(ApiCall& call) {
  keygen2::JsonReader body = call.body();
  const NamedCertificate named = read_named_certificate(body);
  SKS_TRY(call.finish_body());
  SKS_LET(const std::string fingerprint, fingerprint_of(named));
  SKS_LET(const crypto::Sha256Digest digest, parse_fingerprint(fingerprint));
  // On record before it counts.
  SKS_TRY(call.issuer.repository().add_audit(call.audit("device " + fingerprint)));
  SKS_LET(const bool added, DeviceRegistry::add_fingerprint(call.issuer.paths().registered_devices, digest));
  return json_response(added ? 201 : 200, registration_json(call, fingerprint));
}

Result<Response> unregister_device(ApiCall& call) {
  SKS_LET(const crypto::Sha256Digest digest, parse_fingerprint(call.path.find("fingerprint")->second));
  const std::string& file = call.issuer.paths().registered_devices;
  const Error not_registered{Status::not_available, "The device is not registered."};
  SKS_LET(const bool registered, DeviceRegistry::has_fingerprint(file, digest));
  if (!registered) return not_registered;
  // On record before it counts.
  SKS_TRY(call.issuer.repository().add_audit(call.audit("device " + to_hex(digest))));
  SKS_LET(const bool removed, DeviceRegistry::remove_fingerprint(file, digest));
  if (!removed) return not_registered;  // somebody else was faster
  return Response{204, {}, {}};
}

}  // namespace

std::vector<ApiRoute> device_api() {
  constexpr Right kRegister = Right::register_devices;
  return {
      {"GET", "/devices", Right::view_devices, ApiBody::none, "", list_devices},
      {"POST", "/devices", kRegister, ApiBody::json, "register", register_device},
      {"GET", "/devices/{fingerprint}", Right::view_devices, ApiBody::none, "", get_device},
      {"DELETE", "/devices/{fingerprint}", kRegister, ApiBody::none, "unregister", unregister_device},
  };
}

}  // namespace sks::issuer
