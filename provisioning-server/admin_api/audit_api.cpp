#include <mutex>

#include "provisioning-server/admin_api/api_json.h"
#include "provisioning-server/admin_api/parts.h"
#include "provisioning-server/admin_api/query_reader.h"
#include "provisioning-server/audit/audit_key.h"
#include "provisioning-server/audit/audit_lines.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kLatest = std::int64_t{1} << 40;

Json audit_json(const AuditRow& row) {
  const AuditEntry& entry = row.entry;
  return {{"chain", row.chain},     {"number", row.number},   {"time", entry.time},
          {"actor", entry.actor},   {"action", entry.action}, {"session", entry.session},
          {"policy", entry.policy}, {"result", entry.result}, {"detail", entry.detail}};
}

Result<Response> list_audit(ApiCall& call) {
  QueryReader query(call.request.query());
  AuditFilter filter;
  filter.from = query.integer("from", 0, kLatest, 0);
  filter.to = query.integer("to", 0, kLatest, 0);
  filter.session = query.text("session");
  filter.actor = query.text("actor");
  filter.action = query.text("action");
  filter.result = query.text("result");
  filter.text = query.text("text");
  const PageRequest page = query.page();
  SKS_TRY(query.finish());
  SKS_LET(const Page<AuditRow> found, Directory(call.issuer.database()).audit(filter, page));
  return page_response(found, audit_json);
}

/// Reads the whole log, which occupies one thread of the server: not more than one at a time.
Result<Response> verify_audit(ApiCall& call) {
  static std::mutex one_at_a_time;
  const std::unique_lock lock(one_at_a_time, std::try_to_lock);
  if (!lock.owns_lock()) return Error{Status::not_allowed, "The audit log is being verified already."};
  SKS_LET(std::vector<crypto::PublicKey> keys, read_audit_keys(call.issuer.paths().audit_public_keys));
  SKS_LET(const AuditReport report,
          verify_database(call.issuer.database(), std::move(keys), {}, call.now(), call.issuer.long_work()));
  const bool ok = report.findings.empty();
  AuditEntry entry = call.audit(std::to_string(report.entries) + " entries");
  if (!ok) entry.result = "broken";
  SKS_TRY(call.issuer.repository().add_audit(entry));
  return json_response(200, {{"ok", ok},
                             {"chains", report.chains},
                             {"entries", report.entries},
                             {"checkpoints", report.checkpoints},
                             {"uncovered", report.uncovered},
                             {"findings", report.findings},
                             {"notes", report.notes}});
}

}  // namespace

std::vector<ApiRoute> audit_api() {
  return {
      {"GET", "/audit", Right::view_audit, ApiBody::none, "", list_audit},
      {"POST", "/audit/verify", Right::verify_audit, ApiBody::none, "audit-verify", verify_audit},
  };
}

}  // namespace sks::issuer
