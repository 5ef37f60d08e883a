#include <doctest/doctest.h>

#include <array>

#include "provisioning-server/policy/extension_der.h"
#include "provisioning-server/policy/subject_source.h"
#include "sks-core/base/encoding.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::issuer;

namespace {

std::string sentence(const auto& result) { return result ? std::string("accepted") : result.error().detail; }

Profile profile_with(const std::string& certificate) {
  auto profile = parse_profile("[certificate]\nvalidity_days = 10\n" + certificate +
                                   "\n[[key]]\napp_usage = \"authentication\"\nalgorithm = \"ec.nist.p256\"\n",
                               "staff", "staff.toml");
  if (!profile) FAIL(profile.error().detail);
  return std::move(profile).value();
}

}  // namespace

TEST_CASE("parse_subject_data: takes a flat object of texts and nothing else") {
  const auto data = parse_subject_data(R"({"cn": "Jo \"X\" Doe", "e-mail": "jo@example.org"})");
  REQUIRE(data);
  CHECK(*data == SubjectData{{"cn", "Jo \"X\" Doe"}, {"e-mail", "jo@example.org"}});
  CHECK(*parse_subject_data(subject_data_text(*data)) == *data);
  CHECK(parse_subject_data("")->empty());
  for (const std::string& bad :
       {std::string("[]"), std::string("{"), std::string(R"({"a": 1})"), std::string(R"({"a": "x", "a": "y"})"),
        std::string(R"({"a b": "x"})"), std::string(R"({"": "x"})"), std::string(R"({"a": ""})"),
        std::string(R"({"a": "x\ny"})"), std::string(R"({"a": {"b": "x"}})"),
        R"({"a": ")" + std::string(1001, 'x') + "\"}", std::string(kMaxSubjectData + 1, ' ')}) {
    CAPTURE(bad.substr(0, 60));
    const auto refused = parse_subject_data(bad);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().status == Status::option);
  }
}

TEST_CASE("TextTemplate: fills in what is known") {
  const SubjectData data{{"cn", "Jo {x}"}, {"n", "7"}};
  struct Case {
    const char* text;
    std::optional<std::string> filled;
  };
  for (const Case& c : {Case{"", ""}, Case{"plain", "plain"}, Case{"{cn}", "Jo {x}"}, Case{"a{n}b{n}c", "a7b7c"},
                        Case{"{{{n}}}", "{7}"}, Case{"{n?}", "7"}, Case{"x{absent?}", std::nullopt}}) {
    CAPTURE(c.text);
    const auto made = TextTemplate::parse(c.text);
    REQUIRE(made);
    CHECK(*made->fill(data) == c.filled);
  }
  CHECK(sentence(TextTemplate::parse("{absent}")->fill(data)) == "\"absent\" is not known of the subject");
  for (const char* bad : {"{", "}", "a{n", "{}", "{?}", "{a b}", "{{n}", "{n}}"}) {
    CAPTURE(bad);
    CHECK_FALSE(TextTemplate::parse(bad));
  }
}

TEST_CASE("FileDirectory: reads CSV as RFC 4180 has it, and JSON") {
  const auto csv = parse_csv_directory(
      "user,cn,email\r\njo,\"Doe, \"\"Jo\"\"\",jo@example.org\r\n\r\nmax,Max,\r\nzoe,Zo\xC3\xAB,z@example.org", "f");
  REQUIRE(csv);
  const DirectoryUsers expected{{"jo", {{"cn", "Doe, \"Jo\""}, {"email", "jo@example.org"}}},
                                {"max", {{"cn", "Max"}}},
                                {"zoe", {{"cn", "Zo\xC3\xAB"}, {"email", "z@example.org"}}}};
  CHECK(*csv == expected);
  const auto json =
      parse_json_directory(R"({"jo": {"cn": "Doe, \"Jo\"", "email": "jo@example.org"}, "max": {"cn": "Max"},)"
                           "\"zoe\": {\"cn\": \"Zo\xC3\xAB\", \"email\": \"z@example.org\"}}",
                           "f");
  REQUIRE(json);
  CHECK(*json == expected);
}

TEST_CASE("FileDirectory: refuses with the file, the line and one sentence") {
  struct Case {
    const char* csv;
    const char* sentence;
  };
  for (const Case& c : {
           Case{"", "f:1: a column is named by letters, digits, '-', '_' and '.', at most 64"},
           Case{"user,c n\n", "f:1: a column is named by letters, digits, '-', '_' and '.', at most 64"},
           Case{"user,cn,cn\n", "f:1: two columns have the same name"},
           Case{"user,cn\njo\n", "f:2: there are 1 fields, and 2 columns"},
           Case{"user,cn\njo,a\njo,b\n", "f:3: the user jo is there twice"},
           Case{"user,cn\n,a\n", "f:2: a user has no name, or one that is no text"},
           Case{"user,cn\njo,\"a\n\nb,c\n", "f:2: a quotation mark is not closed"},
           Case{"user,cn\njo,\"a\"b\n", "f:2: text stands behind a closing quotation mark"},
           Case{"user,cn\njo,a\"b\n", "f:2: a quotation mark stands inside of a field"},
           Case{"user,cn\njo,\"a\nb\"\n", "f:2: cn must be at most 1000 bytes of text without control characters"},
           Case{"user,cn\njo,\xff\n", "f:2: cn must be at most 1000 bytes of text without control characters"},
       }) {
    CAPTURE(c.csv);
    CHECK(sentence(parse_csv_directory(c.csv, "f")) == c.sentence);
  }
  for (const char* bad : {"", "[]", R"({"jo": "x"})", R"({"jo": {"a b": "x"}})", R"({"jo": {"a": 1}})",
                          R"({"jo": {"a": ""}})", R"({"jo": {}, "jo": {}})"}) {
    CAPTURE(bad);
    CHECK(sentence(parse_json_directory(bad, "f")).starts_with("f: "));
  }
}

TEST_CASE("FileDirectory: is read again when it has changed; a broken edit changes nothing") {
  const test::TempDir folder;
  const std::string file = folder.file("people.csv");
  CHECK_FALSE(FileDirectory::open(file));
  test::write_file(file, "user,cn\njo,Jo\n");
  const auto directory = FileDirectory::open(file);
  REQUIRE(directory);
  CHECK((**(*directory)->find("jo")).at("cn") == "Jo");
  CHECK_FALSE(*(*directory)->find("max"));
  test::write_file(file, "user,cn\njo,Jo\nmax,Max\n");
  CHECK((**(*directory)->find("max")).at("cn") == "Max");
  test::write_file(file, "user,cn\njo\n");
  CHECK((**(*directory)->find("max")).at("cn") == "Max");
}

TEST_CASE("find_subject: a name is made of what is known, whatever characters that has") {
  const Profile profile = profile_with("subject = \"CN={cn},O=Example\\\\, Inc,emailAddress={email?}\"");
  const auto facts = find_subject(profile, nullptr, "CN=ignored", R"({"cn": "Doe, Jo+CN=admin\\ \"x\" #;<>="})");
  REQUIRE(facts);
  CHECK(facts->subject == R"(CN=Doe\, Jo\+CN\=admin\\ \"x\" \#\;\<\>\=,O=Example\, Inc)");
  const auto name = crypto::parse_dn(facts->subject);
  REQUIRE(name);
  REQUIRE(name->size() == 2);
  CHECK(name->at(0).value == "Doe, Jo+CN=admin\\ \"x\" #;<>=");
  CHECK(name->at(1).value == "Example, Inc");

  CHECK(sentence(find_subject(profile, nullptr, "", R"({"email": "jo@example.org"})")) ==
        "the subject: \"cn\" is not known of the subject");
  CHECK(sentence(find_subject(profile, nullptr, "", "{")).starts_with("the data is not a JSON object: "));
  CHECK_FALSE(find_subject(profile, nullptr, "", R"({"cn": ")" + std::string(65, 'x') + "\"}"));  // X.520: at most 64
}

TEST_CASE("find_subject: what certificates and keys will need later is known before a session starts") {
  const Profile profile = profile_with("alternative_names = { email = [\"{email}\"], upn = [\"{user?}\"] }");
  CHECK(sentence(find_subject(profile, nullptr, "CN=Jo", "")) == "\"email\" is not known of the subject");
  CHECK(sentence(find_subject(profile, nullptr, "CN=Jo", R"({"email": "jo"})")) ==
        "\"jo\" is no e-mail address that a certificate can hold");
  CHECK(sentence(find_subject(profile, nullptr, "CN=Jo", R"({"email": "jo@example.org"})")) == "accepted");
}

TEST_CASE("find_subject: asks the directory, which nobody contradicts") {
  const test::TempDir folder;
  test::write_file(folder.file("people.json"), R"({"jo": {"cn": "Jo Doe", "email": "jo@example.org"}})");
  const auto directory = FileDirectory::open(folder.file("people.json"));
  REQUIRE(directory);
  const Profile profile = profile_with("from_directory = true\nsubject = \"CN={cn},serialNumber={card?}\"");
  const auto found = [&](const char* data) {
    const auto facts = find_subject(profile, directory->get(), "", data);
    return facts ? facts->subject : facts.error().detail;
  };
  CHECK(found(R"({"user": "jo"})") == "CN=Jo Doe");
  CHECK(found(R"({"user": "jo", "card": "17"})") == "CN=Jo Doe,serialNumber=17");
  CHECK(found(R"({"user": "jo", "cn": "Root"})") == "the data says something else than the directory about \"cn\"");
  CHECK(found(R"({"user": "max"})") == "the directory knows no user \"max\"");
  CHECK(found("") == "the data must name the \"user\" in the directory for profile staff");
  CHECK(sentence(find_subject(profile, nullptr, "", R"({"user": "jo"})")) ==
        "profile staff asks a directory, and the issuer has none");
}

TEST_CASE("Extensions of certificates are what the openssl command line makes") {
  CHECK(to_hex(*alternative_names_extension({{}, {"jo@example.org"}, {}})) ==
        "30290603551d1104223020a01e060a2b060104018237140203a0100c0e6a6f406578616d706c652e6f7267");
  CHECK(to_hex(*alternative_names_extension({{"jo@example.org"}, {}, {"urn:employee:7"}})) ==
        "30290603551d1104223020810e6a6f406578616d706c652e6f7267860e75726e3a656d706c6f7965653a37");
  CHECK(to_hex(key_usage_extension(0x03)) == "300e0603551d0f0101ff0404030206c0");
  CHECK(to_hex(key_usage_extension(0x10)) == "300e0603551d0f0101ff040403020308");
  CHECK(to_hex(extended_key_usage_extension({"1.3.6.1.5.5.7.3.36", "1.3.6.1.5.5.7.3.4"})) ==
        "301d0603551d250416301406082b0601050507032406082b06010505070304");
  CHECK(to_hex(certificate_policies_extension({"1.3.6.1.4.1.99999.5", "2.23.140.1.2.1"})) ==
        "30200603551d2004193017300b06092b06010401868d1f053008060667810c010201");
  for (const char* bad : {"", "1", "3.1", "1.40", "1..2", "1.2.", ".1.2", "1.02", "1.2.x", "1.2.4294967296", "-1.2"}) {
    CAPTURE(bad);
    CHECK(object_identifier(bad).empty());
  }
  CHECK(alternative_names_extension({})->empty());
  CHECK_FALSE(alternative_names_extension({{"jo doe@example.org"}, {}, {}}));
  CHECK_FALSE(alternative_names_extension({{}, {}, {"not a uri"}}));
}
