#include "provisioning-server/access/access.h"

#include <doctest/doctest.h>

#include "provisioning-server/access/account_store.h"

using namespace sks;
using namespace sks::issuer;

TEST_CASE("Roles: names are read back, and others refused") {
  CHECK(role_names({Role::officer, Role::system_operator}) == "operator,officer");
  const auto parsed = parse_roles("officer, helpdesk");
  REQUIRE(parsed);
  CHECK(*parsed == RoleSet{Role::officer, Role::helpdesk});
  for (const char* const text : {"", "root", "officer,", ",officer", "officer;auditor", "OFFICER"}) {
    CAPTURE(text);
    const auto refused = parse_roles(text);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().status == Status::option);
  }
}

TEST_CASE("Rights: nobody has one without a role, and the command line has all") {
  CHECK(Caller{"nobody", {}}.rights().empty());
  CHECK(Caller::command_line().rights().size() == kRights.size());
  CHECK(Caller::command_line().name == "operator");
}

TEST_CASE("Rights: an auditor changes nothing, and the help desk sees no audit") {
  const Caller auditor{"a", {Role::auditor}};
  for (const Right right :
       {Right::manage_tickets, Right::revoke_credentials, Right::manage_credentials, Right::unlock_credentials,
        Right::show_puk, Right::register_devices, Right::manage_accounts})
    CHECK_FALSE(auditor.may(right));
  const Caller helpdesk{"h", {Role::helpdesk}};
  for (const Right right : {Right::view_audit, Right::verify_audit, Right::manage_tickets, Right::revoke_credentials})
    CHECK_FALSE(helpdesk.may(right));
  CHECK(helpdesk.may(Right::unlock_credentials));
  CHECK(helpdesk.may(Right::show_puk));
}

TEST_CASE("Accounts: names are those that the audit log can hold") {
  for (const char* const name : {"a", "Jo.Doe", "jo@example.org", "x_1-2"}) CHECK(is_account_name(name));
  const std::string longest(64, 'a');
  CHECK(is_account_name(longest));
  CHECK_FALSE(is_account_name(longest + 'a'));
  // The last two stand for the command line and the issuer itself.
  for (const char* const name : {"", "1a", "127.0.0.1", "jo doe", "j\xc3\xb6", "a\nb", "operator", "issuer"})
    CHECK_FALSE(is_account_name(name));
}
