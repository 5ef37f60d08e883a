#include "provisioning-server/admin_api/admin_api.h"

#include <doctest/doctest.h>

#include <array>
#include <filesystem>

#include "sks-core/base/encoding.h"
#include "tests/provisioning-server/admin_api/api_lab.h"

using namespace sks;
using namespace sks::issuer;
using namespace sks::test;

namespace {

struct Row {
  const char* method;
  const char* path;
  const char* body;
  const char* roles;  ///< operator, officer, auditor, helpdesk: a letter for each that may, by the organisation's plan
};
// Independent of kRights: what each role is for.
constexpr auto kPlan = std::to_array<Row>({
    {"GET", "/me", "", "poah"},
    {"GET", "/overview", "", "poah"},
    {"GET", "/statistics", "", "poah"},
    {"GET", "/tickets", "", "oa"},
    {"POST", "/tickets", R"({"profile":"default"})", "o"},
    {"GET", "/tickets/{id}", "", "oa"},
    {"DELETE", "/tickets/{id}", "", "o"},
    {"GET", "/credentials", "", "oah"},
    {"GET", "/credentials/{fingerprint}", "", "oah"},
    {"POST", "/credentials/{fingerprint}/revoke", "{}", "o"},
    {"POST", "/credentials/{fingerprint}/suspend", "", "o"},
    {"POST", "/credentials/{fingerprint}/resume", "", "o"},
    {"GET", "/devices", "", "poa"},
    {"POST", "/devices", "{}", "p"},
    {"GET", "/devices/{fingerprint}", "", "poa"},
    {"DELETE", "/devices/{fingerprint}", "", "p"},
    {"GET", "/sessions", "", "oa"},
    {"GET", "/sessions/{id}", "", "oa"},
    {"GET", "/audit", "", "a"},
    {"POST", "/audit/verify", "", "a"},
    {"GET", "/profiles", "", "poa"},
    {"GET", "/profiles/{name}", "", "poa"},
    {"GET", "/signature-profiles", "", "oah"},
    {"POST", "/profiles/check", R"({"name":"x","content":""})", "p"},
    {"GET", "/accounts", "", "pa"},
    {"POST", "/accounts", R"({"name":"x"})", "p"},
    {"GET", "/accounts/{name}", "", "pa"},
    {"DELETE", "/accounts/{name}", "", "p"},
    {"POST", "/accounts/{name}/roles", R"({"roles":["officer"]})", "p"},
    {"POST", "/accounts/{name}/disable", "", "p"},
    {"POST", "/accounts/{name}/enable", "", "p"},
    {"POST", "/accounts/{name}/token", "{}", "p"},
    {"POST", "/accounts/{name}/certificate", "{}", "p"},
});

std::string filled(const std::string& path) {
  const std::size_t open = path.find('{');
  if (open == std::string::npos) return path;
  return path.substr(0, open) + std::string(64, '0') + path.substr(path.find('}') + 1);
}

std::string detail_of(const Response& response) {
  return nlohmann::json::parse(response.body).at("detail").get<std::string>();
}

}  // namespace

TEST_CASE("API: every row lets those roles in that it is for, and says 403 to the others") {
  ApiLab lab;
  struct Holder {
    char letter;
    const char* role;
  };
  constexpr auto kHolders =
      std::to_array<Holder>({{'p', "operator"}, {'o', "officer"}, {'a', "auditor"}, {'h', "helpdesk"}});
  for (const ApiRoute& route : api_rows()) {
    const auto* const row = std::ranges::find_if(
        kPlan, [&](const Row& planned) { return planned.method == route.method && planned.path == route.path; });
    if (row == kPlan.end()) continue;
    for (const Holder& holder : kHolders) {
      CAPTURE(row->method);
      CAPTURE(row->path);
      CAPTURE(holder.role);
      const Response response = lab.as(holder.role, row->method, filled(row->path), row->body);
      const bool may = std::string(row->roles).find(holder.letter) != std::string::npos;
      CHECK((response.status != 403) == may);
      CHECK(response.status != 401);
    }
  }
  for (const Row& row : kPlan) {
    CAPTURE(row.path);
    ApiRequest nobody{row.method, filled(row.path)};
    nobody.body = row.body;
    const Response response = lab.send(nobody);
    lab.json(response, 401);
    CHECK(header(response, "WWW-Authenticate") == "Bearer");
  }
}

TEST_CASE("API: a refused change is on record with its caller, and reading is not") {
  ApiLab lab;
  lab.json(lab.as("helpdesk", "POST", "/tickets", R"({"profile":"default"})"), 403);
  CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE actor = 'helpdesk-1' AND action = 'ticket' AND result = "
                         "'not-permitted'") == 1);
  lab.json(lab.as("officer", "POST", "/tickets", R"({"profile":"absent"})"), 404);
  CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE actor = 'officer-1' AND action = 'ticket' AND result = "
                         "'refused'") == 1);
  lab.json(lab.as("helpdesk", "GET", "/audit"), 403);
  CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE actor = 'helpdesk-1' AND action <> 'login'") == 1);
  CHECK(lab.issuer.count("SELECT count(*) FROM tickets") == 1);  // the lab's own
}

TEST_CASE("API: a ticket is made with its links, shown without its secret, used or cancelled") {
  ApiLab lab;
  const auto made = lab.json(
      lab.as("officer", "POST", "/tickets",
             R"({"profile":"pair","subject":"CN=Al,O=X","minutes":5,"data":{"mail":"al@example.org","n":"1"}})"),
      201);
  const std::string link = made.at("link");
  const std::string secret = link.substr(link.rfind('/') + 1);
  CHECK(made.at("expires") == kStart + 300);
  CHECK(made.at("keygen2").get<std::string>().find(secret) != std::string::npos);
  CHECK(made.at("command").get<std::string>().starts_with("sks enroll 'keygen2://"));
  CHECK(made.at("qr").get<std::string>().find("<svg") != std::string::npos);
  const std::string id = made.at("id");
  // Kept as a digest only. SHA-256 of the secret, by the library that the program does not use for it here.
  CHECK(id == to_hex(crypto::sha256(as_bytes(secret))));
  const Response shown = lab.as("auditor", "GET", "/tickets/" + id);
  const auto ticket = lab.json(shown);
  CHECK(ticket.at("state") == "open");
  CHECK(ticket.at("creator") == "officer-1");
  CHECK(ticket.at("data").at("n") == "1");
  CHECK(shown.body.find(secret) == std::string::npos);
  CHECK(lab.as("auditor", "GET", "/tickets?limit=500").body.find(secret) == std::string::npos);
  CHECK(lab.as("auditor", "GET", "/audit?limit=500").body.find(secret) == std::string::npos);
  CHECK(lab.json(lab.as("officer", "GET", "/tickets?state=open&profile=pair&text=al")).at("rows").size() == 1);
  CHECK(lab.json(lab.as("officer", "GET", "/tickets?state=used")).at("rows").size() == 1);  // the lab's own

  CHECK(lab.as("officer", "DELETE", "/tickets/" + id).status == 204);
  CHECK(lab.json(lab.as("officer", "GET", "/tickets/" + id)).at("state") == "expired");
  lab.json(lab.as("officer", "DELETE", "/tickets/" + id), 409);
  CHECK(outcome(lab.device.get("/keygen2?ticket=" + secret)) == "ticket-expired");
  lab.json(lab.as("officer", "DELETE", "/tickets/" + std::string(64, '0')), 404);
  lab.json(lab.as("officer", "GET", "/tickets/abc"), 400);
  for (const char* const action : {"ticket", "ticket-cancel"})
    CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE actor = 'officer-1' AND result = 'ok' AND action = '" +
                           std::string(action) + "'") == 1);
}

TEST_CASE("API: a ticket of the API starts a session") {
  ApiLab lab;
  const auto made = lab.json(lab.as("officer", "POST", "/tickets", R"({"profile":"default"})"), 201);
  const std::string link = made.at("link");
  CHECK(outcome(lab.device.enrol_again("/keygen2?ticket=" + link.substr(link.rfind('/') + 1))) == "complete");
}

TEST_CASE("API: bodies are strict JSON") {
  ApiLab lab;
  const std::string huge(2 * 1024 * 1024, ' ');
  struct Case {
    std::string body;
    unsigned status;
  };
  const std::vector<Case> cases{
      {"{", 400},
      {"[]", 400},
      {"null", 400},
      {"{}", 400},
      {R"({"profile":"default","profile":"pair"})", 400},
      {R"({"profile":"default","data":{"a":1,"a":2}})", 400},
      {R"({"profile":"default","subject":null})", 400},
      {R"({"profile":1})", 400},
      {R"({"profile":"default","minutes":"5"})", 400},
      {R"({"profile":"default","minutes":0})", 400},
      {R"({"profile":"default","minutes":61})", 400},
      {R"({"profile":"default","minutes":1.5})", 400},
      {R"({"profile":"default","minutes":99999999999})", 400},
      {R"({"profile":"default","data":[1]})", 400},
      {R"({"profile":"default","data":"x"})", 400},
      {R"({"profile":"default","surprise":1})", 400},
      {R"({"profile":"../issuer"})", 400},
      {R"({"profile":"default","subject":"no name"})", 400},
      {R"({"profile":"default"} x)", 400},
      {"{\"profile\":\"\xff\"}", 400},
      {R"({"profile":"default","data":{"x":")" + std::string(17000, 'x') + "\"}}", 400},
      {std::string(1000, '[') + std::string(1000, ']'), 400},
      {huge, 413},
  };
  for (const Case& attempt : cases) {
    CAPTURE(attempt.body.substr(0, 100));
    lab.json(lab.as("officer", "POST", "/tickets", attempt.body), attempt.status);
  }
  CHECK(lab.issuer.count("SELECT count(*) FROM tickets") == 1);
  // No body at all, and one of another type.
  lab.json(lab.as("officer", "POST", "/tickets"), 415);
  // A body where there is none.
  lab.json(lab.as("officer", "POST", "/credentials/" + lab.fingerprint() + "/suspend", "{}"), 413);
  lab.json(lab.as("officer", "PUT", "/tickets"), 405);
  lab.json(lab.as("officer", "GET", "/nothing"), 404);
}

TEST_CASE("API: queries are strict, and a cursor is one of that list") {
  ApiLab lab;
  for (const char* const query :
       {"?limit=0", "?limit=501", "?limit=x", "?limit=-1", "?limit=5&limit=6", "?surprise=1", "?cursor=x", "?cursor=~",
        "?cursor=AA~", "?text=%zz", "?text=%ff", "?text=%00", "?device=12"}) {
    CAPTURE(query);
    lab.json(lab.as("officer", "GET", std::string("/credentials") + query), 400);
  }
  for (const char* const query : {"?state=lost", "?interval=year"}) {
    lab.json(lab.as("officer", "GET", std::string("/tickets") + query), 400);
    lab.json(lab.as("officer", "GET", std::string("/statistics") + query), 400);
  }
  lab.json(lab.as("officer", "GET", "/statistics?from=0&to=1000000000&interval=hour"), 400);
  // A cursor of another list.
  for (int i = 0; i < 3; ++i) lab.issuer.new_ticket();
  const auto first = lab.json(lab.as("officer", "GET", "/tickets?limit=2"));
  CHECK(first.at("rows").size() == 2);
  const std::string next = first.at("next");
  const auto second = lab.json(lab.as("officer", "GET", "/tickets?limit=2&cursor=" + next));
  CHECK(second.at("rows").size() == 2);
  CHECK(second.at("next") == "");
  CHECK(first.at("rows").at(0).at("id") != second.at("rows").at(0).at("id"));
  CHECK(lab.as("auditor", "GET", "/audit?cursor=" + next).status == 400);
}

TEST_CASE("API: credentials are found, shown, withdrawn and put in force again") {
  ApiLab lab;
  const std::string print = lab.fingerprint();
  const auto found = lab.json(lab.as("helpdesk", "GET", "/credentials?text=doe+jo&status=issued"));
  REQUIRE(found.at("rows").size() == 1);
  CHECK(found.at("rows").at(0).at("fingerprint") == print);
  const Response shown = lab.as("helpdesk", "GET", "/credentials/" + print);
  const auto details = lab.json(shown);
  CHECK(details.at("certificate").at("pem") == to_pem(lab.device.certificate(0), "CERTIFICATE"));
  CHECK(details.at("key_management").at("generation") == 1);
  CHECK(details.at("key_management").at("current_generation") == 1);
  CHECK(details.at("revocation").empty());
  for (const char* const secret : {"sealed", "cookie", "reply"}) CHECK(shown.body.find(secret) == std::string::npos);

  const std::string at = "/credentials/" + print;
  lab.json(lab.as("officer", "POST", at + "/resume"), 409);
  CHECK(lab.json(lab.as("officer", "POST", at + "/suspend")).at("status") == "suspended");
  CHECK(lab.json(lab.as("officer", "GET", at)).at("revocation").at("reason") == "certificateHold");
  lab.json(lab.as("officer", "POST", at + "/suspend"), 409);
  CHECK(lab.json(lab.as("officer", "POST", at + "/resume")).at("status") == "issued");
  for (const char* const reason : {R"({"reason":"certificateHold"})", R"({"reason":"x"})", R"({"reason":1})"})
    lab.json(lab.as("officer", "POST", at + "/revoke", reason), 400);
  CHECK(lab.json(lab.as("officer", "POST", at + "/revoke", R"({"reason":"keyCompromise"})")).at("status") == "revoked");
  CHECK(lab.json(lab.as("officer", "GET", at)).at("revocation").at("reason") == "keyCompromise");
  lab.json(lab.as("officer", "POST", at + "/revoke", "{}"), 409);
  lab.json(lab.as("officer", "POST", "/credentials/" + std::string(64, '0') + "/revoke", "{}"), 404);
  lab.json(lab.as("officer", "GET", "/credentials/xyz"), 400);
  for (const char* const action : {"suspend", "resume", "revoke"})
    CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE actor = 'officer-1' AND result = 'ok' AND action = '" +
                           std::string(action) + "'") == 1);
}

TEST_CASE("API: a credential whose session was never ended is on hold, and can be revoked") {
  for (const char* const status : {"pending", "abandoned"}) {
    CAPTURE(status);
    ApiLab lab;
    const std::string at = "/credentials/" + lab.fingerprint();
    lab.issuer.execute("UPDATE credentials SET status = '" + std::string(status) + "'");
    const auto revocation = lab.json(lab.as("officer", "GET", at)).at("revocation");
    CHECK(revocation.value("reason", "") == (std::string(status) == "pending" ? "" : "certificateHold"));
    for (const char* const action : {"/suspend", "/resume"}) lab.json(lab.as("officer", "POST", at + action), 409);
    CHECK(lab.json(lab.as("officer", "POST", at + "/revoke", "{}")).at("status") == "revoked");
    CHECK(lab.json(lab.as("officer", "GET", at)).at("revocation").at("reason") == "unspecified");
  }
}

TEST_CASE("API: devices, sessions, statistics and the overview tell what there is") {
  ApiLab lab;
  const std::string device = to_hex(crypto::sha256(lab.device.device_certificate()));
  const auto devices = lab.json(lab.as("operator", "GET", "/devices"));
  REQUIRE(devices.at("rows").size() == 1);
  CHECK(devices.at("rows").at(0).at("fingerprint") == device);
  CHECK(devices.at("rows").at(0).at("registered") == false);
  const auto details = lab.json(lab.as("operator", "GET", "/devices/" + device));
  CHECK(details.at("path").at(0).at("pem") == to_pem(lab.device.device_certificate(), "CERTIFICATE"));
  CHECK(details.at("attestation").at("device_trust") == "open");
  CHECK(details.at("attestation").at("accepted") == true);
  lab.json(lab.as("operator", "GET", "/devices/" + std::string(64, '0')), 404);

  const auto sessions = lab.json(lab.as("auditor", "GET", "/sessions?state=done&device=" + device));
  REQUIRE(sessions.at("rows").size() == 1);
  const std::string id = sessions.at("rows").at(0).at("id");
  CHECK(lab.json(lab.as("auditor", "GET", "/sessions/" + id)).at("credentials").size() == 1);
  for (const char* const unknown : {"x", "%ff", "%00", "a%20b"})
    lab.json(lab.as("auditor", "GET", std::string("/sessions/") + unknown), 404);

  const auto overview = lab.json(lab.as("helpdesk", "GET", "/overview"));
  CHECK(overview.at("credentials").at("issued") == 1);
  CHECK(overview.at("devices") == 1);
  CHECK(overview.at("open_tickets") == 0);
  CHECK(overview.at("database") == "sqlite");
  std::int64_t credentials = 0;
  const auto statistics = lab.json(lab.as("auditor", "GET", "/statistics?interval=hour"));
  for (const auto& point : statistics.at("points")) credentials += point.at("credentials").get<std::int64_t>();
  CHECK(credentials == 1);
}

TEST_CASE("API: what is shown beside a credential or a device is what the caller may see by itself") {
  ApiLab lab;
  const std::string device = to_hex(crypto::sha256(lab.device.device_certificate()));
  const std::string credential = lab.fingerprint();
  for (const char* const role : {"officer", "auditor"}) {
    const auto details = lab.json(lab.as(role, "GET", "/credentials/" + credential));
    CHECK(details.at("session_details").at("result") == "ok");
    CHECK(details.at("device_details").at("fingerprint") == device);
    CHECK(lab.json(lab.as(role, "GET", "/devices/" + device)).at("credentials").at(0).at("fingerprint") == credential);
  }
  const auto for_helpdesk = lab.json(lab.as("helpdesk", "GET", "/credentials/" + credential));
  CHECK_FALSE(for_helpdesk.contains("session_details"));
  CHECK_FALSE(for_helpdesk.contains("device_details"));
  CHECK(for_helpdesk.at("has_puk") == false);
  const Response for_operator = lab.as("operator", "GET", "/devices/" + device);
  CHECK_FALSE(lab.json(for_operator).contains("credentials"));
  CHECK(for_operator.body.find(credential) == std::string::npos);
}

TEST_CASE("API: devices are registered by fingerprint or certificate, and taken out again") {
  ApiLab lab;
  // The lab accepts every device, which does not keep an operator from preparing for something else.
  write_file(lab.issuer.path + "/registered-devices", "# ours\n");
  const std::string device = to_hex(crypto::sha256(lab.device.device_certificate()));
  const std::string pem = to_pem(lab.device.device_certificate(), "CERTIFICATE");
  CHECK(lab.json(lab.as("operator", "POST", "/devices", nlohmann::json{{"certificate", pem}}.dump()), 201)
            .at("fingerprint") == device);
  lab.json(lab.as("operator", "POST", "/devices", nlohmann::json{{"fingerprint", device}}.dump()), 200);
  CHECK(read_file(lab.issuer.path + "/registered-devices") == "# ours\n" + device + '\n');
  for (const char* const body : {"{}", R"({"fingerprint":"12"})", R"({"certificate":"x"})", R"({"fingerprint":1})"})
    lab.json(lab.as("operator", "POST", "/devices", body), 400);
  lab.json(lab.as("operator", "POST", "/devices", nlohmann::json{{"certificate", pem}, {"fingerprint", device}}.dump()),
           400);
  CHECK(lab.as("operator", "DELETE", "/devices/" + device).status == 204);
  CHECK(read_file(lab.issuer.path + "/registered-devices") == "# ours\n");
  lab.json(lab.as("operator", "DELETE", "/devices/" + device), 404);
}

TEST_CASE("API: a device is registered or taken out only where that can be put on record") {
  ApiLab lab;
  const std::string file = lab.issuer.path + "/registered-devices";
  const std::string device(64, 'a');
  const std::string body = nlohmann::json{{"fingerprint", device}}.dump();
  lab.json(lab.as("operator", "GET", "/me"));  // its use of the token is on record
  lab.issuer.execute("ALTER TABLE audit RENAME TO gone");
  const std::string before = read_file(file);
  lab.json(lab.as("operator", "POST", "/devices", body), 503);
  CHECK(read_file(file) == before);
  write_file(file, device + '\n');
  lab.json(lab.as("operator", "DELETE", "/devices/" + device), 503);
  CHECK(read_file(file) == device + '\n');
  lab.issuer.execute("ALTER TABLE gone RENAME TO audit");
  CHECK(lab.as("operator", "DELETE", "/devices/" + device).status == 204);
  CHECK(read_file(file).empty());
  CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE action = 'unregister' AND result = 'ok'") == 1);
}

TEST_CASE("API: the audit log is filtered and verified") {
  ApiLab lab;
  const auto rows = lab.json(lab.as("auditor", "GET", "/audit?action=account-add")).at("rows");
  CHECK(rows.size() == 4);
  const auto report = lab.json(lab.as("auditor", "POST", "/audit/verify"));
  CHECK(report.at("ok") == true);
  CHECK(report.at("findings").empty());
  CHECK(report.at("notes").empty());
  lab.issuer.execute("UPDATE audit SET detail = 'nothing' WHERE action = 'account-add'");
  const auto broken = lab.json(lab.as("auditor", "POST", "/audit/verify"));
  CHECK(broken.at("ok") == false);
  CHECK(broken.at("findings").size() >= 4);
  // Also what was begun before the configuration was read again.
  lab.issuer.reload();
  lab.issuer.earlier.back()->stop_long_work();
  lab.json(lab.as("auditor", "POST", "/audit/verify"), 503);
}

TEST_CASE("API: sentences about profiles do not say where the folder of the issuer is") {
  ApiLab lab;
  write_file(lab.issuer.path + "/profiles/broken.toml", "surprise = 1\n");
  const std::string logo = read_file(lab.issuer.path + "/profiles/default.toml") +
                           "\n[[key]]\napp_usage = \"signature\"\nalgorithm = \"ec.nist.p256\"\n"
                           "[[key.logotype]]\nfile = \"absent.png\"\nmedia_type = \"image/png\"\n";
  const Response list = lab.as("operator", "GET", "/profiles");
  const Response broken = lab.as("operator", "GET", "/profiles/broken");
  const Response checked =
      lab.as("operator", "POST", "/profiles/check", nlohmann::json{{"name", "new"}, {"content", logo}}.dump());
  std::filesystem::remove_all(lab.issuer.path + "/profiles");
  const Response nowhere = lab.as("operator", "GET", "/profiles");
  for (const Response* const response : {&list, &broken, &checked, &nowhere}) {
    INFO(response->body);
    CHECK(response->body.find(lab.issuer.path) == std::string::npos);
    CHECK(response->body.find("profiles") != std::string::npos);
  }
  CHECK(detail_of(broken).starts_with("profiles/broken.toml:1: "));
  CHECK(lab.json(checked)
            .at("sentence")
            .get<std::string>()
            .ends_with("cannot read profiles/absent.png: No such file or directory"));
}

TEST_CASE("API: profiles are listed, shown and tried out") {
  ApiLab lab;
  const auto rows = lab.json(lab.as("operator", "GET", "/profiles")).at("rows");
  CHECK(rows.size() >= 2);
  const auto shown = lab.json(lab.as("auditor", "GET", "/profiles/default"));
  const std::string content = read_file(lab.issuer.path + "/profiles/default.toml");
  CHECK(shown.at("content") == content);
  CHECK(shown.at("digest") == to_hex(crypto::sha256(as_bytes(content))));
  CHECK(shown.at("decoded").at("keys").size() == 1);
  lab.json(lab.as("auditor", "GET", "/profiles/absent"), 404);
  lab.json(lab.as("auditor", "GET", "/profiles/..%2fissuer"), 400);
  const auto check = [&](const std::string& text) {
    return lab.json(
        lab.as("operator", "POST", "/profiles/check", nlohmann::json{{"name", "new"}, {"content", text}}.dump()));
  };
  CHECK(check(content).at("ok") == true);
  const auto wrong = check(content + "\nsurprise = 1\n");
  CHECK(wrong.at("ok") == false);
  CHECK(wrong.at("sentence").get<std::string>().starts_with("profiles/new.toml:"));
  CHECK(check("").at("ok") == false);
}

TEST_CASE("API: the signature profiles of a user are listed") {
  ApiLab lab;
  // The keys of the lab sign nothing.
  CHECK(lab.json(lab.as("helpdesk", "GET", "/signature-profiles?user=CN%3DJo+Doe%2CO%3DExample")).at("rows").empty());
  lab.json(lab.as("helpdesk", "GET", "/signature-profiles"), 400);
  lab.json(lab.as("helpdesk", "GET", "/signature-profiles?user=x&cursor=y"), 400);
}

TEST_CASE("API: a login at the console is a cookie that takes a header for changes") {
  ApiLab lab;
  ApiRequest me{"GET", "/me"};
  me.cookie = lab.log_in("officer-1");
  const auto caller = lab.json(lab.send(me));
  CHECK(caller.at("name") == "officer-1");
  CHECK(caller.at("roles") == nlohmann::json::array({"officer"}));
  ApiRequest change{"POST", "/tickets"};
  change.cookie = me.cookie;
  change.body = R"({"profile":"default"})";
  CHECK(detail_of(lab.send(change)).find("X-SKS-Request") != std::string::npos);
  lab.json(lab.send(change), 403);
  change.confirmed = true;
  lab.json(lab.send(change), 201);
  // A token is nothing that a browser sends by itself.
  lab.json(lab.as("officer", "POST", "/tickets", R"({"profile":"default"})"), 201);

  ApiRequest logout{"POST", "/logout"};
  logout.cookie = me.cookie;
  lab.json(lab.send(logout), 403);
  lab.json(lab.send(me));
  logout.confirmed = true;
  CHECK(lab.send(logout).status == 204);
  lab.json(lab.send(me), 401);
  CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE actor = 'officer-1' AND action = 'logout'") == 1);
}

TEST_CASE("API: the browser forgets a login also where the database cannot") {
  ApiLab lab;
  ApiRequest logout{"POST", "/logout"};
  logout.cookie = lab.log_in("officer-1");
  logout.confirmed = true;
  lab.issuer.execute("ALTER TABLE audit RENAME TO gone");
  const Response failed = lab.send(logout);
  lab.json(failed, 503);
  CHECK(header(failed, "Set-Cookie").starts_with("__Host-sks-console=; "));
  CHECK(header(failed, "Set-Cookie").ends_with("; Max-Age=0"));
  lab.issuer.execute("ALTER TABLE gone RENAME TO audit");
  CHECK(lab.send(logout).status == 204);
  CHECK(lab.issuer.count("SELECT count(*) FROM logins") == 0);
}

TEST_CASE("API: a login ends with its time, with its account, and when the account is disabled") {
  ApiLab lab;
  ApiRequest me{"GET", "/me"};
  me.cookie = lab.log_in("officer-1");
  const AuditEntry entry{lab.issuer.clock.now(), "operator", "account", "", "", "ok", ""};
  REQUIRE(lab.issuer.issuer->accounts().set_disabled("officer-1", true, entry));
  lab.json(lab.send(me), 401);
  lab.json(lab.as("officer", "GET", "/me"), 401);
  REQUIRE(lab.issuer.issuer->accounts().set_disabled("officer-1", false, entry));
  lab.json(lab.send(me));
  lab.issuer.clock.set(kStart + 480 * 60 - 1);
  lab.json(lab.send(me));
  lab.issuer.clock.set(kStart + 480 * 60);
  lab.json(lab.send(me), 401);
  lab.json(lab.as("officer", "GET", "/me"));
  // Not longer than the account.
  lab.add_account("guest", {Role::auditor}, {}, 60);
  me.cookie = lab.log_in("guest");
  lab.issuer.clock.set(lab.issuer.clock.now() + 60);
  lab.json(lab.send(me), 401);
  ApiRequest token{"GET", "/me"};
  token.token = lab.token_of("guest");
  lab.json(lab.send(token), 401);
}

TEST_CASE("API: wrong tokens are on record, and not without limit") {
  ApiLab lab;
  ApiRequest guess{"GET", "/me"};
  guess.token = "wrong";
  lab.json(lab.send(guess), 401);
  ApiRequest login{"POST", "/login"};
  for (const char* const body :
       {"{}", "[]", R"({"token":1})", R"({"token":"a","token":"b"})", R"({"token":"a","x":1})"}) {
    login.body = body;
    lab.json(lab.send(login), 400);
  }
  login.body = R"({"token":"wrong"})";
  lab.json(lab.send(login), 401);
  CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE action = 'login' AND result = 'refused' AND actor = "
                         "'127.0.0.1'") == 2);
  unsigned status = 401;
  for (int i = 0; i < 200 && status == 401; ++i) status = lab.send(login).status;
  lab.json(lab.send(login), 429);
  CHECK(status == 429);
  // A token that counts is no attempt, and is not kept out by those of others.
  lab.json(lab.as("officer", "GET", "/me"));
  ApiRequest me{"GET", "/me"};
  me.cookie = lab.log_in("officer-1");
  CHECK(lab.json(lab.send(me)).at("name") == "officer-1");
  CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE detail LIKE '%wrong%'") == 0);
}

TEST_CASE("API: nobody passes whose use of a token cannot be put on record") {
  ApiLab lab;
  lab.issuer.execute("ALTER TABLE audit RENAME TO gone");
  for (int i = 0; i < 2; ++i) lab.json(lab.as("officer", "GET", "/me"), 503);
  lab.issuer.execute("ALTER TABLE gone RENAME TO audit");
  for (int i = 0; i < 2; ++i) lab.json(lab.as("officer", "GET", "/me"));
  CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE actor = 'officer-1' AND action = 'login'") == 1);
}

TEST_CASE("API: one account does not log in at the console without limit, and others do") {
  ApiLab lab;
  ApiRequest login{"POST", "/login"};
  login.body = nlohmann::json{{"token", lab.token_of("officer-1")}}.dump();
  int logins = 0;
  Response last = lab.send(login);
  for (; logins < 1000 && last.status == 204; ++logins) last = lab.send(login);
  lab.json(last, 429);
  CHECK(lab.issuer.count("SELECT count(*) FROM logins") == logins);
  lab.log_in("auditor-1");
}

TEST_CASE("API: a certificate of this issuer is a login as long as it is in force") {
  ApiLab lab;
  const Bytes certificate = lab.device.certificate(0);
  ApiRequest me{"GET", "/me"};
  me.certificate = certificate;
  // In force, but nobody's.
  lab.json(lab.send(me), 401);
  CHECK(detail_of(lab.send(me)) == "No account has your certificate. Log in with a token.");
  lab.add_account("Jo", {Role::officer}, certificate);
  CHECK(lab.json(lab.send(me)).at("name") == "Jo");
  CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE actor = 'Jo' AND action = 'login'") == 1);
  ApiRequest change{"POST", "/tickets"};
  change.certificate = certificate;
  change.body = R"({"profile":"default"})";
  lab.json(lab.send(change), 403);
  change.confirmed = true;
  lab.json(lab.send(change), 201);
  // The certificate goes before the token.
  me.token = lab.token_of("auditor-1");
  CHECK(lab.json(lab.send(me)).at("name") == "Jo");

  CHECK(lab.json(lab.as("officer", "POST", "/credentials/" + lab.fingerprint() + "/suspend")).at("status") ==
        "suspended");
  CHECK(lab.json(lab.send(me)).at("name") == "auditor-1");
  me.token.clear();
  lab.json(lab.send(me), 401);
  CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE action = 'login' AND result = 'refused'") == 1);
  lab.json(lab.as("officer", "POST", "/credentials/" + lab.fingerprint() + "/resume"));
  CHECK(lab.json(lab.send(me)).at("name") == "Jo");
}

TEST_CASE("API: the description is for everybody") {
  ApiLab lab;
  const auto document = lab.json(lab.send({"GET", "/openapi.json"}));
  CHECK(document.at("openapi") == "3.0.3");
}

TEST_CASE("API: a database that fails is 503 as a problem, and says nothing about itself") {
  ApiLab lab;
  lab.issuer.execute("DROP TABLE logins; ALTER TABLE accounts RENAME TO gone");
  const Response refused = lab.as("officer", "GET", "/me");
  lab.json(refused, 503);
  CHECK(refused.body.find("accounts") == std::string::npos);
  CHECK(header(refused, "Retry-After") == "1");
  ApiRequest login{"POST", "/login"};
  login.body = R"({"token":"x"})";
  lab.json(lab.send(login), 503);
  lab.issuer.execute("ALTER TABLE gone RENAME TO accounts; ALTER TABLE tickets RENAME TO gone");
  lab.json(lab.as("officer", "GET", "/tickets"), 503);
  lab.json(lab.as("officer", "POST", "/tickets", R"({"profile":"default"})"), 503);
  CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE result = 'refused'") == 0);
}
