#include "provisioning-server/access/account_store.h"

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
  REQUIRE(fixture.store.add_login("cookie-1", "Jo", kNow + 10, audit("login")));
  CHECK((*fixture.store.find_by_login("cookie-1", kNow + 9))->name == "Jo");
  CHECK_FALSE(*fixture.store.find_by_login("cookie-1", kNow + 10));
  CHECK_FALSE(*fixture.store.find_by_login("cookie-2", kNow));
  // Whoever comes later sweeps.
  REQUIRE(fixture.store.add_login("cookie-2", "Jo", kNow + 20, audit("login", kNow + 11)));
  CHECK(fixture.database.count("SELECT count(*) FROM logins") == 1);
  CHECK(*fixture.store.remove_login("cookie-2", audit("logout")));
  CHECK_FALSE(*fixture.store.remove_login("cookie-2", audit("logout")));
  REQUIRE(fixture.store.add_login("cookie-3", "Jo", kNow + 20, audit("login")));
  CHECK(*fixture.store.set_disabled("Jo", true, audit("account-disable")));
  CHECK((*fixture.store.find_by_login("cookie-3", kNow))->disabled);
  CHECK(*fixture.store.remove("Jo", audit("account-remove")));
  CHECK_FALSE(*fixture.store.find_by_login("cookie-3", kNow));
  CHECK_FALSE(*fixture.store.remove("Jo", audit("account-remove")));
  CHECK_FALSE(*fixture.store.set_disabled("Jo", false, audit("account-enable")));
  CHECK(fixture.database.count("SELECT count(*) FROM audit WHERE action = 'account-remove'") == 1);
}
