#include "provisioning-server/directory/directory.h"

#include <algorithm>
#include <set>

#include "provisioning-server/audit/chained_audit_log.h"
#include "provisioning-server/database/schema.h"
#include "provisioning-server/directory/list_query.h"
#include "provisioning-server/directory/subject_words.h"
#include "provisioning-server/sql_repository.h"
#include "sks-core/base/encoding.h"
#include "tests/provisioning-server/test_databases.h"

using namespace sks;
using namespace sks::issuer;

namespace {

constexpr std::int64_t kNow = 1'800'000'000;

/// What one enrolment leaves behind.
struct Enrolled {
  std::string name;
  std::string subject = "CN=x";
  std::int64_t time = kNow;
  std::string profile = "default";
  std::string device = "";
  SessionPhase end = SessionPhase::done;
  std::string result = "ok";
};

std::string print_of(const std::string& name) { return to_hex(crypto::sha256(as_bytes(name))); }

struct Fixture {
  explicit Fixture(const std::string& kind) : database(kind) { REQUIRE(bring_schema_forward(*database)); }

  void enrol(const Enrolled& what) {
    const AuditEntry entry{what.time,           "peer", "step", "id-" + what.name, what.profile, what.result,
                           "about " + what.name};
    Ticket ticket{"ticket-" + what.name, what.profile, what.subject, "cookie", what.time, what.time + 100, 0};
    ticket.creator = "operator";
    REQUIRE(repository.add_ticket(ticket, entry));
    Session session;
    session.id = "id-" + what.name;
    session.cookie_digest = "cookie-" + what.name;
    session.ticket_digest = ticket.digest;
    session.profile = what.profile;
    session.profile_digest = "abc";
    session.subject = what.subject;
    session.sealed_puk = {1};
    session.created = what.time;
    session.expires = what.time + 900;
    REQUIRE(repository.start_session(session, entry));
    Step step{session.phase, session.version, session, {}, {}, entry};
    step.after.phase = what.end;
    step.after.client_session_id = "client-" + what.name;
    step.after.device_fingerprint = what.device;
    if (!what.device.empty()) step.device_path = {{0x30, 0x00}, {0x30, 0x01, 0x00}};
    Credential credential;
    credential.fingerprint = print_of(what.name);
    credential.certificate = {0x30, 0x00};
    credential.subject = what.subject;
    credential.profile = what.profile;
    credential.public_key_digest = "key-" + what.name;
    credential.server_session_id = session.id;
    credential.device_fingerprint = what.device;
    credential.serial = print_of("serial of " + what.name).substr(0, 32);
    step.pending = {credential};
    const auto outcome = repository.commit_step(step);
    REQUIRE(outcome);
    REQUIRE(*outcome == StepOutcome::committed);
  }
  /// Names of the credentials that a filter finds, over all pages of that size.
  std::vector<std::string> found(const CredentialFilter& filter, std::size_t size = 2) const {
    std::vector<std::string> names;
    PageRequest request{size};
    do {
      const auto page = directory.credentials(filter, request);
      REQUIRE(page);
      CHECK(page->rows.size() <= size);
      for (const CredentialRow& row : page->rows) names.push_back(row.credential.server_session_id.substr(3));
      request.cursor = page->next;
    } while (!request.cursor.empty());
    return names;
  }
  std::vector<std::string> search(const std::string& text) const {
    CredentialFilter filter;
    filter.text = text;
    std::vector<std::string> names = found(filter);
    std::ranges::sort(names);
    return names;
  }

  test::TestDatabase database;
  ChainedAuditLog audit{*database, "node", system_clock(), system_random()};
  SqlRepository repository{*database, audit};
  Directory directory{*database};
};

/// All rows of a list, page by page.
template <class List>
auto all_rows(const List& list, std::size_t size) {
  PageRequest request{size};
  auto page = list(request);
  REQUIRE(page);
  auto rows = page->rows;
  while (!page->next.empty()) {
    request.cursor = page->next;
    page = list(request);
    REQUIRE(page);
    rows.insert(rows.end(), page->rows.begin(), page->rows.end());
  }
  return rows;
}

using Names = std::vector<std::string>;

}  // namespace

SKS_CONTRACT_TEST("Directory: lists are newest first, and pages of whatever size make up the same list") {
  Fixture fixture(kind);
  // Some at the same second, as the order has to be one all the same.
  for (const auto& [name, time] :
       {std::pair<const char*, std::int64_t>{"a", 1}, {"b", 2}, {"c", 2}, {"d", 2}, {"e", 3}})
    fixture.enrol({name, "CN=x", kNow + time, "default", std::string("device-") + name});
  for (const std::size_t size : {1U, 2U, 3U, 5U, 100U}) {
    CAPTURE(size);
    const auto credentials = fixture.found({}, size);
    CHECK(credentials.size() == 5);
    CHECK(credentials.front() == "e");
    CHECK(credentials.back() == "a");
    CHECK(std::set<std::string>(credentials.begin(), credentials.end()).size() == 5);
    const auto tickets =
        all_rows([&](const PageRequest& page) { return fixture.directory.tickets({}, page, kNow); }, size);
    REQUIRE(tickets.size() == 5);
    CHECK(tickets.front().ticket.digest == "ticket-e");
    CHECK(tickets.front().session == "id-e");
    CHECK(tickets.front().ticket.creator == "operator");
    CHECK(tickets.front().ticket.cookie_digest.empty());
    const auto sessions = all_rows([&](const PageRequest& page) { return fixture.directory.sessions({}, page); }, size);
    REQUIRE(sessions.size() == 5);
    CHECK(sessions.front().id == "id-e");
    CHECK(sessions.front().ended == kNow + 3);
    CHECK(sessions.front().result == "ok");
    CHECK(sessions.front().has_puk);
    const auto devices = all_rows([&](const PageRequest& page) { return fixture.directory.devices({}, page); }, size);
    REQUIRE(devices.size() == 5);
    CHECK(devices.front().fingerprint == "device-e");
    CHECK(devices.front().certificate == Bytes{0x30, 0x00});
    CHECK(devices.front().path == Bytes{0x30, 0x00, 0x30, 0x01, 0x00});
    CHECK(devices.front().first_seen == kNow + 3);
    const auto entries = all_rows([&](const PageRequest& page) { return fixture.directory.audit({}, page); }, size);
    CHECK(entries.size() == 15);
    CHECK(entries.front().entry.time == kNow + 3);
    CHECK(std::ranges::is_sorted(entries, std::ranges::greater(), [](const AuditRow& row) { return row.entry.time; }));
  }
}

SKS_CONTRACT_TEST("Directory: credentials are found by words of the subject, in any order, each perhaps only begun") {
  Fixture fixture(kind);
  fixture.enrol({"jo", "CN=Jo Doe,O=Example,C=SE"});
  fixture.enrol({"mo", "CN=Mo Doe,O=Example,emailAddress=mo.doe@example.com"});
  fixture.enrol({"other", "CN=Jo\\, the other,O=Elsewhere"});
  fixture.enrol({"ada", "CN=Ada Decade,O=Elsewhere"});
  CHECK(fixture.search("doe") == Names{"jo", "mo"});
  CHECK(fixture.search("DOE jo") == Names{"jo"});
  CHECK(fixture.search("jo") == Names{"jo", "other"});
  CHECK(fixture.search("exam do") == Names{"jo", "mo"});
  CHECK(fixture.search("e") == Names{"ada", "jo", "mo", "other"});  // once each, though some have two such words
  CHECK(fixture.search("mo.doe@example.com") == Names{"mo"});
  CHECK(fixture.search("decade") == Names{"ada"});  // hexadecimal, but a word
  CHECK(fixture.search("the elsewhere") == Names{"other"});
  CHECK(fixture.search("nobody").empty());
  CHECK(fixture.search("doe elsewhere").empty());
  CHECK(fixture.search("CN").empty());
  CHECK(fixture.search("").size() == 4);
  CHECK(fixture.search("  ,;  ").size() == 4);
}

SKS_CONTRACT_TEST("Directory: credentials are found by numbers, as people and programs write them") {
  Fixture fixture(kind);
  const std::string device = print_of("device");
  fixture.enrol({"a", "CN=x", kNow, "default", device});
  fixture.enrol({"b", "CN=x", kNow, "default", device});
  fixture.enrol({"c", "CN=12345678"});
  const std::string serial = print_of("serial of a").substr(0, 32);
  std::string spelled;
  for (std::size_t i = 0; i < serial.size(); i += 2) spelled += (i == 0 ? "" : ":") + serial.substr(i, 2);
  std::ranges::transform(spelled, spelled.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
  CHECK(fixture.search(serial) == Names{"a"});
  CHECK(fixture.search(spelled) == Names{"a"});
  CHECK(fixture.search(print_of("b")) == Names{"b"});
  CHECK(fixture.search(print_of("b").substr(0, 12)) == Names{"b"});
  CHECK(fixture.search(device) == Names{"a", "b"});
  CHECK(fixture.search(device.substr(0, 10)) == Names{"a", "b"});
  CHECK(fixture.search("12345678") == Names{"c"});
  CHECK(fixture.search("99999999999").empty());
}

SKS_CONTRACT_TEST("Directory: filters count together") {
  Fixture fixture(kind);
  fixture.enrol({"a", "CN=Jo,O=One", kNow, "default", "dev"});
  fixture.enrol({"b", "CN=Jo,O=Two", kNow, "pair", "dev"});
  fixture.enrol({"c", "CN=Mo,O=One", kNow, "pair", "", SessionPhase::aborted, "crypto"});
  fixture.enrol({"d", "CN=Mo,O=One", kNow, "pair", "", SessionPhase::initialization});
  test::execute(*fixture.database,
                "UPDATE credentials SET status = 'revoked' WHERE fingerprint = '" + print_of("b") + "'");
  const auto sorted = [&](const CredentialFilter& filter) {
    std::vector<std::string> names = fixture.found(filter, 1);
    std::ranges::sort(names);
    return names;
  };
  CredentialFilter filter;
  filter.profile = "pair";
  CHECK(sorted(filter) == Names{"b", "c", "d"});
  filter.status = Credential::Status::revoked;
  CHECK(sorted(filter) == Names{"b"});
  filter.device = "other";
  CHECK(sorted(filter).empty());
  filter = {};
  filter.status = Credential::Status::issued;
  CHECK(sorted(filter) == Names{"a"});
  filter.status = Credential::Status::abandoned;
  CHECK(sorted(filter) == Names{"c"});
  filter = {};
  filter.device = "dev";
  CHECK(sorted(filter) == Names{"a", "b"});
  filter.text = "two";
  CHECK(sorted(filter) == Names{"b"});
  filter = {};
  filter.subject = "CN=Jo,O=";
  CHECK(sorted(filter) == Names{"a", "b"});
  filter = {};
  filter.session = "id-c";
  CHECK(sorted(filter) == Names{"c"});
  filter = {};
  filter.fingerprint = print_of("d").substr(0, 5);
  CHECK(sorted(filter) == Names{"d"});

  const auto sessions = [&](const SessionFilter& wanted) {
    Names names;
    for (const SessionRow& row :
         all_rows([&](const PageRequest& page) { return fixture.directory.sessions(wanted, page); }, 1))
      names.push_back(row.id.substr(3));
    std::ranges::sort(names);
    return names;
  };
  SessionFilter wanted;
  wanted.state = SessionFilter::State::open;
  CHECK(sessions(wanted) == Names{"d"});
  wanted.state = SessionFilter::State::aborted;
  CHECK(sessions(wanted) == Names{"c"});
  wanted = {};
  wanted.result = "crypto";
  CHECK(sessions(wanted) == Names{"c"});
  wanted = {};
  wanted.device = "dev";
  CHECK(sessions(wanted) == Names{"a", "b"});
  wanted.text = "o=two";
  CHECK(sessions(wanted) == Names{"b"});

  const auto tickets = [&](TicketFilter::State state, std::int64_t now) {
    TicketFilter of;
    of.state = state;
    return all_rows([&](const PageRequest& page) { return fixture.directory.tickets(of, page, now); }, 2).size();
  };
  REQUIRE(fixture.repository.add_ticket({"ticket-open", "default", "CN=x", "", kNow, kNow + 100, 0}, {}));
  CHECK(tickets(TicketFilter::State::used, kNow) == 4);
  CHECK(tickets(TicketFilter::State::open, kNow) == 1);
  CHECK(tickets(TicketFilter::State::open, kNow + 100) == 0);
  CHECK(tickets(TicketFilter::State::expired, kNow + 100) == 1);

  AuditFilter about;
  about.session = "id-a";
  about.text = "ABOUT";
  CHECK(all_rows([&](const PageRequest& page) { return fixture.directory.audit(about, page); }, 2).size() == 3);
  about = {};
  about.result = "crypto";
  CHECK(all_rows([&](const PageRequest& page) { return fixture.directory.audit(about, page); }, 2).size() == 3);
  about = {};
  about.to = kNow;
  CHECK(all_rows([&](const PageRequest& page) { return fixture.directory.audit(about, page); }, 2).size() == 1);
  DeviceFilter device;
  device.fingerprint = "de";
  CHECK(all_rows([&](const PageRequest& page) { return fixture.directory.devices(device, page); }, 2).size() == 1);
}

SKS_CONTRACT_TEST("Directory: single rows are there with everything, or not at all") {
  Fixture fixture(kind);
  fixture.enrol({"a", "CN=Jo", kNow, "default", "dev"});
  CHECK((*fixture.directory.credential(print_of("a")))->credential.certificate == Bytes{0x30, 0x00});
  CHECK((*fixture.directory.credential(print_of("a")))->owner == "id-a");
  CHECK((*fixture.directory.session("id-a"))->device_fingerprint == "dev");
  CHECK((*fixture.directory.ticket("ticket-a"))->session == "id-a");
  CHECK((*fixture.directory.device("dev"))->last_seen == kNow);
  CHECK_FALSE(*fixture.directory.credential("none"));
  CHECK_FALSE(*fixture.directory.session("none"));
  CHECK_FALSE(*fixture.directory.ticket("none"));
  CHECK_FALSE(*fixture.directory.device("none"));
  CHECK(fixture.directory.session("\xff").error().status == Status::option);
}

SKS_CONTRACT_TEST("Directory: a filter without an index goes on from page to page, however rare its rows are") {
  Fixture fixture(kind);
  REQUIRE(fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
    for (std::size_t i = 0; i < kMaxLooked + 700; ++i)
      SKS_TRY(fixture.audit.append(transaction, {kNow, i == 3 ? "rare" : "peer", "step", "", "", "ok", ""}));
    return {};
  }));
  AuditFilter filter;
  filter.actor = "rare";
  const auto first = fixture.directory.audit(filter, {});
  REQUIRE(first);
  CHECK(first->rows.empty());
  CHECK_FALSE(first->next.empty());
  CHECK(all_rows([&](const PageRequest& page) { return fixture.directory.audit(filter, page); }, 50).size() == 1);
}

SKS_CONTRACT_TEST("Directory: a page of no size and a cursor of another list are refused") {
  Fixture fixture(kind);
  for (const char* const name : {"a", "b", "c"}) fixture.enrol({name});
  const auto refused = [](const auto& page) { return !page && page.error().status == Status::option; };
  CHECK(refused(fixture.directory.audit({}, {0})));
  CHECK(refused(fixture.directory.audit({}, {kMaxPage + 1})));
  for (const char* const cursor : {"x", "~", "YQ~", "YQ~.YQ~", "YQ~.YQ~.YQ~", "YQ~YQ~", "AA~.AA~", "_w~.YQ~"}) {
    CAPTURE(cursor);
    CHECK(refused(fixture.directory.credentials({}, {2, cursor})));
    CHECK(refused(fixture.directory.tickets({}, {2, cursor}, kNow)));
  }
  const auto audit = fixture.directory.audit({}, {2});
  REQUIRE(audit);
  CHECK(refused(fixture.directory.credentials({}, {2, audit->next})));
  CredentialFilter filter;
  filter.subject = std::string("a\0b", 3);
  CHECK(refused(fixture.directory.credentials(filter, {})));
  filter.subject = "\xff";
  CHECK(refused(fixture.directory.credentials(filter, {})));
}

SKS_CONTRACT_TEST("Directory: statistics count what was issued and how sessions ended, also where nothing happened") {
  Fixture fixture(kind);
  constexpr std::int64_t kHour = 3600;
  constexpr std::int64_t kStart = 500'000 * kHour;
  fixture.enrol({"a", "CN=x", kStart});
  fixture.enrol({"b", "CN=x", kStart + kHour - 1});
  fixture.enrol({"c", "CN=x", kStart + 2 * kHour, "default", "", SessionPhase::aborted, "crypto"});
  fixture.enrol({"d", "CN=x", kStart + 2 * kHour, "default", "", SessionPhase::aborted, "device"});
  fixture.enrol({"e", "CN=x", kStart + 2 * kHour, "default", "", SessionPhase::aborted, "device"});
  fixture.enrol({"f", "CN=x", kStart + 3 * kHour});
  fixture.enrol({"g", "CN=x", kStart, "default", "", SessionPhase::initialization});
  const auto points = fixture.directory.statistics(kStart, kStart + 3 * kHour, kHour);
  REQUIRE(points);
  REQUIRE(points->size() == 3);
  using Counts = std::vector<std::pair<std::string, std::int64_t>>;
  CHECK((*points)[0].start == kStart);
  CHECK((*points)[0].credentials == 2);
  CHECK((*points)[0].sessions == Counts{{"ok", 2}});
  CHECK((*points)[1].credentials == 0);
  CHECK((*points)[1].sessions.empty());
  CHECK((*points)[2].credentials == 0);
  CHECK((*points)[2].sessions == Counts{{"crypto", 1}, {"device", 2}});
  CHECK(fixture.directory.statistics(kStart, kStart, kHour)->empty());
  CHECK_FALSE(fixture.directory.statistics(kStart, kStart + kHour, 0));
  CHECK_FALSE(fixture.directory.statistics(kStart, kStart + kHour, 1));
  CHECK_FALSE(fixture.directory.statistics(kStart + 1, kStart, kHour));
}

TEST_CASE("words_of_subject: the words of the values, each once and in lower case") {
  CHECK(words_of_subject("CN=Jo Doe,O=Example") == Names{"jo", "doe", "example"});
  CHECK(words_of_subject("CN=Doe\\, Jo,O=Doe") == Names{"doe", "jo"});
  CHECK(words_of_subject("CN=J\xc3\xb6rg O'Neil-X1") == Names{"j\xc3\xb6rg", "o", "neil", "x1"});
  CHECK(words_of_subject("no attribute") == Names{"no", "attribute"});
  CHECK(words_of_subject("").empty());
  CHECK(words_of_subject("CN=" + std::string(100, 'A')) == Names{std::string(64, 'a')});
  std::string many = "CN=";
  for (int i = 0; i < 100; ++i) many += std::to_string(i) + ' ';
  CHECK(words_of_subject(many).size() == 24);
}
