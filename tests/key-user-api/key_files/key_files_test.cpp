#include "key-user-api/key_files/key_files.h"

#include <doctest/doctest.h>

#include <array>

#include "sks-core/base/byte_writer.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/private_key.h"
#include "sks-core/crypto/x509.h"
#include "tests/support/temp_dir.h"

/// Reading key files that other programs made: tests/vectors/key-files/README.md.
namespace sks::key_files {
namespace {

using test::read_file;
using test::source_file;

constexpr std::string_view kPassphrase = "Correct-Horse-1";

std::string vector_file(const std::string& name) { return read_file(source_file("tests/vectors/key-files/" + name)); }

/// Gives one passphrase, and counts how often it is asked for.
struct Asked {
  explicit Asked(std::string_view passphrase = kPassphrase) : answer(passphrase) {}
  AskPassphrase ask() {
    return [this]() -> Result<SecureBytes> {
      ++times;
      return SecureBytes::copy_of(as_bytes(answer));
    };
  }
  std::string answer;
  int times = 0;
};

Result<KeyFile> read(const std::string& content, std::string_view passphrase = kPassphrase) {
  Asked asked(passphrase);
  return read_key_file(as_bytes(content), asked.ask());
}

Result<KeyFile> read_vector(const std::string& name, std::string_view passphrase = kPassphrase) {
  return read(vector_file(name), passphrase);
}

std::optional<Status> refusal(const Result<KeyFile>& result) {
  if (result) return std::nullopt;
  CHECK_FALSE(result.error().detail.empty());
  CHECK(result.error().detail.find('\n') == std::string::npos);
  return result.error().status;
}

/// Whether it is the private half of this public key: both from the file and by itself.
bool belongs_to(const PrivateKey& key, const std::string& spki) {
  const auto decoded = crypto::PrivateKey::from_pkcs8(key.pkcs8.view());
  return decoded && to_string(decoded->public_key().spki()) == spki && to_string(key.public_key) == spki;
}

std::vector<std::string> subjects(const std::vector<Bytes>& path) {
  std::vector<std::string> names;
  for (const Bytes& der : path) names.push_back(crypto::Certificate::from_der(der)->subject());
  return names;
}

struct Sample {
  const char* file;
  const char* public_key;
  bool encrypted;
  const char* label;
};
constexpr auto kSamples = std::to_array<Sample>({
    {"ec.pem", "ec", false, ""},
    {"ec2.pem", "ec2", false, ""},
    {"rsa.pem", "rsa", false, ""},
    {"ed25519.pem", "ed25519", false, ""},
    {"ed448.pem", "ed448", false, ""},
    {"x25519.pem", "x25519", false, ""},
    {"ec.p8", "ec", false, ""},
    {"ec-pbkdf2.pem", "ec", true, ""},
    {"ec-pbkdf2.p8", "ec", true, ""},
    {"ec-scrypt.pem", "ec", true, ""},
    {"ec-3des.pem", "ec", true, ""},
    {"ec-rc2.pem", "ec", true, ""},
    {"rsa-traditional.pem", "rsa", false, ""},
    {"rsa-traditional.der", "rsa", false, ""},
    {"rsa-traditional-aes.pem", "rsa", true, ""},
    {"ec-traditional.pem", "ec", false, ""},
    {"ec-traditional.der", "ec", false, ""},
    {"ec-traditional-3des.pem", "ec", true, ""},
    {"modern.p12", "ec", true, "Jo's key"},
    {"legacy.p12", "ec", true, "Legacy"},
    {"empty-passphrase.p12", "rsa", false, ""},
    {"open.p12", "ec", false, ""},
    {"with-p7b.pem", "ec", false, ""},
    {"ssh-rsa", "ssh-rsa", false, "rsa@example.com"},
    {"ssh-ecdsa", "ssh-ecdsa", false, "ec@example.com"},
    {"ssh-aes128-cbc", "ssh-aes128-cbc", true, "aes128-cbc"},
    {"ssh-aes192-ctr", "ssh-aes192-ctr", true, "aes192-ctr"},
    {"ssh-aes256-ctr", "ssh-aes256-ctr", true, "aes256-ctr"},
    {"ssh-aes256-gcm", "ssh-aes256-gcm", true, "aes256-gcm"},
});

}  // namespace

TEST_CASE("key files: one key in every format, and the passphrase is asked for only when needed") {
  for (const Sample& sample : kSamples) {
    CAPTURE(sample.file);
    const std::string content = vector_file(sample.file);
    Asked asked;
    const auto file = read_key_file(as_bytes(content), asked.ask());
    if (!file) FAIL(file.error().detail);
    REQUIRE(file->private_keys.size() == 1);
    CHECK(file->symmetric_keys.empty());
    CHECK(belongs_to(file->private_keys[0], vector_file(std::string(sample.public_key) + ".spki")));
    CHECK(file->private_keys[0].label == sample.label);
    CHECK(asked.times == (sample.encrypted ? 1 : 0));
  }
}

TEST_CASE("key files: a wrong passphrase is one clear sentence, whatever is encrypted") {
  for (const Sample& sample : kSamples) {
    if (!sample.encrypted) continue;
    CAPTURE(sample.file);
    for (const std::string_view wrong : {"correct-horse-1", "x"}) {
      const auto file = read_vector(sample.file, wrong);
      CHECK(refusal(file) == Status::authorization);
      if (!file) CHECK(file.error().detail == "the passphrase of the file is wrong");
    }
  }
}

TEST_CASE("key files: when there is nobody to ask, that is the error") {
  const AskPassphrase nobody = [] { return Error{Status::user_abort, "nobody"}; };
  const std::string content = vector_file("modern.p12");
  const auto file = read_key_file(as_bytes(content), nobody);
  CHECK(refusal(file) == Status::user_abort);
}

TEST_CASE("key files: no truncated file is taken for a whole one") {
  for (const Sample& sample : kSamples) {
    CAPTURE(sample.file);
    const std::string content = vector_file(sample.file);
    for (const std::size_t part : {4U, 3U, 2U}) {
      const auto file = read(content.substr(0, content.size() - content.size() / part));
      // What is cut between two PEM blocks is a file with one key less.
      if (file) CHECK(std::string_view(sample.file) == "with-p7b.pem");
    }
    // The last line of PEM files may lose its end.
    const std::size_t end = content.find_last_not_of('\n');
    CHECK_FALSE(read(content.substr(0, end)));
  }
}

TEST_CASE("key files: a file with a changed byte is refused in a sentence, or what it holds decodes") {
  for (const char* const name : {"ec.p8", "modern.p12", "ssh-ecdsa", "rfc7517-a2.jwk", "ec-traditional.der"}) {
    CAPTURE(name);
    const std::string content = vector_file(name);
    for (std::size_t at = 0; at < content.size(); at += 1 + content.size() / 100) {
      std::string changed = content;
      changed[at] = static_cast<char>(changed[at] ^ 0x04);
      const auto file = read(changed);
      static_cast<void>(refusal(file));  // checks the sentence
      if (!file) continue;
      for (const PrivateKey& key : file->private_keys) CHECK(belongs_to(key, to_string(key.public_key)));
    }
  }
}

TEST_CASE("key files: PKCS#12 brings the path, end entity first") {
  for (const char* const name : {"modern.p12", "legacy.p12"}) {
    CAPTURE(name);
    const auto file = read_vector(name);
    REQUIRE(file);
    CHECK(subjects(file->private_keys.at(0).certificate_path) ==
          std::vector<std::string>{"CN=Owner of ec", "CN=Authority", "CN=Root"});
    CHECK(file->other_certificates.empty());
  }
}

TEST_CASE("key files: a PKCS#12 file of keytool has several keys with their certificates") {
  const auto file = read_vector("two.p12");
  REQUIRE(file);
  REQUIRE(file->private_keys.size() == 2);
  for (const PrivateKey& key : file->private_keys) {
    const std::string name = key.label == "first" ? "ec" : "rsa";
    CHECK((key.label == "first" || key.label == "second"));
    CHECK(belongs_to(key, vector_file(name + ".spki")));
    CHECK(subjects(key.certificate_path) == std::vector<std::string>{"CN=Owner of " + name});
  }
}

TEST_CASE("key files: a bundle in any order gives each key its path") {
  const auto file = read_vector("bundle.pem");
  REQUIRE(file);
  REQUIRE(file->private_keys.size() == 2);
  CHECK(belongs_to(file->private_keys[0], vector_file("ec2.spki")));
  CHECK(subjects(file->private_keys[0].certificate_path) ==
        std::vector<std::string>{"CN=Owner of ec2", "CN=Authority", "CN=Root"});
  CHECK(subjects(file->private_keys[1].certificate_path) ==
        std::vector<std::string>{"CN=Owner of ec", "CN=Authority", "CN=Root"});
  CHECK(file->other_certificates.empty());
}

TEST_CASE("key files: a PKCS#7 path belongs to the key beside it, and one alone to none") {
  const auto beside = read_vector("with-p7b.pem");
  REQUIRE(beside);
  CHECK(beside->private_keys.at(0).certificate_path.size() == 3);
  for (const char* const name : {"chain.p7b", "chain.p7c"}) {
    CAPTURE(name);
    const auto alone = read_vector(name);
    REQUIRE(alone);
    CHECK(alone->private_keys.empty());
    CHECK(alone->other_certificates.size() == 3);
  }
}

TEST_CASE("key files: the certificate of another key is not given to a key") {
  const auto file = read_vector("mismatched.pem");
  REQUIRE(file);
  CHECK(file->private_keys.at(0).certificate_path.empty());
  CHECK(subjects(file->other_certificates) == std::vector<std::string>{"CN=Owner of rsa"});
}

TEST_CASE("key files: certificates alone, in DER and PEM") {
  for (const char* const name : {"ec.cer", "ec.crt"}) {
    CAPTURE(name);
    const auto file = read_vector(name);
    REQUIRE(file);
    CHECK(subjects(file->other_certificates) == std::vector<std::string>{"CN=Owner of ec"});
  }
}

TEST_CASE("key files: OpenSSH's Ed25519 key is the one of its .pub file") {
  const auto file = read_vector("ssh-ed25519");
  REQUIRE(file);
  CHECK(file->private_keys.at(0).label == "ed@example.com");
  std::string line = vector_file("ssh-ed25519.pub");
  line = line.substr(line.find(' ') + 1);
  const auto blob = from_base64url([&] {
    std::string text = line.substr(0, line.find(' '));
    for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return text;
  }());
  REQUIRE(blob);
  // The raw key comes last in both.
  CHECK(equal(ByteView(*blob).last(32), ByteView(file->private_keys[0].public_key).last(32)));
}

TEST_CASE("key files: an encrypted Ed25519 key of OpenSSH, as ssh-keygen makes it without options") {
  const auto file = read_vector("ssh-locked");
  REQUIRE(file);
  CHECK(file->private_keys.at(0).label == "locked@example.com");
}

TEST_CASE("key files: an OpenSSH key under another cipher is refused with what helps") {
  const auto file = read_vector("ssh-chacha20-poly1305");
  CHECK(refusal(file) == Status::not_available);
  CHECK(file.error().detail.find("ssh-keygen -p -N") != std::string::npos);
}

TEST_CASE("key files: what an encrypted OpenSSH key says about itself is not believed") {
  struct Case {
    const char* name;
    const char* cipher;
    std::uint32_t rounds;
    std::size_t encrypted;
    std::size_t tag;
  };
  for (const Case& c :
       {Case{"no rounds", "aes256-ctr", 0, 64, 0}, Case{"endless rounds", "aes256-ctr", 0xffffffff, 64, 0},
        Case{"half a block", "aes256-ctr", 1, 72, 0}, Case{"nothing", "aes256-cbc", 1, 0, 0},
        Case{"a tag too many", "aes256-ctr", 1, 64, 16}, Case{"a tag too few", "aes256-gcm@openssh.com", 1, 64, 0},
        Case{"a short tag", "aes256-gcm@openssh.com", 1, 64, 15}}) {
    CAPTURE(c.name);
    const Bytes parameters = ByteWriter().blob(Bytes(16, 1)).u32(c.rounds).take();
    const Bytes key = ByteWriter()
                          .raw(as_bytes(std::string_view("openssh-key-v1\0", 15)))
                          .blob(as_bytes(c.cipher))
                          .blob(as_bytes("bcrypt"))
                          .blob(parameters)
                          .u32(1)
                          .blob(Bytes())
                          .blob(Bytes(c.encrypted, 7))
                          .raw(Bytes(c.tag, 9))
                          .take();
    const std::string pem = to_pem(key, "OPENSSH PRIVATE KEY");
    Asked asked;
    CHECK(refusal(read_key_file(as_bytes(pem), asked.ask())) == Status::option);
    CHECK(asked.times == 0);
  }
}

TEST_CASE("key files: the keys of RFC 7517 A.2 and RFC 8037 A.1") {
  const auto file = read_vector("rfc7517-a2.jwk");
  REQUIRE(file);
  REQUIRE(file->private_keys.size() == 2);
  CHECK(file->private_keys[0].label == "1");
  CHECK(file->private_keys[1].label == "2011-04-29");
  const auto ec = crypto::PublicKey::from_spki(file->private_keys[0].public_key);
  CHECK(to_base64url(ec->ec_x()) == "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4");
  const auto rsa = crypto::PublicKey::from_spki(file->private_keys[1].public_key);
  CHECK(rsa->rsa_modulus_bytes() == 256);

  const auto okp = read_vector("rfc8037-a1.jwk");
  REQUIRE(okp);
  const auto key = crypto::PrivateKey::from_pkcs8(okp->private_keys.at(0).pkcs8.view());
  REQUIRE(key);
  // RFC 8037 A.4.
  const auto signature = key->sign_eddsa(as_bytes("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"));
  CHECK(to_base64url(*signature) ==
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
}

TEST_CASE("key files: the symmetric keys of RFC 7517 A.3") {
  const auto file = read_vector("rfc7517-a3.jwk");
  REQUIRE(file);
  REQUIRE(file->symmetric_keys.size() == 2);
  CHECK(to_hex(file->symmetric_keys[0].value.view()) == "19ac2082e1721ab58a6afec05f854a52");
  CHECK(file->symmetric_keys[1].value.size() == 64);
  CHECK(file->symmetric_keys[1].label == "HMAC key used in JWS spec Appendix A.1 example");
}

TEST_CASE("key files: JWK that is not right is refused") {
  const std::string good = R"({"kty":"oct","k":"AQID"})";
  REQUIRE(read(good));
  const auto bad = std::to_array<std::string>({
      R"({"kty":"oct","k":"AQID"} x)",
      R"({"kty":"oct","k":"AQID","k":"AQID"})",
      R"({"kty":"oct","k":"AQI="})",
      R"({"kty":"oct","k":""})",
      R"({"kty":"oct","k":5})",
      R"({"kty":"oct","k":"AQID",})",
      R"({"kty":"oct","k":"AQID" "kid":"x"})",
      R"({"kty":"OCT","k":"AQID"})",
      R"({"k":"AQID"})",
      R"({"keys":{}})",
      R"({"keys":[{"kty":"oct","k":"AQID"},7]})",
      R"({"kty":"oct","k":"AQID","kid":"\x"})",
      R"({"kty":"oct","k":"AQID","n":01})",
      R"({"kty":"oct","k":"AQID","a":[[[[[[[[[[1]]]]]]]]]]})",
      "{\"kty\":\"oct\",\"k\":\"AQID\",\"kid\":\"\xff\"}",
      // Of the first key of RFC 7517 A.2: another y, a short d, an unknown curve.
      R"({"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"})",
      R"({"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"AQ"})",
      R"({"kty":"EC","crv":"P-257","x":"AQ","y":"AQ","d":"AQ"})",
      R"({"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"AAAAAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
      R"({"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"})",
  });
  for (const std::string& text : bad) {
    CAPTURE(text);
    CHECK(refusal(read(text)));
  }
  // A public key is nothing that could be brought, and no mistake.
  const auto publics = read(R"({"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"})");
  REQUIRE(publics);
  CHECK(publics->private_keys.empty());
}

TEST_CASE("key files: a JWK with x5c has its certificate") {
  const std::string ec = vector_file("ec.crt");
  const auto certificate = from_pem(ec, "CERTIFICATE").value().at(0);
  std::string base64 = to_pem(certificate, "X");
  base64 = base64.substr(base64.find('\n') + 1);
  base64 = base64.substr(0, base64.find('-'));
  std::erase(base64, '\n');
  const auto file = read(R"({"kty":"oct","k":"AQID","x5c":[")" + base64 + "\"]}");
  REQUIRE(file);
  CHECK(file->other_certificates == std::vector<Bytes>{certificate});
}

TEST_CASE("key files: keys that no key store holds are refused by their kind") {
  for (const char* const name : {"dsa.pem", "dsa-traditional.pem", "p224.pem"}) {
    CAPTURE(name);
    CHECK(refusal(read_vector(name)) == Status::not_available);
  }
}

TEST_CASE("key files: what is no key file is refused") {
  for (const std::string& content : {std::string(), std::string("hello"), std::string(5000, '\x30'),
                                     std::string("-----BEGIN FOO-----\nAQID\n-----END FOO-----\n"),
                                     std::string("-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n")})
    CHECK(refusal(read(content)) == Status::option);
  CHECK(refusal(read(std::string(kMaxFile + 1, ' '))) == Status::option);
  const std::string der = vector_file("ec.p8");
  CHECK(refusal(read(der + '\0')) == Status::option);
}

TEST_CASE("key files: no more than a hundred keys and certificates") {
  const std::string one = vector_file("ec.crt");
  std::string many;
  for (std::size_t i = 0; i < kMaxObjects; ++i) many += one;
  CHECK(read(many));
  CHECK(refusal(read(many + one)) == Status::option);
}

TEST_CASE("key files: a file cannot keep this program busy with its passphrase") {
  std::string der = vector_file("ec-pbkdf2.p8");
  // PBKDF2 with 2048 rounds, as openssl writes it: INTEGER 0x0800.
  const std::string rounds("\x02\x02\x08\x00", 4);
  const std::size_t at = der.find(rounds);
  REQUIRE(at != std::string::npos);
  // The salt of 8 bytes in front of it gives three of them away, so that all other lengths stay.
  std::string greedy = der;
  greedy.replace(at - 10, 14, std::string("\x04\x05salts\x02\x05\x00\xff\xff\xff\xff", 14));
  const auto file = read(greedy);
  CHECK(refusal(file) == Status::option);
  CHECK(file.error().detail == "the file asks for more work on its passphrase than this program does");
}

}  // namespace sks::key_files
