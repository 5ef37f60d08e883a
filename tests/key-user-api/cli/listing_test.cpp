#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "attestation/device_identity.h"
#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/enrolment.h"
#include "key-user-api/cli/listed_key.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"
#include "sks-core/engine/engine.h"
#include "tests/key-user-api/cli/provisioner.h"
#include "tests/support/fakes.h"
#include "tests/support/storage_fakes.h"

using namespace sks;
using namespace sks::cli;
using nlohmann::json;

namespace {

/// A key store in memory.
struct Store {
  test::InMemoryStorage storage;
  test::FakeClock clock{1700000000};
  attestation::SoftwareIdentity identity = std::move(
      attestation::SoftwareIdentity::create("Test device", attestation::AttestationKeyType::p256, clock).value());
  std::unique_ptr<Engine> engine =
      std::move(Engine::open({storage, identity, system_key_source(), system_random(), clock}).value());
};

/// One key without a PIN, and two that share one.
std::vector<Bytes> provision_three(SecureKeyStore& store) {
  return test::Provisioner(store, {}).provision(
      {{"k1", "ec.nist.p256", 1, "Login \"1\"", "", 0, "CN=Jo,O=Example"},
       {"k2", "rsa2048", 0, "", "1234", 1, "CN=Jo"},
       {"k3", "ec.nist.p384", 2, "caf\xc3\xa9\x1b[2J", "1234", 3, "CN=Jo Enc"}});
}

std::vector<SecureBytes> passwords(std::string_view text) {
  std::vector<SecureBytes> out;
  out.push_back(SecureBytes::copy_of(as_bytes(text)));
  return out;
}

json list_as_json(SecureKeyStore& store) {
  std::ostringstream out;
  REQUIRE(run_list(Format::json, store, out));
  return json::parse(out.str());
}

std::string text_of(Result<void> (*run)(Format, SecureKeyStore&, std::ostream&), SecureKeyStore& store) {
  std::ostringstream out;
  REQUIRE(run(Format::text, store, out));
  return out.str();
}

}  // namespace

TEST_CASE("sks list --json: one object per key with exactly the documented members") {
  Store store;
  CHECK(list_as_json(*store.engine) == json::array());
  const std::vector<Bytes> certificates = provision_three(*store.engine);
  const auto fingerprint = [&](std::size_t i) { return to_hex(crypto::sha256(certificates[i])); };
  json expected = json::array();
  const auto add = [&](int handle, const char* name, const char* subject, const char* usage, const char* algorithm,
                       bool pin) {
    expected.push_back({{"handle", handle},
                        {"certificateFingerprint", fingerprint(expected.size())},
                        {"friendlyName", name},
                        {"subject", subject},
                        {"issuerUri", "https://issuer.example/kg"},
                        {"appUsage", usage},
                        {"algorithm", algorithm},
                        {"pinProtected", pin},
                        {"locked", false}});
  };
  const json keys = list_as_json(*store.engine);
  REQUIRE(keys.size() == 3);
  // RFC 2253 writes the last attribute of the name first.
  add(keys[0]["handle"], "Login \"1\"", "O=Example,CN=Jo", "authentication", "ec.nist.p256", false);
  add(keys[1]["handle"], "", "CN=Jo", "signature", "rsa2048", true);
  add(keys[2]["handle"], "caf\xc3\xa9\x1b[2J", "CN=Jo Enc", "encryption", "ec.nist.p384", true);
  CHECK(keys == expected);
}

TEST_CASE("sks list: the table shows remaining tries and no control characters") {
  Store store;
  CHECK(text_of(run_list, *store.engine) == "There is no key in this key store.\n");
  provision_three(*store.engine);
  std::string text = text_of(run_list, *store.engine);
  CHECK(text.find("3 tries are left") != std::string::npos);
  CHECK(text.find("none") != std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
  std::ostringstream out;
  const std::string handle = std::to_string(list_as_json(*store.engine)[1]["handle"].get<int>());
  CHECK_FALSE(run_pin_check({handle, passwords("9999")}, *store.engine, nullptr, out));
  CHECK_FALSE(run_pin_check({handle, passwords("9999")}, *store.engine, nullptr, out));
  CHECK(text_of(run_list, *store.engine).find("1 try is left") != std::string::npos);
}

TEST_CASE("sks pin check: a right PIN is confirmed, a wrong one costs a try, the last one blocks the group") {
  Store store;
  provision_three(*store.engine);
  const json keys = list_as_json(*store.engine);
  const std::string key = std::to_string(keys[1]["handle"].get<int>());
  std::ostringstream out;
  const auto refusal = [&](std::string_view pin) {
    const auto result = run_pin_check({key, passwords(pin)}, *store.engine, nullptr, out);
    REQUIRE_FALSE(result);
    return result.error().detail;
  };
  CHECK(run_pin_check({key, passwords("1234")}, *store.engine, nullptr, out));
  CHECK(out.str() == "The PIN of key " + key + " is right.\n");
  CHECK(refusal("1235") == "the PIN is wrong; 2 tries are left");
  CHECK(run_pin_check({keys[1]["certificateFingerprint"], passwords("1234")}, *store.engine, nullptr, out));
  CHECK(refusal("1235") == "the PIN is wrong; 2 tries are left");
  CHECK(refusal("1235") == "the PIN is wrong; 1 try is left");
  CHECK(refusal("1235") == "the PIN is blocked: too many wrong tries");
  CHECK(refusal("1234") == "the PIN is blocked: too many wrong tries");
  const json after = list_as_json(*store.engine);
  CHECK(after[1]["locked"] == true);
  CHECK(after[2]["locked"] == true);
  CHECK(after[0]["locked"] == false);
  CHECK(text_of(run_list, *store.engine).find("locked") != std::string::npos);
}

TEST_CASE("sks pin check: refuses a key without PIN, an unknown key, and a PIN that nobody gives") {
  Store store;
  provision_three(*store.engine);
  const json keys = list_as_json(*store.engine);
  std::ostringstream out;
  const std::string without = std::to_string(keys[0]["handle"].get<int>());
  const std::string with = std::to_string(keys[1]["handle"].get<int>());
  const auto no_pin = run_pin_check({without, passwords("1234")}, *store.engine, nullptr, out);
  REQUIRE_FALSE(no_pin);
  CHECK(no_pin.error().status == Status::not_allowed);
  const auto nobody = run_pin_check({with, {}}, *store.engine, nullptr, out);
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().status == Status::user_abort);
  auto two = passwords("1234");
  two.push_back(SecureBytes::copy_of(as_bytes("5678")));
  CHECK_FALSE(run_pin_check({with, std::move(two)}, *store.engine, nullptr, out));
  for (const std::string name : {"", "0", "4711", "-1", "1x", "4294967296", "abc"}) {
    CAPTURE(name);
    CHECK_FALSE(run_pin_check({name, passwords("1234")}, *store.engine, nullptr, out));
  }
  CHECK_FALSE(run_pin_check({std::string(64, 'a'), passwords("1234")}, *store.engine, nullptr, out));
}

TEST_CASE("sks delete: asks for what deleteProtection demands, and says why it refuses") {
  Store store;
  provision_three(*store.engine);
  const json keys = list_as_json(*store.engine);
  const auto handle = [&](std::size_t i) { return std::to_string(keys[i]["handle"].get<int>()); };
  std::ostringstream out;
  const auto refusal = [&](std::size_t i, std::vector<SecureBytes> given) {
    const auto result = run_delete({handle(i), std::move(given), true}, *store.engine, nullptr, out);
    REQUIRE_FALSE(result);
    return result.error().detail;
  };
  CHECK(refusal(2, passwords("1234")).find("non-deletable") != std::string::npos);
  CHECK(refusal(1, passwords("4321")) == "the PIN is wrong; 2 tries are left");
  CHECK(refusal(1, {}).find("the PIN is needed") != std::string::npos);
  CHECK(refusal(0, passwords("4321")).find("takes no PIN or PUK") != std::string::npos);
  CHECK(list_as_json(*store.engine).size() == 3);
  CHECK(run_delete({handle(1), passwords("1234"), true}, *store.engine, nullptr, out));
  CHECK(run_delete({keys[0]["certificateFingerprint"], {}, true}, *store.engine, nullptr, out));
  CHECK(out.str() == "Deleted key " + handle(1) + " (CN=Jo).\nDeleted key " + handle(0) + " (O=Example,CN=Jo).\n");
  REQUIRE(list_as_json(*store.engine).size() == 1);
  CHECK_FALSE(run_delete({handle(0), {}, true}, *store.engine, nullptr, out));
}

TEST_CASE("sks delete: deletes nothing unconfirmed when nobody is there to ask") {
  Store store;
  provision_three(*store.engine);
  const std::string key = std::to_string(list_as_json(*store.engine)[0]["handle"].get<int>());
  std::ostringstream out;
  const auto result = run_delete({key, {}, false}, *store.engine, nullptr, out);
  REQUIRE_FALSE(result);
  CHECK(result.error().status == Status::user_abort);
  CHECK(result.error().detail.find("--yes") != std::string::npos);
  CHECK(list_as_json(*store.engine).size() == 3);
  CHECK(out.str().empty());
}

TEST_CASE("sks delete: a key that demands the PUK takes it and counts its tries") {
  Store store;
  test::Provisioner(*store.engine, {}).provision({{"k1", "ec.nist.p256", 0, "", "1234", 2, "CN=Jo"}}, 3, "87654321");
  const std::string key = std::to_string(list_as_json(*store.engine)[0]["handle"].get<int>());
  std::ostringstream out;
  const auto wrong = run_delete({key, passwords("1234"), true}, *store.engine, nullptr, out);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().detail == "the PUK is wrong; 2 tries are left");
  CHECK(run_delete({key, passwords("87654321"), true}, *store.engine, nullptr, out));
  CHECK(list_as_json(*store.engine).empty());
}

TEST_CASE("sks sessions --json: open and closed sessions with exactly the documented members") {
  Store store;
  std::ostringstream nothing;
  REQUIRE(run_sessions(Format::json, *store.engine, nothing));
  CHECK(json::parse(nothing.str()) == json::array());
  test::Provisioner closed(*store.engine, {});
  closed.provision({{"k1", "ec.nist.p256"}});
  const test::Provisioner open(*store.engine, {"https://b.example/", "server-2", 1700000100, 500});
  std::ostringstream out;
  REQUIRE(run_sessions(Format::json, *store.engine, out));
  const auto session = [](const test::Provisioner& issuer, const char* state, const char* uri, const char* id, int time,
                          int life) {
    return json{{"handle", issuer.handle().value},
                {"state", state},
                {"issuerUri", uri},
                {"serverSessionId", id},
                {"clientSessionId", issuer.client_session_id()},
                {"clientTime", time},
                {"sessionLifeTime", life},
                {"privacyEnabled", true}};
  };
  CHECK(json::parse(out.str()) ==
        json::array({session(open, "open", "https://b.example/", "server-2", 1700000100, 500),
                     session(closed, "closed", "https://issuer.example/kg", "server-1", 1700000000, 1000)}));
  // date -u -d @1700000100
  CHECK(text_of(run_sessions, *store.engine).find("2023-11-14 22:15:00Z") != std::string::npos);
}

TEST_CASE("sks device: prints the certificate that the key store attests with") {
  Store store;
  const Bytes& certificate = store.identity.certificate_path()[0];
  std::ostringstream line;
  REQUIRE(run_device({false}, *store.engine, line));
  CHECK(line.str() == "device certificate SHA-256 " + to_hex(crypto::sha256(certificate)) + "\n");
  std::ostringstream pem;
  REQUIRE(run_device({true}, *store.engine, pem));
  const auto blocks = from_pem(pem.str(), "CERTIFICATE");
  REQUIRE(blocks);
  REQUIRE(blocks->size() == 1);
  CHECK((*blocks)[0] == certificate);
}

TEST_CASE("abort_stale_sessions: open sessions of the local issuer go, whatever their age") {
  Store store;
  const test::Provisioner local(*store.engine, {"urn:sks:local-issuer", "s1", 1000, 500});
  const test::Provisioner remote(*store.engine, {"https://a.example/", "s2", 1000, 500});
  REQUIRE(abort_stale_sessions(*store.engine, 1000));
  const auto left = list_sessions(*store.engine, SessionState::open);
  REQUIRE(left->size() == 1);
  CHECK((*left)[0].handle == remote.handle());
}

TEST_CASE("abort_stale_sessions: only open sessions beyond their life time go") {
  Store store;
  test::Provisioner closed(*store.engine, {"https://a.example/", "s1", 1, 1});
  closed.provision({{"k1", "ec.nist.p256"}});
  const test::Provisioner old(*store.engine, {"https://a.example/", "s2", 1000, 500});
  const test::Provisioner young(*store.engine, {"https://a.example/", "s3", 1001, 500});
  REQUIRE(abort_stale_sessions(*store.engine, 1500));
  CHECK(list_sessions(*store.engine, SessionState::open)->size() == 2);
  REQUIRE(abort_stale_sessions(*store.engine, 1501));
  const auto left = list_sessions(*store.engine, SessionState::open);
  REQUIRE(left->size() == 1);
  CHECK((*left)[0].handle == young.handle());
  CHECK(list_sessions(*store.engine, SessionState::closed)->size() == 1);
}
