#pragma once

#include <string_view>

#include "provisioning-server/database/database.h"
#include "provisioning-server/repository.h"

/// How what a repository keeps stands in rows. Private to sql_repository.cpp and directory/.
namespace sks::issuer {

inline constexpr std::string_view kTicketColumns =
    "digest, profile, subject, cookie_digest, created, expires, used, creator, data, operation, target, target_device,"
    " cancelled";
/// Fails with storage: an unknown word.
Result<Ticket> ticket_of(const SqlRow& row);
/// Out of three columns, the first of which is empty for an enrolment. Fails likewise.
Result<ManagementOrder> order_of(const SqlRow& row, std::size_t first_column);
std::string order_word(const ManagementOrder& order);

inline constexpr std::string_view kSessionColumns =
    "id, cookie_digest, ticket_digest, profile, profile_digest, subject, phase, version, sealed_state, sealed_puk,"
    " last_request, reply_kind, reply_text, created, expires, client_session_id, device_fingerprint, data, operation,"
    " target, target_device, kmk_generation";
/// Fails with storage: an unknown word.
Result<Session> session_of(const SqlRow& row);

inline constexpr std::string_view kCredentialColumns =
    "fingerprint, certificate, subject, profile, app_usage, friendly_name, public_key_digest, server_session_id,"
    " client_session_id, device_fingerprint, key_management_key, privacy_enabled, status, issued, revoked, serial,"
    " issuer, not_after, kmk_generation, key_suspended, replaces, clones";
Result<Credential> credential_of(const SqlRow& row);

Result<SessionPhase> parse_phase(std::string_view word);
Result<Credential::Status> parse_status(std::string_view word);
Result<KeyOperation::Kind> parse_operation(std::string_view word);

}  // namespace sks::issuer
