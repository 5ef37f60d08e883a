#include <stdlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "provisioning-server/admin_api/query_reader.h"
#include "provisioning-server/database/schema.h"
#include "provisioning-server/directory/subject_words.h"
#include "provisioning-server/url.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"
#include "tests/fuzz/checks.h"

/// Queries of the lists of the REST API, over a small database: refused with one sentence, or answered with pages that
/// together are the list, whatever their size.
namespace sks::fuzz {
namespace {

using namespace issuer;

constexpr std::int64_t kNow = 1'800'000'000;
constexpr std::int64_t kRows = 24;
constexpr std::size_t kMostPages = 2 * kRows;

/// Goes when the process ends as it should; a finding leaves it there.
class Folder {
 public:
  Folder() : path_((std::filesystem::temp_directory_path() / "sks-fuzz-XXXXXX").string()) {
    require(mkdtemp(path_.data()) != nullptr, "a folder");
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name) const { return path_ + '/' + name; }

 private:
  std::string path_;
};

/// The rows of an issuer that has done a little of everything.
class Records {
 public:
  Records() : database_(opened()), directory_(*database_) {
    require(static_cast<bool>(bring_schema_forward(*database_)), "tables");
    const auto filled = database_->write([](SqlTransaction& transaction) -> Result<void> {
      for (std::int64_t i = 0; i < kRows; ++i) SKS_TRY(add(transaction, i));
      return {};
    });
    require(static_cast<bool>(filled), "rows");
  }
  const Directory& directory() const { return directory_; }

 private:
  std::unique_ptr<Database> opened() const {
    auto database = open_sqlite(folder_.file("issuer.db"), true);
    require(static_cast<bool>(database), "a database");
    return std::move(database).value();
  }

  static Result<void> add(SqlTransaction& transaction, std::int64_t i) {
    constexpr auto kSubjects = std::to_array<const char*>(
        {"CN=Jo Doe,O=Example", "CN=Žofie Hara,O=Example", "CN=Doe\\, Jo+SERIALNUMBER=17,C=SE", "CN=x"});
    const std::string number = std::to_string(i);
    const std::string print = to_hex(crypto::sha256(as_bytes(number)));
    const std::string device = to_hex(crypto::sha256(as_bytes("device " + std::to_string(i / 3))));
    const std::string subject = kSubjects.at(static_cast<std::size_t>(i) % kSubjects.size());
    const std::string profile = "profile" + std::to_string(i % 3);
    const std::string phase(to_string(static_cast<SessionPhase>(i % 8)));
    const std::int64_t time = kNow + i / 4;  // several at a time
    const std::int64_t ended = i % 8 >= 6 ? time + 9 : 0;
    const std::string result = ended == 0 ? "" : i % 8 == 6 ? "ok" : "crypto";
    SKS_TRY(transaction.run(
        "INSERT INTO tickets (digest, profile, subject, cookie_digest, created, expires, used, creator, data) VALUES"
        " ($1, $2, $3, '', $4, $5, $6, 'operator', '')",
        {print, profile, subject, time, time + i % 2 * 1000, i % 3 * time}));
    SKS_TRY(transaction.run(
        "INSERT INTO sessions (id, cookie_digest, ticket_digest, profile, profile_digest, subject, phase, version,"
        " sealed_state, sealed_puk, last_request, reply_kind, reply_text, created, expires, client_session_id,"
        " device_fingerprint, ended, result) VALUES ($1, $2, $2, $3, '', $4, $5, 1, $6, $6, '', 1, '', $7, $8, $1, $9,"
        " $10, $11)",
        {"id-" + number, print, profile, subject, phase, Bytes(), time, time + 900, device, ended, result}));
    SKS_TRY(transaction.run(
        "INSERT INTO credentials (fingerprint, certificate, subject, profile, app_usage, friendly_name,"
        " public_key_digest, server_session_id, client_session_id, device_fingerprint, key_management_key,"
        " privacy_enabled, status, issued, revoked, owner, created, serial, issuer, not_after) VALUES ($1, $2, $3, $4,"
        " 'signature', 'Key', $1, $5, $5, $6, $2, 0, $7, $8, 0, $5, $8, $9, 'CN=CA', $10)",
        {print, Bytes(), subject, profile, "id-" + number, device,
         std::string(to_string(static_cast<Credential::Status>(i % 7))), time, print.substr(32), time + 1}));
    SKS_TRY(insert_words(transaction, {subject, time, print}));
    SKS_TRY(transaction.run("INSERT INTO signature_profiles (credential, uri) VALUES ($1, $2)",
                            {print, std::string("mss:bank.example:approve:high:qscd")}));
    SKS_TRY(transaction.run(
        "INSERT INTO devices (fingerprint, certificate, path, first_seen, last_seen) VALUES ($1, $2, $2, $3, $3)",
        {print, Bytes(), time}));
    SKS_TRY(transaction.run(
        "INSERT INTO audit (chain, number, time, actor, action, session, policy, result, detail, previous, hash)"
        " VALUES ($1, $2, $3, 'operator', 'ticket', $4, $5, 'ok', $6, $7, $7)",
        {"chain" + std::to_string(i % 2), i, time, i % 3 == 0 ? "" : "id-" + number, profile, subject, Bytes()}));
    return {};
  }

  Folder folder_;
  std::unique_ptr<Database> database_;
  Directory directory_;
};

using Names = std::vector<std::string>;
/// A page of a list as the names of its rows.
struct NamedPage {
  Names names;
  std::string next;
};
using ReadPage = std::function<Result<NamedPage>(const PageRequest&)>;

template <class Row, class Name>
Result<NamedPage> named(const Result<Page<Row>>& page, const Name& name) {
  if (!page) return page.error();
  NamedPage made{{}, page->next};
  for (const Row& row : page->rows) made.names.push_back(name(row));
  return made;
}

// Each of them reads what the list's own route reads.
ReadPage tickets(QueryReader& query, const Directory& directory) {
  TicketFilter filter;
  filter.state = static_cast<TicketFilter::State>(query.choice("state", {"any", "open", "used", "expired"}));
  filter.profile = query.text("profile");
  filter.creator = query.text("creator");
  filter.text = query.text("text");
  return [=, &directory](const PageRequest& page) {
    return named(directory.tickets(filter, page, kNow + 3), [](const TicketRow& row) { return row.ticket.digest; });
  };
}

ReadPage sessions(QueryReader& query, const Directory& directory) {
  SessionFilter filter;
  filter.state = static_cast<SessionFilter::State>(query.choice("state", {"any", "open", "done", "aborted"}));
  filter.profile = query.text("profile");
  filter.device = query.fingerprint("device");
  filter.result = query.text("result");
  filter.text = query.text("text");
  return [=, &directory](const PageRequest& page) {
    return named(directory.sessions(filter, page), [](const SessionRow& row) { return row.id; });
  };
}

ReadPage credentials(QueryReader& query, const Directory& directory) {
  CredentialFilter filter;
  filter.text = query.text("text");
  filter.subject = query.text("subject");
  filter.serial = query.text("serial");
  filter.fingerprint = query.text("fingerprint");
  filter.profile = query.text("profile");
  filter.device = query.fingerprint("device");
  filter.session = query.text("session");
  const std::size_t status = query.choice("status", {"any", "pending", "issued", "revoked", "abandoned", "removed"});
  if (status != 0) filter.status = static_cast<Credential::Status>(status - 1);
  return [=, &directory](const PageRequest& page) {
    return named(directory.credentials(filter, page),
                 [](const CredentialRow& row) { return row.credential.fingerprint; });
  };
}

ReadPage devices(QueryReader& query, const Directory& directory) {
  DeviceFilter filter;
  filter.fingerprint = query.text("fingerprint");
  return [=, &directory](const PageRequest& page) {
    return named(directory.devices(filter, page), [](const DeviceRow& row) { return row.fingerprint; });
  };
}

ReadPage audit(QueryReader& query, const Directory& directory) {
  AuditFilter filter;
  filter.from = query.integer("from", 0, std::int64_t{1} << 40, 0);
  filter.to = query.integer("to", 0, std::int64_t{1} << 40, 0);
  filter.session = query.text("session");
  filter.actor = query.text("actor");
  filter.action = query.text("action");
  filter.result = query.text("result");
  filter.text = query.text("text");
  return [=, &directory](const PageRequest& page) {
    return named(directory.audit(filter, page),
                 [](const AuditRow& row) { return row.chain + ' ' + std::to_string(row.number); });
  };
}

ReadPage signature_profiles(QueryReader& query, const Directory& directory) {
  SignatureProfileFilter filter;
  filter.subject = query.text("user");
  filter.in_force = query.choice("status", {"in-force", "any"}) == 0;
  return [=, &directory](const PageRequest& page) {
    return named(directory.signature_profiles(filter, page, kNow + 3),
                 [](const SignatureProfileRow& row) { return row.credential; });
  };
}

struct List {
  std::string_view name;
  ReadPage (*read)(QueryReader&, const Directory&);
};
constexpr auto kLists = std::to_array<List>({
    {"audit", audit},
    {"credentials", credentials},
    {"devices", devices},
    {"sessions", sessions},
    {"signature-profiles", signature_profiles},
    {"tickets", tickets},
});

/// It stands in an answer.
void check_refusal(const Error& error) {
  require(error.status == Status::option, "class of a refusal");
  require(!error.detail.empty() && error.detail.size() < 300, "a refusal is a sentence");
  require(std::ranges::all_of(error.detail, [](char c) { return c >= ' ' && c <= '~'; }), "a refusal is plain text");
}

/// All rows from a cursor on; none when it is refused.
std::optional<Names> read_all(const ReadPage& read, PageRequest page) {
  Names all;
  for (std::size_t pages = 0; pages < kMostPages; ++pages) {
    const Result<NamedPage> found = read(page);
    if (!found) {
      require(pages == 0, "a cursor that was handed out is good");
      check_refusal(found.error());
      return std::nullopt;
    }
    require(found->names.size() <= page.size, "a page has no more rows than were asked for");
    all.insert(all.end(), found->names.begin(), found->names.end());
    if (found->next.empty()) return all;
    page.cursor = found->next;
  }
  require(false, "a list ends");
  return all;
}

void read_list_of(const List& list, std::string_view text, const Directory& directory) {
  QueryReader query(text);
  const ReadPage read = list.read(query, directory);
  const PageRequest page = query.page();
  if (const Result<void> end = query.finish(); !end) return check_refusal(end.error());
  require(page.size >= 1 && page.size <= kMaxPage, "the size of a page is within its bounds");
  const std::optional<Names> whole = read_all(read, {kMaxPage, page.cursor});
  require(read_all(read, page) == whole, "pages of any size are the same list");
  if (!whole) return;
  require(std::set<std::string>(whole->begin(), whole->end()).size() == whole->size(), "no row comes twice");
  if (text.empty()) require(whole->size() == kRows || list.name == "signature-profiles", "no filter, every row");
}

/// Lines are names and values in turn: what is encoded comes out of the reader as it went in.
void read_pairs(std::string_view text) {
  std::map<std::string, std::string> pairs;
  std::string query;
  bool is_repeated = false;
  while (!text.empty()) {
    std::array<std::string, 2> pair;
    for (std::string& part : pair) {
      part = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(part.size() + 1, text.size()));
    }
    is_repeated |= !pairs.emplace(pair[0], pair[1]).second;
    query += (query.empty() ? "" : "&") + percent_encode(pair[0]) + '=' + percent_encode(pair[1]);
  }
  QueryReader reader(query);
  if (!is_repeated)
    for (const auto& [name, value] : pairs) require(reader.text(name) == value, "a value comes out as it went in");
  const Result<void> end = reader.finish();
  require(static_cast<bool>(end) != is_repeated, "what is well-formed and known is accepted");
  if (!end) check_refusal(end.error());
}

}  // namespace
}  // namespace sks::fuzz

/// The first line says which list it is, or "pairs"; the rest is the query.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sks;
  static const fuzz::Records records;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view kind = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(kind.size() + 1, text.size()));
  if (kind == "pairs") fuzz::read_pairs(text);
  const auto* const list = std::ranges::find(fuzz::kLists, kind, &fuzz::List::name);
  if (list != fuzz::kLists.end()) fuzz::read_list_of(*list, text, records.directory());
  return 0;
}
