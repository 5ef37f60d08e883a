#include "sealed-storage/backup_file.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

#include "tests/sealed-storage/secrets.h"
#include "tests/support/vectors.h"

namespace sks::test {
namespace {

using sealed::Backup;
using sealed::BackupKey;

constexpr crypto::ScryptCosts kCheap{10, 8, 1};
const std::string kPath = "b.sks";

/// The file of the vectors, with all that is known of it.
struct Vector {
  Bytes file, content, passphrase;
  Bytes ec_certificate, ca_certificate, rsa_certificate, mac_certificate, mac_key, property_bag;

  static Vector read() {
    const auto blocks = read_vectors("backup/backups.vec");
    REQUIRE(blocks.size() == 1);
    const VectorBlock& block = blocks.front();
    return {block.hex("File"),           block.hex("Content"),       block.hex("Passphrase"),
            block.hex("EcCertificate"),  block.hex("CaCertificate"), block.hex("RsaCertificate"),
            block.hex("MacCertificate"), block.hex("MacKey"),        block.hex("PropertyBag")};
  }
};

Error refusal_of(ByteView file, const std::string& passphrase, int asked) {
  FixedSecrets secrets(passphrase);
  const auto backup = sealed::decode_backup(file, kPath, secrets);
  REQUIRE_FALSE(backup);
  CHECK(secrets.asked == asked);
  return backup.error();
}

void check_error(const Error& error, Status status, const std::string& detail) {
  CHECK(to_string(error.status) == to_string(status));
  CHECK(error.detail == detail);
}

Backup read_content() {
  auto backup = sealed::decode_backup_content(Vector::read().content);
  REQUIRE(backup);
  return std::move(*backup);
}

void fill_with_keys(Backup& backup, std::size_t count) {
  while (backup.keys.size() < count) {
    BackupKey key;
    key.key = SecureBytes(1);
    key.certificate_path = {{1}};
    backup.keys.push_back(std::move(key));
  }
}

void fill_with_extensions(BackupKey& key, std::size_t count) {
  while (key.extensions.size() < count) {
    sealed::BackupExtension extension;
    extension.type = "urn:x";
    key.extensions.push_back(std::move(extension));
  }
}

Result<Backup> decode_changed(void (*change)(Backup&)) {
  Backup backup = read_content();
  change(backup);
  return sealed::decode_backup_content(sealed::encode_backup_content(backup).view());
}

/// The content of the vectors with one thing changed that only the decoder can refuse.
bool accepts(void (*change)(Backup&)) { return static_cast<bool>(decode_changed(change)); }

/// Why it is refused; empty when it is not.
std::string refusal(void (*change)(Backup&)) {
  const auto decoded = decode_changed(change);
  return decoded ? std::string() : decoded.error().detail;
}

/// A second key with the PIN of the first one, for another use.
void share_pin(Backup& backup, std::uint8_t grouping, std::uint8_t first_usage, std::uint8_t second_usage) {
  backup.pins[0].grouping = grouping;
  backup.keys[2].pin = 0;
  backup.keys[2].export_protection = backup.keys[2].delete_protection = 0;
  backup.keys[0].app_usage = first_usage;
  backup.keys[1].app_usage = second_usage;
  backup.keys[1].pin = 1;
  backup.keys[1].friendly_name = "Second";
}

}  // namespace

TEST_CASE("backup: opens the file of another implementation, and finds everything in it") {
  const Vector vector = Vector::read();
  FixedSecrets secrets(to_string(vector.passphrase));
  const auto backup = sealed::decode_backup(vector.file, kPath, secrets);
  REQUIRE_MESSAGE(static_cast<bool>(backup), (backup ? std::string() : backup.error().detail));
  CHECK(secrets.asked_for == kPath);
  CHECK(backup->label == "CN=Vector device");
  CHECK(backup->time == 1790000000);
  REQUIRE(backup->pins.size() == 1);
  CHECK(backup->pins[0] == sealed::BackupPinPolicy{0, 3, 1, 3, 4, 8, 0, true, true});
  REQUIRE(backup->keys.size() == 3);

  const BackupKey& ec = backup->keys[0];
  CHECK_FALSE(ec.symmetric);
  CHECK(ec.certificate_path == std::vector<Bytes>{vector.ec_certificate, vector.ca_certificate});
  CHECK(ec.friendly_name == "Sign \xc3\xa4");
  CHECK(ec.issuer_uri == "https://issuer.example.com/sks");
  CHECK(ec.endorsed_algorithms == std::vector<std::string>{"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"});
  CHECK(ec.app_usage == 0);
  CHECK(ec.pin == 1);
  CHECK(ec.export_protection == 1);
  CHECK(ec.delete_protection == 1);
  REQUIRE(ec.extensions.size() == 2);
  CHECK(ec.extensions[0].type == "https://example.com/bag");
  CHECK(ec.extensions[0].sub_type == 2);
  CHECK(equal(ec.extensions[0].data.view(), vector.property_bag));
  CHECK(ec.extensions[1].qualifier == "image/png");

  CHECK(backup->keys[1].certificate_path == std::vector<Bytes>{vector.rsa_certificate});
  CHECK(backup->keys[1].pin == 0);
  CHECK(backup->keys[1].key_backup == 1);
  CHECK(backup->keys[2].symmetric);
  CHECK(equal(backup->keys[2].key.view(), vector.mac_key));
  CHECK(backup->keys[2].certificate_path == std::vector<Bytes>{vector.mac_certificate});
  CHECK(backup->keys[2].delete_protection == 2);
  REQUIRE(backup->left_behind.size() == 1);
  CHECK(backup->left_behind[0].reason == sealed::LeftBehind::non_exportable);
  CHECK(backup->left_behind[0].friendly_name == "Stays");
}

TEST_CASE("backup: writes the content that another implementation writes") {
  const Vector vector = Vector::read();
  CHECK(equal(sealed::encode_backup_content(read_content()).view(), vector.content));
}

TEST_CASE("backup: nothing of it is readable without the passphrase") {
  const Backup backup = read_content();
  FixedSecrets secrets("secret", "secret");
  const auto file = sealed::encode_backup(backup, kPath, secrets, system_random(), kCheap);
  REQUIRE(file);
  const Vector vector = Vector::read();
  const auto shows = [&](ByteView part) {
    return std::search(file->view().begin(), file->view().end(), part.begin(), part.end()) != file->view().end();
  };
  CHECK_FALSE(shows(vector.mac_key));
  CHECK_FALSE(shows(as_bytes("CN=Vector device")));
  CHECK_FALSE(shows(as_bytes("Stays")));
  CHECK_FALSE(shows(ByteView(vector.ec_certificate).first(16)));
  check_error(refusal_of(file->view(), "Secret", 1), Status::authorization, "the passphrase of the backup is wrong");
  CHECK(sealed::decode_backup(file->view(), kPath, secrets));
}

TEST_CASE("backup: every truncation and every changed bit is refused, and the passphrase not asked for") {
  const Vector vector = Vector::read();
  const std::string passphrase = to_string(vector.passphrase);
  for (std::size_t size = 0; size < vector.file.size(); ++size) {
    const Error error = refusal_of(ByteView(vector.file).first(size), passphrase, 0);
    CHECK(error.detail == (size < 9 ? "b.sks is not a backup of a key store" : "b.sks is damaged"));
  }
  for (std::size_t bit = 0; bit < vector.file.size() * 8; ++bit) {
    Bytes changed = vector.file;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    refusal_of(changed, passphrase, 0);
  }
}

TEST_CASE("backup: an altered file is refused, also with a checksum that fits") {
  const Vector vector = Vector::read();
  const std::size_t checked = vector.file.size() - sealed::kChecksumSize;
  for (std::size_t byte = 12; byte < checked; byte += 7) {
    CAPTURE(byte);
    Bytes changed = vector.file;
    changed[byte] ^= 0x01;
    std::ranges::copy(sealed::checksum(ByteView(changed).first(checked)), changed.begin() + static_cast<long>(checked));
    check_error(refusal_of(changed, to_string(vector.passphrase), 1), Status::authorization,
                "the passphrase of the backup is wrong");
  }
}

TEST_CASE("backup: a foreign file and one of a newer program are told apart from damage") {
  Vector vector = Vector::read();
  check_error(refusal_of(as_bytes("-----BEGIN CERTIFICATE-----"), "x", 0), Status::option,
              "b.sks is not a backup of a key store");
  check_error(refusal_of({}, "x", 0), Status::option, "b.sks is not a backup of a key store");
  vector.file[8] = 2;
  check_error(refusal_of(vector.file, "x", 0), Status::option,
              "b.sks is a backup of a key store of version 2: a newer program is needed to read it");
}

TEST_CASE("backup: a content that is no backup is refused after the envelope has opened") {
  FixedSecrets secrets("x", "x");
  const sealed::PassphraseFileKind kind{{'S', 'K', 'S', 'B', 'A', 'C', 'K', 0}, 1, "", ""};
  Bytes longer = Vector::read().content;
  longer.push_back(0);
  for (const Bytes& content : {Bytes(), Bytes{0xa0}, longer}) {
    const auto file = sealed::seal_passphrase_file(kind, content, kPath, secrets, system_random(), kCheap);
    REQUIRE(file);
    check_error(refusal_of(file->view(), "x", 1), Status::crypto,
                "b.sks holds no backup that this program understands: not the expected CBOR structure");
  }
}

TEST_CASE("backup: every truncated content is refused, and each changed byte gives another backup or none") {
  const Bytes content = Vector::read().content;
  for (std::size_t size = 0; size < content.size(); ++size)
    CHECK_FALSE(sealed::decode_backup_content(ByteView(content).first(size)));
  for (std::size_t byte = 0; byte < content.size(); ++byte) {
    for (const std::uint8_t flip : std::initializer_list<std::uint8_t>{0x01, 0x20, 0x80}) {
      Bytes changed = content;
      changed[byte] ^= flip;
      const auto backup = sealed::decode_backup_content(changed);
      if (backup) CHECK(equal(sealed::encode_backup_content(*backup).view(), changed));
    }
  }
}

TEST_CASE("backup: numbers out of range and missing parts are refused") {
  CHECK(accepts([](Backup&) {}));
  CHECK(accepts([](Backup& b) { b.keys.clear(); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].pin = 2; }));
  CHECK_FALSE(accepts([](Backup& b) { b.pins.clear(); }));
  CHECK_FALSE(accepts([](Backup& b) { b.pins[0].format = 4; }));
  CHECK_FALSE(accepts([](Backup& b) { b.pins[0].grouping = 4; }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].app_usage = 4; }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].export_protection = 4; }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].delete_protection = 4; }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].biometric_protection = 4; }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].key_backup = 4; }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].key = SecureBytes(); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].certificate_path.clear(); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].extensions[0].sub_type = 4; }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].friendly_name = "\xff"; }));
  CHECK_FALSE(accepts([](Backup& b) { b.left_behind[0].certificate_path.clear(); }));
  CHECK_FALSE(accepts([](Backup& b) { b.left_behind[0].reason = static_cast<sealed::LeftBehind>(5); }));
}

TEST_CASE("backup: PIN rules out of the ranges of the SKS API are refused, with a sentence that names them") {
  CHECK(refusal([](Backup& b) { b.pins[0].retry_limit = 0; }) ==
        "in PIN 1 of the backup, the number of tries is 0, less than 1");
  CHECK(accepts([](Backup& b) { b.pins[0].retry_limit = 10000; }));
  CHECK(refusal([](Backup& b) { b.pins[0].retry_limit = 10001; }) ==
        "in PIN 1 of the backup, the number of tries is 10001, more than 10000");
  CHECK(accepts([](Backup& b) { b.pins[0] = {1, 1, 1, 0x1f, 2, 36, 2, false, false}; }));
  CHECK(refusal([](Backup& b) { b.pins[0].pattern_restrictions = 0x20; }) ==
        "in PIN 1 of the backup, the set of forbidden patterns is 32, more than 31");
  CHECK(refusal([](Backup& b) { b.pins[0].min_length = 0; }) ==
        "in PIN 1 of the backup, the least length is 0 bytes, less than 1");
  CHECK(accepts([](Backup& b) { b.pins[0].max_length = 128; }));
  CHECK(refusal([](Backup& b) { b.pins[0].max_length = 129; }) ==
        "in PIN 1 of the backup, the greatest length is 129 bytes, more than 128");
  CHECK(refusal([](Backup& b) { b.pins[0].input_method = 3; }) ==
        "in PIN 1 of the backup, the input method is 3, more than 2");
  CHECK(refusal([](Backup& b) {
          b.pins.push_back(b.pins[0]);
          b.pins[1].retry_limit = 0;
        }) == "in PIN 2 of the backup, the number of tries is 0, less than 1");
}

TEST_CASE("backup: PIN rules that no PIN can satisfy are refused") {
  CHECK(accepts([](Backup& b) { b.pins[0].min_length = b.pins[0].max_length; }));
  CHECK(refusal([](Backup& b) { b.pins[0].min_length = 9; }) ==
        "in PIN 1 of the backup, the least length of the PIN is above the greatest");
  for (void (*const no_kinds)(Backup&) : {+[](Backup& b) { b.pins[0] = {0, 3, 1, 0x10, 4, 8, 0, true, true}; },
                                          +[](Backup& b) { b.pins[0] = {3, 3, 1, 0x10, 4, 8, 0, true, true}; }})
    CHECK(refusal(no_kinds) ==
          "in PIN 1 of the backup, the PIN has to have characters of every kind, and its format has no kinds");
  CHECK(accepts([](Backup& b) { b.pins[0] = {2, 3, 1, 0x10, 1, 4, 0, true, true}; }));
  CHECK(refusal([](Backup& b) { b.pins[0] = {2, 3, 1, 0x10, 1, 3, 0, true, true}; }) ==
        "in PIN 1 of the backup, the greatest length of the PIN is below the number of the kinds of characters that it "
        "has to have");
  CHECK_FALSE(accepts([](Backup& b) { b.pins[0] = {1, 3, 1, 0x10, 1, 1, 0, true, true}; }));
  CHECK(accepts([](Backup& b) { b.pins[0] = {0, 3, 1, 0x08, 10, 20, 0, true, true}; }));
  CHECK(refusal([](Backup& b) { b.pins[0] = {0, 3, 1, 0x08, 11, 20, 0, true, true}; }) ==
        "in PIN 1 of the backup, the least length of the PIN is above the number of characters that it can have, each "
        "of them once");
}

TEST_CASE("backup: keys that share a PIN against its grouping are refused") {
  const std::string shared =
      "in key 2 of the backup (Second), the PIN is that of key 1, and its rules forbid to share it";
  CHECK(refusal([](Backup& b) { share_pin(b, 0, 0, 0); }) == shared);
  CHECK(accepts([](Backup& b) { share_pin(b, 1, 0, 3); }));
  CHECK(accepts([](Backup& b) { share_pin(b, 2, 0, 0); }));
  CHECK(accepts([](Backup& b) { share_pin(b, 2, 1, 3); }));
  CHECK(refusal([](Backup& b) { share_pin(b, 2, 0, 1); }) == shared);
  CHECK(refusal([](Backup& b) { share_pin(b, 2, 2, 0); }) == shared);
  CHECK(accepts([](Backup& b) { share_pin(b, 3, 2, 2); }));
  CHECK(refusal([](Backup& b) { share_pin(b, 3, 1, 2); }) == shared);
}

TEST_CASE("backup: protections that ask for a PIN that the key does not have are refused") {
  const std::string no_pin = "in key 2 of the backup, export or deletion takes a PIN, and the key has none";
  CHECK(refusal([](Backup& b) { b.keys[1].export_protection = 1; }) == no_pin);
  CHECK(refusal([](Backup& b) { b.keys[1].export_protection = 2; }) == no_pin);
  CHECK(refusal([](Backup& b) { b.keys[1].delete_protection = 2; }) == no_pin);
  CHECK(accepts([](Backup& b) { b.keys[1].delete_protection = 3; }));
  CHECK(refusal([](Backup& b) { b.keys[1].enable_pin_caching = true; }) ==
        "in key 2 of the backup, the PIN may be kept in memory, and is not one for a trusted dialog alone");
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].enable_pin_caching = true; }));
  CHECK(accepts([](Backup& b) {
    b.pins[0].input_method = 2;
    b.keys[0].enable_pin_caching = true;
  }));
  CHECK(accepts([](Backup& b) { b.keys[0].biometric_protection = 2; }));
  CHECK(refusal([](Backup& b) { b.keys[1].biometric_protection = 2; }) ==
        "in key 2 of the backup, the biometric protection does not fit whether the key has a PIN");
  CHECK(accepts([](Backup& b) { b.keys[1].biometric_protection = 3; }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].biometric_protection = 3; }));
}

TEST_CASE("backup: a time that no calendar has is refused") {
  CHECK(accepts([](Backup& b) { b.time = 253402300799; }));
  CHECK(refusal([](Backup& b) { b.time = 253402300800; }) ==
        "in the backup, the time is 253402300800, more than 253402300799");
  CHECK_FALSE(accepts([](Backup& b) { b.time = std::numeric_limits<std::uint64_t>::max(); }));
}

TEST_CASE("backup: what is wrong in a file is told, with the part of the backup that it is in") {
  Backup backup = read_content();
  backup.left_behind[0].certificate_path[0].clear();
  FixedSecrets secrets("x", "x");
  const sealed::PassphraseFileKind kind{{'S', 'K', 'S', 'B', 'A', 'C', 'K', 0}, 1, "", ""};
  const SecureBytes content = sealed::encode_backup_content(backup);
  const auto file = sealed::seal_passphrase_file(kind, content.view(), kPath, secrets, system_random(), kCheap);
  REQUIRE(file);
  check_error(refusal_of(file->view(), "x", 1), Status::crypto,
              "b.sks holds no backup that this program understands: in key 1 of those that stayed behind (Stays), a "
              "certificate is 0 bytes, less than 1");
}

TEST_CASE("backup: the beginning of a file tells whether it may be a backup") {
  const Bytes file = Vector::read().file;
  CHECK(sealed::check_backup_start(ByteView(file).first(9), kPath));
  const auto foreign = sealed::check_backup_start(as_bytes("%PDF-1.7 "), kPath);
  REQUIRE_FALSE(foreign);
  check_error(foreign.error(), Status::option, "b.sks is not a backup of a key store");
}

TEST_CASE("backup: strings longer than their limits are refused, and those at the limit are not") {
  CHECK(accepts([](Backup& b) { b.label.assign(65535, 'x'); }));
  CHECK_FALSE(accepts([](Backup& b) { b.label.assign(65536, 'x'); }));
  CHECK(accepts([](Backup& b) { b.keys[0].friendly_name.assign(400, 'x'); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].friendly_name.assign(401, 'x'); }));
  CHECK(accepts([](Backup& b) { b.keys[0].issuer_uri.assign(1000, 'x'); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].issuer_uri.assign(1001, 'x'); }));
  CHECK(accepts([](Backup& b) { b.keys[0].key = SecureBytes(16384); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].key = SecureBytes(16385); }));
  CHECK(accepts([](Backup& b) { b.keys[2].key = SecureBytes(128); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[2].key = SecureBytes(129); }));
  CHECK(accepts([](Backup& b) { b.keys[0].certificate_path[1] = Bytes(16384); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].certificate_path[1] = Bytes(16385); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].certificate_path[1].clear(); }));
  CHECK(accepts([](Backup& b) { b.keys[0].endorsed_algorithms[0].assign(1000, 'x'); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].endorsed_algorithms[0].assign(1001, 'x'); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].endorsed_algorithms[0].clear(); }));
  CHECK(accepts([](Backup& b) { b.keys[0].extensions[0].type.assign(1000, 'x'); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].extensions[0].type.assign(1001, 'x'); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].extensions[0].type.clear(); }));
  CHECK(accepts([](Backup& b) { b.keys[0].extensions[1].qualifier.assign(128, 'x'); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].extensions[1].qualifier.assign(129, 'x'); }));
  CHECK(accepts([](Backup& b) { b.keys[0].extensions[1].data = SecureBytes(250000); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].extensions[1].data = SecureBytes(250001); }));
  CHECK_FALSE(accepts([](Backup& b) { b.left_behind[0].friendly_name.assign(401, 'x'); }));
  CHECK_FALSE(accepts([](Backup& b) { b.left_behind[0].issuer_uri.assign(1001, 'x'); }));
  CHECK_FALSE(accepts([](Backup& b) { b.left_behind[0].certificate_path[0].clear(); }));
}

TEST_CASE("backup: more items than their limits are refused, and those at the limit are not") {
  CHECK(accepts([](Backup& b) { b.pins.resize(4680, b.pins[0]); }));
  CHECK_FALSE(accepts([](Backup& b) { b.pins.resize(4681, b.pins[0]); }));
  CHECK(accepts([](Backup& b) { fill_with_keys(b, 4680); }));
  CHECK_FALSE(accepts([](Backup& b) { fill_with_keys(b, 4681); }));
  CHECK(accepts([](Backup& b) { b.left_behind.resize(10000, b.left_behind[0]); }));
  CHECK_FALSE(accepts([](Backup& b) { b.left_behind.resize(10001, b.left_behind[0]); }));
  CHECK(accepts([](Backup& b) { b.keys[0].certificate_path.resize(64, {1}); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].certificate_path.resize(65, {1}); }));
  CHECK_FALSE(accepts([](Backup& b) { b.left_behind[0].certificate_path.resize(65, {1}); }));
  CHECK(accepts([](Backup& b) { b.keys[0].endorsed_algorithms.resize(255, "x"); }));
  CHECK_FALSE(accepts([](Backup& b) { b.keys[0].endorsed_algorithms.resize(256, "x"); }));
  CHECK(accepts([](Backup& b) { fill_with_extensions(b.keys[0], 255); }));
  CHECK_FALSE(accepts([](Backup& b) { fill_with_extensions(b.keys[0], 256); }));
}

TEST_CASE("backup: what no reader would take is not written") {
  Backup backup = read_content();
  backup.keys[0].certificate_path.resize(65, {1});
  FixedSecrets secrets("x", "x");
  const auto file = sealed::encode_backup(backup, kPath, secrets, system_random(), kCheap);
  REQUIRE_FALSE(file);
  check_error(file.error(), Status::option,
              "in key 1 of the backup (Sign \xc3\xa4), the number of certificates is 65, more than 64");
  CHECK(secrets.asked == 0);
}

TEST_CASE("backup: more than a file can hold is refused before the passphrase is asked for") {
  Backup backup;
  backup.keys.resize(1);
  backup.keys[0].certificate_path = {{1}};
  backup.keys[0].key = SecureBytes(std::size_t{64} << 20);
  FixedSecrets secrets("x", "x");
  const auto file = sealed::encode_backup(backup, kPath, secrets, system_random(), kCheap);
  REQUIRE_FALSE(file);
  check_error(file.error(), Status::option, "the keys are too much for one backup file");
  CHECK(secrets.asked == 0);
}

}  // namespace sks::test
