#include "conformance/document.h"
#include "conformance/kit/scenario.h"
#include "conformance/kit/toml_document.h"
#include "conformance/schema.h"
#include "tests/fuzz/checks.h"

namespace {

using namespace sks;
using namespace sks::conformance;

void read_json(std::string_view text) {
  const Result<Json> document = parse_document(text);
  if (!document) {
    fuzz::require(document.error().status == Status::option && !document.error().detail.empty(), "a sentence");
    return;
  }
  const Result<Json> again = parse_document(document->dump(-1, ' ', false, Json::error_handler_t::replace));
  fuzz::require(again && *again == *document, "what was read is written and read again");
  if (const auto violation = find_schema_violation(*document))
    fuzz::require(!violation->sentence.empty(), "a violation has a sentence");
}

void read_toml(std::string_view text) {
  const Result<Json> document = parse_toml(text);
  Findings findings;
  const std::vector<Scenario> scenarios = read_scenarios({"fuzzed.toml", text}, findings);
  if (!document) {
    fuzz::require(scenarios.empty() && !findings.empty(), "what is no TOML holds no scenario");
    return;
  }
  fuzz::require(document->is_object(), "a document is a table");
  for (const Scenario& scenario : scenarios) {
    fuzz::require(scenario.runs.size() >= 1, "a scenario has a run");
    const bool plays = scenario.side == Side::issuer || !scenario.runs.front().steps.empty();
    fuzz::require(plays || !findings.empty(), "a client is taken through steps");
  }
}

}  // namespace

/// The files of recorded sessions and of scenarios: the first byte tells which.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text = to_string(ByteView(data + 1, size - 1));
  if (data[0] == 'j')
    read_json(text);
  else
    read_toml(text);
  return 0;
}
