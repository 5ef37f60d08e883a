#include "provisioning-server/audit/chain_format.h"

#include <charconv>

#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

constexpr std::string_view kChainLabel = "sks-audit-chain-1";
constexpr std::string_view kEntryLabel = "sks-audit-entry-1";
constexpr std::string_view kCheckpointLabel = "sks-audit-checkpoint-1";

/// Fields one after the other, each behind its length, so that no two lists of fields give the same bytes.
class Fields {
 public:
  explicit Fields(std::string_view label) { add(label); }
  Fields& add(ByteView field) {
    add_number(field.size(), 4);
    bytes_.insert(bytes_.end(), field.begin(), field.end());
    return *this;
  }
  Fields& add(std::string_view text) { return add(as_bytes(text)); }
  Fields& add(std::int64_t number) {
    add_number(8, 4);
    add_number(static_cast<std::uint64_t>(number), 8);
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  void add_number(std::uint64_t number, unsigned size) {
    for (unsigned byte = size; byte > 0; --byte)
      bytes_.push_back(static_cast<std::uint8_t>(number >> (8 * (byte - 1))));
  }

  Bytes bytes_;
};

Error malformed() { return {Status::option, "the heads of a checkpoint are malformed"}; }

Result<ChainHead> parse_head(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return malformed();
  ChainHead head;
  head.chain = std::string(line.substr(0, first));
  const std::string_view number = line.substr(first + 1, second - first - 1);
  const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), head.number);
  if (problem != std::errc() || end != number.data() + number.size()) return malformed();
  Result<Bytes> hash = from_hex(line.substr(second + 1));
  if (!hash || hash->size() != crypto::kSha256Size) return malformed();
  head.hash = std::move(hash).value();
  return head;
}

}  // namespace

AuditHash hash_of(const AuditChain& chain) {
  return crypto::sha256(Fields(kChainLabel).add(chain.id).add(chain.node).add(chain.started).bytes());
}

AuditHash hash_of(const ChainedEntry& at) {
  const AuditEntry& entry = at.entry;
  return crypto::sha256(Fields(kEntryLabel)
                            .add(at.chain)
                            .add(at.number)
                            .add(at.previous)
                            .add(entry.time)
                            .add(entry.actor)
                            .add(entry.action)
                            .add(entry.session)
                            .add(entry.policy)
                            .add(entry.result)
                            .add(entry.detail)
                            .bytes());
}

Bytes bytes_of(const Checkpoint& checkpoint) {
  Fields fields(kCheckpointLabel);
  fields.add(checkpoint.node).add(checkpoint.number).add(checkpoint.time).add(checkpoint.previous);
  fields.add(static_cast<std::int64_t>(checkpoint.heads.size()));
  for (const ChainHead& head : checkpoint.heads) fields.add(head.chain).add(head.number).add(head.hash);
  return fields.bytes();
}

AuditHash hash_of(const Checkpoint& checkpoint) { return crypto::sha256(bytes_of(checkpoint)); }

bool is_signed_by(const Checkpoint& checkpoint, const crypto::PublicKey& key) {
  const Result<Bytes> raw = crypto::ecdsa_der_to_raw(Curve::p256, checkpoint.signature);
  return raw && crypto::verify_signature(key, bytes_of(checkpoint), *raw);
}

std::string heads_text(const std::vector<ChainHead>& heads) {
  std::string text;
  for (const ChainHead& head : heads)
    text.append(head.chain).append(" ").append(std::to_string(head.number)).append(" ").append(to_hex(head.hash)) +=
        '\n';
  return text;
}

Result<std::vector<ChainHead>> parse_heads(std::string_view text) {
  std::vector<ChainHead> heads;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return malformed();
    SKS_LET(ChainHead head, parse_head(text.substr(0, end)));
    heads.push_back(std::move(head));
    text.remove_prefix(end + 1);
  }
  return heads;
}

}  // namespace sks::issuer
