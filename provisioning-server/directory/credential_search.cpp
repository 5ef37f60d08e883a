#include <algorithm>
#include <array>

#include "provisioning-server/directory/directory.h"
#include "provisioning-server/directory/list_query.h"
#include "provisioning-server/directory/subject_words.h"
#include "provisioning-server/internal/repository_rows.h"

namespace sks::issuer {
namespace {

using Direction = ListPath::Direction;
using Type = ListKey::Type;

/// Above this many a word counts as one that everybody has.
constexpr std::int64_t kManyOfAWord = 1000;
/// What is shorter, or has no digit, is a word: there are people called Ada and Abba.
constexpr std::size_t kMinHex = 6;
/// Behind kCredentialList.
constexpr std::size_t kWordColumn = 22;
constexpr std::size_t kCertificateColumn = 22;

/// Without certificate and key management key.
constexpr const char* kCredentialList =
    "credentials.fingerprint, credentials.subject, credentials.profile, credentials.app_usage,"
    " credentials.friendly_name, credentials.public_key_digest, credentials.server_session_id,"
    " credentials.client_session_id, credentials.device_fingerprint, credentials.privacy_enabled, credentials.status,"
    " credentials.issued, credentials.revoked, credentials.serial, credentials.issuer, credentials.not_after,"
    " credentials.created, credentials.owner, credentials.kmk_generation, credentials.key_suspended,"
    " credentials.replaces, credentials.clones";

Result<CredentialRow> credential_row(const SqlRow& row) {
  CredentialRow made;
  Credential& credential = made.credential;
  credential.fingerprint = row.text(0);
  credential.subject = row.text(1);
  credential.profile = row.text(2);
  credential.app_usage = row.text(3);
  credential.friendly_name = row.text(4);
  credential.public_key_digest = row.text(5);
  credential.server_session_id = row.text(6);
  credential.client_session_id = row.text(7);
  credential.device_fingerprint = row.text(8);
  credential.privacy_enabled = row.integer(9) != 0;
  SKS_LET(credential.status, parse_status(row.text(10)));
  credential.issued = row.integer(11);
  credential.revoked = row.integer(12);
  credential.serial = row.text(13);
  credential.issuer = row.text(14);
  credential.not_after = row.integer(15);
  made.created = row.integer(16);
  made.owner = row.text(17);
  credential.kmk_generation = row.integer(18);
  credential.key_suspended = row.integer(19) != 0;
  credential.replaces = row.text(20);
  credential.clones = row.text(21);
  return made;
}

std::vector<ListKey> newest_first() {
  return {{"credentials.created", Type::integer}, {"credentials.fingerprint", Type::text}};
}

ListPath equal_path(const std::string& column, const std::string& value) {
  return {"credentials", column + " = $1", {value}, newest_first(), Direction::down};
}

ListPath prefix_path(const std::string& column, const std::string& prefix) {
  ListPath path{"credentials",
                "credentials." + column + " >= $1 AND credentials." + column + " < $2",
                {prefix, end_of_prefix(prefix)},
                {{"credentials." + column, Type::text}},
                Direction::up};
  if (column == "device_fingerprint") path.keys.push_back({"credentials.created", Type::integer});
  if (column != "fingerprint") path.keys.push_back({"credentials.fingerprint", Type::text});
  return path;
}

/// A way along an index for each filter that has one; the first row that fits leads, and the others are looked at.
struct Way {
  bool (*applies)(const CredentialFilter&);
  ListPath (*path)(const CredentialFilter&);
};
constexpr auto kWays = std::to_array<Way>({
    {[](const CredentialFilter& filter) { return !filter.session.empty(); },
     [](const CredentialFilter& filter) { return equal_path("server_session_id", filter.session); }},
    {[](const CredentialFilter& filter) { return !filter.serial.empty(); },
     [](const CredentialFilter& filter) { return equal_path("serial", filter.serial); }},
    {[](const CredentialFilter& filter) { return !filter.fingerprint.empty(); },
     [](const CredentialFilter& filter) { return prefix_path("fingerprint", filter.fingerprint); }},
    {[](const CredentialFilter& filter) { return !filter.device.empty(); },
     [](const CredentialFilter& filter) { return equal_path("device_fingerprint", filter.device); }},
    {[](const CredentialFilter& filter) { return !filter.subject.empty(); },
     [](const CredentialFilter& filter) { return prefix_path("subject", filter.subject); }},
    {[](const CredentialFilter& filter) { return filter.status && *filter.status != Credential::Status::issued; },
     [](const CredentialFilter& filter) {
       ListPath path = equal_path("status", std::string(to_string(*filter.status)));
       path.where += " AND status <> 'issued'";
       return path;
     }},
    {[](const CredentialFilter& filter) { return !filter.profile.empty(); },
     [](const CredentialFilter& filter) { return equal_path("profile", filter.profile); }},
    {[](const CredentialFilter&) { return true; },
     [](const CredentialFilter&) {
       return ListPath{"credentials", "", {}, newest_first(), Direction::down};
     }},
});

bool belongs(const CredentialFilter& filter, const Credential& credential) {
  return fits(filter.serial, credential.serial) && credential.fingerprint.starts_with(filter.fingerprint) &&
         fits(filter.device, credential.device_fingerprint) && credential.subject.starts_with(filter.subject) &&
         fits(filter.profile, credential.profile) && fits(filter.session, credential.server_session_id) &&
         (!filter.status || *filter.status == credential.status);
}

/// Lower case and without colons, if that is a number as certificates have them.
std::optional<std::string> as_hex(std::string_view text) {
  std::string hex;
  for (const char c : text) {
    if (c == ':' || c == ' ') continue;
    const char low = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    if (!((low >= '0' && low <= '9') || (low >= 'a' && low <= 'f'))) return std::nullopt;
    hex += low;
  }
  if (hex.size() < kMinHex || hex.find_first_of("0123456789") == std::string::npos) return std::nullopt;
  return hex;
}

Result<bool> leads_somewhere(Database& database, const ListPath& path) {
  bool found = false;
  SKS_TRY(database.read([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const SqlRows rows,
            transaction.query("SELECT 1 FROM " + path.from + " WHERE " + path.where + " LIMIT 1", path.parameters));
    found = !rows.empty();
    return {};
  }));
  return found;
}

/// The way to what a number may be: the first kind of number under which there is something.
Result<std::optional<ListPath>> number_path(Database& database, const std::string& hex) {
  for (ListPath& path : std::vector<ListPath>{equal_path("serial", hex), prefix_path("fingerprint", hex),
                                              prefix_path("device_fingerprint", hex)}) {
    SKS_LET(const bool leads, leads_somewhere(database, path));
    if (leads) return std::optional(std::move(path));
  }
  return std::optional<ListPath>();
}

/// The word that the fewest credentials have.
Result<std::string> rarest(Database& database, const std::vector<std::string>& words) {
  std::string best;
  std::int64_t fewest = 0;
  SKS_TRY(database.read([&](SqlTransaction& transaction) -> Result<void> {
    best.clear();
    for (const std::string& word : words) {
      SKS_LET(const SqlRows rows,
              transaction.query("SELECT count(*) FROM (SELECT 1 FROM credential_words WHERE word >= $1 AND word < $2"
                                " LIMIT $3) AS counted",
                                {word, end_of_prefix(word), kManyOfAWord}));
      const std::int64_t count = rows.at(0).integer(0);
      if (best.empty() || count < fewest) {
        best = word;
        fewest = count;
      }
    }
    return {};
  }));
  return best;
}

ListPath word_path(const std::string& word) {
  return {"credential_words",
          "word >= $1 AND word < $2",
          {word, end_of_prefix(word)},
          {{"word", Type::text}, {"row_created", Type::integer}, {"credential", Type::text}},
          Direction::down,
          "JOIN credentials ON credentials.created = row_created AND credentials.fingerprint >= credential AND"
          " credentials.fingerprint < credential || 'g'"};
}

/// Whether each word begins one of the subject's. A subject may have several that `lead` begins: its row counts where
/// the list comes to the first of them.
bool has_words(const std::string& subject, const std::vector<std::string>& words, const std::string& lead,
               const std::string& at) {
  const std::vector<std::string> own = words_of_subject(subject);
  const auto first = [&](const std::string& begin) {
    std::string found;
    for (const std::string& word : own)
      if (word.starts_with(begin)) found = std::max(found, word);
    return found;
  };
  return first(lead) == at && std::ranges::none_of(words, [&](const std::string& word) { return first(word).empty(); });
}

}  // namespace

Result<Page<CredentialRow>> Directory::credentials(const CredentialFilter& filter, const PageRequest& page) const {
  SKS_TRY(check_texts({&filter.text, &filter.subject, &filter.serial, &filter.fingerprint, &filter.device,
                       &filter.profile, &filter.session}));
  ListPath path = std::ranges::find_if(kWays, [&](const Way& way) { return way.applies(filter); })->path(filter);
  std::optional<ListPath> by_number;
  if (const auto hex = as_hex(filter.text)) {
    SKS_LET(by_number, number_path(database_, *hex));
  }
  const std::vector<std::string> words = by_number ? std::vector<std::string>() : words_of_query(filter.text);
  std::string lead;
  if (by_number) path = std::move(*by_number);
  if (!words.empty()) {
    SKS_LET(lead, rarest(database_, words));
    path = word_path(lead);
  }
  const std::string columns = std::string(kCredentialList) + (lead.empty() ? "" : ", word");
  return read_page<CredentialRow>(
      database_, path, columns, page, credential_row, [&](const CredentialRow& made, const SqlRow& row) {
        const Credential& credential = made.credential;
        return belongs(filter, credential) &&
               (lead.empty() || has_words(credential.subject, words, lead, row.text(kWordColumn)));
      });
}

Result<std::optional<CredentialRow>> Directory::credential(const std::string& fingerprint) const {
  static const std::string kSelect =
      "SELECT " + std::string(kCredentialList) + ", certificate FROM credentials WHERE fingerprint = $1";
  SKS_TRY(check_texts({&fingerprint}));
  std::optional<CredentialRow> found;
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    found.reset();
    SKS_LET(const SqlRows rows, transaction.query(kSelect, {fingerprint}));
    if (rows.empty()) return {};
    SKS_LET(found, credential_row(rows[0]));
    found->credential.certificate = rows[0].blob(kCertificateColumn);
    return {};
  }));
  return found;
}

}  // namespace sks::issuer
