#include "keygen2/search_filter.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "keygen2/distinguished_name.h"
#include "keygen2/enumerations.h"
#include "keygen2/message_common.h"
#include "keygen2/time.h"

namespace sks::keygen2 {
namespace {

using crypto::Certificate;
using Path = std::vector<Certificate>;
using Texts = std::vector<std::string>;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// "[1-9][0-9]*"
bool is_positive_number(std::string_view text) {
  return !text.empty() && text.front() != '0' && std::ranges::all_of(text, is_digit);
}

/// The type bigint. Spec: keygen2.md 3.4.
bool is_big_integer(std::string_view text) {
  return text == "0" || is_positive_number(text.starts_with('-') ? text.substr(1) : text);
}

/// Spec: keygen2.md 6.5, where an arc cannot be zero.
bool is_rule_oid(std::string_view text) {
  std::size_t dot = 0;
  while ((dot = text.find('.')) != std::string_view::npos) {
    if (!is_positive_number(text.substr(0, dot))) return false;
    text.remove_prefix(dot + 1);
  }
  return is_positive_number(text);
}

bool is_key_usage(std::string_view text) { return std::ranges::find(kKeyUsages, text) != kKeyUsages.end(); }

std::optional<Texts> key_usages(const Certificate& certificate) {
  const std::optional<std::uint16_t> bits = certificate.key_usage();
  if (!bits) return std::nullopt;
  Texts names;
  for (std::size_t bit = 0; bit < kKeyUsages.size(); ++bit) {
    if ((*bits >> bit & 1U) != 0) names.emplace_back(kKeyUsages.at(bit));
  }
  return names;
}

struct RuleMember {
  std::string_view name;
  Texts SearchFilter::*rules;
  bool (*is_valid)(std::string_view);
  std::optional<Texts> (*present)(const Certificate&);  ///< no value: the certificate does not have the extension
};

constexpr std::array<RuleMember, 3> kRuleMembers{{
    {"policyRules", &SearchFilter::policy_rules, is_rule_oid,
     [](const Certificate& certificate) { return certificate.policies(); }},
    {"keyUsageRules", &SearchFilter::key_usage_rules, is_key_usage, key_usages},
    {"extendedKeyUsageRules", &SearchFilter::extended_key_usage_rules, is_rule_oid,
     [](const Certificate& certificate) { return certificate.extended_key_usages(); }},
}};

Result<Texts> issuers(const Path& path) {
  Texts names;
  for (const Certificate& certificate : path) {
    SKS_LET(const crypto::Name name, crypto::parse_name(certificate.issuer_der()));
    names.push_back(distinguished_name(name));
  }
  return names;
}

Result<Texts> subject(const Path& path) {
  SKS_LET(const crypto::Name name, crypto::parse_name(path.front().subject_der()));
  return Texts{distinguished_name(name)};
}

struct ExpressionMember {
  std::string_view name;
  std::optional<std::string> SearchFilter::*pattern;
  Result<Texts> (*texts)(const Path&);  ///< one of them has to match
};

constexpr std::array<ExpressionMember, 3> kExpressionMembers{{
    {"issuerRegEx", &SearchFilter::issuer_reg_ex, issuers},
    {"subjectRegEx", &SearchFilter::subject_reg_ex, subject},
    {"emailRegEx", &SearchFilter::email_reg_ex, [](const Path& path) { return email_addresses(path.front()); }},
}};

/// Members that are compared with a key without a look into its certificates, and then with one.
using KeyCondition = bool (*)(const SearchFilter&, const SearchedKey&);
using CertificateCondition = bool (*)(const SearchFilter&, const Certificate&);

bool finger_print_matches(const SearchFilter& filter, const SearchedKey& key) {
  return !filter.finger_print || std::ranges::any_of(key.certificate_path, [&](const Bytes& certificate) {
    return equal(crypto::sha256(certificate), *filter.finger_print);
  });
}

constexpr std::array<KeyCondition, 3> kKeyConditions{
    [](const SearchFilter& filter, const SearchedKey& key) {
      return !filter.grouping || filter.grouping == key.grouping;
    },
    [](const SearchFilter& filter, const SearchedKey& key) {
      return filter.app_usage.value_or(key.app_usage) == key.app_usage;
    },
    finger_print_matches,
};

constexpr std::array<CertificateCondition, 3> kCertificateConditions{
    [](const SearchFilter& filter, const Certificate& certificate) {
      return !filter.serial_number || *filter.serial_number == certificate.serial_number();
    },
    [](const SearchFilter& filter, const Certificate& certificate) {
      return !filter.issued_before || certificate.not_before() <= *filter.issued_before;
    },
    [](const SearchFilter& filter, const Certificate& certificate) {
      return !filter.issued_after || certificate.not_before() >= *filter.issued_after;
    },
};

/// A rule without its sign.
std::string_view without_sign(std::string_view rule) { return rule.starts_with('-') ? rule.substr(1) : rule; }

constexpr std::size_t kMaxRules = 100;

Outcome<void> check_rules(const RuleMember& member, const Texts& rules) {
  if (rules.size() > kMaxRules)
    return Failure{ErrorClass::policy, std::string(member.name) + " contains more than 100 rules"};
  Texts unsigned_rules;
  for (const std::string& rule : rules) {
    if (!member.is_valid(without_sign(rule)))
      return Failure{ErrorClass::value, std::string(member.name) + " contains something that is no rule"};
    unsigned_rules.emplace_back(without_sign(rule));
  }
  if (has_duplicates(std::move(unsigned_rules)))
    return Failure{ErrorClass::value, std::string(member.name) + " contains two rules for the same"};
  return {};
}

bool rules_match(const RuleMember& member, const Texts& rules, const Certificate& certificate) {
  if (rules.empty()) return true;
  const std::optional<Texts> present = member.present(certificate);
  return present && std::ranges::all_of(rules, [&](std::string_view rule) {
           const bool occurs = std::ranges::find(*present, without_sign(rule)) != present->end();
           return occurs != rule.starts_with('-');
         });
}

std::optional<std::int64_t> read_time(JsonReader& in, std::string_view name) {
  const std::optional<std::string> text = in.optional_text(name);
  if (!text) return std::nullopt;
  const std::optional<std::int64_t> time = parse_time(*text, TimeZone::utc);
  if (!time) in.fail(ErrorClass::value, std::string(name) + " is not a time in UTC");
  return time.value_or(0);  // there is a member, though a bad one
}

std::optional<std::uint8_t> read_enumeration(JsonReader& in, std::string_view name, const Names4& names) {
  return in.has(name) ? std::optional(in.enumeration(name, names)) : std::nullopt;
}

/// Empty when one of them does not decode.
Path decode(const std::vector<Bytes>& certificates) {
  Path path;
  for (const Bytes& der : certificates) {
    Result<Certificate> certificate = Certificate::from_der(der);
    if (!certificate) return {};
    path.push_back(std::move(certificate).value());
  }
  return path;
}

Outcome<bool> one_matches(const RegularExpression& expression, const Texts& texts, MatchBudget& budget) {
  for (const std::string& text : texts) {
    SKS_LET(const bool match, expression.matches(text, budget));
    if (match) return true;
  }
  return false;
}

}  // namespace

SearchFilter read_search_filter(JsonReader& in) {
  SearchFilter filter;
  filter.finger_print = in.optional_bytes("fingerPrint", kFingerPrintSize);
  filter.issuer_reg_ex = in.optional_text("issuerRegEx");
  filter.serial_number = in.optional_text("serialNumber");
  filter.subject_reg_ex = in.optional_text("subjectRegEx");
  filter.email_reg_ex = in.optional_text("emailRegEx");
  filter.policy_rules = in.optional_texts("policyRules");
  filter.key_usage_rules = in.optional_texts("keyUsageRules");
  filter.extended_key_usage_rules = in.optional_texts("extendedKeyUsageRules");
  filter.issued_before = read_time(in, "issuedBefore");
  filter.issued_after = read_time(in, "issuedAfter");
  filter.grouping = read_enumeration(in, "grouping", kGroupings);
  filter.app_usage = read_enumeration(in, "appUsage", kAppUsages);

  if (filter == SearchFilter{}) in.fail(ErrorClass::json, "searchFilter has no member");
  if (filter.serial_number && !is_big_integer(*filter.serial_number))
    in.fail(ErrorClass::value, "serialNumber is not an integer in decimal");
  const Outcome<FilterMatcher> matcher = FilterMatcher::compile(filter);
  if (!matcher) in.fail(matcher.error().error_class, matcher.error().detail);
  return filter;
}

void write_search_filter(JsonWriter& out, const SearchFilter& filter) {
  const auto text = [&](std::string_view name, const std::optional<std::string>& value) {
    if (value) out.text(name, *value);
  };
  const auto texts = [&](std::string_view name, const Texts& values) {
    if (!values.empty()) out.texts(name, values);
  };
  if (filter.finger_print) out.bytes("fingerPrint", *filter.finger_print);
  text("issuerRegEx", filter.issuer_reg_ex);
  text("serialNumber", filter.serial_number);
  text("subjectRegEx", filter.subject_reg_ex);
  text("emailRegEx", filter.email_reg_ex);
  texts("policyRules", filter.policy_rules);
  texts("keyUsageRules", filter.key_usage_rules);
  texts("extendedKeyUsageRules", filter.extended_key_usage_rules);
  if (filter.issued_before) out.text("issuedBefore", format_utc_time(*filter.issued_before));
  if (filter.issued_after) out.text("issuedAfter", format_utc_time(*filter.issued_after));
  if (filter.grouping) out.text("grouping", kGroupings.at(*filter.grouping));
  if (filter.app_usage) out.text("appUsage", kAppUsages.at(*filter.app_usage));
}

Outcome<FilterMatcher> FilterMatcher::compile(const SearchFilter& filter) {
  FilterMatcher matcher;
  matcher.filter_ = filter;
  for (std::size_t i = 0; i < kExpressionMembers.size(); ++i) {
    const ExpressionMember& member = kExpressionMembers.at(i);
    const std::optional<std::string>& pattern = filter.*member.pattern;
    if (!pattern) continue;
    Outcome<RegularExpression> expression = RegularExpression::compile(*pattern);
    if (!expression)
      return Failure{expression.error().error_class, std::string(member.name) + ": " + expression.error().detail};
    matcher.expressions_.at(i) = std::move(expression).value();
  }
  for (const RuleMember& member : kRuleMembers) SKS_TRY(check_rules(member, filter.*member.rules));
  return matcher;
}

Outcome<bool> FilterMatcher::matches(const SearchedKey& key, MatchBudget& budget) const {
  if (!std::ranges::all_of(kKeyConditions, [&](KeyCondition holds) { return holds(filter_, key); })) return false;
  const Path path = decode(key.certificate_path);
  if (path.empty()) return false;
  const Certificate& end_entity = path.front();
  if (!std::ranges::all_of(kCertificateConditions,
                           [&](CertificateCondition holds) { return holds(filter_, end_entity); }))
    return false;
  if (!std::ranges::all_of(kRuleMembers, [&](const RuleMember& member) {
        return rules_match(member, filter_.*member.rules, end_entity);
      }))
    return false;
  for (std::size_t i = 0; i < kExpressionMembers.size(); ++i) {
    if (!expressions_.at(i)) continue;
    const Result<Texts> texts = kExpressionMembers.at(i).texts(path);
    if (!texts) return false;
    SKS_LET(const bool match, one_matches(*expressions_.at(i), *texts, budget));
    if (!match) return false;
  }
  return true;
}

}  // namespace sks::keygen2
