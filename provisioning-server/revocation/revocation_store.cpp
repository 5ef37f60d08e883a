#include "provisioning-server/revocation/revocation_store.h"

#include <algorithm>
#include <array>

#include "provisioning-server/metrics.h"
#include "provisioning-server/revocation/crl.h"
#include "provisioning-server/revocation/revocation_config.h"

namespace sks::issuer {
namespace {

constexpr const char* kRevoke =
    "UPDATE credentials SET status = 'revoked', revoked = $1"
    " WHERE fingerprint = $2 AND status IN ('pending', 'issued', 'suspended', 'abandoned')";
constexpr const char* kSuspend =
    "UPDATE credentials SET status = 'suspended', revoked = $1 WHERE fingerprint = $2 AND status = 'issued'";
// $1 makes no difference: all three take the same parameters.
constexpr const char* kResume =
    "UPDATE credentials SET status = 'issued', revoked = 0 * CAST($1 AS BIGINT) WHERE fingerprint = $2 AND status = "
    "'suspended'";
constexpr const char* kPut =
    "INSERT INTO revocations (fingerprint, authority, entry, reason, time, expires, in_force, listed)"
    " VALUES ($1, $2, $3, $4, $5, $6, 1, 0) ON CONFLICT (fingerprint) DO UPDATE SET"
    " entry = excluded.entry, reason = excluded.reason, time = excluded.time, in_force = 1, listed = 0";

/// Rows that one statement changes or reads: a list may have more than a database takes in one answer's time.
constexpr std::int64_t kTogether = 5000;

// The condition is that of the index. Both databases would rather read the whole table, which they think has many such
// rows, if they had not to give them in the order of the index. Programs that do not know the column may have made an
// entry all the same, with a reason that somebody has given. What has expired stands in no list; it is not marked, so
// that it is found when it was a wrong clock that said so.
constexpr const char* kUnlisted =
    "SELECT fingerprint, certificate, status, revoked, COALESCE((SELECT reason FROM revocations"
    " WHERE revocations.fingerprint = credentials.fingerprint AND in_force = 1), -1) FROM credentials"
    " WHERE on_list < 2 AND ((status IN ('revoked', 'removed', 'replaced') AND on_list < 2)"
    " OR (status = 'abandoned' AND on_list < 1)) AND not_after > $2 ORDER BY not_after LIMIT $1";

Result<Bytes> find_certificate(SqlTransaction& transaction, const std::string& fingerprint) {
  SKS_LET(const SqlRows rows,
          transaction.query("SELECT certificate FROM credentials WHERE fingerprint = $1", {fingerprint}));
  return rows.empty() ? Bytes() : rows.front().blob(0);
}

/// Until its status changes, what has an entry with this reason need not be looked at again.
Result<void> mark_listed(SqlTransaction& transaction, const std::string& fingerprint, RevocationReason reason) {
  SKS_TRY(transaction.run("UPDATE credentials SET on_list = $1 WHERE fingerprint = $2",
                          {std::int64_t{reason == RevocationReason::certificate_hold ? 1 : 2}, fingerprint}));
  return {};
}

Result<void> put_entry(SqlTransaction& transaction, const std::string& fingerprint, ByteView der, std::int64_t time,
                       RevocationReason reason) {
  SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(der));
  SKS_TRY(transaction.run(kPut, {fingerprint, authority_id_of_issuer(certificate),
                                 encode_crl_entry(certificate.serial_number_der(), time, reason),
                                 static_cast<std::int64_t>(reason), time, certificate.not_after()}));
  return mark_listed(transaction, fingerprint, reason);
}

Result<void> change_some(Database& database, std::string_view statement, const SqlValues& values,
                         std::int64_t& changed) {
  return database.write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(changed, transaction.run(statement, values));
    return {};
  });
}

RevocationReason reason_of(std::int64_t stored) {
  for (const RevocationReasonRow& row : kRevocationReasons)
    if (static_cast<std::int64_t>(row.reason) == stored) return row.reason;
  return RevocationReason::unspecified;
}

/// The statuses whose certificates are not in force, and why where nobody has given a reason.
struct NotInForce {
  std::string_view status;
  RevocationReason reason;
};
// The client of an abandoned credential has its certificate, and may have its key. Of all reasons this is the only one
// that an entry may leave a list with (RFC 5280, 5.3.1 and 5.2.4): a late word of the device can put it in force.
constexpr auto kNotInForce = std::to_array<NotInForce>({
    {"revoked", RevocationReason::unspecified},
    {"suspended", RevocationReason::certificate_hold},
    {"removed", RevocationReason::cessation_of_operation},
    {"replaced", RevocationReason::superseded},
    {"abandoned", RevocationReason::certificate_hold},
});

RevocationReason reason_of_status(std::string_view status) {
  const auto* const row = std::ranges::find(kNotInForce, status, &NotInForce::status);
  return row == kNotInForce.end() ? RevocationReason::unspecified : row->reason;
}

/// A hold says nothing any more about a credential that has been revoked, deleted or replaced since.
bool is_outdated(RevocationReason entry, RevocationReason by_status) {
  return entry == RevocationReason::certificate_hold && by_status != RevocationReason::certificate_hold;
}

/// Gives a row of kUnlisted the entry that its status asks for.
Result<void> adopt_one(SqlTransaction& transaction, const SqlRow& row, std::int64_t now) {
  const RevocationReason reason = reason_of_status(row.text(2));
  const bool has_entry = row.integer(4) >= 0 && !is_outdated(reason_of(row.integer(4)), reason);
  if (has_entry) return mark_listed(transaction, row.text(0), reason);
  return put_entry(transaction, row.text(0), row.blob(1), row.integer(3) == 0 ? now : row.integer(3), reason);
}

}  // namespace

Result<RevocationOutcome> RevocationStore::change(const std::string& fingerprint, const AuditEntry& audit,
                                                  std::string_view statement,
                                                  const std::function<Result<void>(SqlTransaction&)>& then) {
  RevocationOutcome outcome{};
  const Result<void> done = database_.write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const std::int64_t changed, transaction.run(statement, {audit.time, fingerprint}));
    if (changed == 1) {
      outcome = RevocationOutcome::done;
      SKS_TRY(then(transaction));
      return audit_.append(transaction, audit);
    }
    SKS_LET(const Bytes certificate, find_certificate(transaction, fingerprint));
    outcome = certificate.empty() ? RevocationOutcome::unknown : RevocationOutcome::not_possible;
    return {};
  });
  if (!done) return done.error();
  return outcome;
}

Result<RevocationOutcome> RevocationStore::revoke(const std::string& fingerprint, RevocationReason reason,
                                                  const AuditEntry& audit) {
  SKS_CHECK(reason != RevocationReason::certificate_hold);  // that is suspend()
  const Result<RevocationOutcome> done =
      change(fingerprint, audit, kRevoke, [&](SqlTransaction& transaction) -> Result<void> {
        SKS_LET(const Bytes certificate, find_certificate(transaction, fingerprint));
        return put_entry(transaction, fingerprint, certificate, audit.time, reason);
      });
  if (done && *done == RevocationOutcome::done) Metrics::instance().counter("credentials_revoked_total").add();
  return done;
}

Result<RevocationOutcome> RevocationStore::suspend(const std::string& fingerprint, const AuditEntry& audit) {
  return change(fingerprint, audit, kSuspend, [&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const Bytes certificate, find_certificate(transaction, fingerprint));
    return put_entry(transaction, fingerprint, certificate, audit.time, RevocationReason::certificate_hold);
  });
}

Result<RevocationOutcome> RevocationStore::resume(const std::string& fingerprint, const AuditEntry& audit) {
  return change(fingerprint, audit, kResume, [&](SqlTransaction& transaction) -> Result<void> {
    // The row stays until a list without it is out: it is a change as well.
    SKS_TRY(transaction.run("UPDATE revocations SET in_force = 0, listed = 0 WHERE fingerprint = $1", {fingerprint}));
    return {};
  });
}

Result<CertificateStatus> RevocationStore::find_status(const std::string& serial, const std::string& authority,
                                                       std::int64_t now) {
  CertificateStatus status;
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    status = {};
    SKS_LET(const SqlRows rows,
            transaction.query("SELECT fingerprint, certificate, status, revoked FROM credentials WHERE serial = $1",
                              {serial}));
    for (const SqlRow& row : rows) {
      const Result<crypto::Certificate> certificate = crypto::Certificate::from_der(row.blob(1));
      if (!certificate || authority_id_of_issuer(*certificate) != authority) continue;
      if (row.text(2) == "issued") status.kind = CertificateStatus::Kind::good;
      const auto* const gone = std::ranges::find(kNotInForce, row.text(2), &NotInForce::status);
      if (gone == kNotInForce.end()) return {};
      status = {CertificateStatus::Kind::revoked, row.integer(3) == 0 ? now : row.integer(3), gone->reason};
      SKS_LET(const SqlRows entry,
              transaction.query("SELECT time, reason FROM revocations WHERE fingerprint = $1 AND in_force = 1",
                                {row.text(0)}));
      if (entry.empty() || is_outdated(reason_of(entry.front().integer(1)), gone->reason)) return {};
      status.time = entry.front().integer(0);
      status.reason = reason_of(entry.front().integer(1));
      return {};
    }
    return {};
  }));
  return status;
}

Result<std::size_t> RevocationStore::adopt(std::int64_t limit, std::int64_t now) {
  std::size_t count = 0;
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const SqlRows rows, transaction.query(kUnlisted, {std::int64_t{1}, now}));
    count = rows.size();
    return {};
  }));
  if (count == 0) return count;
  const Result<void> done = database_.write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const SqlRows rows, transaction.query(kUnlisted, {limit, now}));
    count = rows.size();
    for (const SqlRow& row : rows) SKS_TRY(adopt_one(transaction, row, now));
    return {};
  });
  if (!done) return done.error();
  return count;
}

Result<std::optional<StoredCrl>> RevocationStore::find_crl(const std::string& authority, Part part) {
  std::optional<StoredCrl> crl;
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    crl.reset();
    const bool whole = part == Part::whole;
    SKS_LET(const SqlRows rows,
            transaction.query(whole ? "SELECT number, this_update, next_update, content FROM crls WHERE authority = $1"
                                    : "SELECT number, this_update, next_update FROM crls WHERE authority = $1",
                              {authority}));
    if (rows.empty()) return {};
    const SqlRow& row = rows.front();
    crl = StoredCrl{row.integer(0), row.integer(1), row.integer(2), whole ? row.blob(3) : Bytes()};
    return {};
  }));
  return crl;
}

Result<bool> RevocationStore::has_changes(const std::string& authority) {
  bool found = false;
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const SqlRows rows,
            transaction.query("SELECT 1 FROM revocations WHERE authority = $1 AND listed <= 0 LIMIT 1", {authority}));
    found = !rows.empty();
    return {};
  }));
  return found;
}

Result<void> RevocationStore::claim_changes(const std::string& authority, std::int64_t claim) {
  SKS_CHECK(claim < 0);
  std::int64_t left = 0;
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const SqlRows rows,
            transaction.query("SELECT count(*) FROM revocations WHERE authority = $1 AND listed <= 0", {authority}));
    left = rows.front().integer(0);
    return {};
  }));
  // Also what another process has claimed: it may be gone, and if it is not, one of the two lists comes too late. Not
  // more often than there were rows, since the other one may take them back meanwhile.
  for (std::int64_t changed = kTogether; left > 0 && changed == kTogether; left -= kTogether)
    SKS_TRY(change_some(database_,
                        "UPDATE revocations SET listed = $1 WHERE fingerprint IN (SELECT fingerprint FROM revocations"
                        " WHERE authority = $2 AND listed <= 0 AND listed <> $1 LIMIT $3)",
                        {claim, authority, kTogether}, changed));
  return {};
}

Result<Bytes> RevocationStore::read_entries(const std::string& authority, std::int64_t since) {
  Bytes entries;
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    entries.clear();
    SqlValues from{authority, since + 1, std::string(), kTogether};
    for (std::size_t count = kTogether; count == static_cast<std::size_t>(kTogether);) {
      SKS_LET(const SqlRows rows,
              transaction.query("SELECT entry, in_force, expires, fingerprint FROM revocations WHERE authority = $1"
                                " AND expires >= $2 AND (expires > $2 OR fingerprint > $3)"
                                " ORDER BY expires, fingerprint LIMIT $4",
                                from));
      for (const SqlRow& row : rows)
        if (row.integer(1) == 1) entries.insert(entries.end(), row.blob(0).begin(), row.blob(0).end());
      count = rows.size();
      if (!rows.empty()) from = {authority, rows.back().integer(2), rows.back().text(3), kTogether};
    }
    return {};
  }));
  return entries;
}

namespace {

/// Stores a list in the place of number `before`. False: there is another one.
Result<bool> put_crl(Database& database, const std::string& authority, std::int64_t before, const StoredCrl& crl) {
  bool stored = false;
  const Result<void> done = database.write([&](SqlTransaction& transaction) -> Result<void> {
    SqlValues values{crl.number, crl.this_update, crl.next_update, crl.der, authority};
    constexpr const char* kFirst =
        "INSERT INTO crls (number, this_update, next_update, content, authority)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (authority) DO NOTHING";
    constexpr const char* kNext =
        "UPDATE crls SET number = $1, this_update = $2, next_update = $3, content = $4"
        " WHERE authority = $5 AND number = $6";
    if (before != 0) values.emplace_back(before);
    SKS_LET(const std::int64_t changed, transaction.run(before == 0 ? kFirst : kNext, values));
    stored = changed == 1;
    return {};
  });
  if (!done) return done.error();
  return stored;
}

}  // namespace

Result<bool> RevocationStore::store_crl(const std::string& authority, std::int64_t before, const StoredCrl& crl,
                                        std::int64_t claim) {
  SKS_LET(const bool stored, put_crl(database_, authority, before, crl));
  if (!stored) return false;
  // In transactions of their own: what stays claimed when one of them fails stands in the next list once more.
  std::int64_t changed = kTogether;
  while (changed == kTogether)
    SKS_TRY(change_some(database_,
                        "DELETE FROM revocations WHERE fingerprint IN (SELECT fingerprint FROM revocations"
                        " WHERE authority = $1 AND listed = $2 AND listed <= 0 AND in_force = 0 LIMIT $3)",
                        {authority, claim, kTogether}, changed));
  for (changed = kTogether; changed == kTogether;)
    SKS_TRY(change_some(database_,
                        "UPDATE revocations SET listed = $1 WHERE fingerprint IN (SELECT fingerprint FROM revocations"
                        " WHERE authority = $2 AND listed = $3 AND listed <= 0 LIMIT $4)",
                        {crl.number, authority, claim, kTogether}, changed));
  return true;
}

}  // namespace sks::issuer
