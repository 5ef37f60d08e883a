#include <doctest/doctest.h>

#include "provisioning-server/policy.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::issuer;

namespace {

struct Refused {
  const char* name;
  std::string content;
  std::string sentence;
};

constexpr const char* kConfig =
    "url = \"https://h/k\"\ndevice_trust = \"ca\"\n[[device_ca]]\nname = \"a\"\nfile = \"f.pem\"\n";
constexpr const char* kKey = "[[key]]\napp_usage = \"authentication\"\nalgorithm = \"ec.nist.p256\"\n";
constexpr const char* kCertificate = "[certificate]\nvalidity_days = 10\n";

std::string certificate_with(const std::string& settings) { return kCertificate + settings + kKey; }
std::string key_with(const std::string& settings) { return kCertificate + std::string(kKey) + settings; }

Result<Bytes> read_logo(const std::string& name) {
  if (name == "logo.png") return Bytes{1, 2, 3};
  return Error{Status::not_available, "cannot read " + name};
}

}  // namespace

TEST_CASE("parse_config: knows every setting of a device CA and of the directory") {
  const auto config = parse_config(std::string(kConfig) +
                                       "profiles = [\"pair\"]\nfilter = { subject_reg_ex = \"CN=.*\" }\n"
                                       "required_extensions = [\"1.2.3\"]\nmax_intermediates = 2\n"
                                       "validity = \"authorities\"\nrevocation = \"if-available\"\ncrl = [\"a.crl\"]\n"
                                       "[[device_ca]]\nname = \"b\"\nfile = \"g.pem\"\nrevocation = \"none\"\n"
                                       "[directory]\nfile = \"people.csv\"\n",
                                   "f");
  REQUIRE(config);
  REQUIRE(config->device_authorities.size() == 2);
  const DeviceAuthorityRules& rules = config->device_authorities[0];
  CHECK(rules.name == "a");
  CHECK(rules.file == "f.pem");
  CHECK(rules.profiles == std::vector<std::string>{"pair"});
  CHECK(rules.filter->subject_reg_ex == "CN=.*");
  CHECK(rules.required_extensions == std::vector<std::string>{"1.2.3"});
  CHECK(rules.max_intermediates == 2);
  CHECK(rules.period == attestation::DevicePathRules::Period::authorities);
  CHECK(rules.revocation == attestation::DevicePathRules::Revocation::if_available);
  CHECK(rules.lists == std::vector<std::string>{"a.crl"});
  CHECK(config->device_authorities[1].revocation == attestation::DevicePathRules::Revocation::none);
  CHECK(config->directory.file == "people.csv");
}

TEST_CASE("parse_config: refuses device CAs and directories that mean nothing, at the line that is wrong") {
  const std::string open = "url = \"https://h/k\"\ndevice_trust = \"open\"\n";
  const std::string listed = std::string(kConfig) + "crl = [\"a.crl\"]\n";
  for (const Refused& c : std::initializer_list<Refused>{
           {"revocation is looked at by default", kConfig,
            "f:3: the devices of \"a\" would all be refused: revocation = \"required\", which is the default, needs "
            "crl = "
            "[\"FILE\"]"},
           {"lists for nothing", listed + "revocation = \"none\"\n",
            "f:6: crl is of no use with revocation = \"none\""},
           {"unknown word", listed + "revocation = \"soft\"\n",
            "f:7: revocation must be one of \"required\", \"if-available\", \"none\""},
           {"unknown validity", listed + "validity = \"some\"\n",
            "f:7: validity must be one of \"all\", \"authorities\", \"none\""},
           {"name", "url = \"https://h/k\"\ndevice_trust = \"ca\"\n[[device_ca]]\nname = \"a b\"\n",
            "f:4: name must have 1 to 64 characters: letters, digits, '-' and '_'"},
           {"twice", listed + "[[device_ca]]\nname = \"a\"\nfile = \"f\"\nrevocation = \"none\"\n",
            "f:8: there are two device CAs named \"a\""},
           {"profile", listed + "profiles = [\"a/b\"]\n", "f:7: profiles holds \"a/b\", which no profile is called"},
           {"extension", listed + "required_extensions = [\"x\"]\n",
            "f:7: required_extensions holds \"x\", which is no object identifier"},
           {"filter", listed + "filter = { app_usage = \"signature\" }\n",
            "f:7: the filter for a device has no grouping and no app_usage"},
           {"intermediates", listed + "max_intermediates = 9\n",
            "f:7: max_intermediates must be a whole number from 0 to 8"},
           {"not with open trust", open + "[[device_ca]]\nname = \"a\"\nfile = \"f\"\nrevocation = \"none\"\n",
            "f:3: [[device_ca]] goes only with device_trust = \"ca\""},
           {"directory without file", open + "[directory]\n", "f:3: file is missing"},
           {"directory of another kind", open + "[directory]\nfile = \"people.ldif\"\n",
            "f:4: file must end in .json or .csv, which tells how it is read"},
       }) {
    CAPTURE(c.name);
    const auto config = parse_config(c.content, "f");
    REQUIRE_FALSE(config);
    CHECK(config.error().detail == c.sentence);
  }
}

TEST_CASE("parse_profile: knows what certificates say, what keys get, and limits") {
  const auto profile = parse_profile(
      std::string(kCertificate) +
          "subject = \"CN={cn}\"\nfrom_directory = true\npolicies = [\"1.2.3\"]\nextended_key_usage = "
          "[\"clientAuth\", \"1.2.3.4\"]\n"
          "[certificate.alternative_names]\nemail = [\"{email}\"]\nupn = [\"{upn?}\"]\nuri = [\"urn:{id}\"]\n"
          "[certificate.key_usage]\nauthentication = [\"digitalSignature\", \"keyAgreement\"]\n"
          "[[certificate.extension]]\noid = \"1.2.3.5\"\ncritical = true\nvalue = \"0500\"\n"
          "[limits]\ncredentials_per_device = 1\ncredentials_per_subject = 2\nsessions_per_device_and_hour = 3\n" +
          kKey +
          "[[key.logotype]]\nfile = \"logo.png\"\nmedia_type = \"image/png\"\n"
          "[[key.property_bag]]\ntype = \"https://h/p\"\n[[key.property_bag.property]]\nname = \"a\"\nvalue = "
          "\"{cn}\"\nwritable = true\n"
          "[[key.extension]]\ntype = \"https://h/e\"\nhex = \"00ff\"\nencrypted = true\n",
      "p", "f", read_logo);
  if (!profile) FAIL(profile.error().detail);
  CHECK(profile->certificate.subject.size() == 1);
  CHECK(profile->certificate.from_directory);
  CHECK(profile->certificate.key_usages.at(1) == 0x11);
  CHECK_FALSE(profile->certificate.key_usages.at(0));
  CHECK(profile->certificate.extensions.size() == 3);
  CHECK(profile->limits.credentials_per_device == 1);
  CHECK(profile->limits.credentials_per_subject == 2);
  CHECK(profile->limits.sessions_per_device_and_hour == 3);
  REQUIRE(profile->key_extensions.size() == 1);
  CHECK(profile->key_extensions[0].size() == 3);
  CHECK(profile->text.files == std::map<std::string, Bytes>{{"logo.png", {1, 2, 3}}});
}

TEST_CASE("parse_profile: the digest is what sha256sum says about the file, and covers the files beside it") {
  const std::string content = key_with("[[key.logotype]]\nfile = \"logo.png\"\nmedia_type = \"image/png\"\n");
  // printf of the content followed by "039058c6...  logo.png": the line of sha256sum for the bytes 1, 2 and 3.
  CHECK(parse_profile(content, "p", "f", read_logo)->digest ==
        profile_digest(content + "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81  logo.png\n", {}));
  CHECK(profile_digest("abc", {}) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("parse_profile: refuses what certificates, keys and limits cannot be, at the line that is wrong") {
  const std::string element = "f:5: value must be one DER element in hexadecimal, at most 4096 bytes";
  for (
      const Refused& c : std::initializer_list<Refused>{
          {"no name", certificate_with("subject = \"Jo\"\n"), "f:3: subject: Name part without TYPE=value"},
          {"unknown attribute", certificate_with("subject = \"XY={cn}\"\n"),
           "f:3: subject: Unknown name attribute: XY: unknown object name"},
          {"brace", certificate_with("subject = \"CN={cn\"\n"),
           "f:3: subject: a brace stands alone; {{ and }} are braces, {name} is a placeholder"},
          {"directory for nothing", certificate_with("from_directory = true\n"),
           "f:3: from_directory = true needs a subject that is made of what the directory says"},
          {"no usage", certificate_with("extended_key_usage = []\n"),
           "f:3: extended_key_usage must hold a usage; leave it out for \"clientAuth\""},
          {"usage twice", certificate_with("extended_key_usage = [\"clientAuth\", \"1.3.6.1.5.5.7.3.2\"]\n"),
           "f:3: extended_key_usage holds a usage twice"},
          {"policy", certificate_with("policies = [\"x\"]\n"),
           "f:3: policies holds \"x\", which is no object identifier"},
          {"policy twice", certificate_with("policies = [\"1.2\", \"1.2\"]\n"),
           "f:3: policies holds an object identifier twice"},
          {"key usage", certificate_with("key_usage = { signature = [\"keyCertSign\"] }\n"),
           "f:3: signature may only hold \"digitalSignature\", \"nonRepudiation\", \"keyEncipherment\", "
           "\"dataEncipherment\", \"keyAgreement\""},
          {"no key usage", certificate_with("key_usage = { signature = [] }\n"),
           "f:3: signature must hold a key usage"},
          {"unknown use", certificate_with("key_usage = { signing = [] }\n"), "f:3: the key signing is not known here"},
          {"e-mail template", certificate_with("alternative_names = { email = [\"}\"] }\n"),
           "f:3: email: a brace stands alone; {{ and }} are braces, {name} is a placeholder"},
          {"extension of the issuer",
           certificate_with("[[certificate.extension]]\noid = \"2.5.29.19\"\nvalue = \"0500\"\n"),
           "f:4: the extension basicConstraints is made by the issuer or by other settings"},
          {"extension twice",
           certificate_with("[[certificate.extension]]\noid = \"1.2.3\"\nvalue = \"0500\"\n"
                            "[[certificate.extension]]\noid = \"1.2.3\"\nvalue = \"0500\"\n"),
           "f:7: there are two extensions 1.2.3"},
          {"no DER", certificate_with("[[certificate.extension]]\noid = \"1.2.3\"\nvalue = \"05\"\n"), element},
          {"two elements", certificate_with("[[certificate.extension]]\noid = \"1.2.3\"\nvalue = \"05000500\"\n"),
           element},
          {"no hexadecimal", certificate_with("[[certificate.extension]]\noid = \"1.2.3\"\nvalue = \"xx\"\n"), element},
          {"limit", certificate_with("[limits]\ncredentials_per_device = 0\n"),
           "f:4: credentials_per_device must be a whole number from 1 to 10000"},
          {"limit of nobody", "privacy_enabled = true\n" + certificate_with("[limits]\ncredentials_per_device = 1\n"),
           "f:4: limits of a device cannot stand beside privacy_enabled = true: nothing tells anonymous devices apart"},
          {"file outside", key_with("[[key.logotype]]\nfile = \"../logo.png\"\nmedia_type = \"image/png\"\n"),
           "f:7: file must name a file below the folder of the profile: letters, digits, and \"-_./\" without \"..\""},
          {"no file", key_with("[[key.logotype]]\nfile = \"absent.png\"\nmedia_type = \"image/png\"\n"),
           "f:7: cannot read absent.png"},
          {"no type of the logotype", key_with("[[key.logotype]]\nfile = \"logo.png\"\nmedia_type = \"\"\n"),
           "f:6: the mimeType of a logotype, and of nothing else, is 1 to 128 bytes"},
          {"type that is no URI", key_with("[[key.extension]]\ntype = \"x\"\ntext = \"a\"\n"),
           "f:6: the type of an extension is no URI"},
          {"two contents", key_with("[[key.extension]]\ntype = \"https://h/e\"\ntext = \"a\"\nhex = \"00\"\n"),
           "f:6: an extension has its content in exactly one of text, hex and file"},
          {"no content", key_with("[[key.extension]]\ntype = \"https://h/e\"\ntext = \"\"\n"),
           "f:6: what a key gets has 1 to 65535 bytes"},
          {"same type twice",
           key_with("[[key.extension]]\ntype = \"https://h/e\"\ntext = \"a\"\n"
                    "[[key.extension]]\ntype = \"https://h/e\"\ntext = \"b\"\n"),
           "f:9: a credential has two extensions of one type"},
          {"empty bag", key_with("[[key.property_bag]]\ntype = \"https://h/e\"\n"), "f:6: a property bag is empty"},
          {"property twice",
           key_with("[[key.property_bag]]\ntype = \"https://h/e\"\nproperty = [{ name = \"a\", value = \"1\" }, "
                    "{ name = \"a\", value = \"2\" }]\n"),
           "f:6: a property bag has two properties of one name"},
      }) {
    CAPTURE(c.name);
    const auto profile = parse_profile(c.content, "p", "f", read_logo);
    REQUIRE_FALSE(profile);
    CHECK(profile.error().status == Status::option);
    CHECK(profile.error().detail == c.sentence);
  }
}
