#include "provisioning-server/authority/file_seal.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "sks-core/base/encoding.h"
#include "tests/provisioning-server/authority/authority_lab.h"
#include "tests/support/temp_dir.h"

namespace sks::issuer {
namespace {

FileSeal seal_with(std::uint8_t byte) {
  SecureBytes kek(32);
  for (std::uint8_t& octet : kek.span()) octet = byte;
  return {std::move(kek), system_random()};
}

SecureBytes bytes(std::string_view text) { return SecureBytes::copy_of(as_bytes(text)); }

void write_private(const std::string& file, const std::string& content) {
  test::write_file(file, content);
  REQUIRE(chmod(file.c_str(), 0600) == 0);
}

TEST_CASE("FileSeal: what was sealed opens under the same key and the same name only") {
  const FileSeal seal = seal_with(1);
  const std::string sealed = seal.seal("a.key", as_bytes("secret"));
  CHECK(sealed.find("secret") == std::string::npos);
  CHECK(FileSeal::is_sealed(as_bytes(sealed)));
  const auto opened = seal.open("a.key", bytes(sealed));
  REQUIRE(opened);
  CHECK(equal(opened->view(), as_bytes("secret")));
  CHECK(seal.open("b.key", bytes(sealed)).error().status == Status::crypto);
  CHECK(seal_with(2).open("a.key", bytes(sealed)).error().status == Status::crypto);
  CHECK(seal.seal("a.key", as_bytes("secret")) != sealed);
}

TEST_CASE("FileSeal: every changed byte is noticed, and blocks that are none are refused") {
  const FileSeal seal = seal_with(1);
  const Bytes block = from_pem(seal.seal("a.key", as_bytes("secret")), "OPENSKS SEALED FILE")->front();
  for (std::size_t i = 0; i < block.size(); ++i) {
    Bytes changed = block;
    changed[i] ^= 1U;
    CHECK_FALSE(seal.open("a.key", bytes(to_pem(changed, "OPENSKS SEALED FILE"))));
  }
  const std::string twice = to_pem(block, "OPENSKS SEALED FILE") + to_pem(block, "OPENSKS SEALED FILE");
  CHECK(seal.open("a.key", bytes(twice)).error().status == Status::option);
  CHECK(seal.open("a.key", bytes(to_pem(Bytes(27), "OPENSKS SEALED FILE"))).error().status == Status::option);
  CHECK(seal.open("a.key", bytes("-----BEGIN OPENSKS SEALED FILE-----\n!")).error().status == Status::option);
}

TEST_CASE("read_key_file: takes a key of OpenSSL as it is, and the same key after it was sealed in place") {
  const test::TempDir folder;
  const FileSeal seal = seal_with(1);
  const std::string file = folder.file("ca.key");
  REQUIRE(test::run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out " + file).find("exit") ==
          std::string::npos);
  REQUIRE(chmod(file.c_str(), 0600) == 0);
  const auto plain = read_key_file(file, seal);
  REQUIRE(plain);
  CHECK(is_plain_file(file).value());
  REQUIRE(seal_file(file, seal));
  CHECK(test::read_file(file).find("PRIVATE KEY") == std::string::npos);
  struct stat status {};
  REQUIRE(stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  const auto sealed = read_key_file(file, seal);
  REQUIRE(sealed);
  CHECK(sealed->public_key().spki() == plain->public_key().spki());
  CHECK_FALSE(is_plain_file(file).value());
  CHECK_FALSE(is_plain_file(folder.file("absent")).value());
  const std::string before = test::read_file(file);
  REQUIRE(seal_file(file, seal));
  CHECK(test::read_file(file) == before);
}

TEST_CASE("read_key_file: names the file that is open to others, sealed elsewhere, or no key") {
  const test::TempDir folder;
  const FileSeal seal = seal_with(1);
  write_private(folder.file("a"), seal_with(2).seal("a", as_bytes("x")));
  CHECK(read_key_file(folder.file("a"), seal).error().detail.starts_with(folder.file("a") + ": "));
  write_private(folder.file("b"), "no key");
  CHECK(read_key_file(folder.file("b"), seal).error().detail ==
        folder.file("b") + " must hold one private key in PEM form");
  REQUIRE(chmod(folder.file("b").c_str(), 0640) == 0);
  CHECK(read_key_file(folder.file("b"), seal).error().status == Status::not_allowed);
  CHECK(seal_file(folder.file("b"), seal).error().status == Status::not_allowed);
  CHECK(is_plain_file(folder.file("b")).error().status == Status::not_allowed);
}

}  // namespace
}  // namespace sks::issuer
