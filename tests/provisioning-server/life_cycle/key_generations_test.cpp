#include "provisioning-server/life_cycle/key_generations.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>

#include "keygen2/mac_data.h"
#include "provisioning-server/authority/certificate_files.h"
#include "provisioning-server/init.h"
#include "provisioning-server/issuer.h"
#include "provisioning-server/life_cycle/management_actions.h"
#include "provisioning-server/life_cycle/replacements.h"
#include "sks-core/crypto/public_key.h"
#include "tests/support/fakes.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::issuer;

namespace {

constexpr std::int64_t kNow = 1'790'000'000;

/// The folder of an issuer that nobody serves.
struct Place {
  Place() {
    auto url = MainUrl::parse("https://localhost:8443/keygen2");
    REQUIRE(url);
    REQUIRE(init_issuer({folder.file("issuer"), std::move(url).value(), DeviceTrustMode::open, {}}, clock,
                        system_random()));
  }
  Result<std::unique_ptr<Issuer>> open() const { return Issuer::open(folder.file("issuer"), clock); }
  IssuerPaths paths() const { return IssuerPaths(folder.file("issuer")); }
  std::int64_t next() const {
    const auto issuer = open();
    REQUIRE(issuer);
    const auto made = make_next_generation(paths(), (*issuer)->file_seal());
    REQUIRE(made);
    return *made;
  }
  std::string refusal() const {
    const auto issuer = open();
    return issuer ? "" : issuer.error().detail;
  }

  test::FakeClock clock{kNow};
  test::TempDir folder;
};

std::vector<crypto::PrivateKey> some_keys(std::size_t count) {
  std::vector<crypto::PrivateKey> keys;
  for (std::size_t i = 0; i < count; ++i) {
    auto key = make_key();
    REQUIRE(key);
    keys.push_back(std::move(key).value());
  }
  return keys;
}

}  // namespace

TEST_CASE("KeyManager: each generation authorizes the next one, the newest eight of them") {
  const auto manager = KeyManager::from_keys(some_keys(11));
  REQUIRE(manager);
  CHECK(manager->generation() == 11);
  CHECK(manager->public_key() == manager->public_key_of(11));
  CHECK(manager->public_key_of(0).empty());
  CHECK(manager->public_key_of(12).empty());
  const std::vector<keygen2::RollOver>* level = &manager->roll_overs();
  std::int64_t generation = 11;
  while (!level->empty()) {
    REQUIRE(level->size() == 1);
    const keygen2::RollOver& row = level->front();
    CHECK(row.key_management_key == manager->public_key_of(generation - 1));
    const auto older = crypto::PublicKey::from_spki(row.key_management_key);
    REQUIRE(older);
    const Bytes newer = manager->public_key_of(generation);
    CHECK(crypto::verify_signature(*older, keygen2::roll_over_data(newer), row.authorization));
    level = &row.older;
    --generation;
  }
  CHECK(generation == 3);
  const auto stranger = some_keys(1);
  CHECK(manager->sign(stranger.front().public_key().spki(), as_bytes("x")).error().status == Status::not_available);
  CHECK(KeyManager::from_keys(some_keys(1))->roll_overs().empty());
}

TEST_CASE("LookupGenerations: the newest first, as many as a message holds") {
  CHECK(LookupGenerations{1, 3}.count() == 1);
  CHECK(LookupGenerations{4, 3}.count() == 4);
  CHECK(LookupGenerations{9, 3}.count() == 6);
  CHECK(LookupGenerations{9, 20}.count() == 1);
  CHECK(LookupGenerations{9, 0}.count() == 0);
  const LookupGenerations three{5, 3};
  CHECK(three.generation_of(0) == 5);
  CHECK(three.generation_of(2) == 5);
  CHECK(three.generation_of(3) == 4);
  CHECK(three.lookup_of(4) == 1);
}

TEST_CASE("Generations: a new one is a sealed file of its owner, and on record with the first who reads it") {
  const Place place;
  CHECK(place.next() == 2);
  const std::string file = key_generation_file(place.paths(), 2);
  struct stat status {};
  REQUIRE(stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(FileSeal::is_sealed(as_bytes(test::read_file(file))));
  const auto issuer = place.open();
  REQUIRE(issuer);
  CHECK((*issuer)->key_manager().generation() == 2);
  CHECK_FALSE((*issuer)->has_newer_key());
  CHECK(place.next() == 3);
  CHECK((*issuer)->has_newer_key());
  const auto again = Issuer::reopen(**issuer);
  REQUIRE(again);
  CHECK((*again)->key_manager().generation() == 3);
  std::size_t leftovers = 0;
  for (const auto& entry : std::filesystem::directory_iterator(place.paths().keys))
    if (entry.path().string().find(".new-") != std::string::npos) ++leftovers;
  CHECK(leftovers == 0);
}

TEST_CASE("Generations: what a killed roll-over has left does not count, and does not stand in the way") {
  const Place place;
  const std::string half = key_generation_file(place.paths(), 2) + ".new-1";
  test::write_file(half, "-----BEGIN OPENSKS SEALED FILE");
  std::filesystem::permissions(half, std::filesystem::perms::owner_read);
  CHECK((*place.open())->key_manager().generation() == 1);
  CHECK(place.next() == 2);
  CHECK((*place.open())->key_manager().generation() == 2);
}

TEST_CASE("Generations: a folder that lacks one, or has another key for one, is refused") {
  const Place place;
  place.next();
  place.next();
  REQUIRE(place.open());
  const std::string two = key_generation_file(place.paths(), 2);
  const std::string three = key_generation_file(place.paths(), 3);
  std::filesystem::rename(three, three + ".away");
  CHECK(place.refusal().find("keys/kmk-3.key is missing") != std::string::npos);
  std::filesystem::rename(two, three);
  CHECK(place.refusal().find("keys/kmk-2.key is missing") != std::string::npos);
  std::filesystem::rename(three, two);
  REQUIRE(make_next_generation(place.paths(), FileSeal(
                                                  [&] {
                                                    const std::string kek = test::read_file(place.paths().kek);
                                                    return SecureBytes::copy_of(as_bytes(kek));
                                                  }(),
                                                  system_random())));
  CHECK(place.refusal().find("keys/kmk-3.key is not the key management key") != std::string::npos);
  std::filesystem::rename(three + ".away", three);
  CHECK(place.refusal().empty());
  std::filesystem::permissions(two, std::filesystem::perms::others_read, std::filesystem::perm_options::add);
  CHECK(place.refusal().find("kmk-2.key") != std::string::npos);
}

TEST_CASE("Actions: a table says which status allows which action") {
  using Credentials = Credential::Status;
  struct Row {
    const char* word;
    bool suspended;
    bool revoked;
  };
  for (const Row& row : {Row{"unlock", true, false}, Row{"delete", true, true}, Row{"update", false, false},
                         Row{"clone", false, false}, Row{"suspend", true, false}, Row{"resume", true, false}}) {
    CAPTURE(row.word);
    const auto kind = find_action(row.word);
    REQUIRE(kind);
    CHECK(action_of(*kind).word == row.word);
    CHECK(is_allowed(*kind, Credentials::issued));
    CHECK(is_allowed(*kind, Credentials::suspended) == row.suspended);
    CHECK(is_allowed(*kind, Credentials::revoked) == row.revoked);
    for (const Credentials never :
         {Credentials::pending, Credentials::abandoned, Credentials::removed, Credentials::replaced})
      CHECK_FALSE(is_allowed(*kind, never));
  }
  CHECK_FALSE(find_action("remove"));
  CHECK(action_words() == "unlock, delete, update, clone, suspend, resume");
}

TEST_CASE("Replacements: a key without a PIN of its own asks for what such a key can have") {
  const auto spec_of = [](const std::string& policy, const std::string& key,
                          KeyOperation::Kind kind = KeyOperation::Kind::update) {
    const auto profile = parse_profile(
        "[certificate]\nvalidity_days = 1\n[puk_policy]\nformat = \"numeric\"\nlength = "
        "8\nretry_limit = 3\n[[pin_policy]]\nformat = \"numeric\"\nmin_length = 4\n"
        "max_length = 8\nretry_limit = 3\n" +
            policy +
            "[[pin_policy.key]]\napp_usage = \"authentication\"\nalgorithm = "
            "\"ec.nist.p256\"\nfriendly_name = \"K\"\n" +
            key,
        "p", "p.toml");
    if (!profile) FAIL(profile.error().detail);
    Credential target;
    target.app_usage = "authentication";
    return replacement_spec(*profile, target, kind);
  };
  const auto plain = spec_of("", "export_protection = \"pin\"\ndelete_protection = \"puk\"\n");
  REQUIRE(plain);
  CHECK(plain->export_protection == 3);
  CHECK(plain->delete_protection == 3);
  CHECK(spec_of("", "biometric_protection = \"alternative\"\n")->biometric_protection == 0);
  CHECK(spec_of("", "biometric_protection = \"combined\"\n").error().status == Status::not_allowed);
  CHECK(spec_of("", "", KeyOperation::Kind::clone).error().status == Status::not_allowed);
  CHECK(spec_of("grouping = \"shared\"\n", "", KeyOperation::Kind::clone));
  CHECK_FALSE(spec_of("input_method = \"trusted-gui\"\n", "enable_pin_caching = true\n")->enable_pin_caching);
}
