#include "keygen2/message_common.h"

#include <algorithm>
#include <array>

namespace sks::keygen2 {
namespace {

constexpr std::string_view kContext = "https://webpki.github.io/keygen2#20190318";

/// In the order of MessageType.
constexpr std::array<std::string_view, kMessageTypeCount> kQualifiers{
    "InvocationRequest",
    "InvocationResponse",
    "ProvisioningInitializationRequest",
    "ProvisioningInitializationResponse",
    "CredentialDiscoveryRequest",
    "CredentialDiscoveryResponse",
    "KeyCreationRequest",
    "KeyCreationResponse",
    "ProvisioningFinalizationRequest",
    "ProvisioningFinalizationResponse",
};

}  // namespace

std::string_view to_string(MessageType type) { return kQualifiers.at(static_cast<std::size_t>(type)); }

Outcome<IncomingMessage> IncomingMessage::parse(std::string_view text, std::size_t max_size) {
  SKS_LET(JsonDocument document, JsonDocument::parse(text, max_size));
  JsonReader in = document.root();
  const std::string context = in.text("@context");
  const std::string qualifier = in.text("@qualifier");
  const auto* const known = std::ranges::find(kQualifiers, qualifier);
  if (context != kContext || known == kQualifiers.end())
    return Failure{ErrorClass::json, "this is no message of KeyGen2: unknown @context or @qualifier"};
  return IncomingMessage(static_cast<MessageType>(known - kQualifiers.begin()), std::move(document));
}

JsonWriter begin_message(MessageType type, std::string_view server_session_id) {
  JsonWriter out;
  out.text("@context", kContext).text("@qualifier", to_string(type)).text("serverSessionId", server_session_id);
  return out;
}

JsonWriter begin_message(MessageType type, const SessionIds& ids) {
  JsonWriter out = begin_message(type, ids.server);
  out.text("clientSessionId", ids.client);
  return out;
}

SessionIds read_ids(JsonReader& in) {
  SessionIds ids;
  ids.server = in.id("serverSessionId");
  ids.client = in.id("clientSessionId");
  return ids;
}

void check_message_signature(JsonReader& in) {
  if (!in.has("signature")) return;
  const JsfSignature signature = read_jsf_signature(in);
  if (signature.public_key && !verify_jsf(signature))
    in.fail(ErrorClass::crypto, "the signature of the message does not verify");
}

std::vector<Bytes> read_certificate_path(JsonReader& in) {
  std::vector<Bytes> path = in.byte_arrays("certificatePath", kCertificateSize);
  if (path.size() > kMaxCertificatesPerPath) in.fail(ErrorClass::policy, "a certificate path is too long");
  return path;
}

void write_certificate_path(JsonWriter& out, const std::vector<Bytes>& path) {
  out.byte_arrays("certificatePath", path);
}

std::uint16_t read_u16(JsonReader& in, std::string_view name, Range range) {
  return static_cast<std::uint16_t>(in.number(name, range));
}

bool has_duplicates(std::vector<std::string> texts) {
  std::ranges::sort(texts);
  return std::ranges::adjacent_find(texts) != texts.end();
}

}  // namespace sks::keygen2
