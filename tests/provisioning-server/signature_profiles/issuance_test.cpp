#include <doctest/doctest.h>

#include <array>

#include "provisioning-server/directory/directory.h"
#include "tests/provisioning-server/issuer_fixture.h"

using namespace sks;
using namespace sks::issuer;
using test::Device;
using test::IssuerLab;
using test::outcome;

namespace {

constexpr const char* kUri = "mss:bank.example:approve:high:qscd";
constexpr const char* kSubject = "CN=Jo Doe,O=Example";

std::vector<SignatureProfileRow> profiles_of(IssuerLab& lab, const std::string& subject, bool in_force = true) {
  const Result<Page<SignatureProfileRow>> page =
      Directory(lab.issuer->database()).signature_profiles({subject, in_force}, {}, lab.clock.now());
  REQUIRE(page);
  CHECK(page->next.empty());
  return page->rows;
}

}  // namespace

TEST_CASE("a signature profile goes to the key, and to those who ask about its user") {
  IssuerLab lab;
  lab.edit_profile("pair", "friendly_name = \"Signature key\"",
                   "friendly_name = \"Signature key\"\n  signature_profile = \"" + std::string(kUri) + "\"");
  Device device(lab);
  CHECK(outcome(device.get(lab.new_ticket("none"))) == "profile");
  CHECK(profiles_of(lab, kSubject).empty());
  const std::string target = lab.new_ticket("pair");
  // Not before the session is complete.
  Response response = device.get(target);
  while (response.status == 200) {
    CHECK(profiles_of(lab, kSubject).empty());
    response = device.post(device.answer(response));
  }
  CHECK(outcome(response) == "complete");

  // The first key logs in and has none.
  CHECK(device.extension_types(0).empty());
  REQUIRE(device.extension_types(1) == std::vector<std::string>{"urn:sks:ext:signature-profile"});
  const ExtensionContent extension = device.extension(1, "urn:sks:ext:signature-profile");
  CHECK(extension.sub_type == 0);
  CHECK(extension.qualifier.empty());
  CHECK(to_string(extension.data.view()) == kUri);

  const std::vector<SignatureProfileRow> rows = profiles_of(lab, kSubject);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].profile.uri() == kUri);
  CHECK(rows[0].status == Credential::Status::issued);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE app_usage = 'signature' AND fingerprint = '" +
                  rows[0].credential + "' AND not_after = " + std::to_string(rows[0].not_after)) == 1);
  for (const char* const other : {"CN=Jo Doe", "cn=jo doe,o=example", "", "CN=Jo Doe,O=Example ", "%", "' OR 1=1 --"})
    CHECK(profiles_of(lab, other).empty());

  const AuditEntry audit{lab.clock.now(), "operator", "suspend", "", "", "ok", ""};
  REQUIRE(lab.issuer->revocations().suspend(rows[0].credential, audit));
  CHECK(profiles_of(lab, kSubject).empty());
  REQUIRE(profiles_of(lab, kSubject, false).size() == 1);
  CHECK(profiles_of(lab, kSubject, false)[0].status == Credential::Status::suspended);
  REQUIRE(lab.issuer->revocations().resume(rows[0].credential, audit));
  CHECK(profiles_of(lab, kSubject).size() == 1);
  lab.clock.set(rows[0].not_after);
  CHECK(profiles_of(lab, kSubject).size() == 1);
  lab.clock.set(lab.clock.now() + 1);
  CHECK(profiles_of(lab, kSubject).empty());
  CHECK(profiles_of(lab, kSubject, false).size() == 1);
}

TEST_CASE("signature profiles of one user come page by page") {
  IssuerLab lab;
  lab.edit_profile("pair", "friendly_name = \"Signature key\"",
                   "friendly_name = \"Signature key\"\n  signature_profile = \"" + std::string(kUri) + "\"");
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket("pair"))) == "complete");
  for (int i = 0; i < 2; ++i) CHECK(outcome(device.enrol_again(lab.new_ticket("pair"))) == "complete");
  const Directory directory(lab.issuer->database());
  std::vector<std::string> seen;
  std::string cursor;
  for (int page = 0; page < 3; ++page) {
    const auto rows = directory.signature_profiles({kSubject}, {1, cursor}, lab.clock.now());
    REQUIRE(rows);
    REQUIRE(rows->rows.size() == 1);
    seen.push_back(rows->rows[0].credential);
    cursor = rows->next;
  }
  CHECK(cursor.empty());
  CHECK(seen[0] < seen[1]);
  CHECK(seen[1] < seen[2]);
  CHECK(directory.signature_profiles({kSubject}, {1, "x"}, lab.clock.now()).error().status == Status::option);
  CHECK(directory.signature_profiles({std::string("a\0b", 3)}, {}, lab.clock.now()).error().status == Status::option);
}
