#include <doctest/doctest.h>

#include "keygen2/enumerations.h"
#include "tests/keygen2/json_edit.h"
#include "tests/keygen2/rows.h"
#include "tests/support/temp_dir.h"

// Chapters 4.1 to 4.7, 4.10 and 4.13 of keygen2.md, row by row. The messages are those of its Appendix C.4.
namespace sks::test::rows {
namespace {

using namespace keygen2;
namespace edit = json_edit;

std::string worked(const std::string& file) { return read_file(source_file("tests/vectors/keygen2/" + file)); }

std::string invocation_request() { return worked("01-InvocationRequest.json"); }
std::string invocation_response() { return worked("02-InvocationResponse.json"); }
std::string initialization_request() { return worked("03-ProvisioningInitializationRequest.json"); }
/// Of a device that identifies itself; what a certificate says is no matter of these rows.
std::string initialization_response() {
  return edit::with(worked("04-ProvisioningInitializationResponse.json"), "/deviceId",
                    R"({"certificatePath":["MAA","MAA"]})");
}
std::string discovery_request() { return worked("05-CredentialDiscoveryRequest.json"); }
std::string discovery_response() { return worked("06-CredentialDiscoveryResponse.json"); }
std::string creation_request() { return worked("07-KeyCreationRequest.json"); }
std::string creation_response() { return worked("08-KeyCreationResponse.json"); }
std::string finalization_request() { return worked("09-ProvisioningFinalizationRequest.json"); }
std::string finalization_response() { return worked("10-ProvisioningFinalizationResponse.json"); }

const std::string kContext = "https://webpki.github.io/keygen2#20190318";

template <class M>
Read server_id() {
  return reads<M>([](const M& message) { return message.server_session_id; });
}
template <class M>
Read both_ids() {
  return reads<M>([](const M& message) { return message.ids.server; });
}
template <class M>
Read client_id() {
  return reads<M>([](const M& message) { return message.ids.client; });
}
template <class M, class V>
Read member(V M::*property) {
  return reads<M>([property](const M& message) -> const V& { return message.*property; });
}

/// The decoded members of the first object in an array of a message.
template <class M, class O, class V>
Read of_first(std::vector<O> M::*objects, V O::*property) {
  return reads<M>([objects, property](const M& message) -> const V& { return (message.*objects).at(0).*property; });
}

template <class V>
Read of_signature(V JsfSignature::*property) {
  return reads<CredentialDiscoveryRequest>([property](const CredentialDiscoveryRequest& message) -> const V& {
    return message.lookups.at(0).signature.*property;
  });
}

template <class V>
Read of_match(V MatchingCredential::*property) {
  return reads<CredentialDiscoveryResponse>([property](const CredentialDiscoveryResponse& message) -> const V& {
    return message.results.at(0).matches.at(0).*property;
  });
}

Read of_owner(std::string SessionIds::*property) {
  return reads<CredentialDiscoveryResponse>([property](const CredentialDiscoveryResponse& message) {
    return message.results.at(0).matches.at(0).owner.*property;
  });
}

template <class V>
Read of_updatable(V UpdatableKeyManagementKey::*property) {
  return of_first(&ProvisioningInitializationRequest::updatable_keys, property);
}

/// A byte array that is never empty, and for which the specification has no upper end: RSA-4096 has to fit at least.
Type signature_value() {
  Type type = byte_array(1, 512);
  std::erase_if(type.refused, [](const Refused& value) { return value.json == bytes_json(513); });
  return type;
}

/// The rows of properties that every message, or every one after the first exchange, has.
struct Common {
  std::string message;
  Read server;
  Read client;  ///< null: the message has none
};

std::vector<Common> common_rows() {
  return {
      {invocation_request(), server_id<InvocationRequest>(), nullptr},
      {invocation_response(), server_id<InvocationResponse>(), nullptr},
      {initialization_request(), server_id<ProvisioningInitializationRequest>(), nullptr},
      {initialization_response(), both_ids<ProvisioningInitializationResponse>(),
       client_id<ProvisioningInitializationResponse>()},
      {discovery_request(), both_ids<CredentialDiscoveryRequest>(), client_id<CredentialDiscoveryRequest>()},
      {discovery_response(), both_ids<CredentialDiscoveryResponse>(), client_id<CredentialDiscoveryResponse>()},
      {creation_request(), both_ids<KeyCreationRequest>(), client_id<KeyCreationRequest>()},
      {creation_response(), both_ids<KeyCreationResponse>(), client_id<KeyCreationResponse>()},
      {finalization_request(), both_ids<ProvisioningFinalizationRequest>(),
       client_id<ProvisioningFinalizationRequest>()},
      {finalization_response(), both_ids<ProvisioningFinalizationResponse>(),
       client_id<ProvisioningFinalizationResponse>()},
  };
}

/// "4.6 clientSessionId" and so on: the same row in the table of each message.
constexpr std::array kClientIdCitations{"[keygen2.md 4.1 clientSessionId] [keygen2.md 4.5 clientSessionId]",
                                        "[keygen2.md 4.6 clientSessionId]",
                                        "[keygen2.md 4.7 clientSessionId]",
                                        "[keygen2.md 4.9 clientSessionId]",
                                        "[keygen2.md 4.10 clientSessionId]",
                                        "[keygen2.md 4.11 clientSessionId]",
                                        "[keygen2.md 4.13 clientSessionId]"};

}  // namespace

TEST_CASE("Rows of 4.1: context and qualifier name a message, and nothing else is one") {
  for (const Common& common : common_rows()) {
    const std::string qualifier = edit::get(common.message, "/@qualifier");
    CAPTURE(qualifier);
    for (const std::string& wrong :
         {text_json(""), text_json("https://webpki.github.io/keygen2"), text_json(kContext + "#"), std::string("5"),
          std::string("null"), "[" + text_json(kContext) + "]"}) {
      CAPTURE(wrong);
      check(Rule{"[keygen2.md 4.1 @context]", "wrong", common.message, {{"/@context", wrong}}, ErrorClass::json});
    }
    check(Rule{"[keygen2.md 4.1 @context]", "left out", common.message, {{"/@context", ""}}, ErrorClass::json});
    check(Rule{"[keygen2.md 4.1 @context]", "as it is", common.message, {}, std::nullopt});
    for (const std::string& wrong : {text_json(""), text_json(qualifier + "s"), text_json("i" + qualifier.substr(1)),
                                     std::string("5"), std::string("null")}) {
      CAPTURE(wrong);
      check(Rule{"[keygen2.md 4.1 @qualifier]", "wrong", common.message, {{"/@qualifier", wrong}}, ErrorClass::json});
    }
    check(Rule{"[keygen2.md 4.1 @qualifier]", "left out", common.message, {{"/@qualifier", ""}}, ErrorClass::json});
    const auto decoded = IncomingMessage::parse(common.message, kMaxMessageToClient);
    REQUIRE(decoded);
    CHECK(to_string(decoded->type()) == qualifier);
  }
}

TEST_CASE("Rows of 4.1: session ids") {
  std::size_t with_client_id = 0;
  for (const Common& common : common_rows()) {
    check(Row{"[keygen2.md 4.1 serverSessionId]", common.message, "/serverSessionId", id(), kMandatory, common.server});
    if (common.client == nullptr) {
      check(Rule{"[keygen2.md 4.1 clientSessionId]",
                 "too early",
                 common.message,
                 {{"/clientSessionId", R"("C")"}},
                 ErrorClass::json});
    } else {
      check(Row{kClientIdCitations.at(with_client_id++), common.message, "/clientSessionId", id(), kMandatory,
                common.client});
    }
  }
  CHECK(with_client_id == kClientIdCitations.size());
}

TEST_CASE("Rows of 4.1: a request may carry a signature, which then verifies") {
  const std::string signed_request = worked("signature/InvocationRequest.json");
  const std::string key = R"({"kty":"EC","crv":"P-256","x":"vVcUucIEAEEfHlHb_2NkfwXR1wtV_CAMbK0QwvRhTcE",)"
                          R"("y":"5QSFYvcx9UVzwEIk2XOpFqWfUmqCaAdvwc-pKl8UPxk"})";  // the old KMK of C.4
  const std::string value = edit::get(signed_request, "/signature/value");
  const std::vector<Rule> rules{
      {"", "as it is", signed_request, {}, std::nullopt},
      {"", "another value of the message", signed_request, {{"/action", R"("unlock")"}}, ErrorClass::crypto},
      {"", "another default", signed_request, {{"/privacyEnabled", ""}}, ErrorClass::crypto},
      {"",
       "another value",
       signed_request,
       {{"/signature/value", text_json("AA" + value.substr(2))}},
       ErrorClass::crypto},
      {"", "a value of one byte", signed_request, {{"/signature/value", R"("AA")"}}, ErrorClass::crypto},
      {"", "empty value", signed_request, {{"/signature/value", R"("")"}}, ErrorClass::value},
      {"", "another key", signed_request, {{"/signature/publicKey", key}}, ErrorClass::crypto},
      // Appendix E 6.
      {"", "no key", signed_request, {{"/signature/publicKey", ""}}, ErrorClass::crypto},
      {"", "certificates", signed_request, {{"/signature/certificatePath", R"(["MAA"])"}}, ErrorClass::json},
      {"", "unknown algorithm", signed_request, {{"/signature/algorithm", R"("HS256")"}}, ErrorClass::value},
      {"", "algorithm of other keys", signed_request, {{"/signature/algorithm", R"("RS256")"}}, ErrorClass::crypto},
      {"", "no algorithm", signed_request, {{"/signature/algorithm", ""}}, ErrorClass::json},
      {"", "no value", signed_request, {{"/signature/value", ""}}, ErrorClass::json},
      {"", "no object", signed_request, {{"/signature", "true"}}, ErrorClass::json},
      {"", "null", signed_request, {{"/signature", "null"}}, ErrorClass::json},
      {"", "left out", signed_request, {{"/signature", ""}}, std::nullopt},
  };
  for (Rule rule : rules) {
    rule.citation = "[keygen2.md 4.1 signature]";
    check(rule);
  }
  const std::string signature = R"({"algorithm":"ES256","publicKey":)" + key + R"(,"value":")" + value + "\"}";
  for (const Common& common : common_rows()) {
    const bool request = edit::get(common.message, "/@qualifier").ends_with("Request");
    check(Rule{"[keygen2.md 4.1 signature]",
               "of another message",
               common.message,
               {{"/signature", signature}},
               request ? ErrorClass::crypto : ErrorClass::json});
  }
}

TEST_CASE("Rows of 4.2: InvocationRequest") {
  using M = InvocationRequest;
  const std::vector<std::string> containers{"software", "embedded", "uicc", "sdcard", "external"};
  const std::vector<Row> table{
      {"[keygen2.md 4.2 action] [keygen2.md 4.14 action]", invocation_request(), "/action",
       choice({"manage", "unlock"}), kMandatory, member(&M::action)},
      {"[keygen2.md 4.2 privacyEnabled]", invocation_request(), "/privacyEnabled", boolean(),
       optional("false", "false"), member(&M::privacy_enabled)},
      {"[keygen2.md 4.2 preferredLanguages]", invocation_request(), "/preferredLanguages",
       array({{{R"("sv","en")", R"("sv","en")"}}, {{"5", ErrorClass::json}}}), optional("[]"),
       member(&M::preferred_languages)},
      {"[keygen2.md 4.2 targetKeyContainers] [keygen2.md 4.14 targetKeyContainers]", invocation_request(),
       "/targetKeyContainers",
       array(choice(containers)
                 .with({{R"("uicc","software")", "2,0"}},
                       {{R"("uicc","uicc")", ErrorClass::value}, {R"("SDCARD")", ErrorClass::value}})),
       optional("[]"), reads<M>([](const M& message) {
         return std::vector<int>(message.target_key_containers.begin(), message.target_key_containers.end());
       })},
      {"[keygen2.md 4.2 clientCapabilityQuery]", invocation_request(), "/clientCapabilityQuery",
       array(uri().with({{R"("urn:b","urn:a")", R"("urn:b","urn:a")"}}, {{R"("urn:a","urn:a")", ErrorClass::value}})),
       optional("[]"), member(&M::capability_queries)},
  };
  for (const Row& row : table) check(row);
}

TEST_CASE("Rows of 4.2: the kind of answer follows from the URI of a query") {
  struct Case {
    const char* citation;
    const char* uri;
    QueryKind kind;
  };
  const std::vector<Case> table{
      {"[keygen2.md 4.2 any algorithm URI]", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", QueryKind::feature},
      {"[keygen2.md 4.2 any algorithm URI]", "https://webpki.github.io/sks/algorithm#ed25519", QueryKind::feature},
      {"[keygen2.md 4.2 feature#device-pin-support]", "https://webpki.github.io/keygen2/feature#device-pin-support",
       QueryKind::feature},
      {"[keygen2.md 4.2 feature#biometric-support]", "https://webpki.github.io/keygen2/feature#biometric-support",
       QueryKind::feature},
      {"[keygen2.md 4.2 clientattr#imei-number]", "https://webpki.github.io/keygen2/clientattr#imei-number",
       QueryKind::values},
      {"[keygen2.md 4.2 clientattr#ip-address]", "https://webpki.github.io/keygen2/clientattr#ip-address",
       QueryKind::values},
      {"[keygen2.md 4.2 clientattr#mac-address]", "https://webpki.github.io/keygen2/clientattr#mac-address",
       QueryKind::values},
      {"[keygen2.md 4.2 clientattr#os-vendor]", "https://webpki.github.io/keygen2/clientattr#os-vendor",
       QueryKind::values},
      {"[keygen2.md 4.2 clientattr#os-version]", "https://webpki.github.io/keygen2/clientattr#os-version",
       QueryKind::values},
      {"[keygen2.md 4.2 logotype#list]", "https://webpki.github.io/keygen2/logotype#list", QueryKind::image},
      {"[keygen2.md 4.2 logotype#card]", "https://webpki.github.io/keygen2/logotype#card", QueryKind::image},
      {"[keygen2.md 4.2 logotype#icon]", "https://webpki.github.io/keygen2/logotype#icon", QueryKind::image},
      {"[keygen2.md 4.2 logotype#application]", "https://webpki.github.io/keygen2/logotype#application",
       QueryKind::image},
      {"[keygen2.md 4.2 anything else]", "urn:x", QueryKind::feature},
      {"[keygen2.md 4.2 anything else]", "https://webpki.github.io/keygen2/clientattr#imei-numbers",
       QueryKind::feature},
      {"[keygen2.md 4.2 anything else]", "https://webpki.github.io/keygen2/logotype#Card", QueryKind::feature},
  };
  for (const Case& c : table) {
    const std::string citation = c.citation;
    CAPTURE(citation);
    CHECK(query_kind(c.uri) == c.kind);
  }
}

TEST_CASE("Rows of 4.3: InvocationResponse") {
  using C = ClientCapability;
  const std::string feature = edit::without(invocation_response(), "/clientCapabilities/0");
  const std::string none = edit::without(feature, "/clientCapabilities/0/supported");
  const auto capability = [](auto property) { return of_first(&InvocationResponse::capabilities, property); };
  const std::string image = R"({"mimeType":"image/png","width":0,"height":2147483647})";
  const std::string image_shown = "image/png 0x2147483647";
  const std::vector<Row> table{
      {"[keygen2.md 4.3 clientCapabilities]", invocation_response(), "/clientCapabilities",
       object_array().with(
           {{R"([{"type":"urn:a","supported":true},{"type":"urn:b","values":["x"]}])", "[object,object]"}}, {}),
       optional("[]"), member(&InvocationResponse::capabilities)},
      {"[keygen2.md 4.3 clientCapability.type]", feature, "/clientCapabilities/0/type", uri(), kMandatory,
       capability(&C::type)},
  };
  for (const Row& row : table) check(row);
  // One of three forms each: without it there is no answer.
  const std::vector<Row> forms{
      {"[keygen2.md 4.3 clientCapability.supported]", none, "/clientCapabilities/0/supported", boolean(), kMandatory,
       capability(&C::supported)},
      {"[keygen2.md 4.3 clientCapability.values]", none, "/clientCapabilities/0/values",
       array({{{R"("a","")", R"("a","")"}, {R"("a","a")", R"("a","a")"}}, {{"5", ErrorClass::json}}}), kMandatory,
       capability(&C::values)},
      {"[keygen2.md 4.3 clientCapability.imageAttributes]", none, "/clientCapabilities/0/imageAttributes",
       object().with({{image, image_shown}}, {}), kMandatory, capability(&C::image)},
  };
  for (const Row& row : forms) {
    Row present = row;
    present.message = edit::with(none, row.pointer, row.type.accepted.front().json);
    check(present);
  }
  const std::string at = "/clientCapabilities/0/";
  const std::string image_at = at + "imageAttributes";
  const char* const attributes = "[keygen2.md 4.3 clientCapability.imageAttributes]";
  const std::vector<Rule> rules{
      {"[keygen2.md 4.3 clientCapability.supported]",
       "and values",
       feature,
       {{at + "values", R"(["x"])"}},
       ErrorClass::json},
      {"[keygen2.md 4.3 clientCapability.supported]", "and image", feature, {{image_at, image}}, ErrorClass::json},
      {"[keygen2.md 4.3 clientCapability.values]",
       "and image",
       none,
       {{image_at, image}, {at + "values", R"(["x"])"}},
       ErrorClass::json},
      {"[keygen2.md 4.3 clientCapabilities]",
       "a nonce beside",
       invocation_response(),
       {{"/nonce", R"("AA")"}},
       ErrorClass::json},
      {attributes, "no MIME type", none, {{image_at, image}, {image_at + "/mimeType", ""}}, ErrorClass::json},
      {attributes, "no width", none, {{image_at, image}, {image_at + "/width", ""}}, ErrorClass::json},
      {attributes, "no height", none, {{image_at, image}, {image_at + "/height", ""}}, ErrorClass::json},
      {attributes, "something else", none, {{image_at, image}, {image_at + "/depth", "8"}}, ErrorClass::json},
      {attributes, "MIME type no text", none, {{image_at, image}, {image_at + "/mimeType", "8"}}, ErrorClass::json},
      {attributes, "width no number", none, {{image_at, image}, {image_at + "/width", R"("8")"}}, ErrorClass::json},
      {attributes, "negative width", none, {{image_at, image}, {image_at + "/width", "-1"}}, ErrorClass::value},
      {attributes, "large width", none, {{image_at, image}, {image_at + "/width", "2147483648"}}, ErrorClass::value},
      {attributes, "negative height", none, {{image_at, image}, {image_at + "/height", "-1"}}, ErrorClass::value},
      {attributes, "large height", none, {{image_at, image}, {image_at + "/height", "2147483648"}}, ErrorClass::value},
  };
  for (const Rule& rule : rules) check(rule);
}

TEST_CASE("Rows of 4.4: ProvisioningInitializationRequest") {
  using M = ProvisioningInitializationRequest;
  const std::string base = initialization_request();
  const std::string without_tree = edit::without(base, "/updatableKeyManagementKeys");
  const std::vector<Row> table{
      {"[keygen2.md 4.4 serverTime]", base, "/serverTime", utc_time(), kMandatory, member(&M::server_time)},
      {"[keygen2.md 4.4 sessionKeyAlgorithm]", base, "/sessionKeyAlgorithm",
       constant_uri("https://webpki.github.io/sks/algorithm#session.1"), kMandatory, member(&M::session_key_algorithm)},
      {"[keygen2.md 4.4 sessionKeyLimit]", base, "/sessionKeyLimit", number(1, 32767), kMandatory,
       member(&M::session_key_limit)},
      // An issuer sends at most 32767; a receiver takes more.
      {"[keygen2.md 4.4 sessionLifeTime]", base, "/sessionLifeTime", number(1, 65535), kMandatory,
       member(&M::session_life_time)},
      {"[keygen2.md 4.4 serverEphemeralKey]", base, "/serverEphemeralKey", public_key(false, false, ErrorClass::crypto),
       kMandatory, member(&M::server_ephemeral_key)},
      {"[keygen2.md 4.4 keyManagementKey]", without_tree, "/keyManagementKey",
       public_key(true, false, ErrorClass::value), optional("absent"), member(&M::key_management_key)},
      {"[keygen2.md 4.4 updatableKeyManagementKeys]", base, "/updatableKeyManagementKeys", object_array(),
       optional("[]"), member(&M::updatable_keys)},
      {"[keygen2.md 4.4 updatableKeyManagementKey.publicKey]", base, "/updatableKeyManagementKeys/0/publicKey",
       public_key(true, false, ErrorClass::value), kMandatory, of_updatable(&UpdatableKeyManagementKey::public_key)},
      {"[keygen2.md 4.4 updatableKeyManagementKey.authorization]", base, "/updatableKeyManagementKeys/0/authorization",
       signature_value(), kMandatory, of_updatable(&UpdatableKeyManagementKey::authorization)},
      {"[keygen2.md 4.4 updatableKeyManagementKey.updatableKeyManagementKeys]", base,
       "/updatableKeyManagementKeys/0/updatableKeyManagementKeys",
       object_array().with({{edit::value(base, "/updatableKeyManagementKeys"), "[object]"}}, {}), optional("[]"),
       of_updatable(&UpdatableKeyManagementKey::older)},
  };
  for (const Row& row : table) check(row);
}

TEST_CASE("Rows of 4.4: the tree of updatable key management keys") {
  const std::string base = initialization_request();
  const std::string node = edit::value(base, "/updatableKeyManagementKeys/0");
  const auto levels = [&](std::size_t count) {
    std::vector<std::pair<std::string, std::string>> edits;
    std::string at = "/updatableKeyManagementKeys/0";
    for (std::size_t i = 1; i < count; ++i) {
      at += "/updatableKeyManagementKeys";
      edits.emplace_back(at, "[" + node + "]");
      at += "/0";
    }
    return edits;
  };
  const auto siblings = [&](std::size_t count) {
    return std::vector<std::pair<std::string, std::string>>{
        {"/updatableKeyManagementKeys", "[" + node + repeated(count - 1, "," + node) + "]"}};
  };
  const char* const tree = "[keygen2.md 4.4 updatableKeyManagementKeys]";
  const char* const inner = "[keygen2.md 4.4 updatableKeyManagementKey.updatableKeyManagementKeys]";
  const std::vector<Rule> rules{
      {tree, "without keyManagementKey", base, {{"/keyManagementKey", ""}}, ErrorClass::json},
      {tree, "16 keys", base, siblings(16), std::nullopt},
      {tree, "17 keys", base, siblings(17), ErrorClass::policy},
      {inner, "8 levels", base, levels(8), std::nullopt},
      {inner, "9 levels", base, levels(9), ErrorClass::policy},
      {inner,
       "an older key without authorization",
       base,
       {{"/updatableKeyManagementKeys/0/updatableKeyManagementKeys", "[" + node + "]"},
        {"/updatableKeyManagementKeys/0/updatableKeyManagementKeys/0/authorization", ""}},
       ErrorClass::json},
  };
  for (const Rule& rule : rules) check(rule);
  const auto decoded = decode<ProvisioningInitializationRequest>(
      edit::with(base, "/updatableKeyManagementKeys/0/updatableKeyManagementKeys", "[" + node + "," + node + "]"));
  REQUIRE(decoded);
  REQUIRE(decoded->updatable_keys.at(0).older.size() == 2);
  CHECK(show(decoded->updatable_keys[0].older[1].authorization) ==
        text_json(edit::get(base, "/updatableKeyManagementKeys/0/authorization")));
}

TEST_CASE("Rows of 4.5: ProvisioningInitializationResponse") {
  using M = ProvisioningInitializationResponse;
  const std::string base = initialization_response();
  const std::vector<std::string> wrong_times{
      R"("2019-04-08T16:33:36Z")",      R"("2019-04-08T18:33:36.0+02:00")", R"("2019-04-08T18:33:36+0200")",
      R"("2019-04-08T18:33:36+24:00")", R"("2019-04-08T18:33:36+01:60")",   R"("2019-02-29T18:33:36+02:00")",
      R"("1969-12-31T23:59:59+00:00")", R"("2106-02-07T06:28:16+00:00")",   R"("2019-04-08T18:33:36")"};
  // Seconds: GNU date. The last instant of 32 bits is 2106-02-07T06:28:15Z.
  Type client_time{{{R"("2019-04-08T18:33:36+02:00")", "1554741216"},
                    {R"("2019-04-08T11:03:36-05:30")", "1554741216"},
                    {R"("1970-01-01T00:00:00+00:00")", "0"},
                    {R"("2106-02-07T06:28:15+00:00")", "4294967295"}},
                   {{"1554741216", ErrorClass::json},
                    {"[]", ErrorClass::json},
                    {"{}", ErrorClass::json},
                    {"true", ErrorClass::json}}};
  for (const std::string& time : wrong_times) client_time.refused.push_back({time, ErrorClass::value});
  const Type device =
      object().with({{R"({"certificatePath":["MAA"]})", R"(["MAA"])"},
                     {R"({"certificatePath":["MAA","MAEA"]})", R"(["MAA","MAEA"])"}},
                    {{R"({"certificatePath":[]})", ErrorClass::json},
                     {R"({"certificatePath":"MAA"})", ErrorClass::json},
                     {R"({"certificatePath":[""]})", ErrorClass::value},
                     {R"({"certificatePath":["MA=="]})", ErrorClass::value},
                     {"{\"certificatePath\":[" + bytes_json(16385) + "]}", ErrorClass::value},
                     {"{\"certificatePath\":[\"MAA\"" + repeated(10, ",\"MAA\"") + "]}", ErrorClass::policy},
                     {R"({"certificatePath":["MAA"],"name":"x"})", ErrorClass::json}});
  const std::vector<Row> table{
      // A copy of the request's: other texts are a matter of the issuer session (I-2).
      {"[keygen2.md 4.5 serverTime]",
       base,
       "/serverTime",
       {{{R"("2019-04-08T16:33:30Z")", R"("2019-04-08T16:33:30Z")"}},
        {{"5", ErrorClass::json}, {"[]", ErrorClass::json}}},
       kMandatory,
       member(&M::server_time)},
      {"[keygen2.md 4.5 clientTime]", base, "/clientTime", client_time, kMandatory, member(&M::client_time)},
      {"[keygen2.md 4.5 clientEphemeralKey]", base, "/clientEphemeralKey", public_key(false, false, ErrorClass::crypto),
       kMandatory, member(&M::client_ephemeral_key)},
      {"[keygen2.md 4.5 deviceId]", base, "/deviceId", device, optional("absent"), member(&M::device_path)},
      {"[keygen2.md 4.5 attestation]", base, "/attestation", signature_value(), kMandatory, member(&M::attestation)},
  };
  for (const Row& row : table) check(row);
}

TEST_CASE("Rows of 4.6: CredentialDiscoveryRequest") {
  const std::string base = discovery_request();
  const auto lookup = [](auto property) { return of_first(&CredentialDiscoveryRequest::lookups, property); };
  const std::string key = edit::value(base, "/lookupSpecifiers/0/signature/publicKey");
  const std::string at = "/lookupSpecifiers/0/";
  const std::vector<Row> table{
      {"[keygen2.md 4.6 lookupSpecifiers]", base, "/lookupSpecifiers", object_array(), kMandatory,
       member(&CredentialDiscoveryRequest::lookups)},
      {"[keygen2.md 4.6 lookupSpecifier.id]", base, at + "id", id(), kMandatory, lookup(&LookupSpecifier::id)},
      {"[keygen2.md 4.6 lookupSpecifier.nonce]", base, at + "nonce", byte_array(32, 32), kMandatory,
       lookup(&LookupSpecifier::nonce)},
      {"[keygen2.md 4.6 lookupSpecifier.searchFilter]", base, at + "searchFilter",
       object().with({{R"({"appUsage":"signature"})", "object"}}, {{"{}", ErrorClass::json}}), optional("absent"),
       lookup(&LookupSpecifier::filter)},
      {"[keygen2.md 4.6 lookupSpecifier.signature]", base, at + "signature",
       object().with({{R"({"algorithm":"ES256","publicKey":)" + key + ",\"value\":" + bytes_json(64) + "}", "object"},
                      {R"({"algorithm":"ES256","keyId":"k","publicKey":)" + key + ",\"value\":" + bytes_json(64) + "}",
                       "object"}},
                     {{R"({"publicKey":)" + key + ",\"value\":" + bytes_json(64) + "}", ErrorClass::json},
                      {R"({"algorithm":"ES256","publicKey":)" + key + "}", ErrorClass::json},
                      {R"({"algorithm":"ES256","value":)" + bytes_json(64) + "}", ErrorClass::crypto}}),
       kMandatory, lookup(&LookupSpecifier::signature)},
      {"[keygen2.md 4.6 lookupSpecifier.signature]", base, at + "signature/publicKey",
       public_key(false, false, ErrorClass::crypto), Absent{false, ErrorClass::crypto},
       of_signature(&JsfSignature::public_key)},
  };
  for (const Row& row : table) check(row);
  // A key whose type has no algorithm is refused above; here, what the algorithm or this place does not know
  // (5.1, 5.5).
  const std::string rsa = R"({"kty":"RSA","n":)" + bytes_json(256, 0xC1) + R"(,"e":"AQAB"})";
  const std::string sks_name = R"("https://webpki.github.io/sks/algorithm#ec.nist.p256")";
  const std::string signature = at + "signature/";
  const char* const row = "[keygen2.md 4.6 lookupSpecifier.signature]";
  const std::vector<Rule> rules{
      {row, "RSA", base, {{signature + "algorithm", R"("RS256")"}, {signature + "publicKey", rsa}}, std::nullopt},
      {row, "an RSA key for ES256", base, {{signature + "publicKey", rsa}}, ErrorClass::crypto},
      {row, "an EC key for RS256", base, {{signature + "algorithm", R"("RS256")"}}, ErrorClass::crypto},
      {row, "another digest", base, {{signature + "algorithm", R"("ES384")"}}, ErrorClass::value},
      {row,
       "an SKS name of the algorithm",
       base,
       {{signature + "algorithm", R"("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256")"}},
       ErrorClass::value},
      {row, "no algorithm", base, {{signature + "algorithm", "5"}}, ErrorClass::json},
      {row, "an SKS name of the curve", base, {{signature + "publicKey/crv", sks_name}}, ErrorClass::value},
      {row, "empty value", base, {{signature + "value", R"("")"}}, ErrorClass::value},
      {row, "certificates", base, {{signature + "certificatePath", R"(["MAA"])"}}, ErrorClass::json},
      {row, "extensions", base, {{signature + "extensions", R"(["a"])"}}, ErrorClass::json},
      {row, "excludes", base, {{signature + "excludes", R"(["id"])"}}, ErrorClass::json},
  };
  for (const Rule& rule : rules) check(rule);
}

TEST_CASE("Rows of 4.7: CredentialDiscoveryResponse") {
  const std::string base = discovery_response();
  const std::string at = "/lookupResults/0/";
  const std::string match = at + "matchingCredentials/0/";
  const auto result = [](auto property) { return of_first(&CredentialDiscoveryResponse::results, property); };
  Type matches = object_array().with({{"[]", "[]"}}, {});
  std::erase_if(matches.refused, [](const Refused& value) { return value.json == "[]"; });
  const std::string certificate = bytes_json(16384, 0x30);
  const std::vector<Row> table{
      {"[keygen2.md 4.7 lookupResults]", base, "/lookupResults", object_array(), kMandatory,
       member(&CredentialDiscoveryResponse::results)},
      {"[keygen2.md 4.7 lookupResult.id]", base, at + "id", id(), kMandatory, result(&LookupResult::id)},
      {"[keygen2.md 4.7 lookupResult.matchingCredentials]", base, at + "matchingCredentials", matches, kMandatory,
       result(&LookupResult::matches)},
      {"[keygen2.md 4.7 matchingCredential.serverSessionId]", base, match + "serverSessionId", id(), kMandatory,
       of_owner(&SessionIds::server)},
      {"[keygen2.md 4.7 matchingCredential.clientSessionId]", base, match + "clientSessionId", id(), kMandatory,
       of_owner(&SessionIds::client)},
      {"[keygen2.md 4.7 matchingCredential.certificatePath]", base, match + "certificatePath",
       array({{{certificate, certificate}, {R"("MAA","MAEA")", R"("MAA","MAEA")"}},
              {{"5", ErrorClass::json},
               {R"("")", ErrorClass::value},
               {bytes_json(16385), ErrorClass::value},
               {"\"MAA\"" + repeated(10, ",\"MAA\""), ErrorClass::policy}}}),
       kMandatory, of_match(&MatchingCredential::certificate_path)},
      {"[keygen2.md 4.7 matchingCredential.locked]", base, match + "locked", boolean(), optional("false", "false"),
       of_match(&MatchingCredential::locked)},
  };
  for (const Row& row : table) check(row);
}

TEST_CASE("Rows of 4.6 and 4.7: ids are unique in their message") {
  const std::string lookup = edit::value(discovery_request(), "/lookupSpecifiers/0");
  const auto lookups = [&](std::size_t count) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i)
      all += (i == 0 ? "" : ",") + edit::with(lookup, "/id", text_json("L" + std::to_string(i)));
    return "[" + all + "]";
  };
  const std::vector<Rule> rules{
      {"[keygen2.md 4.6 lookupSpecifier.id]",
       "twice",
       discovery_request(),
       {{"/lookupSpecifiers", "[" + lookup + "," + lookup + "]"}},
       ErrorClass::value},
      {"[keygen2.md 4.6 lookupSpecifiers]",
       "20",
       discovery_request(),
       {{"/lookupSpecifiers", lookups(20)}},
       std::nullopt},
      {"[keygen2.md 4.6 lookupSpecifiers]",
       "21",
       discovery_request(),
       {{"/lookupSpecifiers", lookups(21)}},
       ErrorClass::policy},
      {"[keygen2.md 4.7 lookupResult.id]",
       "twice",
       discovery_response(),
       {{"/lookupResults", R"([{"id":"a","matchingCredentials":[]},{"id":"a","matchingCredentials":[]}])"}},
       ErrorClass::value},
      {"[keygen2.md 4.7 lookupResult.id]",
       "in another order",
       discovery_response(),
       {{"/lookupResults", R"([{"id":"b","matchingCredentials":[]},{"id":"a","matchingCredentials":[]}])"}},
       std::nullopt},
  };
  for (const Rule& rule : rules) check(rule);
}

TEST_CASE("Rows of 4.10: KeyCreationResponse") {
  const std::string base = creation_response();
  const auto key = [](auto property) { return of_first(&KeyCreationResponse::keys, property); };
  const std::vector<Row> table{
      {"[keygen2.md 4.10 generatedKeys]", base, "/generatedKeys", object_array(), kMandatory,
       member(&KeyCreationResponse::keys)},
      {"[keygen2.md 4.10 generatedKey.id]", base, "/generatedKeys/0/id", id(), kMandatory, key(&GeneratedKey::id)},
      {"[keygen2.md 4.10 generatedKey.publicKey]", base, "/generatedKeys/0/publicKey",
       public_key(true, true, ErrorClass::value), kMandatory, key(&GeneratedKey::public_key)},
      {"[keygen2.md 4.10 generatedKey.attestation]", base, "/generatedKeys/0/attestation", byte_array(32, 32),
       kMandatory, key(&GeneratedKey::attestation)},
  };
  for (const Row& row : table) check(row);
}

TEST_CASE("Rows of 4.13: ProvisioningFinalizationResponse") {
  check(Row{"[keygen2.md 4.13 attestation]", finalization_response(), "/attestation", byte_array(32, 32), kMandatory,
            member(&ProvisioningFinalizationResponse::attestation)});
}

}  // namespace sks::test::rows
