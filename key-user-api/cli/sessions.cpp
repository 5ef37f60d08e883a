#include <nlohmann/json.hpp>

#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/listed_key.h"
#include "key-user-api/cli/output.h"

namespace sks::cli {
namespace {

struct ListedSession {
  SessionInfo info;
  std::string state;
};

Result<std::vector<ListedSession>> list_all(SecureKeyStore& store) {
  std::vector<ListedSession> all;
  for (const SessionState state : {SessionState::open, SessionState::closed}) {
    SKS_LET(std::vector<SessionInfo> sessions, list_sessions(store, state));
    for (SessionInfo& session : sessions)
      all.push_back({std::move(session), state == SessionState::open ? "open" : "closed"});
  }
  return all;
}

void write_json(const std::vector<ListedSession>& sessions, std::ostream& out) {
  auto array = nlohmann::ordered_json::array();
  for (const ListedSession& session : sessions)
    array.push_back({{"handle", session.info.handle.value},
                     {"state", session.state},
                     {"issuerUri", session.info.issuer_uri},
                     {"serverSessionId", session.info.server_session_id},
                     {"clientSessionId", session.info.client_session_id},
                     {"clientTime", session.info.client_time},
                     {"sessionLifeTime", session.info.session_life_time},
                     {"privacyEnabled", session.info.privacy_enabled}});
  out << array.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

void write_text(const std::vector<ListedSession>& sessions, std::ostream& out) {
  if (sessions.empty()) {
    out << "There is no provisioning session in this key store.\n";
    return;
  }
  std::vector<TableRow> rows{
      {"HANDLE", "STATE", "BEGUN", "LIFE TIME", "PRIVACY", "SERVER SESSION", "CLIENT SESSION", "ISSUER"}};
  for (const ListedSession& session : sessions)
    rows.push_back({std::to_string(session.info.handle.value), session.state, format_time(session.info.client_time),
                    std::to_string(session.info.session_life_time) + " s", session.info.privacy_enabled ? "yes" : "no",
                    session.info.server_session_id, session.info.client_session_id, session.info.issuer_uri});
  write_table(rows, out);
}

}  // namespace

Result<void> run_sessions(Format format, SecureKeyStore& store, std::ostream& out) {
  SKS_LET(const std::vector<ListedSession> sessions, list_all(store));
  format == Format::json ? write_json(sessions, out) : write_text(sessions, out);
  return {};
}

}  // namespace sks::cli
