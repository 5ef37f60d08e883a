#include "keygen2/message_common.h"

/// ProvisioningFinalizationRequest and ProvisioningFinalizationResponse. Spec: keygen2.md 4.11 to 4.13.
namespace sks::keygen2 {
namespace {

constexpr Range kCloseNonceSize{1, 32};

constexpr std::array<std::string_view, 3> kUnsupported{"unlockKeys", "deleteKeys", "signature"};
constexpr std::array<std::string_view, 8> kUnsupportedInCredential{
    "importSymmetricKey", "importPrivateKey", "extensions",         "encryptedExtensions",
    "propertyBags",       "logotypes",        "cloneKeyProtection", "updateKey"};

void check_choice(JsonReader& in, std::string_view one, std::string_view other) {
  if (in.has(one) && in.has(other)) in.fail(ErrorClass::json, std::string(one) + " excludes " + std::string(other));
}

IssuedCredential read_credential(JsonReader& in) {
  IssuedCredential credential;
  credential.id = in.id("id");
  credential.certificate_path = read_certificate_path(in);
  credential.mac = in.bytes("mac", kMacSize);
  credential.trust_anchor = in.optional_boolean("trustAnchor", false);
  check_choice(in, "importSymmetricKey", "importPrivateKey");
  check_choice(in, "cloneKeyProtection", "updateKey");
  in.refuse_unsupported(kUnsupportedInCredential);
  return credential;
}

}  // namespace

std::string ProvisioningFinalizationRequest::encode() const {
  JsonWriter out = begin_message(kType, ids);
  if (!credentials.empty()) {
    out.objects("issuedCredentials", credentials, [](JsonWriter& members, const IssuedCredential& credential) {
      members.text("id", credential.id);
      write_certificate_path(members, credential.certificate_path);
      members.bytes("mac", credential.mac);
      if (credential.trust_anchor) members.boolean("trustAnchor", true);
    });
  }
  out.object("sessionCloseData",
             [&](JsonWriter& members) { members.bytes("nonce", close_nonce).bytes("mac", close_mac); });
  return out.finish();
}

void ProvisioningFinalizationRequest::read(JsonReader& in) {
  ids = read_ids(in);
  std::vector<std::string> names;
  for (JsonReader& element : in.optional_objects("issuedCredentials")) {
    credentials.push_back(read_credential(element));
    names.push_back(credentials.back().id);
  }
  if (has_duplicates(names)) in.fail(ErrorClass::value, "a key gets two credentials");
  JsonReader close = in.object("sessionCloseData");
  close_nonce = close.bytes("nonce", kCloseNonceSize);
  close_mac = close.bytes("mac", kMacSize);
  in.refuse_unsupported(kUnsupported);
}

std::string ProvisioningFinalizationResponse::encode() const {
  return begin_message(kType, ids).bytes("attestation", attestation).finish();
}

void ProvisioningFinalizationResponse::read(JsonReader& in) {
  ids = read_ids(in);
  attestation = in.bytes("attestation", kMacSize);
}

}  // namespace sks::keygen2
