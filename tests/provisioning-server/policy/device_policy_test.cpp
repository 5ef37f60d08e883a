#include "provisioning-server/policy/device_policy.h"

#include <doctest/doctest.h>

#include <array>
#include <filesystem>

#include "provisioning-server/device_registry.h"
#include "sks-core/base/encoding.h"
#include "tests/support/fakes.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::issuer;
using Period = attestation::DevicePathRules::Period;
using Revocation = attestation::DevicePathRules::Revocation;
using Severity = DeviceTrustFinding::Severity;

/// Certificates and lists that the openssl command line made: tests/vectors/device-policy/.
namespace {

using Names = std::vector<const char*>;

constexpr std::int64_t kNow = 1736899200;  // 2025-01-15T00:00:00Z: between the lists of January and February 2025

std::string vector(const std::string& name) { return test::source_file("tests/vectors/device-policy/" + name); }

/// The folder of an issuer with the files of the vectors.
struct Lab {
  Lab() {
    for (const auto& entry : std::filesystem::directory_iterator(vector("")))
      std::filesystem::copy(entry.path(), folder.file(entry.path().filename().string()));
  }
  test::TempDir folder;
  std::string file = folder.file("device-ca.pem");

  std::unique_ptr<DeviceRegistry> open(std::vector<DeviceAuthorityRules> rules) const {
    auto registry = DeviceRegistry::open(DeviceTrustMode::ca, file, std::move(rules));
    if (!registry) FAIL(registry.error().detail);
    return std::move(registry).value();
  }
};

/// A row as an operator writes it who has read no further than he must.
DeviceAuthorityRules vendor() {
  DeviceAuthorityRules rules;
  rules.name = "vendor";
  rules.file = "root.pem";
  rules.lists = {"root.crl", "intermediate.crl"};
  return rules;
}

crypto::CertificatePath path_of(const Names& names) {
  std::vector<Bytes> path;
  for (const char* name : names)
    path.push_back(from_pem(test::read_file(vector(std::string(name) + ".pem")), "CERTIFICATE").value().front());
  return path;
}

std::string word(const DeviceDecision& decision) {
  return decision.refusal ? std::string(word_of(*decision.refusal)) : "accepted";
}

std::string decide(const std::vector<DeviceAuthorityRules>& rules, const Names& path, std::int64_t now = kNow) {
  const Lab lab;
  return word((*lab.open(rules)->current())->decide(path_of(path), "default", test::FakeClock(now)));
}

std::vector<std::string> events(DeviceRegistry& registry, Severity severity, std::int64_t now = kNow) {
  std::vector<std::string> events;
  for (const DeviceTrustFinding& finding : registry.findings(test::FakeClock(now)))
    if (finding.severity == severity) events.push_back(finding.event);
  return events;
}

struct Case {
  const char* name;
  void (*change)(DeviceAuthorityRules&);
  Names path;
  const char* outcome;
  std::int64_t now = kNow;
};

void as_it_is(DeviceAuthorityRules&) {}

}  // namespace

TEST_CASE("DevicePolicy: each rule of a device CA refuses with its word") {
  constexpr std::int64_t kMarch2025 = 1740787200;
  constexpr std::int64_t k2019 = 1546300800;
  const Names phone{"device", "intermediate"};
  const Names lost{"lost", "intermediate"};
  const Names expired{"expired", "intermediate"};
  const Names tablet{"tablet", "intermediate"};
  const Names fallen{"under_fallen", "fallen"};
  const std::array<Case, 38> cases{{
      {"a device", as_it_is, phone, "accepted"},
      {"the device shows the root, too", as_it_is, {"device", "intermediate", "root"}, "accepted"},
      {"a device of the root itself", as_it_is, {"direct"}, "accepted"},
      {"a stranger", as_it_is, {"stranger"}, "device-unknown-ca"},
      {"a stranger with his root", as_it_is, {"stranger", "other_root"}, "device-unknown-ca"},
      {"the intermediate is missing", as_it_is, {"device"}, "device-unknown-ca"},
      {"an authority as a device", as_it_is, {"root"}, "device-unknown-ca"},
      {"broken links", as_it_is, {"device", "other_root"}, "crypto"},

      {"a device that is on the list", as_it_is, lost, "device-revoked"},
      {"its authority is on the list",
       [](auto& r) {
         r.lists = {"root_without_fallen.crl", "fallen.crl"};
       },
       fallen, "device-revoked"},
      {"on the list, in DER",
       [](auto& r) {
         r.lists = {"root.crl", "intermediate.der.crl"};
       },
       lost, "device-revoked"},
      {"not on the list, in DER",
       [](auto& r) {
         r.lists = {"root.crl", "intermediate.der.crl"};
       },
       phone, "accepted"},
      {"the list is not looked at",
       [](auto& r) {
         r.revocation = Revocation::none;
         r.lists.clear();
       },
       lost, "accepted"},
      {"on a list that may be missing", [](auto& r) { r.revocation = Revocation::if_available; }, lost,
       "device-revoked"},
      {"on a list that has expired", as_it_is, lost, "device-revocation-unknown", kMarch2025},
      {"on a list that has expired, and may be missing", [](auto& r) { r.revocation = Revocation::if_available; }, lost,
       "device-revoked", kMarch2025},

      {"no list of the intermediate", [](auto& r) { r.lists = {"root.crl"}; }, phone, "device-revocation-unknown"},
      {"no list of the root", [](auto& r) { r.lists = {"intermediate.crl"}; }, phone, "device-revocation-unknown"},
      {"no list of the root, which is the CA of the row",
       [](auto& r) {
         r.file = "intermediate.pem";
         r.lists = {"intermediate.crl"};
       },
       phone, "accepted"},
      {"the file is missing",
       [](auto& r) {
         r.lists = {"root.crl", "absent.crl"};
       },
       phone, "device-revocation-unknown"},
      {"the list has expired", as_it_is, phone, "device-revocation-unknown", kMarch2025},
      {"an expired list",
       [](auto& r) {
         r.lists = {"root.crl", "expired.crl"};
       },
       phone, "device-revocation-unknown"},
      {"an expired list beside a current one",
       [](auto& r) {
         r.lists = {"root.crl", "expired.crl", "intermediate.crl"};
       },
       phone, "accepted"},
      {"a list of the future",
       [](auto& r) {
         r.lists = {"root.crl", "future.crl"};
       },
       phone, "device-revocation-unknown"},
      {"a list that the authority has not signed",
       [](auto& r) {
         r.lists = {"root.crl", "forged.crl"};
       },
       phone, "device-revocation-unknown"},
      {"no list, which may be missing",
       [](auto& r) {
         r.revocation = Revocation::if_available;
         r.lists = {"absent.crl"};
       },
       phone, "accepted"},
      {"a list that has expired, and may be missing", [](auto& r) { r.revocation = Revocation::if_available; }, phone,
       "accepted", kMarch2025},

      {"a device that has expired", as_it_is, expired, "device-expired"},
      {"whose period is not looked at", [](auto& r) { r.period = Period::authorities; }, expired, "accepted"},
      {"and no period is", [](auto& r) { r.period = Period::none; }, expired, "accepted"},
      {"before the authorities are valid",
       [](auto& r) {
         r.period = Period::authorities;
         r.revocation = Revocation::none;
         r.lists.clear();
       },
       phone, "device-expired", k2019},

      {"another profile",
       [](auto& r) {
         r.profiles = {"pair", "other"};
       },
       phone, "device-profile"},
      {"this profile",
       [](auto& r) {
         r.profiles = {"pair", "default"};
       },
       phone, "accepted"},
      {"too many in between", [](auto& r) { r.max_intermediates = 0; }, phone, "device-rules"},
      {"an extension", [](auto& r) { r.required_extensions = {"1.3.6.1.4.1.99999.2"}; }, phone, "accepted"},
      {"no such extension", [](auto& r) { r.required_extensions = {"1.3.6.1.4.1.99999.2"}; }, tablet, "device-rules"},
      {"the subject", [](auto& r) { r.filter.emplace().subject_reg_ex = ".*OU=Phones.*"; }, tablet, "device-rules"},
      {"the usage", [](auto& r) { r.filter.emplace().extended_key_usage_rules = {"1.3.6.1.4.1.99999.1"}; }, phone,
       "accepted"},
  }};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    DeviceAuthorityRules rules = vendor();
    c.change(rules);
    CHECK(decide({rules}, c.path, c.now) == c.outcome);
  }
}

TEST_CASE("DevicePolicy: of several CAs the one that accepts decides, unless the list of another one withdraws") {
  DeviceAuthorityRules other = vendor();
  other.name = "other";
  other.file = "other_root.pem";
  other.revocation = Revocation::none;
  other.lists.clear();
  DeviceAuthorityRules careless = vendor();
  careless.name = "careless";
  careless.revocation = Revocation::none;
  careless.lists.clear();
  DeviceAuthorityRules pairs = careless;
  pairs.name = "pairs";
  pairs.profiles = {"pair"};
  CHECK(decide({other, vendor()}, {"device", "intermediate"}) == "accepted");
  CHECK(decide({other, vendor()}, {"stranger"}) == "accepted");
  CHECK(decide({pairs, vendor()}, {"device", "intermediate"}) == "accepted");
  CHECK(decide({pairs, other}, {"device", "intermediate"}) == "device-profile");
  CHECK(decide({careless, vendor()}, {"lost", "intermediate"}) == "device-revoked");
  CHECK(decide({vendor(), careless}, {"lost", "intermediate"}) == "device-revoked");
}

TEST_CASE("DeviceRegistry: takes up a revocation list when its file changes, and lets nobody in when it is broken") {
  const Lab lab;
  const test::FakeClock clock(kNow);
  const auto registry = lab.open({vendor()});
  const auto now = [&] {
    return word((*registry->current())->decide(path_of({"lost", "intermediate"}), "default", clock));
  };
  const auto replace = [&](const std::string& content) {
    test::write_file(lab.folder.file("new"), content);
    std::filesystem::rename(lab.folder.file("new"), lab.folder.file("intermediate.crl"));
  };
  CHECK(now() == "device-revoked");
  CHECK(events(*registry, Severity::problem).empty());
  replace("broken");
  CHECK(now() == "device-revocation-unknown");
  CHECK(events(*registry, Severity::problem) == std::vector<std::string>{"device-crl-not-read"});
  replace("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
  CHECK(now() == "device-revocation-unknown");
  std::filesystem::remove(lab.folder.file("intermediate.crl"));
  CHECK(now() == "device-revocation-unknown");
  replace(test::read_file(vector("intermediate.crl")));
  CHECK(now() == "device-revoked");
}

TEST_CASE("DeviceRegistry: says what stands open, and what keeps devices out") {
  constexpr std::int64_t kMarch2025 = 1740787200;
  constexpr std::int64_t kLastDay = 1738360000;  // 2025-01-31T21:46:40Z
  const Lab lab;
  using Events = std::vector<std::string>;
  const auto open = DeviceRegistry::open(DeviceTrustMode::open, lab.file);
  CHECK(events(**open, Severity::warning) == Events{"device-trust-open"});

  CHECK(events(*lab.open({vendor()}), Severity::ok) == Events{"device-crl", "device-crl"});
  CHECK(events(*lab.open({vendor()}), Severity::warning).empty());
  CHECK(events(*lab.open({vendor()}), Severity::warning, kLastDay) ==
        Events{"device-crl-expires", "device-crl-expires"});
  CHECK(events(*lab.open({vendor()}), Severity::problem, kMarch2025) ==
        Events{"device-crl-expired", "device-crl-expired"});

  DeviceAuthorityRules rules = vendor();
  rules.revocation = Revocation::if_available;
  CHECK(events(*lab.open({rules}), Severity::warning, kMarch2025) ==
        Events{"device-revocation-optional", "device-crl-expired", "device-crl-expired"});
  rules.revocation = Revocation::none;
  rules.lists.clear();
  CHECK(events(*lab.open({rules}), Severity::warning) == Events{"device-revocation-not-checked"});

  rules = vendor();
  rules.file = "intermediate.pem";
  rules.lists = {"forged.crl"};
  CHECK(events(*lab.open({rules}), Severity::problem) == Events{"device-crl-forged"});

  // A file of authorities that stands alone, as programs before there were rows had it.
  std::filesystem::copy(vector("root.pem"), lab.file);
  CHECK(events(*lab.open({}), Severity::warning) == Events{"device-revocation-not-checked"});
}
