#include <doctest/doctest.h>

#include <array>
#include <functional>

#include "provisioning-server/life_cycle/credential_history.h"
#include "provisioning-server/life_cycle/key_generations.h"
#include "provisioning-server/life_cycle/management_ticket.h"
#include "sks-core/base/encoding.h"
#include "tests/keygen2/json_edit.h"
#include "tests/provisioning-server/issuer_fixture.h"

/// Tickets that order something for keys that a device has, against a real client and engine.
using namespace sks;
using namespace sks::issuer;
namespace edit = sks::test::json_edit;
using Kind = KeyOperation::Kind;
using Credentials = Credential::Status;
using test::Device;
using test::IssuerLab;
using test::outcome;

namespace {

std::string print_of(const Bytes& certificate) { return to_hex(crypto::sha256(certificate)); }

Result<IssuedTicket> make_order(IssuerLab& lab, const ManagementRequest& request,
                                const Caller& maker = Caller::command_line()) {
  TicketOffice office(lab.issuer->ticket_office_ports());
  return make_management_ticket(lab.issuer->repository(), lab.issuer->profiles(), office, request, maker);
}

/// The target of the init URL.
std::string order(IssuerLab& lab, const ManagementRequest& request) {
  const Result<IssuedTicket> made = make_order(lab, request);
  if (!made) FAIL(made.error().detail);
  return lab.target_of(made->links.init);
}
std::string order(IssuerLab& lab, Kind kind, const std::string& fingerprint) { return order(lab, {kind, fingerprint}); }

Credential record(const IssuerLab& lab, const std::string& fingerprint) {
  const auto found = lab.issuer->repository().find_credential(fingerprint);
  REQUIRE(found);
  REQUIRE(*found);
  return **found;
}

/// A run whose last message never reaches the issuer; what was begun is aborted when its time is over.
void run_and_lose_the_end(IssuerLab& lab, Device& device, const std::string& target) {
  device.begin_again();
  Response last = device.get(target);
  for (;;) {
    const std::string answer = device.answer(last);
    if (device.client().committed()) break;
    last = device.post(answer);
  }
  lab.clock.set(lab.clock.now() + 3600);
  REQUIRE(lab.issuer->repository().expire_sessions(lab.clock.now()));
}

void roll_over(IssuerLab& lab) {
  REQUIRE(make_next_generation(lab.issuer->paths(), lab.issuer->file_seal()));
  lab.restart();
}

/// The key management keys that the device has for its closed sessions.
std::vector<Bytes> keys_on(Device& device) {
  std::vector<Bytes> keys;
  ProvisioningHandle handle;
  for (;;) {
    const auto next = device.store().enumerate_provisioning_sessions(handle, SessionState::closed);
    if (!next || !*next) return keys;
    handle = (*next)->handle;
    keys.push_back((*next)->key_management_key);
  }
}

constexpr const char* kSubject = "CN=Jo Doe,O=Example";

}  // namespace

TEST_CASE("Orders: update puts a new key in the place of the old one, which keeps its PIN") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string before = print_of(device.certificate(0));
  device.lock(0);
  CHECK(outcome(device.enrol_again(order(lab, Kind::update, before))) == "complete");
  REQUIRE(device.key_count() == 1);
  const std::string after = print_of(device.certificate(0));
  CHECK(after != before);
  CHECK(device.is_locked(0));

  CHECK(record(lab, before).status == Credentials::replaced);
  CHECK(record(lab, before).revoked == lab.clock.now());
  const Credential made = record(lab, after);
  CHECK(made.status == Credentials::issued);
  CHECK(made.replaces == before);
  CHECK(made.subject == "CN=Jo Doe,O=Example");
  CHECK(made.profile == "default");
  CHECK(made.device_fingerprint == print_of(device.device_certificate()));
  CHECK(lab.count("SELECT count(*) FROM audit WHERE action = 'ProvisioningFinalizationResponse' AND detail LIKE '%; "
                  "updated " +
                  before + "'") == 1);
  // Again with the new one, and its PIN is still that of the first.
  lab.clock.set(lab.clock.now() + 1);
  CHECK(outcome(device.enrol_again(order(lab, Kind::unlock, after))) == "complete");
  CHECK_FALSE(device.is_locked(0));
  lab.clock.set(lab.clock.now() + 1);
  CHECK(device.store().verify_pin(device.key(0), SecureBytes::copy_of(as_bytes("482913"))));
  CHECK(outcome(device.enrol_again(order(lab, Kind::update, after))) == "complete");
  CHECK(device.key_count() == 1);
  CHECK(record(lab, after).status == Credentials::replaced);

  const auto history = find_history(lab.issuer->database(), after);
  REQUIRE(history);
  REQUIRE(history->sessions.size() == 3);
  CHECK(history->sessions[0].operation == "issue");
  CHECK(history->sessions[1].operation == "unlock");
  CHECK(history->sessions[2].operation == "update");
  for (const HistoryRow& row : history->sessions) CHECK(row.phase == SessionPhase::done);
  CHECK(history->replaced_by == print_of(device.certificate(0)));
}

TEST_CASE("Orders: a clone has the PIN of the first key, where the profile lets keys share it") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string first = print_of(device.certificate(0));
  lab.edit_profile("default", "grouping = \"shared\"", "grouping = \"none\"");
  CHECK(make_order(lab, {Kind::clone, first}).error().status == Status::not_allowed);
  lab.edit_profile("default", "grouping = \"none\"", "grouping = \"shared\"");
  CHECK(outcome(device.enrol_again(order(lab, Kind::clone, first))) == "complete");
  REQUIRE(device.key_count() == 2);
  CHECK(print_of(device.certificate(0)) == first);
  CHECK(record(lab, first).status == Credentials::issued);
  CHECK(record(lab, print_of(device.certificate(1))).clones == first);
  CHECK_FALSE(device.is_locked(1));
  device.lock(0);
  CHECK(device.is_locked(1));
  CHECK(find_history(lab.issuer->database(), first)->clones ==
        std::vector<std::string>{print_of(device.certificate(1))});
}

TEST_CASE("Orders: delete, and suspend and resume on the device while the certificate stays in force") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket("pair"))) == "complete");
  const std::string one = print_of(device.certificate(0));
  const std::string two = print_of(device.certificate(1));
  CHECK(outcome(device.enrol_again(order(lab, Kind::suspend, one))) == "complete");
  CHECK((device.protection(0) & kSuspended) != 0);
  CHECK((device.protection(1) & kSuspended) == 0);
  CHECK(record(lab, one).key_suspended);
  CHECK_FALSE(record(lab, two).key_suspended);
  CHECK(record(lab, one).status == Credentials::issued);

  // Twice is once, and a new key in its place is suspended as well.
  CHECK(outcome(device.enrol_again(order(lab, Kind::suspend, one))) == "complete");
  CHECK(outcome(device.enrol_again(order(lab, Kind::update, one))) == "complete");
  const std::string next = print_of(device.certificate(0));
  CHECK(record(lab, next).key_suspended);
  CHECK((device.protection(0) & kSuspended) != 0);
  CHECK(outcome(device.enrol_again(order(lab, Kind::resume, next))) == "complete");
  CHECK((device.protection(0) & kSuspended) == 0);
  CHECK_FALSE(record(lab, next).key_suspended);

  CHECK(outcome(device.enrol_again(order(lab, Kind::remove, two))) == "complete");
  CHECK(device.key_count() == 1);
  CHECK(record(lab, two).status == Credentials::removed);
  CHECK(record(lab, next).status == Credentials::issued);
}

TEST_CASE("Orders: only the device that has the key can carry them out") {
  IssuerLab lab;
  Device device(lab);
  Device other(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  CHECK(outcome(other.enrol(lab.new_ticket())) == "complete");
  const std::string key = print_of(device.certificate(0));
  const std::string target = order(lab, Kind::remove, key);
  CHECK(outcome(other.enrol_again(target)) == "other-device");
  CHECK(other.key_count() == 1);
  CHECK(record(lab, key).status == Credentials::issued);
  CHECK(lab.count("SELECT count(*) FROM audit WHERE result = 'other-device'") == 1);

  // The ticket is spent; and the right device may not have the key any more.
  CHECK(outcome(device.enrol_again(target)) == "ticket-used");
  REQUIRE(device.store().delete_key(device.key(0), {}));
  CHECK(outcome(device.enrol_again(order(lab, Kind::unlock, key))) == "key-missing");
  CHECK(lab.count("SELECT count(*) FROM operations") == 0);
}

TEST_CASE("Orders: what has happened to the credential since ends the session") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string key = print_of(device.certificate(0));
  const std::string twice = order(lab, Kind::update, key);
  const std::string late = order(lab, Kind::unlock, key);

  // Revoked between the start and discovery, or before.
  device.begin_again();
  Response response = device.get(order(lab, Kind::update, key));
  response = device.post(device.answer(response));
  const AuditEntry note{lab.clock.now(), "operator", "revoke", "", "", "ok", ""};
  REQUIRE(*lab.issuer->revocations().suspend(key, note) == RevocationOutcome::done);
  while (response.status == 200) response = device.post(device.answer(response));
  CHECK(outcome(response) == "credential-state");
  CHECK(outcome(device.enrol_again(order(lab, Kind::unlock, key))) == "complete");
  CHECK(make_order(lab, {Kind::update, key}).error().status == Status::not_allowed);
  REQUIRE(*lab.issuer->revocations().revoke(key, RevocationReason::key_compromise, note) == RevocationOutcome::done);
  CHECK(outcome(device.enrol_again(late)) == "credential-state");
  CHECK(outcome(device.enrol_again(twice)) == "credential-state");
  for (const Kind kind : {Kind::unlock, Kind::update, Kind::clone, Kind::suspend, Kind::resume})
    CHECK(make_order(lab, {kind, key}).error().status == Status::not_allowed);
  // Its key may be deleted, and that changes nothing about why it is not in force.
  CHECK(outcome(device.enrol_again(order(lab, Kind::remove, key))) == "complete");
  CHECK(device.key_count() == 0);
  CHECK(record(lab, key).status == Credentials::revoked);
}

TEST_CASE("Orders: a new key has what the profile says about the key whose place it takes") {
  IssuerLab lab;
  lab.edit_profile("pair", "app_usage = \"signature\"",
                   "app_usage = \"signature\"\n  signature_profile = \"mss:example.com:sign:loa3:qscd\"");
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket("pair"))) == "complete");
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string before = print_of(device.certificate(i));
    const bool signs = record(lab, before).app_usage == "signature";
    const auto profiles = [&](const std::string& credential) {
      return lab.count(
          "SELECT count(*) FROM signature_profiles WHERE uri = 'mss:example.com:sign:loa3:qscd'"
          " AND credential = '" +
          credential + "'");
    };
    CHECK(profiles(before) == (signs ? 1 : 0));
    CHECK(outcome(device.enrol_again(order(lab, Kind::update, before))) == "complete");
    const Credential after = record(lab, print_of(device.certificate(i)));
    CHECK(after.replaces == before);
    CHECK(after.app_usage == record(lab, before).app_usage);
    CHECK(after.friendly_name == record(lab, before).friendly_name);
    CHECK(profiles(after.fingerprint) == (signs ? 1 : 0));
  }
  CHECK(lab.count("SELECT count(*) FROM credentials") == 4);
}

TEST_CASE("Orders: the same update twice happens once") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string key = print_of(device.certificate(0));
  const std::string first = order(lab, Kind::update, key);
  const std::string second = order(lab, Kind::update, key);
  CHECK(outcome(device.enrol_again(first)) == "complete");
  CHECK(outcome(device.enrol_again(second)) == "credential-state");
  CHECK(device.key_count() == 1);
  CHECK(lab.count("SELECT count(*) FROM credentials") == 2);
}

TEST_CASE("Orders: an update whose last message was lost is found out by the next session, whatever it does") {
  for (const Kind kind : {Kind::unlock, Kind::update, Kind::remove}) {
    CAPTURE(to_string(kind));
    IssuerLab lab;
    Device device(lab);
    CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
    const std::string first = print_of(device.certificate(0));
    run_and_lose_the_end(lab, device, order(lab, Kind::update, first));
    const std::string second = print_of(device.certificate(0));
    REQUIRE(second != first);
    CHECK(record(lab, first).status == Credentials::issued);
    CHECK(record(lab, second).status == Credentials::abandoned);
    // And once more.
    run_and_lose_the_end(lab, device, order(lab, Kind::update, first));
    const std::string third = print_of(device.certificate(0));
    REQUIRE(third != second);

    CHECK(outcome(device.enrol_again(order(lab, kind, first))) == "complete");
    CHECK(record(lab, first).status == Credentials::replaced);
    CHECK(record(lab, second).status == Credentials::replaced);
    const Credentials expected = kind == Kind::unlock   ? Credentials::issued
                                 : kind == Kind::update ? Credentials::replaced
                                                        : Credentials::removed;
    CHECK(record(lab, third).status == expected);
    CHECK(device.key_count() == (kind == Kind::remove ? 0 : 1));
    if (kind == Kind::remove) continue;
    CHECK(outcome(device.enrol_again(order(lab, Kind::remove, print_of(device.certificate(0))))) == "complete");
    CHECK(device.key_count() == 0);
  }
}

TEST_CASE("Orders: a certificate that was revoked before its session ended does not hide the key that the device has") {
  struct Case {
    Kind kind;
    Credentials last;  ///< what becomes of the second certificate where that was not revoked
  };
  for (const Case& row : {Case{Kind::unlock, Credentials::issued}, Case{Kind::update, Credentials::replaced},
                          Case{Kind::suspend, Credentials::issued}, Case{Kind::remove, Credentials::removed}})
    for (const bool for_all : {false, true})
      for (const bool is_revoked : {false, true}) {
        const Kind kind = row.kind;
        CAPTURE(to_string(kind));
        CAPTURE(for_all);
        CAPTURE(is_revoked);
        IssuerLab lab;
        lab.edit_profile("default", "\n[[pin_policy]]", "\n[limits]\ncredentials_per_device = 1\n\n[[pin_policy]]");
        Device device(lab);
        CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
        const std::string first = print_of(device.certificate(0));
        run_and_lose_the_end(lab, device, order(lab, Kind::update, first));
        const std::string second = print_of(device.certificate(0));
        REQUIRE(record(lab, second).status == Credentials::abandoned);
        const AuditEntry note{lab.clock.now(), "operator", "revoke", "", "", "ok", ""};
        if (is_revoked) REQUIRE(lab.issuer->revocations().revoke(second, RevocationReason::key_compromise, note));

        const ManagementRequest all{kind, "", print_of(device.device_certificate()), kSubject, "default"};
        CHECK(outcome(device.enrol_again(for_all ? order(lab, all) : order(lab, kind, first))) == "complete");
        CHECK(device.key_count() == (kind == Kind::remove ? 0 : 1));
        // The device has the second key, so the first one is gone; and nothing puts a revoked one in force.
        CHECK(record(lab, first).status == Credentials::replaced);
        CHECK(record(lab, second).status == (is_revoked ? Credentials::revoked : row.last));
        if (kind != Kind::update) continue;
        const Credential third = record(lab, print_of(device.certificate(0)));
        CHECK(third.status == Credentials::issued);
        CHECK(third.replaces == second);
      }
}

TEST_CASE("Orders: a revoked certificate has no say about the key whose place it took for good") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string first = print_of(device.certificate(0));
  CHECK(outcome(device.enrol_again(order(lab, Kind::update, first))) == "complete");
  const std::string second = print_of(device.certificate(0));
  const AuditEntry note{lab.clock.now(), "operator", "revoke", "", "", "ok", ""};
  REQUIRE(lab.issuer->revocations().revoke(second, RevocationReason::key_compromise, note));
  CHECK(make_order(lab, {Kind::unlock, first}).error().status == Status::not_allowed);
  CHECK(make_order(lab, {Kind::unlock, second}).error().status == Status::not_allowed);
  CHECK(outcome(device.enrol_again(order(lab, Kind::remove, second))) == "complete");
  CHECK(device.key_count() == 0);
}

TEST_CASE("Orders: an update that the device has not closed leaves everything as it was") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string key = print_of(device.certificate(0));
  device.begin_again();
  Response response = device.get(order(lab, Kind::update, key));
  for (int step = 0; step < 4; ++step) response = device.post(device.answer(response));
  CHECK(outcome(device.post("{}")) == "json");
  CHECK(print_of(device.certificate(0)) == key);
  CHECK(record(lab, key).status == Credentials::issued);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'abandoned' AND replaces = '" + key + "'") == 1);
  CHECK(outcome(device.enrol_again(order(lab, Kind::update, key))) == "complete");
  CHECK(record(lab, key).status == Credentials::replaced);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'issued'") == 1);
}

TEST_CASE("Orders: go on after a restart between any two steps, and when the last message comes twice") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string key = print_of(device.certificate(0));
  device.begin_again();
  Response response = device.get(order(lab, Kind::update, key));
  std::string last;
  while (response.status == 200) {
    lab.restart();
    last = device.answer(response);
    response = device.post(last);
  }
  CHECK(outcome(response) == "complete");
  lab.restart();
  CHECK(outcome(device.post(last)) == "complete");
  CHECK(record(lab, key).status == Credentials::replaced);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'issued'") == 1);
}

TEST_CASE("Orders: for all keys of a subject on a device") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket("pair"))) == "complete");
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  lab.execute("UPDATE credentials SET subject = 'CN=Mo Doe' WHERE fingerprint = '" + print_of(device.certificate(2)) +
              "'");
  const std::string print = print_of(device.device_certificate());
  CHECK(make_order(lab, {Kind::update, "", print, kSubject}).error().status == Status::option);
  CHECK(make_order(lab, {Kind::unlock, "", print, "CN=Nobody"}).error().status == Status::not_available);
  CHECK(make_order(lab, {Kind::unlock, "", print}).error().status == Status::option);
  CHECK(make_order(lab, {Kind::unlock, print_of(device.certificate(0)), print, kSubject}).error().status ==
        Status::option);

  const std::vector<std::string> pair{print_of(device.certificate(0)), print_of(device.certificate(1))};
  CHECK(outcome(device.enrol_again(order(lab, {Kind::update, "", print, kSubject, "pair"}))) == "complete");
  CHECK(device.key_count() == 3);
  for (const std::string& before : pair) CHECK(record(lab, before).status == Credentials::replaced);
  for (std::size_t i = 0; i < 2; ++i) {
    const Credential made = record(lab, print_of(device.certificate(i)));
    CHECK(made.replaces == pair[i]);
    CHECK(made.app_usage == record(lab, pair[i]).app_usage);
  }
  CHECK(outcome(device.enrol_again(order(lab, {Kind::remove, "", print, kSubject}))) == "complete");
  CHECK(device.key_count() == 1);
  CHECK(record(lab, print_of(device.certificate(0))).status == Credentials::issued);
}

TEST_CASE("Orders: tickets are refused for who may not make them, and for what cannot be found on a device") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string key = print_of(device.certificate(0));
  const Caller auditor{"ada", {Role::auditor}};
  const Caller helper{"hal", {Role::helpdesk}};
  CHECK(make_order(lab, {Kind::unlock, key}, auditor).error().status == Status::authorization);
  CHECK(make_order(lab, {Kind::remove, key}, helper).error().status == Status::authorization);
  CHECK(make_order(lab, {Kind::unlock, key}, helper));
  CHECK(lab.count("SELECT count(*) FROM audit WHERE actor = 'hal' AND action = 'manage' AND detail LIKE '%unlock " +
                  key + "'") == 1);
  CHECK(make_order(lab, {Kind::unlock, std::string(64, '0')}).error().status == Status::not_available);
  lab.execute("UPDATE credentials SET privacy_enabled = 1, device_fingerprint = ''");
  CHECK(make_order(lab, {Kind::unlock, key}).error().status == Status::not_allowed);
  CHECK(lab.count("SELECT count(*) FROM tickets WHERE operation <> ''") == 1);
}

TEST_CASE("Orders: what makes no key goes on without the profile") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string key = print_of(device.certificate(0));
  REQUIRE(std::remove((lab.path + "/profiles/default.toml").c_str()) == 0);
  lab.restart();
  CHECK(make_order(lab, {Kind::update, key}).error().status == Status::not_available);
  CHECK(outcome(device.enrol_again(order(lab, Kind::remove, key))) == "complete");
  CHECK(device.key_count() == 0);
}

TEST_CASE("Lookups: update renews the keys that the device has, and makes new ones where it has none") {
  IssuerLab lab;
  lab.edit_profile("default", "\n[[pin_policy]]", "\n[[lookup]]\naction = \"update\"\n\n[[pin_policy]]");
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string first = print_of(device.certificate(0));
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  REQUIRE(device.key_count() == 1);
  const std::string second = print_of(device.certificate(0));
  CHECK(record(lab, first).status == Credentials::replaced);
  CHECK(record(lab, second).replaces == first);
  // One that is not in force is not renewed.
  REQUIRE(lab.issuer->revocations().revoke(second, RevocationReason::unspecified,
                                           {lab.clock.now(), "operator", "revoke", "", "", "ok", ""}));
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 2);
  CHECK(record(lab, second).status == Credentials::revoked);
}

TEST_CASE("Roll-over: sessions move the keys that they touch to the newest key management key, twice") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket("pair"))) == "complete");
  const std::string one = print_of(device.certificate(0));
  const std::string two = print_of(device.certificate(1));
  const Bytes first = lab.issuer->key_manager().public_key();
  CHECK(keys_on(device) == std::vector<Bytes>{first});
  CHECK(record(lab, one).kmk_generation == 1);

  roll_over(lab);
  const Bytes second = lab.issuer->key_manager().public_key();
  REQUIRE(second != first);
  CHECK(record(lab, one).kmk_generation == 1);
  CHECK(outcome(device.enrol_again(order(lab, Kind::unlock, one))) == "complete");
  CHECK(keys_on(device) == std::vector<Bytes>{second});
  CHECK(record(lab, one).kmk_generation == 2);
  CHECK(record(lab, one).key_management_key == second);
  CHECK(record(lab, two).kmk_generation == 2);  // the other key of the session has moved with it

  roll_over(lab);
  roll_over(lab);
  CHECK(outcome(device.enrol_again(order(lab, Kind::update, two))) == "complete");
  CHECK(keys_on(device) == std::vector<Bytes>{lab.issuer->key_manager().public_key()});
  CHECK(record(lab, one).kmk_generation == 4);
  CHECK(record(lab, print_of(device.certificate(1))).kmk_generation == 4);
  CHECK(lab.count("SELECT count(*) FROM audit WHERE action = 'kmk'") == 3);
}

TEST_CASE("Roll-over: a device without it has its keys found and managed under the older key") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string key = print_of(device.certificate(0));
  const Bytes first = lab.issuer->key_manager().public_key();
  roll_over(lab);
  device.begin_again();
  Response response = device.get(order(lab, Kind::update, key));
  while (response.status == 200) {
    if (edit::contains(response.body, "/updatableKeyManagementKeys")) {
      response.body = edit::without(response.body, "/updatableKeyManagementKeys");
      const std::string answer = device.answer(response);
      CHECK(keys_on(device) == std::vector<Bytes>{first});
      response = device.post(answer);
      continue;
    }
    response = device.post(device.answer(response));
  }
  CHECK(outcome(response) == "complete");
  CHECK(record(lab, key).status == Credentials::replaced);
  CHECK(lab.count("SELECT kmk_generation FROM operations") == 1);
  CHECK(keys_on(device) == std::vector<Bytes>{lab.issuer->key_manager().public_key()});
  CHECK(record(lab, print_of(device.certificate(0))).kmk_generation == 2);
}

TEST_CASE("Roll-over: profiles with lookups find the keys of every generation, and sessions under way go on") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string key = print_of(device.certificate(0));
  test::write_file(lab.path + "/profiles/clean.toml",
                   "[certificate]\nvalidity_days = 1\n[[lookup]]\naction = \"ignore\"\nfilter = { app_usage = "
                   "\"signature\" }\n[[lookup]]\naction = \"delete\"\n");
  device.begin_again();
  Response response = device.get(lab.new_ticket("clean"));
  response = device.post(device.answer(response));
  roll_over(lab);
  while (response.status == 200) response = device.post(device.answer(response));
  CHECK(outcome(response) == "complete");
  CHECK(record(lab, key).status == Credentials::removed);
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(record(lab, print_of(device.certificate(0))).kmk_generation == 2);
  roll_over(lab);
  CHECK(outcome(device.enrol_again(lab.new_ticket("clean"))) == "complete");
  CHECK(device.key_count() == 0);
}

TEST_CASE("Order: a key that takes the place of another one says the same about its subject, and takes no more room") {
  IssuerLab lab;
  test::write_file(lab.path + "/profiles/staff.toml",
                   "[certificate]\nvalidity_days = 10\nsubject = \"CN={cn}\"\n"
                   "alternative_names = { email = [\"{email}\"] }\n[limits]\ncredentials_per_device = 1\n"
                   "[[key]]\napp_usage = \"authentication\"\nalgorithm = \"ec.nist.p256\"\n"
                   "[[key.property_bag]]\ntype = \"https://example.org/bag\"\n"
                   "property = [{ name = \"mail\", value = \"{email}\" }]\n");
  TicketOffice office(lab.issuer->ticket_office_ports());
  TicketRequest request{"staff"};
  request.data = R"({"cn": "Doe, Jo", "email": "jo@example.org"})";
  const auto ticket = office.make_ticket(request, Caller::command_line());
  REQUIRE(ticket);
  Device device(lab);
  REQUIRE(outcome(device.enrol(lab.target_of(ticket->links.init))) == "complete");
  // Twice: the second one has its data from the session of the first one.
  for (int i = 0; i < 2; ++i) {
    CAPTURE(i);
    const Bytes before = device.certificate(0);
    CHECK(outcome(device.enrol_again(order(lab, Kind::update, print_of(before)))) == "complete");
    const Bytes after = device.certificate(device.key_count() - 1);
    CHECK(after != before);
    const auto certificate = crypto::Certificate::from_der(after);
    REQUIRE(certificate);
    CHECK(certificate->subject() == "CN=Doe\\, Jo");
    CHECK(certificate->alternative_emails() == std::vector<std::string>{"jo@example.org"});
  }
  CHECK(device.key_count() == 1);
}
