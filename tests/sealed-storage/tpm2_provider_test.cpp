#include <doctest/doctest.h>

#include <filesystem>
#include <optional>

#include "sealed-storage/master_key.h"
#include "sks-core/crypto/hash.h"
#include "tests/sealed-storage/secrets.h"
#include "tests/sealed-storage/software_tpm.h"
#include "tests/sealed-storage/store_fixture.h"
#include "tests/sealed-storage/tpm_bus.h"

namespace sks::test {
namespace {

namespace fs = std::filesystem;
using sealed::MasterKeyFile;
using sealed::Protection;

constexpr std::size_t kHeader = 10;
constexpr std::size_t kChecksum = 4;
constexpr std::size_t kNameOffset = kHeader + 1;
constexpr std::size_t kNameSize = 34;
constexpr std::uint32_t kUnseal = 0x0000015E;   // TPM_CC_Unseal
constexpr std::uint32_t kPcrRead = 0x0000017E;  // TPM_CC_PCR_Read

constexpr const char* kOtherTpm = "the TPM is not the one that the key store in the store is sealed to, or was cleared";
constexpr const char* kStateDiffers =
    "the state of the machine is not the one that the key store in the store is sealed to: ";

const sealed::MasterKeyProvider& tpm2() { return *sealed::find_provider("tpm2"); }

/// A master key file sealed to a TPM, the TPM running.
struct SealedFile {
  explicit SealedFile(sealed::PcrSelection pcrs = 0) {
    const UseTpm use(tpm.tcti());
    Result<SecureBytes> made = file.create(Protection(tpm2(), pcrs), no_secrets(), system_random());
    REQUIRE_MESSAGE(static_cast<bool>(made), (made ? std::string() : made.error().detail));
    key = std::move(*made);
    content = read_file(path);
  }

  void write(const std::string& bytes) const {
    write_file(path, bytes);
    fs::permissions(path, fs::perms(0600));
  }

  /// "opened", "opened with a wrong key", or the refusal.
  std::string open(const std::string& tcti) const {
    const UseTpm use(tcti);
    const Result<SecureBytes> found = file.load(no_secrets());
    if (!found) return found.error().detail;
    return equal(found->view(), key.view()) ? "opened" : "opened with a wrong key";
  }
  std::string open() const { return open(tpm.tcti()); }

  Status open_status(const std::string& tcti) const {
    const UseTpm use(tcti);
    const Result<SecureBytes> found = file.load(no_secrets());
    REQUIRE_FALSE(found);
    return found.error().status;
  }

  SoftwareTpm tpm;
  TempDir dir;
  std::string path = dir.file("master.key");
  MasterKeyFile file{path, "the store"};
  SecureBytes key;
  std::string content;
};

std::string with_checksum(const std::string& content) {
  const std::string checked = content.substr(0, content.size() - kChecksum);
  return checked + to_string(crypto::sha256(as_bytes(checked))).substr(0, kChecksum);
}

std::string with_bit_flipped(std::string content, std::size_t bit) {
  content[bit / 8] = static_cast<char>(static_cast<unsigned char>(content[bit / 8]) ^ (1U << (bit % 8)));
  return content;
}

void extend(const SoftwareTpm& tpm, int pcr) {
  tpm.tool("tpm2_pcrextend " + std::to_string(pcr) + ":sha256=" + std::string(64, '5'));
}

}  // namespace

TEST_CASE("a master key sealed by a TPM opens after the TPM was off, and is not in the file") {
  SealedFile file;
  CHECK(file.content.find(to_string(file.key.view())) == std::string::npos);
  CHECK(file.content.substr(8, 3) == std::string("\x01\x03\x01"));
  CHECK(file.content.substr(kNameOffset + kNameSize, 3) == std::string(3, '\0'));
  CHECK(file.open() == "opened");
  file.tpm.restart();
  CHECK(file.open() == "opened");
  extend(file.tpm, 7);
  CHECK(file.open() == "opened");
}

TEST_CASE("a master key sealed to registers of a TPM does not open once one of them changed, and that one is named") {
  SealedFile file(1U << 0 | 1U << 7 | 1U << 23);
  CHECK(file.content.substr(kNameOffset + kNameSize, 3) == std::string("\x81\x00\x80", 3));
  CHECK(file.open() == "opened");
  extend(file.tpm, 1);
  CHECK(file.open() == "opened");
  extend(file.tpm, 7);
  CHECK(file.open() == kStateDiffers + std::string("PCR 7 changed"));
  CHECK(file.open_status(file.tpm.tcti()) == Status::authorization);
  extend(file.tpm, 23);
  CHECK(file.open() == kStateDiffers + std::string("PCRs 7 and 23 changed"));
  extend(file.tpm, 0);
  CHECK(file.open() == kStateDiffers + std::string("PCRs 0, 7 and 23 changed"));
  CHECK(read_file(file.path) == file.content);
  file.tpm.restart();
  CHECK(file.open() == "opened");
}

TEST_CASE("a copied folder with a master key sealed by a TPM does not open without that TPM") {
  SealedFile file;
  SoftwareTpm other;
  CHECK(file.open(other.tcti()) == kOtherTpm);
  CHECK(file.open_status(other.tcti()) == Status::no_key);
  other.stop();
  CHECK(file.open(other.tcti()) == "no TPM answers at " + other.tcti() + " ($SKS_TPM2_TCTI)");
  CHECK(file.open_status(other.tcti()) == Status::not_available);
  CHECK(file.open("no such thing") == "no TPM answers at no such thing ($SKS_TPM2_TCTI)");
  if (!fs::exists("/dev/tpmrm0"))
    CHECK(file.open("") == "this machine has no TPM 2.0 that is ready for use: there is no /dev/tpmrm0");
  CHECK(file.open() == "opened");

  file.tpm.tool("tpm2_clear -c p");
  CHECK(file.open() == kOtherTpm);
  CHECK(read_file(file.path) == file.content);
}

TEST_CASE("a TPM that its owner has put a password on is refused in one sentence, and one that is locked out serves") {
  SealedFile file;
  file.tpm.lock_out();
  CHECK(file.open() == "opened");
  file.tpm.tool("tpm2_changeauth -c owner secret");
  CHECK(file.open() ==
        "cannot make the TPM's storage key: the owner of the TPM has set a password on the owner hierarchy");
  CHECK(file.open_status(file.tpm.tcti()) == Status::not_available);
  file.tpm.tool("tpm2_changeauth -c owner -p secret");
  CHECK(file.open() == "opened");
}

TEST_CASE("a master key sealed by a TPM with any one bit changed by somebody who mended the checksum is refused") {
  SealedFile file(1U << 7);
  const std::string altered = file.path + " was altered";
  const std::string damaged = file.path + " is damaged";
  const std::string unknown = file.path + " is a master key file of a kind that this program does not know";
  std::size_t refused_by_tpm = 0;
  for (std::size_t bit = kHeader * 8; bit < (file.content.size() - kChecksum) * 8; ++bit) {
    CAPTURE(bit);
    file.write(with_checksum(with_bit_flipped(file.content, bit)));
    const std::string answer = file.open();
    const std::size_t byte = bit / 8;
    if (byte >= kNameOffset && byte < kNameOffset + kNameSize) {
      CHECK(answer == kOtherTpm);
      continue;
    }
    const bool refused = answer == altered || answer == damaged;
    CHECK_MESSAGE(refused, answer);
    refused_by_tpm += answer == altered ? 1U : 0U;
  }
  CHECK(refused_by_tpm > std::size_t{8} * (32 + 32 + 100));  // register, unique value and private area
  file.write(file.content);
  CHECK(file.open() == "opened");
}

TEST_CASE("a master key file of a TPM with a malformed part is damaged, and no TPM is asked") {
  SealedFile file(1U << 7);
  file.tpm.stop();
  for (const unsigned size : {0U, 1U, 2U, 34U, 35U, 38U, 69U, 101U, 102U}) {  // up to the end of the unique value
    CAPTURE(size);
    file.write(with_checksum(file.content.substr(0, kHeader + size) + "sums"));
    CHECK(file.open() == file.path + " is damaged");
    CHECK(file.open_status(file.tpm.tcti()) == Status::crypto);
  }
  file.write(with_checksum(file.content.substr(0, kHeader + 102) + std::string(1025, 'x') + "sums"));
  CHECK(file.open() == file.path + " is damaged");
  file.write(with_checksum(file.content.substr(0, kHeader + 102) + std::string(1024, 'x') + "sums"));
  CHECK(file.open().starts_with("no TPM answers at "));
  std::string version = file.content;
  version[kHeader] = 2;
  file.write(with_checksum(version));
  CHECK(file.open() == file.path + " is damaged");
}

TEST_CASE("who listens between program and TPM does not hear the master key, when it is sealed nor when it is opened") {
  SealedFile file(1U << 7);
  const TpmBus bus(file.tpm.socket());
  const UseTpm use(bus.tcti());
  REQUIRE(file.file.replace(file.key.view(), Protection(tpm2(), 1U << 7), no_secrets(), system_random()));
  const Result<SecureBytes> key = file.file.load(no_secrets());
  REQUIRE(key);
  CHECK(equal(key->view(), file.key.view()));
  const std::string heard = bus.heard();
  // The file's own bytes come by, so that the listening is known to work; no eight bytes of the key do.
  CHECK(heard.find(read_file(file.path).substr(kHeader + 102, 100)) != std::string::npos);
  const std::string secret = to_string(key->view());
  for (std::size_t at = 0; at + 8 <= secret.size(); ++at) CHECK(heard.find(secret.substr(at, 8)) == std::string::npos);
}

TEST_CASE("an answer of the TPM that was altered on its way is noticed") {
  SealedFile file(1U << 7);
  TpmBus bus(file.tpm.socket());
  for (const std::uint32_t victim : {kUnseal, kPcrRead}) {
    CAPTURE(victim);
    int altered = 0;
    bus.alter = [&](std::uint32_t command, Bytes& answer) {
      if (command != victim) return;
      // In the parameters: behind header, size of parameters and some.
      answer[30] = static_cast<std::uint8_t>(answer[30] ^ 1U);
      ++altered;
    };
    CHECK(file.open(bus.tcti()).ends_with(": an answer of the TPM was altered on its way"));
    file.tpm.restart();
    CHECK(file.open_status(bus.tcti()) == Status::crypto);
    file.tpm.restart();
    CHECK(altered == 2);
  }
  bus.alter = nullptr;
  CHECK(file.open(bus.tcti()) == "opened");
}

TEST_CASE("SqliteStore::reprotect: to a TPM, to a passphrase and to a TPM again, and the records stay") {
  const SoftwareTpm tpm;
  const UseTpm use(tpm.tcti());
  const StoreFixture fixture;
  constexpr RecordId kKey{RecordKind::key, 1};
  fixture.put(kKey, "kept");
  const std::string database = read_file(fixture.file("store.db"));
  REQUIRE(SqliteStore::reprotect(fixture.folder(), Protection(tpm2(), 1U << 7), no_secrets()));
  CHECK(to_string((**fixture.get(kKey)).view()) == "kept");
  FixedSecrets to_passphrase("", "one");
  REQUIRE(SqliteStore::reprotect(fixture.folder(), *sealed::find_provider("passphrase"), to_passphrase));
  FixedSecrets from_passphrase("one");
  REQUIRE(SqliteStore::reprotect(fixture.folder(), tpm2(), from_passphrase));
  CHECK(from_passphrase.asked == 1);
  CHECK(to_string((**fixture.get(kKey)).view()) == "kept");

  const std::string before = read_file(fixture.file("master.key"));
  const UseTpm nothing("swtpm:path=" + fixture.beside("none"));
  CHECK_FALSE(SqliteStore::reprotect(fixture.folder(), sealed::key_file_provider(), no_secrets()));
  CHECK(read_file(fixture.file("master.key")) == before);
}

}  // namespace sks::test
