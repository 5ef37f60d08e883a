#include "sealed-storage/passphrase_file.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/sealed-storage/secrets.h"

namespace sks::test {
namespace {

constexpr sealed::PassphraseFileKind kKind{{'S', 'K', 'S', 'T', 'E', 'S', 'T', 0}, 2, "a test file", "the test file"};
constexpr crypto::ScryptCosts kCheap{10, 8, 1};
const std::string kPath = "file";

Bytes make(ByteView content, const sealed::PassphraseFileKind& kind = kKind) {
  FixedSecrets secrets("", "secret");
  auto made = sealed::seal_passphrase_file(kind, content, kPath, secrets, system_random(), kCheap);
  REQUIRE(made);
  CHECK(secrets.asked == 1);
  return to_bytes(made->view());
}

Bytes with_checksum(Bytes file) {
  const auto sum = sealed::checksum(ByteView(file).first(file.size() - sealed::kChecksumSize));
  std::ranges::copy(sum, file.end() - sealed::kChecksumSize);
  return file;
}

/// The refusal, and how often the passphrase was asked for.
void check_refused(ByteView file, Status status, const std::string& detail, int asked,
                   const std::string& passphrase = "secret") {
  FixedSecrets secrets(passphrase);
  const auto opened = sealed::open_passphrase_file(kKind, file, kPath, secrets);
  REQUIRE_FALSE(opened);
  CHECK(to_string(opened.error().status) == to_string(status));
  CHECK(opened.error().detail == detail);
  CHECK(secrets.asked == asked);
}

}  // namespace

TEST_CASE("passphrase file: gives back contents of every size, and no two files are alike") {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{3} << 20}) {
    const Bytes content(size, 0x5a);
    const Bytes file = make(content);
    CHECK(file.size() == size + sealed::kPassphraseFileOverhead);
    CHECK(file != make(content));
    FixedSecrets secrets("secret");
    const auto opened = sealed::open_passphrase_file(kKind, file, kPath, secrets);
    REQUIRE(opened);
    CHECK(equal(opened->view(), content));
    CHECK(secrets.asked_for == kPath);
  }
}

TEST_CASE("passphrase file: of another kind or a newer version is refused before anything is asked") {
  Bytes file = make(Bytes(10, 1));
  file[8] = 3;
  check_refused(file, Status::option, "file is a test file of version 3: a newer program is needed to read it", 0);
  file[8] = 0;
  check_refused(with_checksum(file), Status::crypto, "file is damaged", 0);
  file[0] ^= 1;
  check_refused(with_checksum(file), Status::option, "file is not a test file", 0);
  check_refused({}, Status::option, "file is not a test file", 0);
}

TEST_CASE("passphrase file: every truncation and every changed bit is damage, and nothing is asked") {
  const Bytes file = make(Bytes(10, 1));
  for (std::size_t size = 9; size < file.size(); ++size)
    check_refused(ByteView(file).first(size), Status::crypto, "file is damaged", 0);
  for (std::size_t bit = 9 * 8; bit < file.size() * 8; ++bit) {
    Bytes changed = file;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    check_refused(changed, Status::crypto, "file is damaged", 0);
  }
}

TEST_CASE("passphrase file: a changed version, salt, nonce, content or tag is refused with a checksum that fits") {
  const Bytes file = make(Bytes(10, 1));
  for (std::size_t byte = 12; byte < file.size() - sealed::kChecksumSize; ++byte) {
    Bytes changed = file;
    changed[byte] ^= 0x10;
    check_refused(with_checksum(changed), Status::authorization, "the passphrase of the test file is wrong", 1);
  }
  Bytes older = file;
  older[8] = 1;
  check_refused(with_checksum(older), Status::authorization, "the passphrase of the test file is wrong", 1);
  check_refused(file, Status::authorization, "the passphrase of the test file is wrong", 1, "Secret");
}

TEST_CASE("passphrase file: costs out of bounds are refused before anything is asked or computed") {
  const Bytes file = make(Bytes(10, 1));
  struct Case {
    std::uint8_t log2_n, r, p;
  };
  for (const Case& c : {Case{9, 8, 1},
                        {21, 8, 1},
                        {31, 8, 1},
                        {10, 7, 1},
                        {10, 33, 1},
                        {10, 8, 0},
                        {10, 8, 17},
                        {19, 8, 1},
                        {17, 8, 9},
                        {0, 0, 0},
                        {255, 255, 255}}) {
    Bytes changed = file;
    changed[9] = c.log2_n;
    changed[10] = c.r;
    changed[11] = c.p;
    check_refused(with_checksum(changed), Status::crypto,
                  "file demands a key derivation out of all bounds: it is damaged, or was made to harm", 0);
  }
}

}  // namespace sks::test
