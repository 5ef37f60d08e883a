#include <doctest/doctest.h>

#include "provisioning-server/audit/chained_audit_log.h"
#include "provisioning-server/database/schema.h"
#include "provisioning-server/enrolment.h"
#include "provisioning-server/life_cycle/credential_history.h"
#include "provisioning-server/life_cycle/puk_desk.h"
#include "provisioning-server/sql_repository.h"
#include "tests/provisioning-server/test_databases.h"

/// What the end of a session means for credentials, in both databases.
using namespace sks;
using namespace sks::issuer;
using Kind = KeyOperation::Kind;

namespace {

constexpr std::int64_t kNow = 1'800'000'000;

struct Records {
  explicit Records(const std::string& kind) : database(kind) { REQUIRE(bring_schema_forward(*database)); }

  AuditEntry note(const std::string& action, const std::string& actor = "peer") const {
    return {now, actor, action, "", "", "ok", ""};
  }

  struct Made {
    std::string name;
    std::string replaces = {};
    std::string clones = {};
  };
  /// A whole session: what it certified, and what it did to others.
  void run(const std::string& name, SessionPhase end, const std::vector<Made>& keys,
           std::vector<KeyOperation> operations, std::int64_t generation = 1, ManagementOrder order = {}) {
    Ticket ticket{"ticket-" + name, "default", "CN=x", "", now, now + 100, 0};
    ticket.order = order;
    REQUIRE(repository.add_ticket(ticket, note("ticket")));
    Session session;
    session.id = "id-" + name;
    session.cookie_digest = "cookie-" + name;
    session.ticket_digest = ticket.digest;
    session.profile = "default";
    session.subject = "CN=x";
    session.client_session_id = "client-" + name;
    session.expires = now + 900;
    session.order = order;
    session.kmk_generation = generation;
    session.sealed_puk = seal.seal(session.id, "puk", 0, as_bytes("PUK of " + name));
    REQUIRE(repository.start_session(session, note("start")));
    Step step{session.phase, session.version, session, {}, std::move(operations), note("step")};
    step.after.phase = end;
    step.key_management_key = {static_cast<std::uint8_t>(generation)};
    for (const Made& key : keys) {
      Credential made;
      made.fingerprint = key.name;
      made.public_key_digest = "key-" + key.name;
      made.subject = "CN=x";
      made.profile = "default";
      made.server_session_id = session.id;
      made.client_session_id = session.client_session_id;
      made.device_fingerprint = "device";
      made.kmk_generation = generation;
      made.replaces = key.replaces;
      made.clones = key.clones;
      step.pending.push_back(std::move(made));
    }
    const auto outcome = repository.commit_step(step);
    REQUIRE(outcome);
    REQUIRE(*outcome == StepOutcome::committed);
    ++now;
  }
  /// The last message of a session that run() has left before it.
  void finish(const std::string& name) {
    const auto found = repository.find_session("cookie-" + name);
    REQUIRE(found);
    REQUIRE(*found);
    const Session& session = **found;
    Step step{session.phase, session.version, session, {}, {}, note("step")};
    step.after.phase = SessionPhase::done;
    const auto operations = repository.find_operations(session.id);
    REQUIRE(operations);
    step.ends_operations = !operations->empty();
    step.key_management_key = {static_cast<std::uint8_t>(session.kmk_generation)};
    const auto outcome = repository.commit_step(step);
    REQUIRE(outcome);
    REQUIRE(*outcome == StepOutcome::committed);
    ++now;
  }
  /// "id-a 1": the session that owns the key, and the generation of its key management key.
  std::string owner(const std::string& credential) {
    std::string text;
    REQUIRE(database->read([&](SqlTransaction& transaction) -> Result<void> {
      SKS_LET(const SqlRows rows,
              transaction.query("SELECT owner FROM credentials WHERE fingerprint = $1", {credential}));
      text = rows.at(0).text(0);
      return {};
    }));
    return text + ' ' + std::to_string(record(credential).kmk_generation);
  }
  std::string status(const std::string& credential) { return std::string(to_string(record(credential).status)); }
  Credential record(const std::string& credential) {
    const auto found = repository.find_credential(credential);
    REQUIRE(found);
    REQUIRE(*found);
    return **found;
  }
  Result<SecureBytes> puk(const std::string& credential, PukShowing showing, const std::string& actor = "hal") {
    return show_puk(*database, audit, seal, credential, showing, note("puk", actor));
  }

  std::int64_t now = kNow;
  test::TestDatabase database;
  ChainedAuditLog audit{*database, "node", system_clock(), system_random()};
  SqlRepository repository{*database, audit};
  SessionSeal seal{SecureBytes(kKekSize), system_random()};
};

KeyOperation operation(const std::string& target, Kind kind, const std::string& owner, std::int64_t generation = 1) {
  return {target, kind, "id-" + owner, generation};
}

}  // namespace

SKS_CONTRACT_TEST("Settlement: update replaces, and what moves is under the key management key of the session") {
  Records records(kind);
  records.run("a", SessionPhase::done, {{"one"}, {"two"}}, {});
  records.run("b", SessionPhase::done, {{"three"}}, {});
  records.run("c", SessionPhase::done, {{"four", "one"}}, {operation("one", Kind::update, "a", 2)}, 3,
              {Kind::update, "one", "device"});
  CHECK(records.status("one") == "replaced");
  CHECK(records.record("one").revoked == records.now - 1);
  CHECK(records.status("two") == "issued");
  CHECK(records.status("four") == "issued");
  CHECK(records.record("four").replaces == "one");
  CHECK(records.record("two").kmk_generation == 3);
  CHECK(records.record("two").key_management_key == Bytes{3});
  CHECK(records.record("three").kmk_generation == 1);
  CHECK((*records.repository.find_operations("id-c"))[0].kmk_generation == 2);
  const auto session = records.repository.find_session("cookie-c");
  REQUIRE(*session);
  CHECK((*session)->order.kind == Kind::update);
  CHECK((*session)->order.fingerprint == "one");
  CHECK((*session)->order.device == "device");
  CHECK((*session)->kmk_generation == 3);
  CHECK((*records.repository.find_ticket("ticket-c"))->order.kind == Kind::update);
  CHECK_FALSE((*records.repository.find_ticket("ticket-a"))->order.kind);
}

SKS_CONTRACT_TEST("Settlement: suspended keys are on record, and hand that on to what takes their place") {
  Records records(kind);
  records.run("a", SessionPhase::done, {{"one"}, {"two"}}, {});
  records.run("b", SessionPhase::done, {},
              {operation("one", Kind::suspend, "a"), operation("two", Kind::suspend, "a")});
  CHECK(records.record("one").key_suspended);
  CHECK(records.status("one") == "issued");
  records.run("c", SessionPhase::done, {{"three", "one"}},
              {operation("one", Kind::update, "b"), operation("two", Kind::resume, "b")});
  CHECK(records.record("three").key_suspended);
  CHECK_FALSE(records.record("two").key_suspended);
  records.run("d", SessionPhase::aborted, {}, {operation("three", Kind::resume, "c")});
  CHECK(records.record("three").key_suspended);
}

SKS_CONTRACT_TEST("Settlement: what a device has tells how sessions ended that were lost") {
  Records records(kind);
  records.run("a", SessionPhase::done, {{"one"}}, {});
  records.run("b", SessionPhase::aborted, {{"two", "one"}}, {operation("one", Kind::update, "a")});
  records.run("c", SessionPhase::aborted, {{"three", "two"}}, {operation("two", Kind::update, "b")});
  const auto names = [&](const ManagementOrder& order) {
    std::vector<std::string> found;
    const auto targets = records.repository.find_targets(order, "CN=x", "");
    REQUIRE(targets);
    for (const Credential& one : *targets) found.push_back(one.fingerprint);
    return found;
  };
  CHECK(names({Kind::unlock, "one"}) == std::vector<std::string>{"one", "three", "two"});
  CHECK(names({Kind::unlock, "", "device"}) == std::vector<std::string>{"one", "three", "two"});
  CHECK(names({Kind::unlock, "", "other"}).empty());
  CHECK(names({Kind::unlock, "none"}).empty());
  CHECK(records.repository.find_targets({Kind::unlock, "", "device"}, "CN=y", "")->empty());
  CHECK(records.repository.find_targets({Kind::unlock, "", "device"}, "CN=x", "pair")->empty());

  // Revoked before it was ever in force: the device may have it, and what was to take its place, all the same.
  records.database.execute("UPDATE credentials SET status = 'revoked' WHERE fingerprint = 'two'");
  CHECK(names({Kind::unlock, "one"}) == std::vector<std::string>{"one", "three", "two"});
  CHECK(names({Kind::unlock, "", "device"}) == std::vector<std::string>{"one", "three", "two"});
  records.database.execute("UPDATE credentials SET issued = 5 WHERE fingerprint = 'two'");
  CHECK(names({Kind::unlock, "one"}) == std::vector<std::string>{"one"});
  records.database.execute("UPDATE credentials SET status = 'abandoned', issued = 0 WHERE fingerprint = 'two'");

  records.run("d", SessionPhase::done, {}, {operation("three", Kind::unlock, "c")});
  CHECK(records.status("one") == "replaced");
  // The one in between never was in force, and is not there any more.
  CHECK(records.status("two") == "replaced");
  CHECK(records.status("three") == "issued");
  CHECK(names({Kind::unlock, "one"}) == std::vector<std::string>{"one"});
  CHECK(names({Kind::unlock, "three"}) == std::vector<std::string>{"three"});
  CHECK(find_history(*records.database, "one")->sessions.size() == 2);
  CHECK(find_history(*records.database, "three")->sessions.back().operation == "unlock");
}

SKS_CONTRACT_TEST("Settlement: a key that was abandoned in an enrolment stays so, whatever a device says") {
  Records records(kind);
  records.run("a", SessionPhase::aborted, {{"one"}}, {});
  records.run("b", SessionPhase::done, {}, {operation("one", Kind::unlock, "a")});
  CHECK(records.status("one") == "abandoned");
  CHECK(records.repository.find_client_session("id-a").value() == "client-a");
  CHECK(records.repository.find_client_session("id-z").value().empty());
}

SKS_CONTRACT_TEST("Settlement: a key that was abandoned and that a device has deleted is held by nobody") {
  Records records(kind);
  records.run("a", SessionPhase::aborted, {{"one"}, {"two"}}, {});
  records.run("b", SessionPhase::done, {}, {operation("one", Kind::remove, "a")});
  CHECK(records.status("one") == "removed");
  CHECK(records.record("one").revoked == records.now - 1);
  CHECK(records.status("two") == "abandoned");
}

SKS_CONTRACT_TEST("Settlement: what turns out to be in force leaves the revocation list, unless somebody revoked it") {
  Records records(kind);
  records.run("a", SessionPhase::done, {{"one"}, {"three"}, {"five"}}, {});
  records.run("b", SessionPhase::aborted, {{"two", "one"}, {"four", "three"}, {"six", "five"}},
              {operation("one", Kind::update, "a"), operation("three", Kind::update, "a")});
  // As the publisher of revocation lists does it, and then a person. It is only the row that counts here.
  records.database.execute(
      "INSERT INTO revocations (fingerprint, authority, entry, reason, time, expires, in_force, listed)"
      " SELECT fingerprint, 'ca', certificate, CASE fingerprint WHEN 'four' THEN 1 ELSE 6 END, 1, 1, 1, 1"
      " FROM credentials WHERE fingerprint IN ('two', 'four', 'six');"
      "UPDATE credentials SET status = 'revoked' WHERE fingerprint = 'four'");
  records.run("c", SessionPhase::done, {}, {operation("two", Kind::unlock, "b"), operation("four", Kind::unlock, "b")});
  CHECK(records.status("two") == "issued");
  CHECK(records.status("four") == "revoked");
  CHECK(records.status("six") == "abandoned");
  const auto is_listed = [&](const std::string& key) {
    return records.database.count("SELECT in_force + listed FROM revocations WHERE fingerprint = '" + key + "'");
  };
  CHECK(is_listed("two") == 0);
  CHECK(is_listed("four") == 2);
  CHECK(is_listed("six") == 2);
}

// The device has closed b, then c, which found the keys of b; the last message of b comes behind that of c.
SKS_CONTRACT_TEST("Settlement: a last message that comes late does not take back the keys that a newer session has") {
  Records records(kind);
  records.run("a", SessionPhase::done, {{"one"}, {"two"}}, {});
  records.run("b", SessionPhase::finalization, {{"three"}}, {operation("one", Kind::unlock, "a")}, 2);
  records.run("c", SessionPhase::done, {}, {operation("one", Kind::unlock, "b", 2)}, 3);
  for (const char* const key : {"one", "two", "three"}) CHECK(records.owner(key) == "id-c 3");
  records.finish("b");
  for (const char* const key : {"one", "two", "three"}) {
    CAPTURE(key);
    CHECK(records.owner(key) == "id-c 3");
    CHECK(records.status(key) == "issued");
    CHECK(*records.repository.find_credential_in(key, "id-c", "client-c"));
  }
}

SKS_CONTRACT_TEST(
    "Settlement: however many sessions the device has closed in between, and in whatever order they end") {
  for (const std::vector<const char*>& order :
       {std::vector<const char*>{"b"}, {"c"}, {"b", "c"}, {"c", "b"}, {"b", "c", "d"}, {"d", "c", "b"}}) {
    Records records(kind);
    records.run("a", SessionPhase::done, {{"one"}, {"two"}}, {});
    records.run("b", SessionPhase::finalization, {}, {operation("one", Kind::unlock, "a")}, 2);
    records.run("c", SessionPhase::finalization, {}, {operation("two", Kind::unlock, "b", 2)}, 3);
    records.run("d", SessionPhase::finalization, {}, {operation("one", Kind::unlock, "c", 3)}, 4);
    records.run("e", SessionPhase::done, {}, {operation("two", Kind::unlock, "d", 4)}, 5);
    for (const char* const late : order) {
      records.finish(late);
      for (const char* const key : {"one", "two"}) CHECK(records.owner(key) == "id-e 5");
    }
  }
}

SKS_CONTRACT_TEST("Settlement: a last message in time, or of sessions side by side, takes the keys over") {
  Records records(kind);
  records.run("a", SessionPhase::done, {{"one"}, {"two"}}, {});
  records.run("b", SessionPhase::finalization, {}, {operation("one", Kind::unlock, "a")}, 2);
  records.run("c", SessionPhase::finalization, {}, {operation("one", Kind::unlock, "b", 2)}, 3);
  records.finish("b");
  CHECK(records.owner("two") == "id-b 2");
  records.finish("c");
  CHECK(records.owner("two") == "id-c 3");
  // Nothing tells which of these two the device has closed first.
  records.run("d", SessionPhase::finalization, {}, {operation("one", Kind::unlock, "c", 3)}, 4);
  records.run("e", SessionPhase::finalization, {}, {operation("two", Kind::unlock, "c", 3)}, 5);
  records.finish("e");
  CHECK(records.owner("one") == "id-e 5");
  records.finish("d");
  CHECK(records.owner("one") == "id-d 4");
}

SKS_CONTRACT_TEST("Settlement: what a late session did to a key counts unless a later one did something else to it") {
  Records records(kind);
  records.run("a", SessionPhase::done, {{"one"}, {"two"}, {"three"}, {"four"}}, {});
  records.run("b", SessionPhase::finalization, {},
              {operation("one", Kind::suspend, "a"), operation("two", Kind::suspend, "a"),
               operation("three", Kind::remove, "a")});
  records.run("c", SessionPhase::done, {},
              {operation("one", Kind::resume, "b"), operation("four", Kind::suspend, "b")});
  records.finish("b");
  CHECK_FALSE(records.record("one").key_suspended);
  CHECK(records.record("two").key_suspended);
  CHECK(records.record("four").key_suspended);
  CHECK(records.status("three") == "removed");
  CHECK(records.owner("two") == "id-c 1");
}

SKS_CONTRACT_TEST("Settlement: a key that a later session took away is not in force when its own session ends late") {
  Records records(kind);
  records.run("b", SessionPhase::finalization, {{"one"}, {"two"}, {"three"}}, {});
  records.run("c", SessionPhase::done, {{"four", "two"}},
              {operation("one", Kind::remove, "b"), operation("two", Kind::update, "b")});
  CHECK(records.status("one") == "removed");
  records.finish("b");
  CHECK(records.status("one") == "removed");
  CHECK(records.status("two") == "replaced");
  CHECK(records.status("three") == "issued");
  CHECK(records.status("four") == "issued");
  for (const char* const key : {"three", "four"}) CHECK(records.owner(key) == "id-c 1");
}

SKS_CONTRACT_TEST("PUK: is shown once, to whoever comes first, and again only when that is meant") {
  Records records(kind);
  records.run("a", SessionPhase::done, {{"one"}, {"two"}}, {});
  CHECK(records.puk("none", PukShowing::once).error().status == Status::not_available);
  const auto shown = records.puk("one", PukShowing::once, "hal");
  REQUIRE(shown);
  CHECK(to_string(shown->view()) == "PUK of a");
  // It is that of all keys of the session.
  for (const char* const key : {"one", "two"}) {
    const auto again = records.puk(key, PukShowing::once, "ida");
    REQUIRE_FALSE(again);
    CHECK(again.error().status == Status::not_allowed);
    CHECK(again.error().detail.find("was shown to hal at 2027-01-15T08:00:01Z") != std::string::npos);
  }
  CHECK(records.database.count("SELECT count(*) FROM audit WHERE action = 'puk'") == 1);
  CHECK(records.puk("two", PukShowing::again));
  CHECK(records.database.count("SELECT count(*) FROM audit WHERE action = 'puk' AND session = 'id-a'") == 2);
  CHECK(records.database.count("SELECT count(*) FROM puk_showings WHERE actor = 'hal'") == 1);
}

SKS_CONTRACT_TEST("PUK: keys that took over a PIN have that of the key which made it") {
  Records records(kind);
  records.run("a", SessionPhase::done, {{"one"}}, {});
  records.run("b", SessionPhase::done, {{"two", "one"}}, {operation("one", Kind::update, "a")});
  records.run("c", SessionPhase::done, {{"three", "", "two"}}, {operation("two", Kind::clone, "b")});
  CHECK(to_string(records.puk("three", PukShowing::once)->view()) == "PUK of a");
  CHECK(records.puk("two", PukShowing::once).error().status == Status::not_allowed);
}

SKS_CONTRACT_TEST("PUK: one that does not open, or is not there, is not on record as shown") {
  Records records(kind);
  records.run("a", SessionPhase::done, {{"one"}}, {});
  records.run("b", SessionPhase::done, {{"two"}}, {});
  records.database.execute(
      "UPDATE sessions SET sealed_puk = (SELECT sealed_puk FROM sessions WHERE id = 'id-b')"
      " WHERE id = 'id-a'");
  CHECK(records.puk("one", PukShowing::once).error().status == Status::crypto);
  const SqlValues empty{Bytes()};
  REQUIRE(records.database->write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(transaction.run("UPDATE sessions SET sealed_puk = $1", empty));
    return {};
  }));
  CHECK(records.puk("two", PukShowing::once).error().status == Status::not_available);
  CHECK(records.database.count("SELECT count(*) FROM puk_showings") == 0);
  CHECK(records.database.count("SELECT count(*) FROM audit WHERE action = 'puk'") == 0);
}
