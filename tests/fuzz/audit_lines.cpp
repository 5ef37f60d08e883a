#include "provisioning-server/audit/audit_lines.h"

#include "tests/fuzz/checks.h"

/// Lines of an export of the audit log, which come from whoever hands it over: refused with a sentence, or read as what
/// they are written as again. Spec: spec/issuer-audit.md#5-export
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sks;
  using namespace sks::issuer;
  const std::string text(data, data + size);
  const Result<AuditLine> line = parse_line(text);
  if (!line) {
    fuzz::require(line.error().status == Status::option && !line.error().detail.empty(), "a refusal has its sentence");
    return 0;
  }
  const std::string written = to_line(*line);
  fuzz::require(written.find('\n') == std::string::npos, "a line is one line");
  const Result<AuditLine> again = parse_line(written);
  fuzz::require(again && to_line(*again) == written, "what was read can be written and read again");
  // A verifier takes whatever can be read.
  AuditVerifier verifier({}, AuditVerifier::Extent::whole, 0);
  if (const auto* const checkpoint = std::get_if<Checkpoint>(&*line)) {
    verifier.outside_checkpoint(*checkpoint);
    verifier.checkpoint(*checkpoint);
  }
  if (const auto* const chain = std::get_if<AuditChain>(&*line)) verifier.begin_chain(chain->id, chain);
  if (const auto* const entry = std::get_if<ChainedEntry>(&*line)) {
    verifier.begin_chain(entry->chain, nullptr);
    verifier.entry(*entry);
  }
  static_cast<void>(verifier.finish());
  return 0;
}
