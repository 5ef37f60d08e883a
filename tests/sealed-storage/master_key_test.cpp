#include "sealed-storage/master_key.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "sks-core/crypto/hash.h"
#include "tests/sealed-storage/secrets.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vectors.h"

namespace sks::test {
namespace {

namespace fs = std::filesystem;
using sealed::MasterKeyFile;

constexpr std::size_t kChecksum = 4;
constexpr const char* kWrong = "the passphrase of the key store is wrong";

/// One file of the vectors: with the lowest costs, so that many openings take no time.
struct CheapFile {
  CheapFile() {
    for (const VectorBlock& block : read_vectors("sealed-storage/master-keys.vec")) {
      const std::string bytes = to_string(block.hex("File"));
      const std::string secret = block.has("Passphrase") ? to_string(block.hex("Passphrase")) : std::string();
      const bool first_wrapped = block.number("Provider") == 2 && content.empty();
      REQUIRE(block.hex("MasterKey").size() == 32);
      if (!first_wrapped) continue;
      content = bytes;
      passphrase = secret;
    }
    REQUIRE(content.size() == 93);
    REQUIRE(content[10] == 10);
    write(content);
  }

  void write(const std::string& bytes) const {
    write_file(path, bytes);
    fs::permissions(path, fs::perms(0600));
  }

  Error load_error(SecretSource& secrets) const {
    const Result<SecureBytes> key = MasterKeyFile(path, "the store").load(secrets);
    REQUIRE_FALSE(key);
    return key.error();
  }

  TempDir dir;
  std::string path = dir.file("master.key");
  std::string content;
  std::string passphrase;
};

std::string with_checksum(std::string content) {
  const std::string checked = content.substr(0, content.size() - kChecksum);
  return checked + to_string(crypto::sha256(as_bytes(checked))).substr(0, kChecksum);
}

std::string with_bit_flipped(std::string content, std::size_t bit) {
  content[bit / 8] = static_cast<char>(static_cast<unsigned char>(content[bit / 8]) ^ (1U << (bit % 8)));
  return content;
}

void check_error(const Error& error, Status status, const std::string& detail) {
  CHECK(to_string(error.status) == to_string(status));
  CHECK(error.detail == detail);
}

}  // namespace

TEST_CASE("MasterKeyFile: opens the files of another implementation") {
  const TempDir dir;
  const std::string path = dir.file("master.key");
  int wrapped = 0;
  for (const VectorBlock& block : read_vectors("sealed-storage/master-keys.vec")) {
    write_file(path, to_string(block.hex("File")));
    fs::permissions(path, fs::perms(0600));
    FixedSecrets secrets(block.has("Passphrase") ? to_string(block.hex("Passphrase")) : std::string());
    const Result<SecureBytes> key = MasterKeyFile(path, "the store").load(secrets);
    REQUIRE_MESSAGE(static_cast<bool>(key), (key ? std::string() : key.error().detail));
    CHECK(equal(key->view(), block.hex("MasterKey")));
    CHECK(secrets.asked == (block.number("Provider") == 1 ? 0 : 1));
    wrapped += secrets.asked;
  }
  CHECK(wrapped == 4);
}

TEST_CASE("MasterKeyFile: tells a wrong passphrase, and asks once") {
  const CheapFile file;
  for (const std::string& wrong :
       {std::string("y"), std::string("X"), file.passphrase + "\n", std::string(1024, 'x')}) {
    FixedSecrets secrets(wrong);
    check_error(file.load_error(secrets), Status::authorization, kWrong);
    CHECK(secrets.asked == 1);
    CHECK(secrets.asked_for == "the store");
  }
}

TEST_CASE("MasterKeyFile: a passphrase that cannot be one is refused, and the source's own refusal comes through") {
  const CheapFile file;
  FixedSecrets empty("");
  check_error(file.load_error(empty), Status::option, "the passphrase is empty");
  FixedSecrets long_one(std::string(1025, 'x'));
  check_error(file.load_error(long_one), Status::option, "the passphrase is longer than 1024 bytes");
  FixedSecrets with_zero(file.passphrase + '\0');
  check_error(file.load_error(with_zero), Status::option, "the passphrase has a zero byte in it");
  check_error(file.load_error(no_secrets()), Status::not_available,
              "the key store in the store is protected by a secret that nobody gave");
}

TEST_CASE("MasterKeyFile: refuses a wrapped key with any one bit changed, without asking for the passphrase") {
  const CheapFile file;
  FixedSecrets secrets(file.passphrase);
  for (std::size_t bit = 0; bit < file.content.size() * 8; ++bit) {
    CAPTURE(bit);
    file.write(with_bit_flipped(file.content, bit));
    CHECK(file.load_error(secrets).status == Status::crypto);
  }
  for (std::size_t size = 0; size < file.content.size(); ++size) {
    CAPTURE(size);
    file.write(file.content.substr(0, size));
    CHECK(file.load_error(secrets).status == Status::crypto);
  }
  file.write(with_bit_flipped(file.content, std::size_t{8} * 40));
  check_error(file.load_error(secrets), Status::crypto, file.path + " is damaged");
  CHECK(secrets.asked == 0);
  file.write(file.content);
  CHECK(MasterKeyFile(file.path, "the store").load(secrets));
}

TEST_CASE("MasterKeyFile: refuses a wrapped key with any one bit changed by somebody who mended the checksum") {
  const CheapFile file;
  std::size_t refused_by_key = 0;
  for (std::size_t bit = 0; bit < (file.content.size() - kChecksum) * 8; ++bit) {
    CAPTURE(bit);
    FixedSecrets secrets(file.passphrase);
    file.write(with_checksum(with_bit_flipped(file.content, bit)));
    const Error error = file.load_error(secrets);
    if (secrets.asked == 0) {
      CHECK(error.status == Status::crypto);
      continue;
    }
    check_error(error, Status::authorization, kWrong);
    ++refused_by_key;
  }
  CHECK(refused_by_key >= std::size_t{76} * 8);  // salt, nonce and wrapped key
}

TEST_CASE("MasterKeyFile: refuses costs out of bounds before anything is asked or computed") {
  struct Case {
    std::string costs;
    bool asked;
  };
  const CheapFile file;
  for (const Case& c :
       {Case{{9, 8, 1}, false}, Case{{0, 8, 1}, false}, Case{{21, 8, 1}, false}, Case{{20, 8, 1}, false},
        Case{{63, 8, 1}, false}, Case{{64, 8, 1}, false}, Case{{10, 7, 1}, false}, Case{{10, 0, 1}, false},
        Case{{10, 33, 1}, false}, Case{{10, 8, 0}, false}, Case{{10, 8, 17}, false}, Case{{18, 9, 1}, false},
        Case{{19, 8, 1}, false}, Case{{17, 16, 5}, false}, Case{{18, 8, 5}, false}, Case{"\xff\xff\xff", false},
        Case{{10, 32, 16}, true}, Case{{12, 8, 1}, true}}) {
    CAPTURE(static_cast<int>(c.costs[0]));
    CAPTURE(static_cast<int>(c.costs[1]));
    CAPTURE(static_cast<int>(c.costs[2]));
    FixedSecrets secrets(file.passphrase);
    std::string content = file.content;
    file.write(with_checksum(content.replace(10, 3, c.costs)));
    const Error error = file.load_error(secrets);
    CHECK(secrets.asked == (c.asked ? 1 : 0));
    if (c.asked) {
      check_error(error, Status::authorization, kWrong);
    } else {
      check_error(error, Status::crypto,
                  file.path + " demands a key derivation out of all bounds: it is damaged, or was made to harm");
    }
  }
}

TEST_CASE("MasterKeyFile: lengths that fit no provider, and providers that nobody knows") {
  const CheapFile file;
  FixedSecrets secrets(file.passphrase);
  const std::string header = file.content.substr(0, 10);
  for (const std::string& content : {header + "sums", header + std::string(78, 'x') + "sums",
                                     header + std::string(80, 'x') + "sums", file.content + "sums"}) {
    file.write(with_checksum(content));
    check_error(file.load_error(secrets), Status::crypto, file.path + " is damaged");
  }
  for (const char provider : {'\0', '\4', '\xff'}) {
    std::string content = file.content;
    content[9] = provider;
    file.write(with_checksum(content));
    check_error(file.load_error(secrets), Status::crypto,
                file.path + " is a master key file of a kind that this program does not know");
  }
  CHECK(secrets.asked == 0);
}

TEST_CASE("MasterKeyFile: a wrapped key never shows in the file, and no two files are alike") {
  const TempDir dir;
  const sealed::MasterKeyProvider* const passphrase = sealed::find_provider("passphrase");
  REQUIRE(passphrase != nullptr);
  const MasterKeyFile one(dir.file("one"), "one");
  FixedSecrets secrets("Sesam", "Sesam");
  const Result<SecureBytes> key = one.create(*passphrase, secrets, system_random());
  REQUIRE(key);
  const std::string first = read_file(dir.file("one"));
  CHECK(first.size() == 93);
  CHECK(first.substr(9, 4) == "\x02\x11\x08\x01");
  CHECK(first.find(to_string(key->view())) == std::string::npos);
  struct stat info {};
  REQUIRE(::stat(dir.file("one").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 0600U);

  REQUIRE(one.replace(key->view(), *passphrase, secrets, system_random()));
  const std::string second = read_file(dir.file("one"));
  CHECK(first.substr(13, 16) != second.substr(13, 16));
  CHECK(first.substr(29, 12) != second.substr(29, 12));
  CHECK(first.substr(41, 48) != second.substr(41, 48));
  const Result<SecureBytes> again = one.load(secrets);
  REQUIRE(again);
  CHECK(equal(again->view(), key->view()));
}

TEST_CASE("MasterKeyFile::create makes nothing when there is no passphrase, and never replaces a file") {
  const TempDir dir;
  const MasterKeyFile file(dir.file("master.key"), "store");
  FixedSecrets empty("", "");
  CHECK_FALSE(file.create(*sealed::find_provider("passphrase"), empty, system_random()));
  CHECK_FALSE(fs::exists(dir.file("master.key")));
  REQUIRE(file.create(sealed::key_file_provider(), no_secrets(), system_random()));
  const std::string before = read_file(dir.file("master.key"));
  CHECK_FALSE(file.create(sealed::key_file_provider(), no_secrets(), system_random()));
  CHECK(read_file(dir.file("master.key")) == before);
}

TEST_CASE("master_key_providers: every number and every name once, and found by its name") {
  std::string seen;
  for (const sealed::MasterKeyProvider& provider : sealed::master_key_providers()) {
    seen += std::to_string(provider.number) + "=" + std::string(provider.name) + " ";
    CHECK(sealed::find_provider(provider.name) == &provider);
  }
  CHECK(seen == "1=file 2=passphrase 3=tpm2 ");
  CHECK(sealed::find_provider("") == nullptr);
  CHECK(sealed::find_provider("File") == nullptr);
}

}  // namespace sks::test
