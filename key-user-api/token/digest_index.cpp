#include "key-user-api/token/digest_index.h"

#include <algorithm>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/hash.h"

namespace sks::token {
namespace {

constexpr std::size_t kSmall = 256;  // entries that wait

}  // namespace

Digest Digester::operator()(CK_ATTRIBUTE_TYPE type, ByteView value) const {
  ByteWriter in;
  in.raw(key_).u64(type).raw(value);
  const crypto::Sha256Digest hash = crypto::sha256(in.view());
  return ByteReader(hash).u64();
}

void DigestIndex::insert(Digest digest, KeyHandle key) {
  const Entry entry{digest, key};
  if (gone_.erase(entry) == 0 && !std::binary_search(sorted_.begin(), sorted_.end(), entry)) recent_.insert(entry);
  merge_if_worth_it();
}

void DigestIndex::insert_many(std::vector<Entry> entries) {
  merge();
  entries.insert(entries.end(), sorted_.begin(), sorted_.end());
  std::sort(entries.begin(), entries.end());
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  sorted_ = std::move(entries);
  sorted_.shrink_to_fit();
}

void DigestIndex::erase(Digest digest, KeyHandle key) {
  const Entry entry{digest, key};
  if (recent_.erase(entry) == 0 && std::binary_search(sorted_.begin(), sorted_.end(), entry)) gone_.insert(entry);
  merge_if_worth_it();
}

std::vector<KeyHandle> DigestIndex::find(Digest digest) const {
  std::vector<KeyHandle> found;
  const Entry first{digest, {}};
  for (auto at = std::lower_bound(sorted_.begin(), sorted_.end(), first); at != sorted_.end() && at->digest == digest;
       ++at)
    if (gone_.empty() || !gone_.contains(*at)) found.push_back(at->key);
  const std::size_t old = found.size();
  for (auto at = recent_.lower_bound(first); at != recent_.end() && at->digest == digest; ++at)
    found.push_back(at->key);
  std::inplace_merge(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(old), found.end());
  return found;
}

// A merge moves everything, so it waits for a part that grows with the whole.
void DigestIndex::merge_if_worth_it() {
  if (recent_.size() + gone_.size() >= kSmall + sorted_.size() / kSmall) merge();
}

void DigestIndex::merge() {
  if (recent_.empty() && gone_.empty()) return;
  std::vector<Entry> merged;
  merged.reserve(sorted_.size() + recent_.size() - gone_.size());
  auto next = recent_.begin();
  for (const Entry& entry : sorted_) {
    for (; next != recent_.end() && *next < entry; ++next) merged.push_back(*next);
    if (!gone_.contains(entry)) merged.push_back(entry);
  }
  merged.insert(merged.end(), next, recent_.end());
  sorted_ = std::move(merged);
  recent_.clear();
  gone_.clear();
}

}  // namespace sks::token
