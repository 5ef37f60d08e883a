#include "provisioning-server/admin_api/query_reader.h"

#include <algorithm>
#include <charconv>

#include "provisioning-server/device_registry.h"
#include "provisioning-server/url.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

constexpr std::size_t kShownName = 40;

/// As forms write it: a plus sign is a space.
std::optional<std::string> decode(std::string_view text) {
  std::string plain(text);
  std::ranges::replace(plain, '+', ' ');
  return percent_decode(plain);
}

}  // namespace

QueryReader::QueryReader(std::string_view query) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::optional<std::string> name = decode(pair.substr(0, equals));
    const std::optional<std::string> value = decode(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value) {
      fail("The query is not well-formed.");
    } else if (!values_.emplace(*name, *value).second) {
      fail("A parameter occurs twice in the query.");
    }
  }
}

void QueryReader::fail(std::string sentence) {
  if (!failure_) failure_ = std::move(sentence);
}

std::string QueryReader::text(std::string_view name) {
  const auto found = values_.find(name);
  if (found == values_.end()) return {};
  std::string value = std::move(found->second);
  values_.erase(found);
  return value;
}

std::int64_t QueryReader::integer(std::string_view name, std::int64_t low, std::int64_t high, std::int64_t absent) {
  const std::string value = text(name);
  if (value.empty()) return absent;
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (failure == std::errc() && end == value.data() + value.size() && number >= low && number <= high) return number;
  fail("The parameter " + std::string(name) + " is no number from " + std::to_string(low) + " to " +
       std::to_string(high) + '.');
  return absent;
}

std::size_t QueryReader::choice(std::string_view name, const std::vector<std::string_view>& words) {
  const std::string value = text(name);
  if (value.empty()) return 0;
  const auto found = std::ranges::find(words, value);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  std::string list;
  for (const std::string_view word : words) list.append(list.empty() ? "" : ", ").append(word);
  fail("The parameter " + std::string(name) + " is one of " + list + '.');
  return 0;
}

std::string QueryReader::fingerprint(std::string_view name) {
  const std::string value = text(name);
  if (value.empty()) return {};
  const Result<crypto::Sha256Digest> parsed = parse_fingerprint(value);
  if (parsed) return to_hex(*parsed);
  fail("The parameter " + std::string(name) + ": " + parsed.error().detail + '.');
  return {};
}

PageRequest QueryReader::page() {
  PageRequest page;
  page.size = static_cast<std::size_t>(integer("limit", 1, kMaxPage, 50));
  page.cursor = text("cursor");
  return page;
}

Result<void> QueryReader::finish() {
  if (!failure_ && !values_.empty()) {
    std::string name = values_.begin()->first.substr(0, kShownName);
    for (char& c : name)
      if (c < ' ' || c > '~') c = '?';
    fail("There is no parameter \"" + name + "\" here.");
  }
  if (failure_) return Error{Status::option, *failure_};
  return {};
}

}  // namespace sks::issuer
