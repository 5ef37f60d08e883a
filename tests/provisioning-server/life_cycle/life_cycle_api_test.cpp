#include "provisioning-server/life_cycle/life_cycle_api.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "provisioning-server/admin_api/admin_api.h"
#include "sks-core/base/encoding.h"
#include "tests/provisioning-server/issuer_fixture.h"

/// The rows of the REST API behind its gate, over an issuer with a real client.
using namespace sks;
using namespace sks::issuer;
using nlohmann::json;
using test::Device;
using test::IssuerLab;
using test::outcome;

namespace {

/// Everybody is who the test says.
class OneCaller final : public Authenticator {
 public:
  std::variant<Authenticated, NotAuthenticated> authenticate(const Request&) override {
    return Authenticated{caller, Proof::bearer};
  }
  Caller caller{"hal", {Role::helpdesk}};
};

struct Api {
  Api() {
    lab.edit_profile("default", "\n[[pin_policy]]",
                     "\n[puk_policy]\nformat = \"numeric\"\nlength = 10\nretry_limit = 3\n\n[[pin_policy]]");
    CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
    key = to_hex(crypto::sha256(device.certificate(0)));
  }
  Response send(const std::string& method, const std::string& path, const std::string& body = "") {
    HttpHandler handler(lab.issuer->config().url, make_api_routes(*lab.issuer, authenticator, api_rows()));
    Request request = device.get_request("/api/v1" + path);
    request.method = method;
    if (!body.empty()) request.content_type = "application/json";
    request.body = body;
    return handler.handle(request);
  }
  json answer(unsigned status, const std::string& method, const std::string& path, const std::string& body = "") {
    const Response response = send(method, path, body);
    CHECK(response.status == status);
    const json content = json::parse(response.body, nullptr, false);
    CHECK(content.is_object());
    return content;
  }

  IssuerLab lab;
  Device device{lab};
  std::string key;
  std::shared_ptr<OneCaller> authenticator = std::make_shared<OneCaller>();
};

}  // namespace

TEST_CASE("Life cycle API: a ticket for the key of a credential, by who may") {
  Api api;
  const std::string path = "/credentials/" + api.key + "/manage";
  CHECK(api.answer(403, "POST", path, R"({"action": "delete"})").at("status") == 403);
  const json made = api.answer(201, "POST", path, R"({"action": "unlock", "minutes": 5})");
  CHECK(made.at("expires") == api.lab.clock.now() + 300);
  CHECK(made.at("qr").get<std::string>().starts_with("<svg"));
  CHECK(made.at("command").get<std::string>().starts_with("sks enroll "));
  api.device.lock(0);
  const std::string link = made.at("link");
  CHECK(outcome(api.device.enrol_again("/keygen2?ticket=" + link.substr(link.rfind('/') + 1))) == "complete");
  CHECK_FALSE(api.device.is_locked(0));

  api.authenticator->caller = {"olga", {Role::officer}};
  CHECK(api.send("POST", path, R"({"action": "delete"})").status == 201);
  CHECK(
      api.answer(400, "POST", path, R"({"action": "remove"})").at("detail").get<std::string>().find("unlock, delete") !=
      std::string::npos);
  CHECK(api.send("POST", path, R"({"action": "delete", "more": 1})").status == 400);
  CHECK(api.send("POST", path, R"({"action": "delete", "minutes": 0})").status == 400);
  CHECK(api.send("POST", "/credentials/12/manage", R"({"action": "delete"})").status == 400);
  CHECK(api.send("POST", "/credentials/" + std::string(64, '0') + "/manage", R"({"action": "delete"})").status == 404);
  api.lab.execute("UPDATE credentials SET status = 'replaced'");
  CHECK(api.send("POST", path, R"({"action": "delete"})").status == 409);
  CHECK(api.lab.count("SELECT count(*) FROM audit WHERE action = 'manage' AND actor = 'olga' AND result = 'ok'") == 1);
  CHECK(api.lab.count("SELECT count(*) FROM audit WHERE action = 'manage' AND result = 'not-permitted'") == 1);
}

TEST_CASE("Life cycle API: one ticket for all keys of a subject on a device, and the history of each") {
  Api api;
  api.authenticator->caller = {"olga", {Role::officer}};
  const std::string path = "/devices/" + to_hex(crypto::sha256(api.device.device_certificate())) + "/manage";
  CHECK(api.send("POST", path, R"({"action": "suspend", "subject": "CN=Nobody"})").status == 404);
  CHECK(api.send("POST", path, R"({"action": "suspend"})").status == 400);
  const json made = api.answer(201, "POST", path, R"({"action": "suspend", "subject": "CN=Jo Doe,O=Example"})");
  const std::string link = made.at("link");
  CHECK(outcome(api.device.enrol_again("/keygen2?ticket=" + link.substr(link.rfind('/') + 1))) == "complete");
  CHECK((api.device.protection(0) & kSuspended) != 0);

  const json history = api.answer(200, "GET", "/credentials/" + api.key + "/history");
  REQUIRE(history.at("rows").size() == 2);
  const auto suspended = std::ranges::find_if(history.at("rows"), [](const json& row) {
    return row.at("operation") == "suspend" && row.at("creator") == "olga" && row.at("phase") == "done";
  });
  CHECK(suspended != history.at("rows").end());
  CHECK(history.at("replaced_by") == "");
  CHECK(api.send("GET", "/credentials/" + std::string(64, '0') + "/history").status == 404);
}

TEST_CASE("Life cycle API: a PUK is shown once, to the help desk") {
  Api api;
  const std::string path = "/credentials/" + api.key + "/puk";
  api.authenticator->caller = {"olga", {Role::officer}};
  CHECK(api.send("POST", path).status == 403);
  api.authenticator->caller = {"hal", {Role::helpdesk}};
  CHECK(api.answer(200, "GET", "/credentials/" + api.key).at("has_puk") == true);
  const std::string puk = api.answer(200, "POST", path).at("puk");
  CHECK(puk.size() == 10);
  for (int wrong = 0; wrong < 3; ++wrong) api.device.lock(0);
  CHECK(api.device.store().unlock_key(api.device.key(0), SecureBytes::copy_of(as_bytes(puk))));
  const std::string refusal = api.answer(409, "POST", path).at("detail");
  CHECK(refusal.find("shown to hal") != std::string::npos);
  CHECK(refusal.find(puk) == std::string::npos);
  CHECK(api.lab.count("SELECT count(*) FROM audit WHERE action = 'puk' AND result = 'ok' AND actor = 'hal'") == 1);
  CHECK(api.lab.count("SELECT count(*) FROM audit WHERE detail LIKE '%" + puk + "%'") == 0);
}
