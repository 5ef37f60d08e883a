#include "provisioning-server/audit/audit_lines.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kFormat = 1;
constexpr std::size_t kMaxLine = 64 * 1024 * 1024;  // a checkpoint may name many chains

/// Members of one object. A failure sticks; finish() also fails when there are members that nobody asked for.
class Members {
 public:
  explicit Members(const Json& object) : object_(object) {}

  std::string text(const char* name) {
    const Json* const value = find(name);
    if (value == nullptr || !value->is_string()) return fail<std::string>();
    return value->get<std::string>();
  }
  std::int64_t integer(const char* name) {
    const Json* const value = find(name);
    if (value == nullptr || !value->is_number_integer()) return fail<std::int64_t>();
    if (value->is_number_unsigned() &&
        value->get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return fail<std::int64_t>();
    return value->get<std::int64_t>();
  }
  Bytes bytes(const char* name) {
    Result<Bytes> bytes = from_hex(text(name));
    return bytes ? std::move(bytes).value() : fail<Bytes>();
  }
  Bytes hash(const char* name) {
    Bytes value = bytes(name);
    return value.size() == crypto::kSha256Size ? value : fail<Bytes>();
  }
  const Json& array(const char* name) {
    static const Json kNone = Json::array();
    const Json* const value = find(name);
    if (value != nullptr && value->is_array()) return *value;
    failed_ = true;
    return kNone;
  }
  bool finish() const { return !failed_ && asked_ == object_.size(); }

 private:
  const Json* find(const char* name) {
    const auto at = object_.find(name);
    if (at == object_.end()) return nullptr;
    ++asked_;
    return &*at;
  }
  template <class T>
  T fail() {
    failed_ = true;
    return {};
  }

  const Json& object_;
  std::size_t asked_ = 0;
  bool failed_ = false;
};

Json json_of(const ExportHeader& header) {
  return {{"kind", "export"}, {"format", kFormat}, {"from", header.period.from}, {"to", header.period.to}};
}

Json json_of(const Checkpoint& checkpoint) {
  Json heads = Json::array();
  for (const ChainHead& head : checkpoint.heads)
    heads.push_back({{"chain", head.chain}, {"number", head.number}, {"hash", to_hex(head.hash)}});
  return {{"kind", "checkpoint"},
          {"node", checkpoint.node},
          {"number", checkpoint.number},
          {"time", checkpoint.time},
          {"previous", to_hex(checkpoint.previous)},
          {"heads", std::move(heads)},
          {"signature", to_hex(checkpoint.signature)}};
}

Json json_of(const AuditChain& chain) {
  return {{"kind", "chain"}, {"chain", chain.id}, {"node", chain.node}, {"started", chain.started}};
}

Json json_of(const ChainedEntry& at) {
  const AuditEntry& entry = at.entry;
  return {{"kind", "entry"},
          {"chain", at.chain},
          {"number", at.number},
          {"time", entry.time},
          {"actor", entry.actor},
          {"action", entry.action},
          {"session", entry.session},
          {"policy", entry.policy},
          {"result", entry.result},
          {"detail", entry.detail},
          {"previous", to_hex(at.previous)},
          {"hash", to_hex(at.hash)}};
}

std::optional<AuditLine> read_header(Members& in) {
  if (in.integer("format") != kFormat) return std::nullopt;
  ExportHeader header;
  header.period.from = in.integer("from");
  header.period.to = in.integer("to");
  return header;
}

std::optional<AuditLine> read_checkpoint(Members& in) {
  Checkpoint checkpoint;
  checkpoint.node = in.text("node");
  checkpoint.number = in.integer("number");
  checkpoint.time = in.integer("time");
  checkpoint.previous = in.hash("previous");
  for (const Json& element : in.array("heads")) {
    if (!element.is_object()) return std::nullopt;
    Members head(element);
    checkpoint.heads.push_back({head.text("chain"), head.integer("number"), head.hash("hash")});
    if (!head.finish()) return std::nullopt;
  }
  checkpoint.signature = in.bytes("signature");
  return checkpoint;
}

std::optional<AuditLine> read_chain(Members& in) {
  AuditChain chain;
  chain.id = in.text("chain");
  chain.node = in.text("node");
  chain.started = in.integer("started");
  return chain;
}

std::optional<AuditLine> read_entry(Members& in) {
  ChainedEntry at;
  at.chain = in.text("chain");
  at.number = in.integer("number");
  at.entry = {in.integer("time"), in.text("actor"),  in.text("action"), in.text("session"),
              in.text("policy"),  in.text("result"), in.text("detail")};
  at.previous = in.hash("previous");
  at.hash = in.hash("hash");
  return at;
}

struct Kind {
  std::string_view name;
  std::optional<AuditLine> (*read)(Members&);
};
constexpr auto kKinds = std::to_array<Kind>({
    {"export", read_header},
    {"checkpoint", read_checkpoint},
    {"chain", read_chain},
    {"entry", read_entry},
});

/// Hands each line to `take`, and names the line that is wrong.
Result<void> for_each_line(const std::string& file, const std::function<Result<void>(AuditLine&)>& take) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error{Status::not_available, "cannot read " + file};
  std::string text;
  for (std::size_t number = 1; std::getline(in, text); ++number) {
    const auto fail = [&](const std::string& why) {
      return Error{Status::option, file + ":" + std::to_string(number) + ": " + why};
    };
    Result<AuditLine> line = parse_line(text);
    if (!line) return fail(line.error().detail);
    const Result<void> taken = take(*line);
    if (!taken) return fail(taken.error().detail);
  }
  if (in.bad()) return Error{Status::not_available, "cannot read " + file};
  return {};
}

AuditVisitor verify_with(AuditVerifier& verifier, const std::stop_token& stop) {
  const auto go_on = [stop]() -> Result<void> {
    return stop.stop_requested() ? Error{Status::storage, "the audit log has not been read to its end"}
                                 : Result<void>();
  };
  return {[&verifier, go_on](const Checkpoint& checkpoint) {
            verifier.checkpoint(checkpoint);
            return go_on();
          },
          [&verifier, go_on](const std::string& id, const AuditChain* chain) {
            verifier.begin_chain(id, chain);
            return go_on();
          },
          [&verifier, go_on](const ChainedEntry& entry) {
            verifier.entry(entry);
            return go_on();
          }};
}

/// Hands the lines of an export to a verifier, in the order that it needs.
class FileReader {
 public:
  FileReader(std::vector<crypto::PublicKey> keys, std::int64_t now) : keys_(std::move(keys)), now_(now) {}

  Result<void> take(AuditLine& line) {
    if (const auto* const header = std::get_if<ExportHeader>(&line)) return begin(*header);
    if (!verifier_) return Error{Status::option, "this is not the beginning of an export"};
    if (const auto* const checkpoint = std::get_if<Checkpoint>(&line)) {
      if (!chain_.empty()) return Error{Status::option, "checkpoints come before the chains"};
      verifier_->checkpoint(*checkpoint);
    } else if (const auto* const chain = std::get_if<AuditChain>(&line)) {
      chain_ = chain->id;
      verifier_->begin_chain(chain_, chain);
    } else {
      const ChainedEntry& entry = std::get<ChainedEntry>(line);
      if (entry.chain != chain_) verifier_->begin_chain(entry.chain, nullptr);
      chain_ = entry.chain;
      verifier_->entry(entry);
    }
    return {};
  }
  Result<AuditReport> finish(const std::string& file) {
    if (!verifier_) return Error{Status::option, file + " holds no export"};
    return verifier_->finish();
  }

 private:
  Result<void> begin(const ExportHeader& header) {
    if (verifier_) return Error{Status::option, "a second export begins here"};
    const bool whole = header.period.is_everything();
    verifier_.emplace(std::move(keys_), whole ? AuditVerifier::Extent::whole : AuditVerifier::Extent::part, now_);
    return {};
  }

  std::vector<crypto::PublicKey> keys_;
  std::int64_t now_;
  std::optional<AuditVerifier> verifier_;
  std::string chain_;
};

}  // namespace

std::string to_line(const AuditLine& line) {
  return std::visit([](const auto& what) { return json_of(what); }, line)
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<AuditLine> parse_line(std::string_view text) {
  const Error malformed(Status::option, "this is no line of an audit log");
  if (text.size() > kMaxLine) return malformed;
  const Json object = Json::parse(text, nullptr, false);
  if (!object.is_object()) return malformed;
  Members in(object);
  const std::string kind = in.text("kind");
  for (const Kind& row : kKinds) {
    if (row.name != kind) continue;
    std::optional<AuditLine> line = row.read(in);
    if (!line || !in.finish()) return malformed;
    return std::move(*line);
  }
  return malformed;
}

Result<void> export_audit(Database& database, const AuditPeriod& period, std::ostream& out) {
  const auto write = [&](const AuditLine& line) -> Result<void> {
    out << to_line(line) << '\n';
    return out ? Result<void>() : Error{Status::storage, "the export cannot be written"};
  };
  SKS_TRY(write(ExportHeader{period}));
  const AuditVisitor visitor{write,
                             [&](const std::string&, const AuditChain* chain) -> Result<void> {
                               return chain == nullptr ? Result<void>() : write(*chain);
                             },
                             write};
  return read_audit(database, period, visitor, [](const std::string&, std::int64_t) {});
}

Result<AuditReport> verify_file(const std::string& file, std::vector<crypto::PublicKey> keys, std::int64_t now) {
  FileReader reader(std::move(keys), now);
  SKS_TRY(for_each_line(file, [&](AuditLine& line) { return reader.take(line); }));
  return reader.finish(file);
}

Result<AuditReport> verify_database(Database& database, std::vector<crypto::PublicKey> keys,
                                    const std::vector<Checkpoint>& checkpoints, std::int64_t now,
                                    const std::stop_token& stop) {
  AuditVerifier verifier(std::move(keys), AuditVerifier::Extent::whole, now);
  for (const Checkpoint& checkpoint : checkpoints) verifier.outside_checkpoint(checkpoint);
  std::vector<std::string> unreadable;
  SKS_TRY(read_audit(database, {}, verify_with(verifier, stop), [&](const std::string& node, std::int64_t number) {
    unreadable.push_back("checkpoint " + std::to_string(number) + " of node " + node +
                         " was changed: it cannot be read");
  }));
  AuditReport report = verifier.finish();
  report.findings.insert(report.findings.begin(), unreadable.begin(), unreadable.end());
  return report;
}

Result<std::vector<Checkpoint>> read_checkpoints(const std::string& file) {
  std::vector<Checkpoint> checkpoints;
  SKS_TRY(for_each_line(file, [&](AuditLine& line) -> Result<void> {
    if (auto* const checkpoint = std::get_if<Checkpoint>(&line)) checkpoints.push_back(std::move(*checkpoint));
    return {};
  }));
  return checkpoints;
}

}  // namespace sks::issuer
