#include "provisioning-server/internal/management_reader.h"

#include <algorithm>
#include <array>

#include "keygen2/enumerations.h"
#include "keygen2/message_common.h"
#include "keygen2/time.h"
#include "provisioning-server/internal/algorithm_name.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"

namespace sks::issuer {
namespace {

using keygen2::SearchFilter;

constexpr auto kActions = std::to_array<Choice>({{"ignore", static_cast<std::uint8_t>(FoundKeyAction::ignore)},
                                                 {"refuse", static_cast<std::uint8_t>(FoundKeyAction::refuse)},
                                                 {"delete", static_cast<std::uint8_t>(FoundKeyAction::remove)},
                                                 {"unlock", static_cast<std::uint8_t>(FoundKeyAction::unlock)},
                                                 {"update", static_cast<std::uint8_t>(FoundKeyAction::update)}});

/// The whole URI that a full URI, or the part after the '#' of a known one, stands for; empty when there is none.
std::string capability_named(const std::string& name) {
  if (name.find(':') != std::string::npos) return name;
  for (const keygen2::QueryRow& row : keygen2::kQueries)
    if (row.uri.ends_with('#' + name)) return std::string(row.uri);
  const Algorithm* const algorithm = algorithm_named(name);
  return algorithm == nullptr ? std::string() : std::string(algorithm->uri);
}

/// Whether a filter with one member is right; the failure is that of the member.
void check_member(TomlTable& table, std::string_view name, const SearchFilter& member) {
  const auto compiled = keygen2::FilterMatcher::compile(member);
  if (!compiled) table.refuse(name, std::string(name) + " is wrong: " + compiled.error().detail);
}

/// The members by their types. Their names are those of keygen2.md 6.2, spelled as all names here are.
struct TextMember {
  std::string_view name;
  std::optional<std::string> SearchFilter::*value;
};
constexpr auto kExpressions = std::to_array<TextMember>({
    {"issuer_reg_ex", &SearchFilter::issuer_reg_ex},
    {"subject_reg_ex", &SearchFilter::subject_reg_ex},
    {"email_reg_ex", &SearchFilter::email_reg_ex},
});

struct RulesMember {
  std::string_view name;
  std::vector<std::string> SearchFilter::*value;
};
constexpr auto kRules = std::to_array<RulesMember>({
    {"policy_rules", &SearchFilter::policy_rules},
    {"key_usage_rules", &SearchFilter::key_usage_rules},
    {"extended_key_usage_rules", &SearchFilter::extended_key_usage_rules},
});

struct TimeMember {
  std::string_view name;
  std::optional<std::int64_t> SearchFilter::*value;
};
constexpr auto kTimes = std::to_array<TimeMember>({
    {"issued_before", &SearchFilter::issued_before},
    {"issued_after", &SearchFilter::issued_after},
});

struct WordMember {
  std::string_view name;
  const keygen2::Names4& words;
  std::optional<std::uint8_t> SearchFilter::*value;
};
constexpr auto kWords = std::to_array<WordMember>({
    {"grouping", keygen2::kGroupings, &SearchFilter::grouping},
    {"app_usage", keygen2::kAppUsages, &SearchFilter::app_usage},
});

void read_expressions(TomlTable& table, SearchFilter& filter) {
  for (const TextMember& row : kExpressions) {
    if (!table.has(row.name)) continue;
    SearchFilter alone;
    alone.*row.value = table.text(row.name);
    check_member(table, row.name, alone);
    filter.*row.value = alone.*row.value;
  }
}

void read_rules(TomlTable& table, SearchFilter& filter) {
  for (const RulesMember& row : kRules) {
    if (!table.has(row.name)) continue;
    SearchFilter alone;
    alone.*row.value = table.texts_or_none(row.name);
    if ((alone.*row.value).empty()) table.refuse(row.name, std::string(row.name) + " must hold at least one rule");
    check_member(table, row.name, alone);
    filter.*row.value = alone.*row.value;
  }
}

void read_times(TomlTable& table, SearchFilter& filter) {
  for (const TimeMember& row : kTimes) {
    if (!table.has(row.name)) continue;
    filter.*row.value = keygen2::parse_time(table.text(row.name), keygen2::TimeZone::utc).value_or(-1);
    if (*(filter.*row.value) < 0)
      table.refuse(row.name, std::string(row.name) + " must be a time like \"2026-01-31T12:00:00Z\"");
  }
}

void read_words(TomlTable& table, SearchFilter& filter) {
  for (const WordMember& row : kWords) {
    if (!table.has(row.name)) continue;
    std::array<Choice, 4> choices{};
    for (std::uint8_t i = 0; i < choices.size(); ++i) choices.at(i) = {row.words.at(i), i};
    filter.*row.value = table.choice(row.name, choices);
  }
}

void read_numbers(TomlTable& table, SearchFilter& filter) {
  if (table.has("finger_print")) {
    const Result<Bytes> digest = from_hex(table.text("finger_print"));
    if (!digest || digest->size() != crypto::Sha256Digest().size())
      table.refuse("finger_print", "finger_print must be the SHA-256 of a certificate: 64 hexadecimal digits");
    else
      filter.finger_print = *digest;
  }
  if (table.has("serial_number")) {
    // A text, because the numbers of TOML are shorter than those of certificates.
    const std::string number = table.text("serial_number");
    const bool is_number = !number.empty() && number.size() <= 50 && (number.front() != '0' || number.size() == 1) &&
                           std::ranges::all_of(number, [](char c) { return c >= '0' && c <= '9'; });
    if (!is_number) table.refuse("serial_number", "serial_number must be a decimal number in quotes");
    filter.serial_number = number;
  }
}

}  // namespace

SearchFilter read_filter(TomlTable table) {
  SearchFilter filter;
  read_expressions(table, filter);
  read_rules(table, filter);
  read_times(table, filter);
  read_words(table, filter);
  read_numbers(table, filter);
  if (filter == SearchFilter{}) table.refuse("", "a filter needs at least one member; leave it out to find every key");
  return filter;
}

std::vector<FilterMember> filter_members(const SearchFilter& filter) {
  std::vector<FilterMember> members;
  if (filter.finger_print) members.push_back({"finger_print", {to_hex(*filter.finger_print)}});
  if (filter.serial_number) members.push_back({"serial_number", {*filter.serial_number}});
  for (const TextMember& row : kExpressions)
    if (const auto& value = filter.*row.value) members.push_back({row.name, {*value}});
  for (const RulesMember& row : kRules)
    if (const auto& rules = filter.*row.value; !rules.empty()) members.push_back({row.name, rules});
  for (const TimeMember& row : kTimes)
    if (const auto& value = filter.*row.value) members.push_back({row.name, {keygen2::format_utc_time(*value)}});
  for (const WordMember& row : kWords)
    if (const auto& value = filter.*row.value) members.push_back({row.name, {std::string(row.words.at(*value))}});
  return members;
}

std::string_view action_name(FoundKeyAction action) { return word_of(kActions, static_cast<std::uint8_t>(action)); }

std::vector<CapabilityQuery> read_capabilities(TomlTable& root) {
  constexpr std::size_t kMaxQueries = 40;  // of the 50 of keygen2.md Appendix B; the keys need some
  std::vector<CapabilityQuery> queries;
  for (TomlTable& table : root.tables("capability")) {
    CapabilityQuery query;
    const std::string name = table.text("query");
    query.uri = capability_named(name);
    query.required = table.boolean_or("required", false);
    if (!keygen2::is_uri(query.uri)) table.refuse("query", "query \"" + name + "\" is no URI, and no known capability");
    if (std::ranges::find(queries, query.uri, &CapabilityQuery::uri) != queries.end())
      table.refuse("query", "query \"" + name + "\" is asked twice");
    if (queries.size() == kMaxQueries) table.refuse("query", "a profile asks for at most 40 capabilities");
    queries.push_back(std::move(query));
  }
  return queries;
}

std::vector<Lookup> read_lookups(TomlTable& root, bool privacy_enabled) {
  std::vector<Lookup> lookups;
  std::vector<TomlTable> tables = root.tables("lookup");
  for (TomlTable& table : tables) {
    Lookup lookup;
    lookup.action = static_cast<FoundKeyAction>(table.choice("action", kActions));
    lookup.same_subject = table.boolean_or("same_subject", true);
    if (privacy_enabled && !lookup.same_subject)
      table.refuse(
          "same_subject",
          "same_subject = false cannot stand beside privacy_enabled = true: nothing else tells whether the key "
          "of an anonymous device is its own");
    if (privacy_enabled && lookup.action == FoundKeyAction::update)
      table.refuse(
          "action",
          "action = \"update\" cannot stand beside privacy_enabled = true: what an anonymous device says is not "
          "recorded, so the old certificate would stay in force");
    if (table.has("filter")) lookup.filter = read_filter(table.table("filter"));
    const bool is_last = &table == &tables.back();
    if (lookup.filter && lookup.filter->grouping && !is_last)
      table.refuse("filter",
                   "only the last lookup can ask for a grouping: it is not on record, so the device would choose "
                   "which lookup decides");
    if (lookups.size() == keygen2::kMaxLookups) table.refuse("action", "a profile makes at most 20 lookups");
    lookups.push_back(std::move(lookup));
  }
  return lookups;
}

}  // namespace sks::issuer
