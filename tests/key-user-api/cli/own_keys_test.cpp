#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "key-user-api/cli/program.h"
#include "key-user-api/local_store.h"
#include "sks-core/base/encoding.h"
#include "tests/key-user-api/local_issuer/bare_openssl.h"
#include "tests/support/temp_dir.h"

/// The commands that bring or make keys: sks import and sks key create.
namespace sks::cli {
namespace {

using test::source_file;
using test::verifies_with_openssl;

constexpr const char* kEcdsa = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
constexpr const char* kRsa = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
constexpr const char* kEd25519 = "https://webpki.github.io/sks/algorithm#ed25519";
constexpr const char* kHmac = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256";

struct Outcome {
  int exit_code;
  std::string out;
  std::string err;
};

/// A file that is closed to others, as files of secrets have to be.
void write_secret(const std::string& name, const std::string& text) {
  test::write_file(name, text);
  std::filesystem::permissions(name, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

/// A key store of its own, and a file with the passphrase of all files of tests/vectors/key-files.
class Home {
 public:
  Home() {
    REQUIRE(run({"init"}).exit_code == 0);
    write_secret(passphrase(), "Correct-Horse-1\n");
  }

  std::string passphrase() const { return dir_.file("passphrase"); }
  std::string store() const { return dir_.file("store"); }
  std::string file(const std::string& name) const { return dir_.file(name); }

  Outcome run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"sks", "--store", store()});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    std::ostringstream out;
    std::ostringstream err;
    const int exit_code = run_program(take_secrets(static_cast<int>(argv.size()), argv.data()), out, err);
    return {exit_code, out.str(), err.str()};
  }

  /// The keys that it says it has brought.
  nlohmann::json import(const std::string& name, std::vector<std::string> options = {"--no-pin"}) const {
    options.insert(options.begin(), {"import", source_file("tests/vectors/key-files/" + name), "--json",
                                     "--import-passphrase-file", passphrase()});
    const Outcome outcome = run(options);
    CAPTURE(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return nlohmann::json::parse(outcome.out);
  }

  void check_refused(std::vector<std::string> arguments, const std::string& part) const {
    const std::string before = run({"list", "--json"}).out;
    const Outcome outcome = run(std::move(arguments));
    CAPTURE(outcome.err);
    CHECK(outcome.exit_code != 0);
    CHECK(outcome.out.empty());
    CHECK(std::ranges::count(outcome.err, '\n') == 1);
    CHECK(outcome.err.find(part) != std::string::npos);
    CHECK(run({"list", "--json"}).out == before);
    CHECK(run({"sessions", "--json"}).out.find("\"open\"") == std::string::npos);
  }

  bool signs(std::uint32_t handle, const char* algorithm, std::string_view pin = "") const {
    auto opened = LocalStore::open(store());
    REQUIRE(opened);
    const ByteView message = as_bytes("message");
    Authorization authorization;
    authorization.pin = SecureBytes::copy_of(as_bytes(pin));
    const auto attributes = opened->engine().get_key_attributes(KeyHandle{handle});
    const auto signature = opened->engine().sign_data(KeyHandle{handle}, algorithm, {}, authorization, message);
    return attributes && signature && verifies_with_openssl(attributes->certificate_path[0], message, *signature);
  }

 private:
  test::TempDir dir_;
};

/// A DER file of tests/vectors/key-files, without the signs that are for standard base64 only.
std::string base64url_of_openssl(const std::string& name) {
  std::FILE* const out =
      ::popen(("openssl base64 -A -in " + source_file("tests/vectors/key-files/" + name)).c_str(), "r");
  REQUIRE(out != nullptr);
  std::string text(8192, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), out));
  CHECK(::pclose(out) == 0);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  std::erase(text, '=');
  return text;
}

std::string vector_path(const std::string& name) { return source_file("tests/vectors/key-files/" + name); }

std::uint32_t handle_of(const nlohmann::json& key) { return key.at("handle").get<std::uint32_t>(); }

}  // namespace

TEST_CASE("sks import: keys of every format sign, and bare OpenSSL verifies it") {
  struct Case {
    const char* file;
    const char* algorithm;
    const char* subject;
  };
  const std::vector<Case> cases{
      {"modern.p12", kEcdsa, "CN=Owner of ec"},     {"ssh-aes256-ctr", kEcdsa, "CN=aes256-ctr"},
      {"ec-rc2.pem", kEcdsa, "CN=ec-rc2"},          {"rsa-traditional-aes.pem", kRsa, "CN=rsa-traditional-aes"},
      {"ed25519.pem", kEd25519, "CN=ed25519"},      {"ec-traditional.der", kEcdsa, "CN=ec-traditional"},
      {"ssh-ecdsa", kEcdsa, "CN=ec@example.com"},   {"ssh-rsa", kRsa, "CN=rsa@example.com"},
      {"rfc8037-a1.jwk", kEd25519, "CN=rfc8037-a1"}};
  for (const Case& c : cases) {
    CAPTURE(c.file);
    const Home home;  // some of them hold the same key
    const nlohmann::json keys = home.import(c.file);
    REQUIRE(keys.size() == 1);
    CHECK(keys[0].at("subject") == c.subject);
    CHECK(home.signs(handle_of(keys[0]), c.algorithm));
  }
}

TEST_CASE("sks import: a file of several keys brings them all, named as it names them") {
  const Home home;
  const nlohmann::json keys = home.import("two.p12");
  REQUIRE(keys.size() == 2);
  for (const nlohmann::json& key : keys)
    CHECK(home.signs(handle_of(key), key.at("friendlyName") == "first" ? kEcdsa : kRsa));
  const Outcome again = home.run({"import", vector_path("bundle.pem"), "--no-pin"});
  CHECK(again.exit_code != 0);  // one of its two keys is there
  CHECK(nlohmann::json::parse(home.run({"list", "--json"}).out).size() == 2);
}

TEST_CASE("sks import: the HMAC key of RFC 7517 A.3 makes the JWS of RFC 7515 A.1") {
  const Home home;
  const nlohmann::json keys = home.import("rfc7517-a3.jwk");
  REQUIRE(keys.size() == 2);
  auto store = LocalStore::open(home.store());
  REQUIRE(store);
  const auto mac = store->engine().perform_hmac(
      KeyHandle{handle_of(keys[1])}, kHmac, {}, {},
      as_bytes(
          "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGF"
          "tcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"));
  REQUIRE(mac);
  CHECK(to_base64url(*mac) == "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
}

TEST_CASE("sks import: a key that is in the store does not come again, whatever its certificate and format") {
  const Home home;
  const std::string key = std::to_string(handle_of(home.import("modern.p12").at(0)));
  for (const char* const file : {"modern.p12", "ec.pem", "ec-traditional.der"}) {
    CAPTURE(file);
    home.check_refused({"import", vector_path(file), "--no-pin", "--import-passphrase-file", home.passphrase()},
                       "the key of CN=Owner of ec is in this key store, as key " + key);
  }
}

TEST_CASE("sks import: certificates without keys go to the keys that they certify") {
  const Home home;
  const std::uint32_t key = handle_of(home.import("ec.pem").at(0));
  home.check_refused({"import", vector_path("rsa.crt")}, "no certificate of a key of this key store");
  home.check_refused({"import", vector_path("ec.crt"), "--label", "x"}, "certificates only");
  home.check_refused({"import", vector_path("ec.crt"), "--pin", "Sesame"}, "certificates only");
  const auto kept = [&] {
    auto store = LocalStore::open(home.store());
    REQUIRE(store);
    const auto value = store->engine().get_extension(KeyHandle{key}, "urn:sks:ext:pkcs11");
    REQUIRE(value);
    return to_string(value->data.view());
  };
  const std::string own = base64url_of_openssl("ec.cer");
  CHECK(kept().find(own) == std::string::npos);
  for (const char* const file : {"ec.crt", "ec.cer"}) {
    const nlohmann::json given = home.import(file, {});
    CHECK(given.size() == 1);
    CHECK(given[0].at("handle") == key);
    CHECK(given[0].at("subject") == "CN=Owner of ec");
    CHECK(given[0].at("certificates") == 1);
    CHECK(kept().find(own) != std::string::npos);
  }
  const nlohmann::json chain = home.import("chain.p7b", {});
  CHECK(chain.at(0).at("certificates") == 3);
  CHECK(kept().find(own + ".") != std::string::npos);
  CHECK(home.signs(key, kEcdsa));
}

TEST_CASE("sks import: a PIN guards the keys, --exportable lets them out by it, and --pin-of shares it") {
  const Home home;
  const nlohmann::json first = home.import("ec2.pem", {"--pin", "Sesame", "--exportable", "--label", "Mine"});
  const std::uint32_t key = handle_of(first.at(0));
  CHECK(first[0].at("friendlyName") == "Mine");
  CHECK(first[0].at("pinProtected") == true);
  CHECK(home.signs(key, kEcdsa, "Sesame"));
  CHECK_FALSE(home.signs(key, kEcdsa));
  {
    auto store = LocalStore::open(home.store());
    REQUIRE(store);
    CHECK(store->engine().get_key_protection_info(KeyHandle{key})->export_protection == 1);
  }
  const std::vector<std::string> shared{"--pin", "Sesame", "--pin-of", std::to_string(key)};
  const nlohmann::json second = home.import("ec.pem", shared);
  CHECK(home.signs(handle_of(second.at(0)), kEcdsa, "Sesame"));
  CHECK_FALSE(home.signs(handle_of(second[0]), kEcdsa));
  home.check_refused({"import", vector_path("rsa.pem"), "--pin", "wrong", "--pin-of", std::to_string(key)},
                     "tries are left");
  home.check_refused({"import", vector_path("rsa.pem"), "--pin", "Sesame", "--pin-of", "4711"}, "4711");
  home.check_refused(
      {"import", vector_path("rsa.pem"), "--exportable", "--pin", "Sesame", "--pin-of", std::to_string(key)},
      "--pin-of");
}

TEST_CASE("sks list --uri: the PIN manager of local keys is no object, and its handle names it all the same") {
  const Home home;
  const std::uint32_t key = handle_of(home.import("ec2.pem", {"--pin", "Sesame"}).at(0));
  const auto all = nlohmann::json::parse(home.run({"list", "--json"}).out);
  REQUIRE(all.size() == 2);
  const auto uris = nlohmann::json::parse(home.run({"list", "--uri", "--json"}).out);
  REQUIRE(uris.size() == 1);
  CHECK(uris[0].at("handle") == key);
  for (const nlohmann::json& entry : all) {
    const std::string handle = std::to_string(handle_of(entry));
    CHECK(home.run({"show", handle}).exit_code == 0);
  }
}

TEST_CASE("sks import: bad input is one sentence, and nothing is half imported") {
  const Home home;
  write_secret(home.file("wrong"), "wrong\n");
  test::write_file(home.file("cut.p12"), test::read_file(vector_path("modern.p12")).substr(0, 500));
  const std::string of_file = "--import-passphrase-file";
  home.check_refused({"import", home.file("absent"), "--no-pin"}, "absent");
  home.check_refused({"import", home.file("cut.p12"), "--no-pin"}, "not complete");
  home.check_refused({"import", vector_path("modern.p12"), "--no-pin", of_file, home.file("wrong")},
                     "the passphrase of the file is wrong");
  home.check_refused({"import", vector_path("dsa.pem"), "--no-pin"}, "dsaEncryption");
  home.check_refused({"import", vector_path("p224.pem"), "--no-pin"}, "no key store holds");
  home.check_refused({"import", vector_path("rsa512.pem"), "--no-pin"},
                     "RSA key of 512 bits, only of 1024, 2048, 3072, 4096");
  home.check_refused({"import", vector_path("ssh-chacha20-poly1305"), "--no-pin"}, "ssh-keygen");
  home.check_refused({"import", vector_path("ec.crt"), "--no-pin"}, "no certificate of a key of this key store");
  home.check_refused({"import", vector_path("mismatched.pem"), "--no-pin"}, "CN=Owner of rsa");
  home.check_refused({"import", vector_path("bundle.pem"), "--no-pin", "--label", "x"}, "--label");
  home.check_refused({"import", vector_path("ec.pem"), "--pin", "abc"}, "PIN");
  home.check_refused({"import", vector_path("ec.pem"), "--pin", "Sesame", "--pin", "Sesame2"}, "more than one PIN");
  home.check_refused({"import", vector_path("ec.pem"), "--no-pin", "--pin", "Sesame"}, "--no-pin");
  // A key that cannot come keeps the one beside it out.
  const std::string both = test::read_file(vector_path("ec.pem")) + test::read_file(vector_path("rsa512.pem"));
  test::write_file(home.file("both.pem"), both);
  home.check_refused({"import", home.file("both.pem"), "--no-pin"}, "RSA key of 512 bits");
}

TEST_CASE("sks key create: the key is made here, with the label and the kind that were asked for") {
  const Home home;
  const Outcome made = home.run({"key", "create", "--label", "Letters", "--no-pin", "--json"});
  REQUIRE(made.exit_code == 0);
  const nlohmann::json key = nlohmann::json::parse(made.out).at(0);
  CHECK(key.at("algorithm") == "ec.nist.p256");
  CHECK(key.at("subject") == "CN=Letters");
  CHECK(key.at("friendlyName") == "Letters");
  CHECK(home.signs(handle_of(key), kEcdsa));
  const Outcome rsa = home.run({"key", "create", "--algorithm", "rsa2048", "--pin", "Sesame"});
  CHECK(rsa.exit_code == 0);
  CHECK(rsa.out.find("rsa2048") != std::string::npos);
  home.check_refused({"key", "create", "--algorithm", "dsa", "--no-pin"}, "ec.nist.p256");
  home.check_refused({"key", "create", "--algorithm", "rsa1024", "--no-pin"}, ", rsa2048, ed25519, rsa3072, rsa4096, ");
  home.check_refused({"key", "create", "--label", std::string(101, 'x'), "--no-pin"}, "100 characters");
  home.check_refused({"key", "frobnicate"}, "frobnicate");
}

}  // namespace sks::cli
