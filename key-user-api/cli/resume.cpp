#include <nlohmann/json.hpp>

#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/listed_key.h"
#include "key-user-api/cli/output.h"

namespace sks::cli {
namespace {

struct WaitingSession {
  SessionInfo info;
  std::string issuer;  ///< host and port, or the whole URI of an issuer that has none
  std::size_t keys;
};

void write_json(const std::vector<WaitingSession>& sessions, std::ostream& out) {
  auto array = nlohmann::ordered_json::array();
  for (const WaitingSession& session : sessions)
    array.push_back({{"handle", session.info.handle.value},
                     {"issuer", session.issuer},
                     {"issuerUri", session.info.issuer_uri},
                     {"since", session.info.client_time},
                     {"until", std::int64_t{session.info.client_time} + session.info.session_life_time},
                     {"keys", session.keys}});
  out << array.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

void write_text(const std::vector<WaitingSession>& sessions, std::ostream& out) {
  if (sessions.empty()) {
    out << "No session waits to be resumed.\n";
    return;
  }
  std::vector<TableRow> rows{{"SESSION", "ISSUER", "SINCE", "UNTIL", "KEYS"}};
  for (const WaitingSession& session : sessions)
    rows.push_back({std::to_string(session.info.handle.value), session.issuer, format_time(session.info.client_time),
                    end_of_session(session.info), std::to_string(session.keys)});
  write_table(rows, out);
}

}  // namespace

Result<void> run_resume_list(Format format, SecureKeyStore& store, const KeyCountOf& key_count_of, const Clock& clock,
                             std::ostream& out) {
  SKS_TRY(abort_stale_sessions(store, clock.now()));
  SKS_LET(std::vector<SessionInfo> open, list_sessions(store, SessionState::open));
  std::vector<WaitingSession> waiting;
  for (SessionInfo& session : open) {
    const auto url = parse_url(session.issuer_uri);
    std::string issuer = url ? url->authority() : session.issuer_uri;
    const std::size_t keys = key_count_of(session.handle);
    waiting.push_back({std::move(session), std::move(issuer), keys});
  }
  format == Format::json ? write_json(waiting, out) : write_text(waiting, out);
  return {};
}

}  // namespace sks::cli
