#include <doctest/doctest.h>

#include "conformance/recording.h"
#include "conformance/schema.h"
#include "tests/support/temp_dir.h"

namespace sks::conformance {
namespace {

std::string problem(std::string_view text) {
  const Result<Json> parsed = parse_document(text);
  return parsed ? "" : parsed.error().detail;
}

TEST_CASE("Documents: what JSON does not allow, or nobody can mean, is refused") {
  CHECK(problem(R"({"a": [1, null, "x"]})") == "");
  CHECK(problem(R"([{"a": 1}, {"a": 2}])") == "");
  CHECK(problem(R"({"a": 1, "b": {"a": 2, "a": 3}})") == "the property \"a\" occurs twice in one object");
  CHECK(problem(R"({"a": 1, "\u0061": 2})") == "the property \"a\" occurs twice in one object");
  CHECK(problem(R"({"a": 1)") == "malformed JSON at byte 8");
  CHECK(problem(R"({"a": 1} x)") == "malformed JSON at byte 10");
  CHECK(problem("") == "malformed JSON at byte 1");
  CHECK(problem("\xEF\xBB\xBF{}") == "a byte order mark precedes the JSON");
  CHECK(problem(std::string_view("{}\0", 3)) == "contains a NUL");
  CHECK(problem(std::string(32, '[') + std::string(32, ']')) == "");
  CHECK(problem(std::string(33, '[') + std::string(33, ']')) == "nested too deeply");
  std::string many = "[0";
  for (int i = 0; i < 200'000; ++i) many += ",0";
  CHECK(problem(many + ']') == "too many values");
}

TEST_CASE("Schema: places are named, and long texts do not end the program") {
  const Json message = *read_document(
      test::source_file("tests/vectors/transcripts/PropertyBag/07-ProvisioningFinalizationRequest.json"));
  CHECK_FALSE(find_schema_violation(message, {}));
  const auto violation = [&](const char* pointer, Json value) {
    Json changed = message;
    changed[Json::json_pointer(pointer)] = std::move(value);
    const auto found = find_schema_violation(changed, {});
    return found ? found->path : "none";
  };
  CHECK(violation("/issuedCredentials/0/mac", "x") == "/issuedCredentials/0/mac");
  CHECK(violation("/issuedCredentials/0/surplus", 1) == "/issuedCredentials/0/surplus");
  CHECK(violation("/sessionCloseData/nonce", 7) == "/sessionCloseData/nonce");
  CHECK(violation("/@qualifier", "Unknown") == "/@qualifier");
  CHECK(violation("/issuedCredentials/0/propertyBags/0/type", "x:" + std::string(2'000'000, 'x')) ==
        "/issuedCredentials/0/propertyBags/0/type");
  CHECK(violation("/issuedCredentials/0/importSymmetricKey/encryptedKey", std::string(4'000'000, 'A')) != "none");
}

TEST_CASE("Schema: members of an extension are unknown where the client has not announced its capability") {
  const std::string suspension = "urn:sks:ext:key-suspension";  // sks-extensions.md, KeyGen2 carriage
  const Json message =
      *read_document(test::source_file("tests/vectors/keygen2/09-ProvisioningFinalizationRequest.json"));
  struct Case {
    const char* pointer;
    Json value;
  };
  const Json deactivated{{"mac", message.at("sessionCloseData").at("mac")}};
  for (const Case& c :
       {Case{"/activateKeys", message.at("unlockKeys")}, Case{"/deactivateKeys", message.at("unlockKeys")},
        Case{"/issuedCredentials/0/deactivated", deactivated}}) {
    CAPTURE(c.pointer);
    Json changed = message;
    changed[Json::json_pointer(c.pointer)] = c.value;
    CHECK_FALSE(find_schema_violation(changed, {"urn:other", suspension}));
    for (const std::vector<std::string>& announced : {std::vector<std::string>(), {"urn:other"}}) {
      const auto found = find_schema_violation(changed, announced);
      REQUIRE(found);
      CHECK(found->path == c.pointer);
    }
    changed[Json::json_pointer(c.pointer)] = Json::array();
    CHECK(find_schema_violation(changed, {suspension}));
  }
}

}  // namespace
}  // namespace sks::conformance
