#include "key-user-api/key_files/ssh_keys.h"

#include <doctest/doctest.h>

#include "key-user-api/ssh_agent/signatures.h"
#include "sks-core/crypto/hash.h"
#include "tests/support/test_issuer.h"
#include "tests/support/vectors.h"

/// Public keys and signatures of SSH: tests/vectors/ssh/ was made with ssh-keygen.
namespace sks::test {
namespace {

Bytes bytes_of(std::string_view text) { return to_bytes(as_bytes(text)); }

/// What an SSHSIG signature in the namespace "test" is of, and the signature itself.
struct SshSig {
  Bytes public_key;
  Bytes message;
  Bytes signature;
};
SshSig read_sshsig(ByteView armoured, std::string_view message) {
  constexpr std::string_view kMagic = "SSHSIG";
  REQUIRE(armoured.size() > kMagic.size());
  ByteReader in(armoured.subspan(kMagic.size()));
  CHECK(in.u32() == 1);
  SshSig read;
  read.public_key = to_bytes(in.blob());
  const ByteView name = in.blob();
  const ByteView reserved = in.blob();
  const ByteView hash = in.blob();
  read.signature = to_bytes(in.blob());
  REQUIRE(in.finish());
  REQUIRE(to_string(hash) == "sha512");
  ByteWriter out;
  out.raw(as_bytes(kMagic)).blob(name).blob(reserved).blob(hash);
  out.blob(crypto::digest(HashId::sha512, as_bytes(message)));
  read.message = out.take();
  return read;
}

TEST_CASE("ssh keys: are written as ssh-keygen writes them, and read") {
  for (const VectorBlock& vector : read_vectors("ssh/keys.vec")) {
    const std::string line = vector.text("Line");
    CAPTURE(line);
    const Bytes spki = vector.hex("Spki");
    const auto key = crypto::PublicKey::from_spki(spki);
    REQUIRE(key);
    const auto blob = ssh::encode_public_key(*key);
    REQUIRE(blob);
    CHECK(ssh::authorized_key(*blob, line.substr(line.rfind(' ', line.rfind(' ') - 1) + 1)) == line);
    CHECK(ssh::fingerprint(*blob) == vector.text("Fingerprint"));
    const auto read = ssh::parse_public_key(*blob);
    REQUIRE(read);
    CHECK(read->spki() == spki);

    const Bytes certificate = vector.hex("Certificate");
    CHECK_FALSE(ssh::parse_public_key(certificate));
    const auto certified = ssh::parse_host_key(certificate);
    REQUIRE(certified);
    CHECK(certified->spki() == spki);

    const SshSig signed_message = read_sshsig(vector.hex("Signature"), "to be signed\n");
    CHECK(signed_message.public_key == *blob);
    CHECK(ssh::verify_host_signature(*blob, signed_message.message, signed_message.signature));
    CHECK(ssh::verify_host_signature(certificate, signed_message.message, signed_message.signature));
    CHECK_FALSE(ssh::verify_host_signature(*blob, as_bytes("another message"), signed_message.signature));
    for (std::size_t i = 0; i < signed_message.signature.size(); i += 5) {
      Bytes changed = signed_message.signature;
      changed[i] ^= 1;
      CHECK_FALSE(ssh::verify_host_signature(*blob, signed_message.message, changed));
    }
    for (std::size_t size = 0; size < blob->size(); ++size)
      CHECK_FALSE(ssh::parse_public_key(ByteView(*blob).first(size)));
    Bytes longer = *blob;
    longer.push_back(0);
    CHECK_FALSE(ssh::parse_public_key(longer));
  }
}

TEST_CASE("ssh keys: have no form for other kinds of keys") {
  for (const char* const kind : {"ec.brainpool.p256r1", "ec.secg.p256k1", "ed448", "x25519"}) {
    const auto key = generate_key("https://webpki.github.io/sks/algorithm#" + std::string(kind));
    CHECK_FALSE(ssh::encode_public_key(key.public_key()));
  }
  const auto status = [](ByteView blob) { return ssh::parse_host_key(blob).error().status; };
  CHECK(status(ByteWriter().blob(as_bytes("ssh-dss")).blob(bytes_of("x")).view()) == Status::option);
  CHECK(status(ByteWriter().blob(as_bytes("sk-ssh-ed25519@openssh.com")).view()) == Status::option);
  CHECK(status(ByteWriter().blob(as_bytes("-cert-v01@openssh.com")).view()) == Status::option);
  CHECK(status({}) == Status::crypto);
}

TEST_CASE("ssh keys: integers have one form") {
  const auto read = [](const Bytes& encoded) {
    ByteReader in(encoded);
    const auto number = ssh::read_mpint(in);
    return number ? std::optional(to_bytes(*number)) : std::nullopt;
  };
  // RFC 4251 chapter 5.
  CHECK(read({0, 0, 0, 0}) == Bytes{});
  CHECK(read({0, 0, 0, 8, 0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7}) ==
        Bytes{0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7});
  CHECK(read({0, 0, 0, 2, 0, 0x80}) == Bytes{0x80});
  CHECK_FALSE(read({0, 0, 0, 2, 0xed, 0xcc}));
  CHECK_FALSE(read({0, 0, 0, 1, 0}));
  CHECK_FALSE(read({0, 0, 0, 2, 0, 0x7f}));
  const auto written = [](Bytes number) {
    ByteWriter out;
    ssh::write_mpint(out, number);
    return out.take();
  };
  CHECK(written({}) == Bytes{0, 0, 0, 0});
  CHECK(written({0, 0}) == Bytes{0, 0, 0, 0});
  CHECK(written({0, 0x80}) == Bytes{0, 0, 0, 2, 0, 0x80});
  CHECK(written({0, 0, 0x7f, 1}) == Bytes{0, 0, 0, 2, 0x7f, 1});
}

TEST_CASE("ssh signatures: a scheme is found by exactly its flags") {
  struct Row {
    const char* type;
    std::uint32_t flags;
    const char* name;  ///< null: none
  };
  for (const Row& row : {Row{"ssh-rsa", 2, "rsa-sha2-256"},
                         {"ssh-rsa", 4, "rsa-sha2-512"},
                         {"ssh-rsa", 0, nullptr},
                         {"ssh-rsa", 6, nullptr},
                         {"ssh-rsa", 1, nullptr},
                         {"ssh-rsa", 0x80000004, nullptr},
                         {"ssh-ed25519", 0, "ssh-ed25519"},
                         {"ssh-ed25519", 2, nullptr},
                         {"ecdsa-sha2-nistp521", 0, "ecdsa-sha2-nistp521"},
                         {"ecdsa-sha2-nistp521", 4, nullptr},
                         {"ssh-rsa-cert-v01@openssh.com", 4, nullptr},
                         {"", 0, nullptr}}) {
    CAPTURE(row.type);
    CAPTURE(row.flags);
    const ssh::Scheme* const scheme = ssh::find_scheme(row.type, row.flags);
    CHECK((scheme != nullptr) == (row.name != nullptr));
    if (scheme != nullptr && row.name != nullptr) CHECK(scheme->name == row.name);
  }
}

}  // namespace
}  // namespace sks::test
