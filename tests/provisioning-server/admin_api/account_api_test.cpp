#include <doctest/doctest.h>

#include "sks-core/base/encoding.h"
#include "tests/provisioning-server/admin_api/api_lab.h"

using namespace sks;
using namespace sks::issuer;
using namespace sks::test;

namespace {

constexpr std::int64_t kDay = 86400;

/// How many entries of the audit log say that the operator did it.
std::int64_t on_record(ApiLab& lab, const std::string& action, const std::string& result = "ok") {
  return lab.issuer.count("SELECT count(*) FROM audit WHERE actor = 'operator-1' AND action = '" + action +
                          "' AND result = '" + result + "'");
}

nlohmann::json me(ApiLab& lab, const std::string& token, unsigned status = 200) {
  ApiRequest request{"GET", "/me"};
  request.token = token;
  return lab.json(lab.send(request), status);
}

}  // namespace

TEST_CASE("Accounts API: an account is added with a token that is shown once") {
  ApiLab lab;
  const auto made = lab.json(lab.as("operator", "POST", "/accounts",
                                    R"({"name":"jo@example.org","roles":["auditor","officer"],"token":true})"),
                             201);
  const std::string token = made.at("token");
  CHECK(token.starts_with("sks-token-"));
  CHECK(made.at("roles") == nlohmann::json::array({"officer", "auditor"}));
  CHECK(made.at("state") == "in-force");
  CHECK(made.at("expires") == kStart + 365 * kDay);
  CHECK(me(lab, token).at("name") == "jo@example.org");
  // Nowhere but in that answer; the database has its SHA-256.
  for (const char* const path : {"/accounts", "/accounts/jo%40example.org", "/audit?limit=500"}) {
    const Response shown = lab.as("auditor", "GET", path);
    lab.json(shown);
    CHECK(shown.body.find(token) == std::string::npos);
  }
  const std::string digest = to_hex(crypto::sha256(as_bytes(token)));
  CHECK(lab.issuer.count("SELECT count(*) FROM accounts WHERE token_digest = '" + digest + "'") == 1);
  CHECK(lab.json(lab.as("auditor", "GET", "/accounts")).at("rows").size() == 5);
  const auto shown = lab.json(lab.as("operator", "GET", "/accounts/jo%40example.org"));
  CHECK(shown.at("has_token") == true);
  CHECK(shown.at("certificate") == "");
  CHECK(on_record(lab, "account-add") == 1);
}

TEST_CASE("Accounts API: an account with a certificate of this issuer has no token, and needs one in force") {
  ApiLab lab;
  const std::string print = lab.fingerprint();
  nlohmann::json order{{"name", "Al"}, {"roles", {"helpdesk"}}, {"days", 7}};
  order["certificate"] = to_pem(lab.device.certificate(0), "CERTIFICATE");
  const auto made = lab.json(lab.as("operator", "POST", "/accounts", order.dump()), 201);
  CHECK_FALSE(made.contains("token"));
  CHECK(made.at("certificate") == print);
  CHECK(made.at("expires") == kStart + 7 * kDay);
  ApiRequest by_certificate{"GET", "/me"};
  by_certificate.certificate = lab.device.certificate(0);
  CHECK(lab.json(lab.send(by_certificate)).at("name") == "Al");
  // It is that account's now.
  order["name"] = "Bo";
  order.erase("certificate");
  order["fingerprint"] = print;
  lab.json(lab.as("operator", "POST", "/accounts", order.dump()), 409);
  order["fingerprint"] = std::string(64, '0');
  lab.json(lab.as("operator", "POST", "/accounts", order.dump()), 404);
  CHECK(lab.as("operator", "DELETE", "/accounts/Al").status == 204);
  lab.json(lab.send(by_certificate), 401);
}

TEST_CASE("Accounts API: what is asked wrongly is refused, and on record") {
  ApiLab lab;
  struct Case {
    const char* path;
    const char* body;
    unsigned status;
  };
  const std::vector<Case> cases{
      {"/accounts", R"({"roles":["officer"],"token":true})", 400},
      {"/accounts", R"({"name":"x","token":true})", 400},
      {"/accounts", R"({"name":"x","roles":[],"token":true})", 400},
      {"/accounts", R"({"name":"x","roles":["root"],"token":true})", 400},
      {"/accounts", R"({"name":"x","roles":"officer","token":true})", 400},
      {"/accounts", R"({"name":"x","roles":["officer"]})", 400},
      {"/accounts", R"({"name":"x","roles":["officer"],"token":false})", 400},
      {"/accounts", R"({"name":"operator","roles":["officer"],"token":true})", 400},
      {"/accounts", R"({"name":"1x","roles":["officer"],"token":true})", 400},
      {"/accounts", R"({"name":"x","roles":["officer"],"token":true,"days":0})", 400},
      {"/accounts", R"({"name":"x","roles":["officer"],"token":true,"days":731})", 400},
      {"/accounts", R"({"name":"x","roles":["officer"],"fingerprint":"12"})", 400},
      {"/accounts", R"({"name":"x","roles":["officer"],"certificate":"x"})", 400},
      {"/accounts", R"({"name":"x","roles":["officer"],"token":true,"surprise":1})", 400},
      {"/accounts", R"({"name":"officer-1","roles":["officer"],"token":true})", 409},
      {"/accounts/officer-1/roles", "{}", 400},
      {"/accounts/officer-1/roles", R"({"roles":["OFFICER"]})", 400},
      {"/accounts/officer-1/token", R"({"days":"1"})", 400},
      {"/accounts/nobody/roles", R"({"roles":["officer"]})", 404},
      {"/accounts/nobody/token", "{}", 404},
      {"/accounts/%ff/token", "{}", 404},
  };
  for (const Case& attempt : cases) {
    CAPTURE(attempt.path);
    CAPTURE(attempt.body);
    lab.json(lab.as("operator", "POST", attempt.path, attempt.body), attempt.status);
  }
  for (const char* const action : {"/disable", "/enable"})
    lab.json(lab.as("operator", "POST", std::string("/accounts/nobody") + action), 404);
  lab.json(lab.as("operator", "DELETE", "/accounts/nobody"), 404);
  lab.json(lab.as("operator", "GET", "/accounts/%00"), 404);
  CHECK(lab.issuer.count("SELECT count(*) FROM accounts") == 4);
  CHECK(on_record(lab, "account-add", "refused") == 15);
  lab.json(lab.as("officer", "POST", "/accounts", R"({"name":"x","roles":["operator"],"token":true})"), 403);
  CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE actor = 'officer-1' AND action = 'account-add' AND result = "
                         "'not-permitted'") == 1);
}

TEST_CASE("Accounts API: other roles count at once") {
  ApiLab lab;
  lab.json(lab.as("helpdesk", "GET", "/audit"), 403);
  const auto changed =
      lab.json(lab.as("operator", "POST", "/accounts/helpdesk-1/roles", R"({"roles":["auditor","helpdesk"]})"));
  CHECK(changed.at("roles") == nlohmann::json::array({"auditor", "helpdesk"}));
  lab.json(lab.as("helpdesk", "GET", "/audit"));
  CHECK(lab.issuer.count("SELECT count(*) FROM audit WHERE action = 'account-roles' AND detail = 'account helpdesk-1 "
                         "from helpdesk to auditor,helpdesk'") == 1);
}

TEST_CASE("Accounts API: a disabled account gets in no more, until it is enabled; one that is removed never") {
  ApiLab lab;
  const std::string token = lab.token_of("officer-1");
  CHECK(lab.json(lab.as("operator", "POST", "/accounts/officer-1/disable")).at("state") == "disabled");
  me(lab, token, 401);
  CHECK(lab.json(lab.as("operator", "POST", "/accounts/officer-1/enable")).at("state") == "in-force");
  me(lab, token);
  CHECK(lab.as("operator", "DELETE", "/accounts/officer-1").status == 204);
  me(lab, token, 401);
  lab.json(lab.as("operator", "GET", "/accounts/officer-1"), 404);
  for (const char* const action : {"account-disable", "account-enable", "account-remove"})
    CHECK(on_record(lab, action) == 1);
}

TEST_CASE("Accounts API: a new token ends the one before and its logins, and can prolong the account") {
  ApiLab lab;
  ApiRequest login{"GET", "/me"};
  login.cookie = lab.log_in("officer-1");
  const auto made = lab.json(lab.as("operator", "POST", "/accounts/officer-1/token", "{}"), 201);
  CHECK(made.at("expires") == kStart + kDay);
  me(lab, lab.token_of("officer-1"), 401);
  lab.json(lab.send(login), 401);
  CHECK(me(lab, made.at("token")).at("name") == "officer-1");
  // Somebody else's time is over.
  lab.add_account("operator-2", {Role::system_operator}, {}, 10 * kDay);
  lab.issuer.clock.set(kStart + kDay);
  CHECK(lab.json(lab.as_account("operator-2", "GET", "/accounts/officer-1")).at("state") == "expired");
  lab.json(lab.as_account("operator-2", "POST", "/accounts/officer-1/token", "{}"), 409);
  const auto again = lab.json(lab.as_account("operator-2", "POST", "/accounts/officer-1/token", R"({"days":2})"), 201);
  CHECK(again.at("state") == "in-force");
  CHECK(again.at("expires") == kStart + 3 * kDay);
  me(lab, again.at("token"));
  // One's own as well.
  const auto own = lab.json(lab.as_account("operator-2", "POST", "/accounts/operator-2/token", R"({"days":3})"), 201);
  CHECK(me(lab, own.at("token")).at("name") == "operator-2");
}

TEST_CASE("Accounts API: another certificate in force takes the place of the one before, which lets in no more") {
  ApiLab lab;
  const std::string first = lab.fingerprint();
  CHECK(outcome(lab.device.enrol_again(lab.issuer.new_ticket())) == "complete");
  const Bytes second = lab.device.certificate(1);
  const std::string print = to_hex(crypto::sha256(second));
  lab.json(lab.as("operator", "POST", "/accounts",
                  nlohmann::json{{"name", "Al"}, {"roles", {"helpdesk"}}, {"days", 7}, {"fingerprint", first}}.dump()),
           201);
  const auto by = [&](const Bytes& certificate) {
    ApiRequest request{"GET", "/me"};
    request.certificate = certificate;
    return lab.send(request);
  };
  const auto change = [&](const std::string& name, const nlohmann::json& body) {
    return lab.as("operator", "POST", "/accounts/" + name + "/certificate", body.dump());
  };
  ApiRequest login{"GET", "/me"};
  login.cookie = lab.log_in("officer-1");
  // As for a new account: one certificate, of this issuer, in force, and nobody else's.
  lab.json(change("Al", nlohmann::json::object()), 400);
  lab.json(change("Al", {{"fingerprint", print}, {"certificate", to_pem(second, "CERTIFICATE")}}), 400);
  lab.json(change("Al", {{"fingerprint", print}, {"days", 731}}), 400);
  lab.json(change("Al", {{"fingerprint", print}, {"roles", {"operator"}}}), 400);
  lab.json(change("Al", {{"fingerprint", std::string(64, '0')}}), 404);
  lab.json(change("nobody", {{"fingerprint", print}}), 404);
  lab.json(change("officer-1", {{"fingerprint", first}}), 409);
  for (const char* const status : {"suspended", "abandoned"}) {
    lab.issuer.execute("UPDATE credentials SET status = '" + std::string(status) + "' WHERE fingerprint = '" + print +
                       "'");
    lab.json(change("Al", {{"fingerprint", print}}), 404);
  }
  lab.issuer.execute("UPDATE credentials SET status = 'issued'");
  const std::string this_one = " WHERE fingerprint = '" + print + "'";
  const std::int64_t until = lab.issuer.count("SELECT not_after FROM credentials" + this_one);
  lab.issuer.execute("UPDATE credentials SET not_after = " + std::to_string(kStart) + this_one);
  lab.json(change("Al", {{"fingerprint", print}}), 404);
  lab.issuer.execute("UPDATE credentials SET not_after = " + std::to_string(until) + this_one);
  CHECK(on_record(lab, "account-certificate", "refused") == 10);
  CHECK(lab.json(by(lab.device.certificate(0))).at("name") == "Al");
  lab.json(lab.send(login));

  const auto changed = lab.json(change("Al", {{"certificate", to_pem(second, "CERTIFICATE")}}));
  CHECK(changed.at("certificate") == print);
  CHECK(changed.at("expires") == kStart + 7 * kDay);
  lab.json(by(lab.device.certificate(0)), 401);
  CHECK(lab.json(by(second)).at("name") == "Al");
  CHECK(
      lab.issuer.count("SELECT count(*) FROM audit WHERE action = 'account-certificate' AND result = 'ok' AND actor = "
                       "'operator-1' AND detail LIKE 'account Al from certificate " +
                       first + " to certificate " + print + " until 20%'") == 1);
  // The first one is free; an account that has only a token gets it, and logs in again.
  CHECK(lab.json(change("officer-1", {{"fingerprint", first}})).at("has_token") == true);
  lab.json(lab.send(login), 401);
  me(lab, lab.token_of("officer-1"));
  CHECK(lab.json(by(lab.device.certificate(0))).at("name") == "officer-1");
}

TEST_CASE(
    "Accounts API: another certificate can prolong the account, and has to when that has expired; also one's own") {
  ApiLab lab;
  lab.add_account("operator-2", {Role::system_operator}, {}, 10 * kDay);
  const nlohmann::json body{{"fingerprint", lab.fingerprint()}};
  nlohmann::json longer = body;
  longer["days"] = 2;
  lab.issuer.clock.set(kStart + kDay);
  lab.json(lab.as_account("operator-2", "POST", "/accounts/officer-1/certificate", body.dump()), 409);
  const auto changed = lab.json(lab.as_account("operator-2", "POST", "/accounts/officer-1/certificate", longer.dump()));
  CHECK(changed.at("state") == "in-force");
  CHECK(changed.at("expires") == kStart + 3 * kDay);
  CHECK(lab.as_account("operator-2", "DELETE", "/accounts/officer-1").status == 204);
  const auto own = lab.json(lab.as_account("operator-2", "POST", "/accounts/operator-2/certificate", body.dump()));
  CHECK(own.at("certificate") == lab.fingerprint());
}

TEST_CASE(
    "Accounts API: nobody removes, disables or changes the roles of their own account, nor takes the last operator") {
  ApiLab lab;
  const auto refused = [&](const Response& response, const std::string& part) {
    CHECK(lab.json(response, 409).at("detail").get<std::string>().find(part) != std::string::npos);
  };
  refused(lab.as("operator", "DELETE", "/accounts/operator-1"), "your own account");
  refused(lab.as("operator", "POST", "/accounts/operator-1/disable"), "your own account");
  refused(lab.as("operator", "POST", "/accounts/operator-1/roles", R"({"roles":["operator","officer"]})"),
          "your own account");
  // A request that was on its way when the other operator took the caller's role.
  lab.add_account("operator-2", {Role::system_operator});
  const AuditEntry entry{kStart, "operator", "account", "", "", "ok", ""};
  REQUIRE(lab.issuer.issuer->accounts().set_disabled("operator-1", true, entry));
  const auto last = lab.issuer.issuer->accounts().remove("operator-2", entry, Keep::an_operator);
  REQUIRE_FALSE(last);
  CHECK(last.error().detail.find("last operator") != std::string::npos);
  // One who has no token, by a certificate that lets in nobody.
  lab.issuer.execute("UPDATE accounts SET token_digest = '' WHERE name = 'operator-2'");
  const auto useless = lab.issuer.issuer->accounts().set_certificate("operator-2", lab.fingerprint() + "0",
                                                                     kStart + kDay, entry, Keep::an_operator);
  REQUIRE_FALSE(useless);
  CHECK(useless.error().detail.find("last operator") != std::string::npos);
  CHECK(on_record(lab, "account-remove", "refused") == 1);
  CHECK(on_record(lab, "account-disable", "refused") == 1);
  CHECK(on_record(lab, "account-roles", "refused") == 1);
}

TEST_CASE("Accounts API: a change and its audit entry come together or not at all") {
  ApiLab lab;
  lab.json(lab.as("operator", "GET", "/me"));  // the login is on record
  lab.issuer.execute("CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END");
  lab.json(lab.as("operator", "POST", "/accounts", R"({"name":"x","roles":["officer"],"token":true})"), 503);
  lab.json(lab.as("operator", "POST", "/accounts/officer-1/roles", R"({"roles":["auditor"]})"), 503);
  lab.json(lab.as("operator", "POST", "/accounts/officer-1/disable"), 503);
  lab.json(lab.as("operator", "POST", "/accounts/officer-1/token", "{}"), 503);
  lab.json(lab.as("operator", "POST", "/accounts/officer-1/certificate",
                  nlohmann::json{{"fingerprint", lab.fingerprint()}}.dump()),
           503);
  lab.json(lab.as("operator", "DELETE", "/accounts/officer-1"), 503);
  lab.issuer.execute("DROP TRIGGER broken");
  CHECK(lab.json(lab.as("operator", "GET", "/accounts")).at("rows").size() == 4);
  CHECK(me(lab, lab.token_of("officer-1")).at("roles") == nlohmann::json::array({"officer"}));
}
