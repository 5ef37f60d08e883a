#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "provisioning-server/audit/chained_audit_log.h"
#include "provisioning-server/database/schema.h"
#include "provisioning-server/sql_repository.h"
#include "tests/provisioning-server/test_databases.h"

using namespace sks;
using namespace sks::issuer;

namespace {

constexpr std::int64_t kNow = 1'800'000'000;

AuditEntry audit(const std::string& action, std::int64_t time = kNow) {
  return {time, "peer", action, "session", "default abc", "ok", ""};
}

Ticket ticket(const std::string& digest) { return {digest, "default", "CN=x", "", kNow, kNow + 100, 0}; }

Session session(const std::string& name) {
  Session made;
  made.id = "id-" + name;
  made.cookie_digest = "cookie-" + name;
  made.ticket_digest = "ticket-" + name;
  made.profile = "default";
  made.profile_digest = "abc";
  made.subject = "CN=x";
  made.sealed_state = {1, 2, 3};
  made.sealed_puk = {9};
  made.last_request = "request-0";
  made.reply = {StoredReply::Kind::message, "{}"};
  made.created = kNow;
  made.expires = kNow + 900;
  return made;
}

Credential credential(const std::string& name, const Session& in) {
  Credential made;
  made.fingerprint = "print-" + name;
  made.certificate = {0x30, 0x00};
  made.subject = "CN=x";
  made.profile = "default";
  made.app_usage = "authentication";
  made.friendly_name = "Key";
  made.public_key_digest = "key-" + name;
  made.server_session_id = in.id;
  made.client_session_id = in.client_session_id;
  made.device_fingerprint = "device";
  made.key_management_key = {5};
  return made;
}

/// A repository over a database that may have others, as one process has it.
struct Opened {
  explicit Opened(std::unique_ptr<Database> owned) : owner(std::move(owned)), database(*owner) {}
  explicit Opened(Database& shared) : database(shared) {}

  std::unique_ptr<Database> owner;
  Database& database;
  ChainedAuditLog audit{database, "node", system_clock(), system_random()};
  SqlRepository repository{database, audit};
};

/// A repository in a database of its own, with helpers that look past its interface.
struct Fixture {
  explicit Fixture(const std::string& kind) : database(kind) {
    REQUIRE(bring_schema_forward(*database));
    opened = std::make_unique<Opened>(*database);
    repository = &opened->repository;
  }
  Session started(const std::string& name) const {
    REQUIRE(repository->add_ticket(ticket("ticket-" + name), audit("ticket")));
    const auto outcome = repository->start_session(session(name), audit("InvocationRequest"));
    REQUIRE(outcome);
    REQUIRE(*outcome == StartOutcome::started);
    return session(name);
  }
  void execute(const std::string& sql) const { database.execute(sql); }
  std::int64_t count(const std::string& sql) const { return database.count(sql); }

  test::TestDatabase database;
  std::unique_ptr<Opened> opened;
  SqlRepository* repository = nullptr;
};

Step step_of(const Session& before, SessionPhase to) {
  Step step{before.phase, before.version, before, {}, {}, audit("step")};
  step.after.phase = to;
  return step;
}

StepOutcome commit(SqlRepository& repository, const Step& step) {
  const auto outcome = repository.commit_step(step);
  REQUIRE(outcome);
  return *outcome;
}

/// A whole session with its keys, and what it does to others.
void run_session(const Fixture& fixture, const std::string& name, SessionPhase end,
                 const std::vector<std::string>& keys, std::vector<KeyOperation> operations) {
  Session before = fixture.started(name);
  before.client_session_id = "client-" + name;
  Step step = step_of(before, end);
  for (const std::string& key : keys) step.pending.push_back(credential(key, before));
  step.operations = std::move(operations);
  CHECK(commit(*fixture.repository, step) == StepOutcome::committed);
}

}  // namespace

SKS_CONTRACT_TEST("SqlRepository: a key is found in the session that owns it, or that may have taken it over") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  const auto is_in = [&](const std::string& key, const std::string& name) {
    return repository.find_credential_in("print-" + key, "id-" + name, "client-" + name)->has_value();
  };
  run_session(fixture, "a", SessionPhase::done, {"one", "two"}, {});
  run_session(fixture, "b", SessionPhase::done, {"three"}, {});
  CHECK(is_in("one", "a"));
  CHECK_FALSE(is_in("three", "a"));
  CHECK_FALSE(is_in("one", "b"));
  CHECK_FALSE(*repository.find_credential_in("print-one", "id-a", "client-b"));
  CHECK_FALSE(*repository.find_credential_in("print-other", "id-a", "client-a"));

  // Nobody knows whether the device has closed a session that ended here without its last message.
  run_session(fixture, "lost", SessionPhase::aborted, {}, {{"print-one", KeyOperation::Kind::remove, "id-a"}});
  CHECK(is_in("one", "a"));
  CHECK(is_in("two", "a"));
  CHECK(is_in("one", "lost"));
  CHECK(is_in("two", "lost"));
  CHECK_FALSE(is_in("three", "lost"));
  CHECK((*repository.find_credential("print-one"))->status == Credential::Status::issued);

  run_session(fixture, "c", SessionPhase::done, {"four"},
              {{"print-one", KeyOperation::Kind::remove, "id-a"}, {"print-three", KeyOperation::Kind::unlock, "id-b"}});
  CHECK((*repository.find_credential("print-one"))->status == Credential::Status::removed);
  CHECK((*repository.find_credential("print-two"))->status == Credential::Status::issued);
  CHECK((*repository.find_credential("print-three"))->status == Credential::Status::issued);
  for (const char* const key : {"two", "three", "four"}) {
    CAPTURE(key);
    CHECK(is_in(key, "c"));
    CHECK_FALSE(is_in(key, "a"));
    CHECK_FALSE(is_in(key, "b"));
  }
  // What belongs to the session that issued it stays with it: its PUK.
  CHECK((*repository.find_session_of(**repository.find_credential("print-two")))->id == "id-a");
}

SKS_CONTRACT_TEST(
    "SqlRepository: keys of a session that was lost here and closed on the device go where the device puts them") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  run_session(fixture, "a", SessionPhase::done, {"one", "two"}, {});
  run_session(fixture, "lost", SessionPhase::aborted, {"three"}, {{"print-one", KeyOperation::Kind::remove, "id-a"}});
  run_session(fixture, "c", SessionPhase::done, {"four"}, {{"print-three", KeyOperation::Kind::remove, "id-lost"}});
  CHECK(*repository.find_credential_in("print-two", "id-c", "client-c"));
  CHECK(*repository.find_credential_in("print-four", "id-c", "client-c"));
}

SKS_CONTRACT_TEST("SqlRepository: a key is found, and moves, behind any number of last messages that were lost") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  const auto is_in = [&](const std::string& key, const std::string& name) {
    return repository.find_credential_in("print-" + key, "id-" + name, "client-" + name)->has_value();
  };
  const auto unlock = [](const std::string& key, const std::string& owner) {
    return KeyOperation{"print-" + key, KeyOperation::Kind::unlock, "id-" + owner};
  };
  run_session(fixture, "s0", SessionPhase::done, {"k0", "other"}, {});
  run_session(fixture, "s1", SessionPhase::done, {"k1"}, {});
  run_session(fixture, "s2", SessionPhase::aborted, {}, {unlock("k0", "s0"), unlock("k1", "s1")});
  run_session(fixture, "s3", SessionPhase::aborted, {"k3"}, {unlock("k1", "s2")});
  run_session(fixture, "apart", SessionPhase::done, {"far"}, {});
  for (const char* const key : {"k0", "other", "k1", "k3"}) CHECK(is_in(key, "s3"));
  CHECK_FALSE(is_in("far", "s3"));
  CHECK_FALSE(is_in("k3", "s2"));
  CHECK_FALSE(is_in("k1", "s0"));

  run_session(fixture, "s4", SessionPhase::aborted, {}, {unlock("k3", "s3")});
  CHECK(is_in("other", "s4"));
  run_session(fixture, "s5", SessionPhase::done, {"k5"}, {unlock("k3", "s4")});
  for (const char* const key : {"k0", "other", "k1", "k3", "k5"}) {
    CAPTURE(key);
    CHECK(is_in(key, "s5"));
    CHECK_FALSE(is_in(key, "s0"));
  }
  CHECK_FALSE(is_in("far", "s5"));
  CHECK(fixture.count("SELECT count(*) FROM credentials WHERE owner = 'id-s5'") == 5);
}

SKS_CONTRACT_TEST("SqlRepository: sessions that name each other as owners, and endless rows of them, come to an end") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  run_session(fixture, "a", SessionPhase::done, {"one"}, {});
  run_session(fixture, "x", SessionPhase::aborted, {}, {{"print-one", KeyOperation::Kind::unlock, "id-y"}});
  run_session(fixture, "y", SessionPhase::aborted, {}, {{"print-one", KeyOperation::Kind::unlock, "id-x"}});
  CHECK(*repository.find_credential_in("print-one", "id-x", "client-x"));
  // A row of 2000 lost sessions, each of which was to operate on a key of the one before.
  fixture.execute(
      "INSERT INTO sessions (id, cookie_digest, ticket_digest, profile, profile_digest, subject, phase, version,"
      " sealed_state, sealed_puk, last_request, reply_kind, reply_text, created, expires, client_session_id,"
      " device_fingerprint)"
      " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
      " SELECT 'id-' || i, 'row-' || i, 'ticket-a', profile, profile_digest, subject, 'aborted', version, sealed_state,"
      " sealed_puk, last_request, reply_kind, reply_text, created, expires, 'client-' || i, device_fingerprint"
      " FROM n, sessions WHERE id = 'id-a';"
      "INSERT INTO credentials (fingerprint, certificate, subject, profile, app_usage, friendly_name,"
      " public_key_digest, server_session_id, client_session_id, device_fingerprint, key_management_key,"
      " privacy_enabled, status, issued, revoked, owner)"
      " SELECT 'print-' || number, certificate, credentials.subject, credentials.profile, app_usage, friendly_name,"
      " 'key-' || number, 'id-' || number, 'client-' || number, credentials.device_fingerprint, key_management_key,"
      " privacy_enabled, status, issued, revoked, 'id-' || number FROM credentials,"
      " (SELECT substr(id, 4) AS number FROM sessions WHERE cookie_digest LIKE 'row-%') AS numbers"
      " WHERE fingerprint = 'print-one';"
      "INSERT INTO operations (session, fingerprint, operation, owner)"
      " SELECT 'id-' || (CAST(substr(server_session_id, 4) AS INTEGER) + 1), fingerprint, 'unlock', server_session_id"
      " FROM credentials WHERE server_session_id NOT IN ('id-a', 'id-2000')");
  CHECK(*repository.find_credential_in("print-1", "id-900", "client-900"));
  CHECK_FALSE(*repository.find_credential_in("print-1", "id-2000", "client-2000"));
  CHECK(*repository.find_credential_in("print-1900", "id-2000", "client-2000"));
}

SKS_CONTRACT_TEST("SqlRepository: a credential without an owner belongs to the session that issued it") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  const auto is_in = [&](const std::string& key, const std::string& name) {
    return repository.find_credential_in("print-" + key, "id-" + name, "client-" + name)->has_value();
  };
  run_session(fixture, "a", SessionPhase::done, {"one", "two"}, {});
  run_session(fixture, "b", SessionPhase::done, {"three"}, {});
  // As a program of the first version writes it, when it still serves while another command has brought the database
  // to this version.
  fixture.execute("UPDATE credentials SET owner = ''");
  CHECK(is_in("one", "a"));
  CHECK_FALSE(is_in("one", "b"));
  run_session(fixture, "lost", SessionPhase::aborted, {}, {{"print-one", KeyOperation::Kind::unlock, "id-a"}});
  CHECK(is_in("two", "lost"));
  CHECK_FALSE(is_in("three", "lost"));
  run_session(fixture, "c", SessionPhase::done, {}, {{"print-one", KeyOperation::Kind::unlock, "id-a"}});
  CHECK(is_in("two", "c"));
  CHECK_FALSE(is_in("two", "a"));
  CHECK(fixture.count("SELECT count(*) FROM credentials WHERE owner = 'id-c'") == 2);
}

SKS_CONTRACT_TEST("SqlRepository: nothing is settled on the word of an anonymous client") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  run_session(fixture, "a", SessionPhase::done, {"one", "two"}, {});
  fixture.execute("UPDATE credentials SET privacy_enabled = 1, device_fingerprint = ''");
  run_session(fixture, "b", SessionPhase::done, {}, {{"print-one", KeyOperation::Kind::remove, "id-a"}});
  CHECK((*repository.find_credential("print-one"))->status == Credential::Status::issued);
  CHECK(fixture.count("SELECT count(*) FROM credentials WHERE owner = 'id-a'") == 2);
  CHECK(*repository.find_credential_in("print-two", "id-a", "client-a"));
  CHECK(*repository.find_credential_in("print-two", "id-b", "client-b"));
}

SKS_CONTRACT_TEST("SqlRepository: tells what a session was to do to other keys") {
  const Fixture fixture(kind);
  run_session(fixture, "a", SessionPhase::done, {"one", "two", "three"}, {});
  run_session(fixture, "b", SessionPhase::aborted, {},
              {{"print-two", KeyOperation::Kind::unlock, "id-a"},
               {"print-three", KeyOperation::Kind::remove, "id-a"},
               {"print-one", KeyOperation::Kind::remove, "id-a"}});
  const auto operations = fixture.repository->find_operations("id-b");
  REQUIRE(operations);
  REQUIRE(operations->size() == 3);
  CHECK((*operations)[0].fingerprint == "print-one");
  CHECK((*operations)[0].kind == KeyOperation::Kind::remove);
  CHECK((*operations)[1].fingerprint == "print-three");
  CHECK((*operations)[2].fingerprint == "print-two");
  CHECK((*operations)[2].kind == KeyOperation::Kind::unlock);
  CHECK((*operations)[2].owner == "id-a");
  CHECK(fixture.repository->find_operations("id-a")->empty());
}

SKS_CONTRACT_TEST("SqlRepository: a ticket starts one session, within its time") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  CHECK(*repository.start_session(session("a"), audit("start")) == StartOutcome::ticket_unknown);
  REQUIRE(repository.add_ticket(ticket("ticket-a"), audit("ticket")));
  CHECK(*repository.start_session(session("a"), audit("start", kNow + 100)) == StartOutcome::ticket_expired);
  CHECK(*repository.start_session(session("a"), audit("start", kNow + 99)) == StartOutcome::started);
  CHECK((*repository.find_ticket("ticket-a"))->used == kNow + 99);
  Session second = session("b");
  second.ticket_digest = "ticket-a";
  CHECK(*repository.start_session(second, audit("start")) == StartOutcome::ticket_used);
  CHECK_FALSE(*repository.find_session("cookie-b"));
  CHECK(fixture.count("SELECT count(*) FROM audit") == 2);  // ticket and start; refusals left nothing
  CHECK_FALSE(*repository.find_ticket("other"));
}

SKS_CONTRACT_TEST("SqlRepository: gives back every field of a session and of a credential") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  Session before = fixture.started("a");
  before.client_session_id = "client";
  Step step = step_of(before, SessionPhase::key_creation);
  step.after.device_fingerprint = "device";
  step.after.sealed_state = {7, 0, 7};
  step.after.last_request = "request-1";
  step.after.reply = {StoredReply::Kind::redirect, "https://h/result"};
  step.after.expires = kNow + 5;
  step.pending = {credential("a", before)};
  CHECK(commit(repository, step) == StepOutcome::committed);

  const auto found = repository.find_session("cookie-a");
  REQUIRE(found);
  REQUIRE(*found);
  const Session& after = **found;
  CHECK(after.id == "id-a");
  CHECK(after.ticket_digest == "ticket-a");
  CHECK(after.profile == "default");
  CHECK(after.profile_digest == "abc");
  CHECK(after.subject == "CN=x");
  CHECK(after.phase == SessionPhase::key_creation);
  CHECK(after.version == 2);
  CHECK(after.sealed_state == Bytes{7, 0, 7});
  CHECK(after.sealed_puk == Bytes{9});
  CHECK(after.last_request == "request-1");
  CHECK(after.reply.kind == StoredReply::Kind::redirect);
  CHECK(after.reply.text == "https://h/result");
  CHECK(after.created == kNow);
  CHECK(after.expires == kNow + 5);
  CHECK(after.client_session_id == "client");
  CHECK(after.device_fingerprint == "device");

  const auto made = repository.find_credential("print-a");
  REQUIRE(made);
  REQUIRE(*made);
  CHECK((*made)->certificate == Bytes{0x30, 0x00});
  CHECK((*made)->app_usage == "authentication");
  CHECK((*made)->friendly_name == "Key");
  CHECK((*made)->public_key_digest == "key-a");
  CHECK((*made)->client_session_id == "client");
  CHECK((*made)->device_fingerprint == "device");
  CHECK((*made)->key_management_key == Bytes{5});
  CHECK((*made)->status == Credential::Status::pending);
  CHECK((*repository.find_session_of(**made))->id == "id-a");
}

SKS_CONTRACT_TEST("SqlRepository: a step from a phase or version that is gone changes nothing") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  const Session before = fixture.started("a");
  CHECK(commit(repository, step_of(before, SessionPhase::initialization)) == StepOutcome::committed);
  const std::int64_t audits = fixture.count("SELECT count(*) FROM audit");

  Step stale = step_of(before, SessionPhase::aborted);
  stale.pending = {credential("stale", before)};
  CHECK(commit(repository, stale) == StepOutcome::conflict);
  stale.from = SessionPhase::initialization;  // the right phase, the wrong version
  CHECK(commit(repository, stale) == StepOutcome::conflict);
  stale.from = SessionPhase::invocation;
  stale.from_version = 2;
  CHECK(commit(repository, stale) == StepOutcome::conflict);
  CHECK(fixture.count("SELECT count(*) FROM audit") == audits);
  CHECK(fixture.count("SELECT count(*) FROM credentials") == 0);
  CHECK((*repository.find_session("cookie-a"))->phase == SessionPhase::initialization);
}

SKS_CONTRACT_TEST("SqlRepository: of many threads with the same step exactly one wins") {
  const Fixture fixture(kind);
  const Session before = fixture.started("a");
  std::atomic<int> wins = 0;
  std::atomic<int> conflicts = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&] {
        Opened own(fixture.database.open_again());
        const auto outcome = own.repository.commit_step(step_of(before, SessionPhase::initialization));
        if (outcome && *outcome == StepOutcome::committed) ++wins;
        if (outcome && *outcome == StepOutcome::conflict) ++conflicts;
      });
  }
  CHECK(wins == 1);
  CHECK(conflicts == 7);
  CHECK(fixture.count("SELECT count(*) FROM audit WHERE action = 'step'") == 1);
}

SKS_CONTRACT_TEST(
    "SqlRepository: a client session id or a public key is accepted once, and the whole step falls with it") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  Session first = fixture.started("a");
  Session second = fixture.started("b");
  first.client_session_id = second.client_session_id = "same";
  CHECK(commit(repository, step_of(first, SessionPhase::key_creation)) == StepOutcome::committed);
  CHECK(commit(repository, step_of(second, SessionPhase::key_creation)) == StepOutcome::duplicate);
  second.client_session_id = "other";
  Step step = step_of(second, SessionPhase::finalization);
  step.pending = {credential("x", second), credential("y", second)};
  step.pending[1].public_key_digest = step.pending[0].public_key_digest;
  CHECK(commit(repository, step) == StepOutcome::duplicate);
  CHECK((*repository.find_session("cookie-b"))->phase == SessionPhase::invocation);
  CHECK(fixture.count("SELECT count(*) FROM credentials") == 0);
  CHECK(fixture.count("SELECT count(*) FROM audit WHERE action = 'step'") == 1);
}

SKS_CONTRACT_TEST("SqlRepository: of sessions that race for the last place of a limit exactly one wins") {
  struct Case {
    const char* name;
    ProfileLimits limits;
    StepOutcome loss;
  };
  constexpr int kRacers = 8;
  for (const Case& c : {Case{"device", {1, 0, 0}, StepOutcome::device_credentials},
                        Case{"subject", {0, 1, 0}, StepOutcome::subject_credentials},
                        Case{"sessions", {0, 0, 1}, StepOutcome::device_sessions}}) {
    CAPTURE(c.name);
    const Fixture fixture(kind);
    std::vector<Step> steps;
    for (int i = 0; i < kRacers; ++i) {
      const std::string name = std::to_string(i);
      Session before = fixture.started(name);
      Step step = step_of(before, SessionPhase::finalization);
      step.limits = c.limits;
      step.after.client_session_id = "client-" + name;
      step.after.device_fingerprint = "device";
      if (c.limits.sessions_per_device_and_hour != 0) {
        step.device_path = {{0x30, 0x00}};
      } else {
        step.pending = {credential(name, step.after)};
        step.pending[0].not_after = kNow + 1;
      }
      steps.push_back(std::move(step));
    }
    std::atomic<int> wins = 0;
    std::atomic<int> losses = 0;
    {
      std::vector<std::jthread> threads;
      for (const Step& step : steps)
        threads.emplace_back([&, one = &step] {
          Opened own(fixture.database.open_again());
          const auto outcome = own.repository.commit_step(*one);
          if (outcome && *outcome == StepOutcome::committed) ++wins;
          if (outcome && *outcome == c.loss) ++losses;
        });
    }
    CHECK(wins == 1);
    CHECK(losses == kRacers - 1);
    // Who has lost has left nothing behind.
    CHECK(fixture.count("SELECT count(*) FROM sessions WHERE phase = 'finalization'") == 1);
    CHECK(fixture.count("SELECT count(*) FROM sessions WHERE device_fingerprint <> ''") == 1);
    CHECK(fixture.count("SELECT count(*) FROM credentials") == (c.limits.sessions_per_device_and_hour == 0 ? 1 : 0));
    CHECK(fixture.count("SELECT count(*) FROM audit WHERE action = 'step'") == 1);
  }
}

SKS_CONTRACT_TEST("SqlRepository: of clients that race for one ticket exactly one gets a session") {
  constexpr int kRacers = 8;
  const Fixture fixture(kind);
  REQUIRE(fixture.repository->add_ticket(ticket("ticket"), audit("ticket")));
  std::atomic<int> wins = 0;
  std::atomic<int> losses = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kRacers; ++i)
      threads.emplace_back([&, i] {
        Opened own(fixture.database.open_again());
        Session mine = session(std::to_string(i));
        mine.ticket_digest = "ticket";
        const auto outcome = own.repository.start_session(mine, audit("InvocationRequest"));
        if (outcome && *outcome == StartOutcome::started) ++wins;
        if (outcome && *outcome == StartOutcome::ticket_used) ++losses;
      });
  }
  CHECK(wins == 1);
  CHECK(losses == kRacers - 1);
  CHECK(fixture.count("SELECT count(*) FROM sessions") == 1);
}

SKS_CONTRACT_TEST("SqlRepository: only what is in force for certain exceeds a limit before keys are made") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  Session before = fixture.started("a");
  before.client_session_id = "client-a";
  Step step = step_of(before, SessionPhase::done);
  step.pending = {credential("x", before), credential("y", before), credential("z", before)};
  for (Credential& one : step.pending) one.not_after = kNow + 10;
  step.pending[2].profile = "other";
  CHECK(commit(repository, step) == StepOutcome::committed);
  Session next = session("next");
  const auto excess = [&](const ProfileLimits& limits, std::int64_t coming, std::int64_t now = kNow) {
    const auto found = repository.find_excess(limits, next, coming, now);
    REQUIRE(found);
    return *found ? std::optional((*found)->limit) : std::nullopt;
  };
  CHECK_FALSE(excess({0, 3, 0}, 1));
  CHECK(excess({0, 2, 0}, 1) == StepOutcome::subject_credentials);
  CHECK(excess({0, 3, 0}, 2) == StepOutcome::subject_credentials);
  CHECK_FALSE(excess({0, 2, 0}, 0));
  CHECK_FALSE(excess({0, 2, 0}, 1, kNow + 10));
  CHECK_FALSE(excess({2, 0, 0}, 1));  // a device that has not told its name
  next.device_fingerprint = "device";
  CHECK(excess({2, 3, 0}, 1) == StepOutcome::device_credentials);
  const auto put = [&](const std::string& key, const std::string& status) {
    fixture.execute("UPDATE credentials SET status = '" + status + "' WHERE fingerprint = 'print-" + key + "'");
  };
  for (const char* const status : {"pending", "revoked", "removed", "replaced"}) {
    put("x", status);
    CHECK_FALSE(excess({2, 2, 0}, 1));
  }
  for (const char* const status : {"suspended", "abandoned"}) {
    put("x", status);
    CHECK(excess({2, 3, 0}, 1) == StepOutcome::device_credentials);
  }
}

SKS_CONTRACT_TEST("SqlRepository: a key that was to take the place of another one counts in its stead, not beside it") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  Session before = fixture.started("a");
  before.client_session_id = "client-a";
  Step step = step_of(before, SessionPhase::done);
  for (const char* const key : {"x", "y", "z"}) step.pending.push_back(credential(key, before));
  for (Credential& one : step.pending) one.not_after = kNow + 10;
  step.pending[1].replaces = "print-x";
  step.pending[2].replaces = "print-y";
  CHECK(commit(repository, step) == StepOutcome::committed);
  const auto held = [&](const std::string& x, const std::string& y, const std::string& z) {
    for (const auto& [key, status] : {std::pair{"x", &x}, std::pair{"y", &y}, std::pair{"z", &z}})
      fixture.execute("UPDATE credentials SET status = '" + *status + "' WHERE fingerprint = 'print-" + key + "'");
    for (std::int64_t most = 1; most < 5; ++most)
      if (!repository.find_excess({0, most, 0}, session("next"), 1, kNow).value()) return most - 1;
    return std::int64_t{5};
  };
  CHECK(held("issued", "abandoned", "abandoned") == 1);
  CHECK(held("revoked", "abandoned", "abandoned") == 1);
  CHECK(held("revoked", "revoked", "abandoned") == 1);
  // The device had x when that was replaced or deleted, so it has never closed the session that made y.
  CHECK(held("replaced", "abandoned", "abandoned") == 0);
  CHECK(held("removed", "removed", "revoked") == 0);

  fixture.execute("UPDATE credentials SET not_after = " + std::to_string(kNow) + " WHERE fingerprint = 'print-x'");
  CHECK(held("issued", "abandoned", "revoked") == 1);
  fixture.execute("UPDATE credentials SET not_after = " + std::to_string(kNow + 10) +
                  ", profile = 'another' WHERE fingerprint = 'print-x'");
  CHECK(held("issued", "abandoned", "revoked") == 1);
}

SKS_CONTRACT_TEST("SqlRepository: a ticket is cancelled as long as it could be used") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  REQUIRE(repository.add_ticket(ticket("ticket-a"), audit("ticket")));
  CHECK(*repository.cancel_ticket("ticket-a", audit("cancel")) == CancelOutcome::cancelled);
  CHECK((*repository.find_ticket("ticket-a"))->expires == kNow);
  CHECK(*repository.cancel_ticket("ticket-a", audit("cancel")) == CancelOutcome::not_open);
  CHECK(*repository.cancel_ticket("ticket-z", audit("cancel")) == CancelOutcome::unknown);
  fixture.started("b");
  CHECK(*repository.cancel_ticket("ticket-b", audit("cancel")) == CancelOutcome::not_open);
  CHECK(fixture.count("SELECT count(*) FROM audit WHERE action = 'cancel'") == 1);
}

SKS_CONTRACT_TEST("SqlRepository: credentials become valid with the last step and with no other") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  const Session before = fixture.started("a");
  Step create = step_of(before, SessionPhase::finalization);
  create.pending = {credential("a", before)};
  CHECK(commit(repository, create) == StepOutcome::committed);
  CHECK((*repository.find_credential("print-a"))->status == Credential::Status::pending);

  Session middle = before;
  middle.phase = SessionPhase::finalization;
  middle.version = 2;
  Step last = step_of(middle, SessionPhase::done);
  last.audit.time = kNow + 7;
  CHECK(commit(repository, last) == StepOutcome::committed);
  CHECK((*repository.find_credential("print-a"))->status == Credential::Status::issued);
  CHECK((*repository.find_credential("print-a"))->issued == kNow + 7);
  const auto over = *repository.find_session("cookie-a");
  CHECK(over->sealed_state.empty());
  CHECK(over->sealed_puk == Bytes{9});  // the help desk needs it from now on
}

SKS_CONTRACT_TEST(
    "SqlRepository: an aborted session leaves no secret and no valid credential, and its key stays certified") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  const Session before = fixture.started("a");
  Step create = step_of(before, SessionPhase::finalization);
  create.pending = {credential("a", before)};
  CHECK(commit(repository, create) == StepOutcome::committed);
  Session middle = before;
  middle.phase = SessionPhase::finalization;
  middle.version = 2;
  CHECK(commit(repository, step_of(middle, SessionPhase::aborted)) == StepOutcome::committed);
  CHECK((*repository.find_credential("print-a"))->status == Credential::Status::abandoned);
  CHECK((*repository.find_session("cookie-a"))->sealed_state.empty());
  CHECK((*repository.find_session("cookie-a"))->sealed_puk.empty());

  const Session again = fixture.started("b");
  Step retry = step_of(again, SessionPhase::finalization);
  retry.pending = {credential("b", again)};
  retry.pending[0].public_key_digest = "key-a";
  CHECK(commit(repository, retry) == StepOutcome::duplicate);
}

SKS_CONTRACT_TEST("SqlRepository: sessions expire at their time, each with an audit row") {
  const Fixture fixture(kind);
  SqlRepository& repository = *fixture.repository;
  const Session before = fixture.started("a");
  Step create = step_of(before, SessionPhase::finalization);
  create.pending = {credential("a", before)};
  CHECK(commit(repository, create) == StepOutcome::committed);
  fixture.started("b");
  CHECK(*repository.expire_sessions(kNow + 899) == 0);
  CHECK(*repository.expire_sessions(kNow + 900) == 2);
  CHECK(*repository.expire_sessions(kNow + 900) == 0);
  CHECK((*repository.find_session("cookie-a"))->phase == SessionPhase::aborted);
  CHECK((*repository.find_session("cookie-a"))->sealed_state.empty());
  CHECK((*repository.find_credential("print-a"))->status == Credential::Status::abandoned);
  CHECK(fixture.count("SELECT count(*) FROM audit WHERE result = 'session-expired'") == 2);
}

SKS_CONTRACT_TEST("SqlRepository: after a kill at any moment every step has its audit row and no other") {
  const Fixture fixture(kind);
  const Session before = fixture.started("a");
  const auto version = [&] { return (*fixture.repository->find_session(before.cookie_digest))->version; };
  for (int round = 1; round <= 5; ++round) {
    const std::uint64_t first = version();
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      // Moves the session as fast as it can until it is killed.
      Opened own(fixture.database.open_again());
      for (;;) {
        const auto current = own.repository.find_session(before.cookie_digest);
        if (!current || !*current) break;
        if (!own.repository.commit_step(step_of(**current, SessionPhase::initialization))) break;
      }
      _exit(1);
    }
    // On a busy machine it takes its time to get to work.
    for (int wait = 0; wait < 1000 && version() == first; ++wait) usleep(10000);
    usleep(static_cast<useconds_t>(7919 * round));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));
    CHECK(fixture.count("SELECT version FROM sessions") ==
          1 + fixture.count("SELECT count(*) FROM audit WHERE action = 'step'"));
    CHECK(version() > first);
  }
}
