#include <doctest/doctest.h>

#include "tests/keygen2/json_edit.h"
#include "tests/keygen2/rows.h"
#include "tests/support/temp_dir.h"

// Chapter 6.2 of keygen2.md, row by row: which values a searchFilter may have. The message is that of its Appendix C.4.
// What matches is a matter of search_filter_test.cpp.
namespace sks::test::rows {
namespace {

using namespace keygen2;
namespace edit = json_edit;

const std::string kFilter = "/lookupSpecifiers/0/searchFilter";

/// With one member more than the one to be looked at, which may then be left out.
std::string request() {
  const std::string message = read_file(source_file("tests/vectors/keygen2/05-CredentialDiscoveryRequest.json"));
  return edit::with(message, kFilter, R"({"appUsage":"signature","grouping":"none"})");
}

template <class V>
Read member(V SearchFilter::*property) {
  return reads<CredentialDiscoveryRequest>([property](const CredentialDiscoveryRequest& message) -> const V& {
    return message.lookups.at(0).filter.value().*property;
  });
}

struct FilterRow {
  const char* citation;
  const char* property;
  Type type;
  Absent absent;
  Read read;
};

std::vector<Refused> values(const std::vector<std::string>& all) {
  std::vector<Refused> refused;
  for (const std::string& json : all) refused.push_back({json, ErrorClass::value});
  return refused;
}

/// A string of any content that the further rules allow.
Type string_of(const std::vector<std::string>& accepted, const std::vector<std::string>& refused) {
  Type type{
      {},
      {{"true", ErrorClass::json}, {"5", ErrorClass::json}, {R"(["5"])", ErrorClass::json}, {"{}", ErrorClass::json}}};
  for (const std::string& json : accepted) type.accepted.push_back({json, json});
  return type.with({}, values(refused));
}

/// Java's dialect, 6.3: what does not compile is an error, what is longer than Appendix B allows is refused.
Type pattern() {
  return string_of({R"("CN=old[0-9]")", R"("")", R"("(?:a|b)*+c{1,2}?")", text_json(repeated(1000, "a"))},
                   {R"x("(")x", R"("[")", R"("*")", R"("a{2,1}")", R"("\\")"})
      .with({{R"("\\Qa.b\\E|x")", R"("\Qa.b\E|x")"}}, {{text_json(repeated(1001, "a")), ErrorClass::policy}});
}

/// 6.5: an OID without zero arcs, or a forbidden one.
Type oid_rules() {
  return array(string_of(
      {R"("2.5.29.32.1")", R"("-1.3.6.1.5.5.7.3.2","1.3")", R"("7")"},
      {R"("")", R"("-")", R"("2.5.29.32.0")", R"("0.9")", R"("01.2")", R"("1..2")", R"(".1")", R"("1.")", R"("--1.2")",
       R"("+1.2")", R"("1.2 ")", R"("a")", R"("1.2","1.2")", R"("1.2","-1.2")", R"("-1.2","-1.2")"}));
}

Type usage_rules() {
  // 4.14, X.509 bits 0 to 8.
  const std::vector<std::string> names{"digitalSignature", "nonRepudiation", "keyEncipherment",
                                       "dataEncipherment", "keyAgreement",   "keyCertSign",
                                       "cRLSign",          "encipherOnly",   "decipherOnly"};
  Type type = string_of({}, {R"("")", R"("-")", R"("DigitalSignature")", R"("--cRLSign")", R"("contentCommitment")",
                             R"("1.2")", R"("cRLSign","cRLSign")", R"("cRLSign","-cRLSign")"});
  std::string all;
  for (const std::string& name : names) {
    type.accepted.push_back({text_json(name), text_json(name)});
    type.accepted.push_back({text_json("-" + name), text_json("-" + name)});
    all += (all.empty() ? "" : ",") + text_json(name);
  }
  return array(type.with({{all, all}}, {}));
}

/// Shown in seconds: GNU date.
Type time_limit() {
  Type type = utc_time();
  for (Accepted& value : type.accepted) value.shown = "1583020799";
  return type.with({{R"("2019-01-01T00:00:00Z")", "1546300800"}, {R"("1969-12-31T23:59:59Z")", "-1"}}, {});
}

}  // namespace

TEST_CASE("Rows of 6.2: the members of a searchFilter") {
  const std::string digits = text_json("1" + repeated(60, "0"));
  const std::vector<FilterRow> table{
      {"[keygen2.md 6.2 fingerPrint]", "fingerPrint", byte_array(32, 32), optional("absent"),
       member(&SearchFilter::finger_print)},
      {"[keygen2.md 6.2 issuerRegEx]", "issuerRegEx", pattern(), optional("absent"),
       member(&SearchFilter::issuer_reg_ex)},
      {"[keygen2.md 6.2 serialNumber]", "serialNumber",
       string_of({R"("0")", R"("1")", R"("-1")", digits},
                 {R"("")", R"("-")", R"("-0")", R"("00")", R"("01")", R"("+1")", R"("1.0")", R"("0x1")", R"(" 1")"}),
       optional("absent"), member(&SearchFilter::serial_number)},
      {"[keygen2.md 6.2 subjectRegEx]", "subjectRegEx", pattern(), optional("absent"),
       member(&SearchFilter::subject_reg_ex)},
      {"[keygen2.md 6.2 emailRegEx]", "emailRegEx", pattern(), optional("absent"), member(&SearchFilter::email_reg_ex)},
      {"[keygen2.md 6.2 policyRules]", "policyRules", oid_rules(), optional("[]"), member(&SearchFilter::policy_rules)},
      {"[keygen2.md 6.2 keyUsageRules] [keygen2.md 4.14 keyUsageRules names]", "keyUsageRules", usage_rules(),
       optional("[]"), member(&SearchFilter::key_usage_rules)},
      {"[keygen2.md 6.2 extendedKeyUsageRules]", "extendedKeyUsageRules", oid_rules(), optional("[]"),
       member(&SearchFilter::extended_key_usage_rules)},
      {"[keygen2.md 6.2 issuedBefore]", "issuedBefore", time_limit(), optional("absent"),
       member(&SearchFilter::issued_before)},
      {"[keygen2.md 6.2 issuedAfter]", "issuedAfter", time_limit(), optional("absent"),
       member(&SearchFilter::issued_after)},
      {"[keygen2.md 6.2 grouping]", "grouping", choice({"none", "shared", "signature+standard", "unique"}),
       optional("absent"), member(&SearchFilter::grouping)},
      {"[keygen2.md 6.2 appUsage]", "appUsage", choice({"signature", "authentication", "encryption", "universal"}),
       optional("absent"), member(&SearchFilter::app_usage)},
  };
  for (const FilterRow& row : table)
    check(Row{row.citation, request(), kFilter + "/" + row.property, row.type, row.absent, row.read});
}

}  // namespace sks::test::rows
