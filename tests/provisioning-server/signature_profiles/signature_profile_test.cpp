#include "provisioning-server/signature_profiles/signature_profile.h"

#include <doctest/doctest.h>

#include <array>

using namespace sks;
using namespace sks::issuer;

TEST_CASE("SignatureProfile: reads and writes its URI") {
  const Result<SignatureProfile> profile = SignatureProfile::parse("mss:bank.example:approve-payment:high:qscd");
  REQUIRE(profile);
  CHECK(profile->service == "bank.example");
  CHECK(profile->operation == "approve-payment");
  CHECK(profile->loa == "high");
  CHECK(profile->sscd == "qscd");
  CHECK(profile->uri() == "mss:bank.example:approve-payment:high:qscd");
  const std::string longest(64, 'x');
  for (const std::string& uri : {std::string("mss:a:B:1:z"), std::string("mss:a~b:c_d:loa3:0.-"),
                                 "mss:" + longest + ':' + longest + ':' + longest + ':' + longest}) {
    CAPTURE(uri);
    REQUIRE(SignatureProfile::parse(uri));
    CHECK(SignatureProfile::parse(uri)->uri() == uri);
  }
}

TEST_CASE("SignatureProfile: refuses what is none, with one sentence") {
  struct Case {
    std::string uri;
    const char* sentence;
  };
  const char* const form = "a signature profile is written mss:<service>:<operation>:<loa>:<sscd>";
  const char* const letters = "may hold letters, digits, '-', '.', '_' and '~' only";
  const auto cases = std::to_array<Case>({
      {"", form},
      {"mss", form},
      {"MSS:a:b:c:d", form},
      {" mss:a:b:c:d", form},
      {"urn:mss:a:b:c:d", form},
      {"mss:", "the service of a signature profile is missing"},
      {"mss::b:c:d", "the service of a signature profile is missing"},
      {"mss:a", "the operation of a signature profile is missing"},
      {"mss:a:b", "the loa of a signature profile is missing"},
      {"mss:a:b::d", "the loa of a signature profile is missing"},
      {"mss:a:b:c", "the sscd of a signature profile is missing"},
      {"mss:a:b:c:", "the sscd of a signature profile is missing"},
      {"mss:a:b:c:d:e", letters},
      {"mss:a:b:c:d ", letters},
      {"mss:a:b:c:d\n", letters},
      {"mss:a:b:c:d?e", letters},
      {"mss:a:b:c:d#e", letters},
      {"mss:a:b%20:c:d", letters},
      {"mss:a/b:b:c:d", letters},
      {"mss:caf\xc3\xa9:b:c:d", letters},
      {std::string("mss:a\0:b:c:d", 12), letters},
      {"mss:.a:b:c:d", "the service of a signature profile must begin with a letter or a digit"},
      {"mss:a:-b:c:d", "the operation of a signature profile must begin with a letter or a digit"},
      {"mss:a:b:" + std::string(65, 'x') + ":d", "the loa of a signature profile is longer than 64 characters"},
      {"mss:a:b:c:" + std::string(1000000, 'x'), "the sscd of a signature profile is longer than 64 characters"},
  });
  for (const Case& c : cases) {
    CAPTURE(c.uri.substr(0, 80));
    const Result<SignatureProfile> profile = SignatureProfile::parse(c.uri);
    REQUIRE(!profile);
    CHECK(profile.error().status == Status::option);
    CHECK(profile.error().detail.ends_with(c.sentence));
  }
}
