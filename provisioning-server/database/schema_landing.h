#pragma once

namespace sks::issuer {

/// Tells a ticket that was withdrawn from one that nobody has used in time.
inline constexpr const char* kCancelledTicketsSchema = R"sql(
ALTER TABLE tickets ADD COLUMN cancelled {integer} NOT NULL DEFAULT 0;
)sql";

}  // namespace sks::issuer
