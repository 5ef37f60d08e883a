#include "provisioning-server/access/account_store.h"

#include <functional>
#include <thread>

#include "provisioning-server/audit/chained_audit_log.h"
#include "provisioning-server/database/schema.h"
#include "tests/provisioning-server/test_databases.h"
#include "tests/support/fakes.h"

using namespace sks;
using namespace sks::issuer;

namespace {

constexpr std::int64_t kNow = 1'800'000'000;

AuditEntry audit(const std::string& action, std::int64_t time = kNow) {
  return {time, "operator", action, "", "", "ok", ""};
}

struct Fixture {
  explicit Fixture(const std::string& kind) : database(kind) { REQUIRE(bring_schema_forward(*database)); }
  test::TestDatabase database;
  test::FakeClock clock{kNow};
  ChainedAuditLog log{*database, "n", clock, system_random()};
  AccountStore store{*database, log};
};

Account account(const std::string& name, const std::string& token, const std::string& fingerprint = "") {
  return {name, {Role::officer, Role::helpdesk}, token, fingerprint, kNow, kNow + 100, false};
}

}  // namespace

SKS_CONTRACT_TEST("AccountStore: accounts are found by what they show") {
  Fixture fixture(kind);
  REQUIRE(fixture.store.add(account("Jo", "digest-1"), audit("account-add")));
  REQUIRE(fixture.store.add(account("Al", "", "print-1"), audit("account-add")));
  CHECK((*fixture.store.find_by_token("digest-1"))->name == "Jo");
  CHECK((*fixture.store.find_by_certificate("print-1"))->name == "Al");
  CHECK((*fixture.store.find_by_token("digest-1"))->roles == RoleSet{Role::officer, Role::helpdesk});
  // An account without a token is not the one of an empty token.
  CHECK_FALSE(*fixture.store.find_by_token(""));
  CHECK_FALSE(*fixture.store.find_by_certificate(""));
  CHECK_FALSE(*fixture.store.find_by_token("digest-2"));
  const auto accounts = fixture.store.list();
  REQUIRE(accounts);
  REQUIRE(accounts->size() == 2);
  CHECK(accounts->front().name == "Al");
  CHECK(fixture.database.count("SELECT count(*) FROM audit WHERE action = 'account-add'") == 2);
}

SKS_CONTRACT_TEST("AccountStore: names, tokens and certificates belong to one account") {
  Fixture fixture(kind);
  REQUIRE(fixture.store.add(account("Jo", "digest-1", "print-1"), audit("account-add")));
  for (const Account& other : {account("Jo", "digest-2"), account("Al", "digest-1"), account("Al", "", "print-1")}) {
    const auto refused = fixture.store.add(other, audit("account-add"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().status == Status::not_allowed);
  }
  CHECK(fixture.database.count("SELECT count(*) FROM audit") == 1);
}

SKS_CONTRACT_TEST("AccountStore: a login counts until it expires or its account goes") {
  Fixture fixture(kind);
  REQUIRE(fixture.store.add(account("Jo", "digest-1"), audit("account-add")));
  CHECK(*fixture.store.add_login("cookie-1", account("Jo", "digest-1"), kNow + 10, audit("login")));
  CHECK((*fixture.store.find_by_login("cookie-1", kNow + 9))->name == "Jo");
  CHECK_FALSE(*fixture.store.find_by_login("cookie-1", kNow + 10));
  CHECK_FALSE(*fixture.store.find_by_login("cookie-2", kNow));
  // Whoever comes later sweeps.
  CHECK(*fixture.store.add_login("cookie-2", account("Jo", "digest-1"), kNow + 20, audit("login", kNow + 11)));
  CHECK(fixture.database.count("SELECT count(*) FROM logins") == 1);
  CHECK(*fixture.store.remove_login("cookie-2", audit("logout")));
  CHECK_FALSE(*fixture.store.remove_login("cookie-2", audit("logout")));
  CHECK(*fixture.store.add_login("cookie-3", account("Jo", "digest-1"), kNow + 20, audit("login")));
  CHECK(*fixture.store.set_disabled("Jo", true, audit("account-disable")));
  CHECK((*fixture.store.find_by_login("cookie-3", kNow))->disabled);
  CHECK(*fixture.store.remove("Jo", audit("account-remove")));
  CHECK_FALSE(*fixture.store.find_by_login("cookie-3", kNow));
  CHECK_FALSE(*fixture.store.remove("Jo", audit("account-remove")));
  CHECK_FALSE(*fixture.store.set_disabled("Jo", false, audit("account-enable")));
  CHECK(fixture.database.count("SELECT count(*) FROM audit WHERE action = 'account-remove'") == 1);
}

SKS_CONTRACT_TEST("AccountStore: other roles and a new token replace those before, and the logins of the old one end") {
  Fixture fixture(kind);
  REQUIRE(fixture.store.add(account("Jo", "digest-1"), audit("account-add")));
  CHECK(*fixture.store.add_login("cookie-1", account("Jo", "digest-1"), kNow + 50, audit("login")));
  CHECK(*fixture.store.set_roles("Jo", {Role::auditor}, audit("account-roles"), Keep::nothing));
  CHECK((*fixture.store.find_by_name("Jo"))->roles == RoleSet{Role::auditor});
  CHECK((*fixture.store.find_by_login("cookie-1", kNow))->roles == RoleSet{Role::auditor});
  CHECK(*fixture.store.set_token("Jo", "digest-2", kNow + 500, audit("account-token")));
  CHECK_FALSE(*fixture.store.find_by_token("digest-1"));
  CHECK((*fixture.store.find_by_token("digest-2"))->expires == kNow + 500);
  CHECK_FALSE(*fixture.store.find_by_login("cookie-1", kNow));
  CHECK_FALSE(*fixture.store.find_by_name("Al"));
  CHECK_FALSE(*fixture.store.set_roles("Al", {Role::auditor}, audit("account-roles"), Keep::nothing));
  CHECK_FALSE(*fixture.store.set_token("Al", "digest-3", kNow + 500, audit("account-token")));
  CHECK(fixture.database.count("SELECT count(*) FROM audit WHERE action IN ('account-roles', 'account-token')") == 2);
}

SKS_CONTRACT_TEST("AccountStore: another certificate replaces the one before, and the logins of the account end") {
  Fixture fixture(kind);
  REQUIRE(fixture.store.add(account("Jo", "digest-1", "print-1"), audit("account-add")));
  REQUIRE(fixture.store.add(account("Al", "", "print-2"), audit("account-add")));
  CHECK(*fixture.store.add_login("cookie-1", account("Jo", "digest-1"), kNow + 50, audit("login")));
  const auto taken = fixture.store.set_certificate("Jo", "print-2", kNow + 500, audit("account-certificate"));
  REQUIRE_FALSE(taken);
  CHECK(taken.error().status == Status::not_allowed);
  CHECK(taken.error().detail == "there is an account with this certificate");
  CHECK(*fixture.store.find_by_login("cookie-1", kNow));
  CHECK(*fixture.store.set_certificate("Jo", "print-3", kNow + 500, audit("account-certificate")));
  CHECK_FALSE(*fixture.store.find_by_certificate("print-1"));
  CHECK((*fixture.store.find_by_certificate("print-3"))->expires == kNow + 500);
  CHECK_FALSE(*fixture.store.find_by_login("cookie-1", kNow));
  CHECK((*fixture.store.find_by_token("digest-1"))->name == "Jo");
  CHECK_FALSE(*fixture.store.set_certificate("Bo", "print-4", kNow + 500, audit("account-certificate")));
  CHECK(fixture.database.count("SELECT count(*) FROM audit WHERE action = 'account-certificate'") == 1);
}

SKS_CONTRACT_TEST("AccountStore: a login is made of the token that the account has, and of no earlier one") {
  Fixture fixture(kind);
  REQUIRE(fixture.store.add(account("Jo", "digest-1"), audit("account-add")));
  REQUIRE(fixture.store.add(account("Al", "", "print-1"), audit("account-add")));
  const Account before = **fixture.store.find_by_token("digest-1");
  CHECK(*fixture.store.set_disabled("Jo", true, audit("account-disable")));
  CHECK_FALSE(*fixture.store.add_login("cookie-1", before, kNow + 50, audit("login")));
  CHECK(*fixture.store.set_disabled("Jo", false, audit("account-enable")));
  CHECK(*fixture.store.set_token("Jo", "digest-2", kNow + 100, audit("account-token")));
  CHECK_FALSE(*fixture.store.add_login("cookie-2", before, kNow + 50, audit("login")));
  CHECK_FALSE(*fixture.store.add_login("cookie-3", account("Al", ""), kNow + 50, audit("login")));
  CHECK_FALSE(*fixture.store.add_login("cookie-4", account("Bo", "digest-2"), kNow + 50, audit("login")));
  CHECK(fixture.database.count("SELECT count(*) FROM logins") == 0);
  CHECK(fixture.database.count("SELECT count(*) FROM audit WHERE action = 'login'") == 0);
  CHECK(*fixture.store.add_login("cookie-5", account("Jo", "digest-2"), kNow + 50, audit("login")));
  CHECK((*fixture.store.find_by_login("cookie-5", kNow))->name == "Jo");
}

SKS_CONTRACT_TEST("AccountStore: no login outlives the new token that is made at the same time") {
  for (int round = 0; round < 10; ++round) {
    Fixture fixture(kind);
    REQUIRE(fixture.store.add(account("Jo", "digest-1"), audit("account-add")));
    const Account before = **fixture.store.find_by_token("digest-1");
    Result<bool> changed = false;
    Result<bool> added = false;
    const std::function<void()> change = [&] {
      changed = fixture.store.set_token("Jo", "digest-2", kNow + 100, audit("account-token"));
    };
    const std::function<void()> log_in = [&] {
      added = fixture.store.add_login("cookie-1", before, kNow + 50, audit("login"));
    };
    // A thread begins late.
    std::thread other(round % 2 == 0 ? change : log_in);
    (round % 2 == 0 ? log_in : change)();
    other.join();
    REQUIRE(changed);
    CHECK(*changed);
    REQUIRE(added);
    CHECK_FALSE(*fixture.store.find_by_login("cookie-1", kNow));
    // On record if it was there for a while.
    CHECK(fixture.database.count("SELECT count(*) FROM audit WHERE action = 'login'") == (*added ? 1 : 0));
  }
}

SKS_CONTRACT_TEST("AccountStore: whoever keeps an operator cannot take the last one away, by whichever change") {
  Fixture fixture(kind);
  const auto add = [&](const std::string& name, RoleSet roles, std::int64_t expires) {
    REQUIRE(fixture.store.add({name, roles, "digest-" + name, "", kNow, expires, false}, audit("account-add")));
  };
  add("last", {Role::system_operator, Role::auditor}, kNow + 100);
  // None of these could help.
  add("disabled", {Role::system_operator}, kNow + 100);
  CHECK(*fixture.store.set_disabled("disabled", true, audit("account-disable")));
  add("expired", {Role::system_operator}, kNow);
  add("officer", {Role::officer}, kNow + 100);
  const auto tries = {
      fixture.store.remove("last", audit("try"), Keep::an_operator),
      fixture.store.set_disabled("last", true, audit("try"), Keep::an_operator),
      fixture.store.set_roles("last", {Role::auditor}, audit("try"), Keep::an_operator),
  };
  for (const auto& refused : tries) {
    REQUIRE_FALSE(refused);
    CHECK(refused.error().status == Status::not_allowed);
  }
  CHECK(fixture.database.count("SELECT count(*) FROM audit WHERE action = 'try'") == 0);
  CHECK((*fixture.store.find_by_name("last"))->roles == RoleSet{Role::system_operator, Role::auditor});
  CHECK_FALSE((*fixture.store.find_by_name("last"))->disabled);
  CHECK(*fixture.store.set_roles("last", {Role::system_operator}, audit("roles"), Keep::an_operator));
  CHECK(*fixture.store.set_disabled("disabled", false, audit("enable"), Keep::an_operator));
  CHECK(*fixture.store.remove("last", audit("remove"), Keep::an_operator));
}

SKS_CONTRACT_TEST(
    "AccountStore: an operator whose certificate is not in force, and who has no token, counts for none") {
  Fixture fixture(kind);
  fixture.database.execute(
      "INSERT INTO tickets (digest, profile, subject, cookie_digest, created, expires, used)"
      " VALUES ('t', 'p', '', '', 1, 2, 1);"
      "INSERT INTO sessions (id, cookie_digest, ticket_digest, profile, profile_digest, subject, phase, version,"
      " sealed_state, sealed_puk, last_request, reply_kind, reply_text, created, expires, client_session_id,"
      " device_fingerprint) SELECT 's', 'c', 't', 'p', '', '', 'done', 1, hash, hash, '', 0, '', 1, 2, '', '' FROM"
      " (SELECT CAST('' AS " +
      std::string(kind == "sqlite" ? "BLOB" : "BYTEA") +
      ") AS hash) AS empty;"
      "INSERT INTO credentials (fingerprint, certificate, subject, profile, app_usage, friendly_name,"
      " public_key_digest, server_session_id, client_session_id, device_fingerprint, key_management_key,"
      " privacy_enabled, status, issued, revoked, not_after) SELECT 'print', sealed_state, '', 'p', 'signature', '', "
      "'k',"
      " 's', '', '', sealed_state, 0, 'issued', 1, 0, " +
      std::to_string(kNow + 10) + " FROM sessions");
  REQUIRE(fixture.store.add({"last", {Role::system_operator}, "digest", "", kNow, kNow + 100, false}, audit("add")));
  REQUIRE(fixture.store.add({"by-card", {Role::system_operator}, "", "print", kNow, kNow + 100, false}, audit("add")));
  const auto take_last = [&](std::int64_t now = kNow) {
    return fixture.store.set_disabled("last", true, audit("try", now), Keep::an_operator);
  };
  for (const char* const status : {"pending", "revoked", "suspended", "removed", "replaced", "abandoned"}) {
    CAPTURE(status);
    fixture.database.execute("UPDATE credentials SET status = '" + std::string(status) + "'");
    const auto refused = take_last();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().status == Status::not_allowed);
  }
  fixture.database.execute("UPDATE credentials SET status = 'issued'");
  CHECK_FALSE(take_last(kNow + 10));
  CHECK_FALSE((*fixture.store.find_by_name("last"))->disabled);
  CHECK(*take_last());
  CHECK(*fixture.store.set_disabled("last", false, audit("enable")));
  // With a token it does not matter what the certificate is worth.
  fixture.database.execute("UPDATE credentials SET status = 'revoked'");
  CHECK(*fixture.store.set_token("by-card", "digest-2", kNow + 100, audit("token")));
  CHECK(*take_last());
}

SKS_CONTRACT_TEST("AccountStore: of two operators who remove each other at the same time one stays") {
  for (int round = 0; round < 5; ++round) {
    Fixture fixture(kind);
    for (const std::string name : {"one", "two"})
      REQUIRE(fixture.store.add({name, {Role::system_operator}, "digest-" + name, "", kNow, kNow + 100, false},
                                audit("account-add")));
    const auto removed = [&](const std::string& name, bool& done) {
      const Result<bool> result = fixture.store.remove(name, audit("account-remove"), Keep::an_operator);
      done = result && *result;
    };
    bool first = false;
    bool second = false;
    std::thread other([&] { removed("two", second); });
    removed("one", first);
    other.join();
    CHECK(first != second);
    CHECK(fixture.store.list()->size() == 1);
  }
}
