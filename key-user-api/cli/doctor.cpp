#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "attestation/device_identity.h"
#include "key-user-api/cli/clock_check.h"
#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/listed_key.h"
#include "key-user-api/cli/output.h"
#include "key-user-api/dialog/pin_text.h"
#include "sealed-storage/examination.h"
#include "sks-core/crypto/x509.h"
#include "sks-core/engine/engine.h"

namespace sks::cli {
namespace {

using Level = Finding::Level;

constexpr auto kLevels = std::to_array<std::string_view>({"good", "note", "PROBLEM"});
std::string_view name_of(Level level) { return kLevels.at(static_cast<std::size_t>(level)); }

void note_locked_pins(const std::vector<ListedKey>& keys, std::vector<Finding>& findings) {
  for (const ListedKey& key : keys) {
    if (!key.locked()) continue;
    const bool puk = (key.protection.protection_status & kPukProtected) != 0;
    findings.push_back({Level::note,
                        "the PIN of key " + std::to_string(key.handle.value) + " (" + key.friendly_name +
                            ") is locked after too many wrong tries",
                        puk ? "its issuer can unlock it, and so can its PUK" : "its issuer can unlock it"});
  }
}

Result<void> examine_keys(SqliteStore& storage, std::int64_t now, std::vector<Finding>& findings) {
  SKS_LET(StoredIdentity stored, storage.identity());
  SKS_LET(const attestation::SoftwareIdentity identity,
          attestation::SoftwareIdentity::from_parts(std::move(stored.certificate_path), stored.private_key.view()));
  SKS_LET(const std::unique_ptr<Engine> engine, Engine::open({storage, identity}));
  SKS_LET(const std::vector<ListedKey> keys, list_keys(*engine));
  SKS_LET(const std::vector<SessionInfo> open, list_sessions(*engine, SessionState::open));
  SKS_LET(const std::vector<SessionInfo> sessions, list_sessions(*engine, SessionState::closed));
  findings.push_back({Level::good,
                      "the records fit together; keys: " + std::to_string(keys.size()) +
                          ", sessions: " + std::to_string(sessions.size()),
                      ""});
  note_locked_pins(keys, findings);
  if (!open.empty())
    findings.push_back({Level::note, "sessions that were not finished: " + std::to_string(open.size()),
                        "nothing: they are removed when their time is over; 'sks sessions' shows them"});
  if (const auto clock = check_clock(*engine, now); !clock && clock.error().status != Status::not_allowed)
    return clock.error();
  else if (!clock)
    findings.push_back({Level::problem, clock.error().detail,
                        "set the clock right: until then sessions do not expire, certificates may seem not valid yet, "
                        "and 'sks enroll' and 'sks restore' refuse; if it is right now and was wrong then, give them "
                        "--accept-clock"});
  return {};
}

void write_text(const std::vector<Finding>& findings, std::ostream& out) {
  for (const Finding& finding : findings) {
    out << name_of(finding.level) << ": " << dialog::printable(finding.text) << "\n";
    if (!finding.advice.empty()) out << "  What to do: " << dialog::printable(finding.advice) << "\n";
  }
}

void write_json(const std::vector<Finding>& findings, std::ostream& out) {
  auto array = nlohmann::ordered_json::array();
  for (const Finding& finding : findings)
    array.push_back({{"level", name_of(finding.level)}, {"text", finding.text}, {"advice", finding.advice}});
  out << array.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

}  // namespace

Result<void> run_doctor(Format format, const std::string& store, SecretSource& secrets, const Clock& clock,
                        std::vector<Finding> others, std::ostream& out) {
  SKS_LET(Examination examination, examine_store(store, secrets));
  std::vector<Finding>& findings = examination.findings;
  const auto is_problem = [](const Finding& finding) { return finding.level == Level::problem; };
  // Records that were altered say so themselves; what they would do to the engine adds nothing.
  if (examination.store != nullptr && examination.records_are_good) {
    if (const auto examined = examine_keys(*examination.store, clock.now(), findings); !examined)
      findings.push_back({Level::problem, "the records contradict one another: " + examined.error().detail,
                          "nobody can mend it: bring back store.db and master.key together from a copy"});
  }
  std::ranges::move(others, std::back_inserter(findings));
  format == Format::json ? write_json(findings, out) : write_text(findings, out);
  const auto problems = std::ranges::count_if(findings, is_problem);
  if (problems == 0) return {};
  return Error{Status::storage,
               store + " has " + std::to_string(problems) + (problems == 1 ? " problem" : " problems")};
}

}  // namespace sks::cli
