#pragma once

namespace sks::issuer {

/// A step of a session changes no column that an index has: what is open is told by `ended`, not by the phase, so that
/// neither database has to look after indexes, and PostgreSQL finds room for the new row beside the old one.
inline constexpr const char* kOpenSessionsSchema = R"sql(
UPDATE sessions SET ended = expires WHERE ended = 0 AND phase IN ('done', 'aborted');
DROP INDEX sessions_open;
CREATE INDEX sessions_open ON sessions (expires) WHERE ended = 0;
{room for sessions};
)sql";

}  // namespace sks::issuer
