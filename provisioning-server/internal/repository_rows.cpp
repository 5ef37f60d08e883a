#include "provisioning-server/internal/repository_rows.h"

#include <array>

namespace sks::issuer {
namespace {

constexpr auto kPhases = std::to_array<std::string_view>(
    {"invocation", "initialization", "discovery", "key_creation", "suspended", "finalization", "done", "aborted"});
constexpr auto kStatuses =
    std::to_array<std::string_view>({"pending", "issued", "revoked", "abandoned", "removed", "suspended", "replaced"});
constexpr auto kOperations =
    std::to_array<std::string_view>({"unlock", "remove", "update", "clone", "suspend", "resume"});

template <class Enum, std::size_t N>
Result<Enum> enum_of(const std::array<std::string_view, N>& words, std::string_view word) {
  for (std::size_t i = 0; i < N; ++i)
    if (words[i] == word) return static_cast<Enum>(i);
  return Error{Status::storage, "the database holds an unknown word"};
}

}  // namespace

std::string_view to_string(KeyOperation::Kind kind) { return kOperations.at(static_cast<std::size_t>(kind)); }
std::string_view to_string(SessionPhase phase) { return kPhases.at(static_cast<std::size_t>(phase)); }
std::string_view to_string(Credential::Status status) { return kStatuses.at(static_cast<std::size_t>(status)); }

Result<SessionPhase> parse_phase(std::string_view word) { return enum_of<SessionPhase>(kPhases, word); }
Result<Credential::Status> parse_status(std::string_view word) { return enum_of<Credential::Status>(kStatuses, word); }
Result<KeyOperation::Kind> parse_operation(std::string_view word) {
  return enum_of<KeyOperation::Kind>(kOperations, word);
}

std::string order_word(const ManagementOrder& order) {
  return order.kind ? std::string(to_string(*order.kind)) : std::string();
}

Result<ManagementOrder> order_of(const SqlRow& row, std::size_t first_column) {
  ManagementOrder order{{}, row.text(first_column + 1), row.text(first_column + 2)};
  if (row.text(first_column).empty()) return order;
  SKS_LET(order.kind, parse_operation(row.text(first_column)));
  return order;
}

Result<Ticket> ticket_of(const SqlRow& row) {
  Ticket ticket{row.text(0), row.text(1), row.text(2), row.text(3), row.integer(4), row.integer(5), row.integer(6)};
  ticket.creator = row.text(7);
  ticket.data = row.text(8);
  SKS_LET(ticket.order, order_of(row, 9));
  ticket.cancelled = row.integer(12) != 0;
  return ticket;
}

Result<Session> session_of(const SqlRow& row) {
  Session session;
  session.id = row.text(0);
  session.cookie_digest = row.text(1);
  session.ticket_digest = row.text(2);
  session.profile = row.text(3);
  session.profile_digest = row.text(4);
  session.subject = row.text(5);
  SKS_LET(session.phase, parse_phase(row.text(6)));
  session.version = static_cast<std::uint64_t>(row.integer(7));
  session.sealed_state = row.blob(8);
  session.sealed_puk = row.blob(9);
  session.last_request = row.text(10);
  session.reply.kind = row.integer(11) == 0 ? StoredReply::Kind::message : StoredReply::Kind::redirect;
  session.reply.text = row.text(12);
  session.created = row.integer(13);
  session.expires = row.integer(14);
  session.client_session_id = row.text(15);
  session.device_fingerprint = row.text(16);
  session.data = row.text(17);
  SKS_LET(session.order, order_of(row, 18));
  session.kmk_generation = row.integer(21);
  return session;
}

Result<Credential> credential_of(const SqlRow& row) {
  SKS_LET(const Credential::Status status, parse_status(row.text(12)));
  Credential credential{row.text(0),  row.blob(1),          row.text(2), row.text(3),     row.text(4),
                        row.text(5),  row.text(6),          row.text(7), row.text(8),     row.text(9),
                        row.blob(10), row.integer(11) != 0, status,      row.integer(13), row.integer(14)};
  credential.serial = row.text(15);
  credential.issuer = row.text(16);
  credential.not_after = row.integer(17);
  credential.kmk_generation = row.integer(18);
  credential.key_suspended = row.integer(19) != 0;
  credential.replaces = row.text(20);
  credential.clones = row.text(21);
  return credential;
}

}  // namespace sks::issuer
