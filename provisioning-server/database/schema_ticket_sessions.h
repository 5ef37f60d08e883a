#pragma once

namespace sks::issuer {

/// The ticket names the session that it became: its row is written at that moment anyway, while an index of sessions by
/// digests of tickets is one more page to be written in each session, anywhere in the file.
inline constexpr const char* kTicketSessionsSchema = R"sql(
ALTER TABLE tickets ADD COLUMN session {text} NOT NULL DEFAULT '';
UPDATE tickets SET session = COALESCE((SELECT max(id) FROM sessions WHERE ticket_digest = digest), '') WHERE used <> 0;
DROP INDEX sessions_ticket;
)sql";

}  // namespace sks::issuer
