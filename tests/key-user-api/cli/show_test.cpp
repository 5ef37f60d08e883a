#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "attestation/device_identity.h"
#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/extension_view.h"
#include "key-user-api/cli/listed_key.h"
#include "key-user-api/local_store.h"
#include "sks-core/base/encoding.h"
#include "sks-core/engine/engine.h"
#include "tests/key-user-api/protection/program_run.h"
#include "tests/support/fakes.h"
#include "tests/support/storage_fakes.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_issuer.h"

using namespace sks;
using namespace sks::cli;
using namespace sks::test;
using nlohmann::json;

namespace {

const std::string kPrefix = "https://webpki.github.io/sks/algorithm#";
const std::string kEcdsa = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
const std::string kCardType = "https://cards.example/information-card";
const std::string kBagType = "urn:ietf:rfc:4226";
const std::string kLogoType = "https://webpki.github.io/keygen2/logotype#card";
const std::string kSecretType = "https://cards.example/secret";

/// An Information Card as its issuer wrote it: no byte of it may change.
const std::string kCard =
    R"({"issuer":"https://cards.example","cardId":"urn:card:7","version":1.0,"serial":12345678901234567890123,)"
    R"("claims":[{"name":"given name","uri":"urn:claim:given"},{}],"empty":[],"quote":"a \"b\" {c: [d]}"})";
// Counter = 0, writable; Digits = 8, read-only. Spec: sks-api.md 10.4.
const Bytes kBag = from_hex("0007436f756e74657201000130000644696769747300000138").value();
const Bytes kLogo = from_hex("89504e470d0a1a0a00").value();

Bytes bytes_of(std::string_view text) { return to_bytes(as_bytes(text)); }

KeyEntryRequest key_entry(const std::string& id) {
  KeyEntryRequest key;
  key.id = id;
  key.key_entry_algorithm = kPrefix + "key.1";
  key.app_usage = 1;
  key.key_algorithm = kPrefix + "ec.nist.p256";
  return key;
}

/// What a bank might issue: a key with a PIN, a PUK, and extensions of every kind, and a plain one.
void provision(SecureKeyStore& store) {
  TestIssuer issuer(store);
  REQUIRE(issuer.open());
  const auto puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("123456")), 0, 5, {}}).value();
  PinPolicyRequest policy;
  policy.id = "PIN";
  policy.puk_policy = puk;
  policy.user_defined = true;
  policy.user_modifiable = true;
  policy.retry_limit = 3;
  policy.grouping = 1;
  policy.pattern_restrictions = 0x05;
  policy.min_length = 4;
  policy.max_length = 8;
  policy.input_method = 2;
  KeyEntryRequest request = key_entry("Key.1");
  request.pin_policy = issuer.create_pin_policy(policy).value();
  request.pin_value = SecureBytes::copy_of(as_bytes("1357"));
  request.enable_pin_caching = true;
  request.export_protection = 2;
  request.delete_protection = 1;
  request.friendly_name = "Bank \x1b[2Jcard";
  request.endorsed_algorithms = {kEcdsa};
  const KeyHandle key = issuer.create_certified_key(std::move(request)).value().handle;
  REQUIRE(issuer.add_extension(key, {kCardType, 0, "", bytes_of(kCard), {}}));
  REQUIRE(issuer.add_extension(key, {kSecretType, 1, "", issuer.encrypt(as_bytes("PSK=1\n")), {}}));
  REQUIRE(issuer.add_extension(key, {kBagType, 2, "", kBag, {}}));
  REQUIRE(issuer.add_extension(key, {kLogoType, 3, "image/png", kLogo, {}}));
  KeyEntryRequest plain = key_entry("Key.2");
  plain.export_protection = 3;
  plain.delete_protection = 3;
  REQUIRE(issuer.create_certified_key(std::move(plain)));
  REQUIRE(issuer.close());
}

/// A key store in memory with the two keys.
struct Store {
  Store() {
    provision(*engine);
    const std::vector<ListedKey> listed = list_keys(*engine).value();
    for (const ListedKey& key : listed) keys.push_back(std::to_string(key.handle.value));
    REQUIRE(keys.size() == 2);
  }

  InMemoryStorage storage;
  FakeClock clock{1611905400};
  attestation::SoftwareIdentity identity = std::move(
      attestation::SoftwareIdentity::create("Test device", attestation::AttestationKeyType::p256, clock).value());
  std::unique_ptr<Engine> engine =
      std::move(Engine::open({storage, identity, system_key_source(), system_random(), clock}).value());
  std::vector<std::string> keys;
};

std::string show(Store& store, const ShowOptions& options, Format format = Format::text) {
  std::ostringstream out;
  const auto shown = run_show(options, format, *store.engine, out);
  REQUIRE_MESSAGE(shown, (shown ? "" : shown.error().detail));
  return out.str();
}

json show_json(Store& store, const ShowOptions& options) { return json::parse(show(store, options, Format::json)); }

Error refusal(Store& store, const ShowOptions& options, Format format = Format::text) {
  std::ostringstream out;
  const auto shown = run_show(options, format, *store.engine, out);
  REQUIRE_FALSE(shown);
  CHECK(out.str().empty());
  return shown.error();
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// What OpenSSL's command makes of a certificate.
std::string openssl_x509(const TempDir& dir, const Bytes& certificate, const std::string& what) {
  write_file(dir.file("certificate"), to_string(certificate));
  const std::string command =
      "openssl x509 -inform DER -noout -nameopt RFC2253 " + what + " -in " + dir.file("certificate");
  FILE* const pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) out += static_cast<char>(c);
  REQUIRE(::pclose(pipe) == 0);
  while (out.ends_with('\n')) out.pop_back();
  return out.substr(out.find('=') + 1);
}

std::string hex_digits(std::string text) {
  std::erase(text, ':');
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

TEST_CASE("sks show --json: one object with everything about a key") {
  Store store;
  const json shown = show_json(store, {store.keys[0], "", ""});
  const json listed = [&] {
    std::ostringstream out;
    REQUIRE(run_list(Format::json, *store.engine, out));
    return json::parse(out.str())[0];
  }();
  for (const char* const member : {"handle", "friendlyName", "algorithm", "appUsage"})
    CHECK(shown.at(member) == listed.at(member));
  CHECK(shown.at("endorsedAlgorithms") == json{kEcdsa});
  const json expected_pin = {{"format", "numeric"},
                             {"minLength", 4},
                             {"maxLength", 8},
                             {"retryLimit", 3},
                             {"errorCount", 0},
                             {"blocked", false},
                             {"grouping", "shared"},
                             {"patternRestrictions", {"two-in-a-row", "sequence"}},
                             {"inputMethod", "trusted-gui"},
                             {"userDefined", true},
                             {"userModifiable", true},
                             {"enablePinCaching", true}};
  const json expected_protection = {
      {"pin", expected_pin},
      {"puk", {{"format", "numeric"}, {"retryLimit", 5}, {"errorCount", 0}, {"blocked", false}}},
      {"devicePin", false},
      {"exportProtection", "puk"},
      {"deleteProtection", "pin"},
      {"biometricProtection", "none"},
      {"suspended", false},
      {"imported", false},
      {"exported", false}};
  CHECK(shown.at("protection") == expected_protection);
  const SessionInfo session = list_sessions(*store.engine, SessionState::closed).value().at(0);
  CHECK(shown.at("session") == json{{"handle", session.handle.value},
                                    {"issuerUri", "https://issuer.example.com/sks"},
                                    {"serverSessionId", "S-1"},
                                    {"clientSessionId", session.client_session_id},
                                    {"clientTime", 1611905400},
                                    {"privacyEnabled", true}});
  CHECK(shown.at("extensions") ==
        json{{{"type", kCardType}, {"kind", "extension"}, {"size", kCard.size()}},
             {{"type", kSecretType}, {"kind", "encryptedExtension"}, {"size", 6}},
             {{"type", kBagType},
              {"kind", "propertyBag"},
              {"size", kBag.size()},
              {"properties",
               {{{"name", "Counter"}, {"value", "0"}, {"writable", true}},
                {{"name", "Digits"}, {"value", "8"}, {"writable", false}}}}},
             {{"type", kLogoType}, {"kind", "logotype"}, {"qualifier", "image/png"}, {"size", kLogo.size()}}});
}

TEST_CASE("sks show: the certificate path is what OpenSSL reads in it") {
  Store store;
  const TempDir dir;
  const Bytes der = store.engine->get_key_attributes(KeyHandle{static_cast<std::uint32_t>(std::stoul(store.keys[0]))})
                        .value()
                        .certificate_path.at(0);
  const json path = show_json(store, {store.keys[0], "", ""}).at("certificatePath");
  REQUIRE(path.size() == 1);
  CHECK(path[0].at("subject") == openssl_x509(dir, der, "-subject"));
  CHECK(path[0].at("issuer") == openssl_x509(dir, der, "-issuer"));
  const std::string fingerprint = hex_digits(openssl_x509(dir, der, "-fingerprint -sha256"));
  CHECK(path[0].at("certificateFingerprint") == fingerprint);
  // DER has a zero byte in front of a number whose top bit is set, which OpenSSL leaves out.
  std::string serial = path[0].at("serialNumber");
  if (serial.starts_with("00")) serial.erase(0, 2);
  CHECK(serial == hex_digits(openssl_x509(dir, der, "-serial")));
  const std::string text = show(store, {store.keys[0], "", ""});
  std::string start = openssl_x509(dir, der, "-startdate -dateopt iso_8601");
  CHECK(contains(text, start));
  CHECK(contains(text, openssl_x509(dir, der, "-enddate -dateopt iso_8601")));
  CHECK(contains(text, fingerprint));
  CHECK(show_json(store, {fingerprint, "", ""}) == show_json(store, {store.keys[0], "", ""}));
}

TEST_CASE("sks show: says in words how a key is protected") {
  Store store;
  const std::string text = show(store, {store.keys[0], "", ""});
  for (const char* const part :
       {"4 to 8 digits, no two equal characters in a row, no sequence such as 1234 or 4321; it is blocked after 3 "
        "wrong "
        "tries",
        "chosen by its user, may be changed", "shared with the other keys of its policy",
        "typed into a trusted dialog, may be kept for a while", "3 tries are left", "digits; 5 tries are left",
        "takes the PUK", "takes the PIN", "made in this key store, never exported", "https://issuer.example.com/sks",
        "S-1", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"}) {
    CAPTURE(part);
    CHECK(contains(text, part));
  }
  const std::string plain = show(store, {store.keys[1], "", ""});
  CHECK(contains(plain, "every algorithm of its kind"));
  CHECK(contains(plain, "not possible"));
  CHECK_FALSE(contains(plain, "Extension"));
  CHECK(show_json(store, {store.keys[1], "", ""}).at("protection").at("pin") == nullptr);
  CHECK(show_json(store, {store.keys[1], "", ""}).at("protection").at("puk") == nullptr);
}

TEST_CASE("sks show: wrong tries, a blocked PIN and a suspended key are seen") {
  Store store;
  const KeyHandle key{static_cast<std::uint32_t>(std::stoul(store.keys[0]))};
  const KeyHandle plain{static_cast<std::uint32_t>(std::stoul(store.keys[1]))};
  const SecureBytes wrong = SecureBytes::copy_of(as_bytes("9999"));
  CHECK_FALSE(store.engine->verify_pin(key, wrong));
  CHECK(show_json(store, {store.keys[0], "", ""}).at("protection").at("pin").at("errorCount") == 1);
  CHECK(contains(show(store, {store.keys[0], "", ""}), "2 tries are left"));
  CHECK_FALSE(store.engine->verify_pin(key, wrong));
  CHECK_FALSE(store.engine->verify_pin(key, wrong));
  CHECK(show_json(store, {store.keys[0], "", ""}).at("protection").at("pin").at("blocked") == true);
  CHECK(contains(show(store, {store.keys[0], "", ""}), "blocked: too many wrong PINs"));
  REQUIRE(store.engine->deactivate({{}, plain, {}, {}}));
  CHECK(show_json(store, {store.keys[1], "", ""}).at("protection").at("suspended") == true);
  CHECK(contains(show(store, {store.keys[1], "", ""}), "suspended   yes"));
}

TEST_CASE("sks show: names every extension with its kind and size, and the properties of a bag") {
  Store store;
  const std::string text = show(store, {store.keys[0], "", ""});
  for (const std::string& part :
       {"Extension " + kCardType, "Extension " + kSecretType, "Extension " + kBagType, "Extension " + kLogoType,
        std::string("encrypted extension"), std::string("property bag"), std::string("logotype"),
        std::string("image/png"), std::to_string(kCard.size()) + " bytes",
        std::string("property, writable  Counter = 0"), std::string("property            Digits = 8")}) {
    CAPTURE(part);
    CHECK(contains(text, part));
  }
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(contains(text, "Bank ?[2Jcard"));
}

TEST_CASE("sks show --extension: a program gets the bytes as they are, in JSON as base64url") {
  Store store;
  struct Case {
    std::string type;
    std::string content;
  };
  for (const Case& c : {Case{kCardType, kCard}, Case{kSecretType, "PSK=1\n"}, Case{kBagType, to_string(kBag)},
                        Case{kLogoType, to_string(kLogo)}}) {
    CAPTURE(c.type);
    CHECK(show(store, {store.keys[0], c.type, ""}) == c.content);
  }
  // printf '\x89PNG\r\n\x1a\n\0' | basenc --base64url
  CHECK(show_json(store, {store.keys[0], kLogoType, ""}) == json{{"type", kLogoType},
                                                                 {"kind", "logotype"},
                                                                 {"qualifier", "image/png"},
                                                                 {"size", 9},
                                                                 {"data", "iVBORw0KGgoA"}});
}

TEST_CASE("sks show --extension: a person gets a JSON object in lines, with every token as it was") {
  Store store;
  CHECK(show(store, {store.keys[0], kCardType, "", Reader::person}) == R"({
  "issuer": "https://cards.example",
  "cardId": "urn:card:7",
  "version": 1.0,
  "serial": 12345678901234567890123,
  "claims": [
    {
      "name": "given name",
      "uri": "urn:claim:given"
    },
    {}
  ],
  "empty": [],
  "quote": "a \"b\" {c: [d]}"
}
)");
  CHECK(show(store, {store.keys[0], kSecretType, "", Reader::person}) == "PSK=1\n");
  CHECK(show(store, {store.keys[0], kBagType, "", Reader::person}) ==
        "PROPERTY  WRITABLE  VALUE\n"
        "Counter   yes       0\n"
        "Digits    no        8\n");
}

TEST_CASE("sks show --extension: what is no text is not put on a terminal") {
  Store store;
  const Error binary = refusal(store, {store.keys[0], kLogoType, "", Reader::person});
  CHECK(binary.status == Status::option);
  CHECK(contains(binary.detail, "9 bytes"));
  CHECK(contains(binary.detail, "--out"));
  const auto shown = [](std::string_view content) {
    std::ostringstream out;
    const ShownExtension extension{"urn:x", "extension", "extension", "", SecureBytes::copy_of(as_bytes(content)), {}};
    return write_content_for_person(extension, out) ? out.str() : std::string("refused");
  };
  for (const std::string_view content : {"\x1b[2J", "a\rb", "\xff", "\xc2\x9b", "\xe2\x80\xae"})
    CHECK(shown(content) == "refused");
  CHECK(shown("caf\xc3\xa9\tx\ny") == "caf\xc3\xa9\tx\ny\n");
  CHECK(shown("") == "\n");
}

TEST_CASE("indent_json_object: only objects that are JSON, and not too deep") {
  CHECK(indent_json_object(" {\n \"a\" :\t[ 1 , 2 ] , \"b\":{ } } ") ==
        "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}");
  CHECK(indent_json_object(R"({"a\\":"\"","b":1e999})") == "");  // the number is one for nobody
  CHECK(indent_json_object(R"({"a\\":"\\\"{"})") == "{\n  \"a\\\\\": \"\\\\\\\"{\"\n}");
  CHECK(indent_json_object(R"({"a":1,"a":2})") == "{\n  \"a\": 1,\n  \"a\": 2\n}");
  for (const char* const text : {"", "  ", "[]", "1", "{", "{} x", "{\"a\":}", "{'a':1}"}) {
    CAPTURE(text);
    CHECK(indent_json_object(text).empty());
  }
  const auto nested = [](std::size_t depth) {
    return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  CHECK_FALSE(indent_json_object(nested(31)).empty());
  CHECK(indent_json_object(nested(32)).empty());
  CHECK(indent_json_object(nested(120000)).empty());
}

TEST_CASE("sks show --out: writes the bytes into a new file, and leaves one that is there") {
  Store store;
  const TempDir dir;
  CHECK(show(store, {store.keys[0], kLogoType, dir.file("logo"), Reader::person}) ==
        "Wrote 9 bytes to " + dir.file("logo") + ".\n");
  CHECK(read_file(dir.file("logo")) == to_string(kLogo));
  const Error again = refusal(store, {store.keys[0], kCardType, dir.file("logo")});
  CHECK(again.status == Status::option);
  CHECK(read_file(dir.file("logo")) == to_string(kLogo));
  CHECK(refusal(store, {store.keys[0], kCardType, dir.file("absent") + "/logo"}).status == Status::storage);
}

TEST_CASE("sks show: refuses keys and extensions that are not there") {
  Store store;
  CHECK(refusal(store, {"4711", "", ""}).status == Status::no_key);
  CHECK(refusal(store, {"x", "", ""}).status == Status::option);
  const Error extension = refusal(store, {store.keys[1], kCardType, ""});
  CHECK(extension.status == Status::option);
  CHECK(extension.detail == "key " + store.keys[1] + " has no extension " + kCardType);
  CHECK(refusal(store, {store.keys[0], kCardType.substr(1), ""}, Format::json).status == Status::option);
}

TEST_CASE("sks show: as a program, an Information Card beside its certificate is listed and read back") {
  const TempDir dir;
  const std::string folder = dir.file("store");
  REQUIRE(LocalStore::create(folder, "Laptop"));
  {
    LocalStore opened = LocalStore::open(folder).value();
    provision(opened.engine());
  }
  const auto sks_program = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--store", folder});
    return run_program_process(SKS_PROGRAM, std::move(arguments));
  };
  const std::string key = std::to_string(json::parse(sks_program({"list", "--json"}).out)[0]["handle"].get<int>());
  const json shown = json::parse(sks_program({"show", key, "--json"}).out);
  CHECK(shown["extensions"][0]["type"] == kCardType);
  CHECK(shown["certificatePath"][0]["subject"] == "CN=Somebody");
  CHECK(sks_program({"show", key, "--extension", kCardType}).out == kCard);
  CHECK(sks_program({"show", key, "--extension", kCardType, "--out", dir.file("card")}).exit_code == 0);
  CHECK(read_file(dir.file("card")) == kCard);
  const auto terminal = [&](const std::string& type) {
    return run_at_terminal(SKS_PROGRAM, {"--store", folder, "show", key, "--extension", type}, {}).out;
  };
  CHECK(contains(terminal(kCardType), "\r\n  \"cardId\": \"urn:card:7\",\r\n"));
  CHECK(contains(terminal(kLogoType), "are not plain text"));
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"show"},
                                             {"show", ""},
                                             {"show", key, "--out", dir.file("x")},
                                             {"show", key, "--extension", ""},
                                             {"show", key, "--extension", kCardType, "--json", "--out", dir.file("x")}})
    CHECK(sks_program(wrong).exit_code == 2);
}
