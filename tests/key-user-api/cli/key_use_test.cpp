#include <doctest/doctest.h>

#include "key-user-api/local_issuer/local_keys.h"
#include "key-user-api/local_store.h"
#include "sks-core/base/encoding.h"
#include "tests/key-user-api/cli/program_home.h"
#include "tests/key-user-api/protection/program_run.h"

/// The commands that use one key, each checked with the command line of OpenSSL.
namespace sks::cli {
namespace {

using test::ProgramHome;
using test::source_file;

/// More than a key store takes in one call.
const std::string& long_text() {
  static const std::string text = [] {
    std::string out;
    for (int i = 0; out.size() < 3'000'000; ++i) out += "line " + std::to_string(i) + "\n";
    return out;
  }();
  return text;
}

std::string key_file(const std::string& name) { return source_file("tests/vectors/key-files/" + name); }

std::string import(const ProgramHome& home, const std::string& name, std::vector<std::string> options = {"--no-pin"}) {
  options.insert(options.begin(), {"import", key_file(name)});
  return std::to_string(home.json_of(std::move(options)).at(0).at("handle").get<std::uint32_t>());
}

/// "0aff" as "%0A%FF"
std::string percent_encoded(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) out += "%" + hex.substr(i, 2);
  return out;
}

/// A key store with one key under PIN "1234" and PUK "87654321", three tries each.
std::string key_with_puk(const ProgramHome& home) {
  auto store = LocalStore::open(home.store());
  REQUIRE(store);
  NewPin pin;
  pin.value = SecureBytes::copy_of(as_bytes("1234"));
  pin.format = pin::Format::numeric;
  pin.max_length = 8;
  pin.puk.emplace();
  pin.puk->value = SecureBytes::copy_of(as_bytes("87654321"));
  pin.puk->format = pin::Format::numeric;
  const auto key = create_key(store->engine(), {"https://webpki.github.io/sks/algorithm#ec.nist.p256"}, {"Mine"},
                              LocalPin(std::move(pin)));
  REQUIRE(key);
  return std::to_string(key->handle.value);
}

}  // namespace

TEST_CASE("sks sign: OpenSSL verifies what keys of every kind sign by default, however long the file is") {
  const ProgramHome home;
  home.with_content("long", long_text());
  struct Case {
    const char* algorithm;
    const char* chosen;
    const char* verify;
  };
  const std::vector<Case> cases{
      {"ec.nist.p256", "ecdsa-sha256", "openssl dgst -sha256 -verify key.pem -signature signature long"},
      {"ec.nist.p384", "ecdsa-sha384", "openssl dgst -sha384 -verify key.pem -signature signature long"},
      {"ec.nist.p521", "ecdsa-sha512", "openssl dgst -sha512 -verify key.pem -signature signature long"},
      {"ec.secg.p256k1", "ecdsa-sha256", "openssl dgst -sha256 -verify key.pem -signature signature long"},
      {"rsa2048", "rsa-sha256", "openssl dgst -sha256 -verify key.pem -signature signature long"}};
  for (const Case& c : cases) {
    CAPTURE(c.algorithm);
    const std::string key = home.create({"--no-pin", "--algorithm", c.algorithm});
    home.output_of({"export", key, "--public", "--out", home.file("key.pem")});
    const auto told = home.json_of({"sign", key, "--in", home.file("long"), "--out", home.file("signature")});
    CHECK(told.at("algorithm") == c.chosen);
    CHECK(told.at("handle") == std::stoi(key));
    const bool verified = home.shell(c.verify);
    CAPTURE(home.said());
    CHECK(verified);
    CHECK(home.run({"verify", key, "--in", home.file("long"), "--signature", home.file("signature")}).exit_code == 0);
    REQUIRE(home.shell("rm key.pem signature"));
  }
}

TEST_CASE("sks sign: other mechanisms by the names of this program, of PKCS#11, and by URI") {
  const ProgramHome home;
  home.with_content("text", "message");
  const std::string rsa = home.create({"--no-pin", "--algorithm", "rsa2048"});
  home.output_of({"export", rsa, "--public", "--out", home.file("rsa.pem")});
  const std::string pss = " -sigopt rsa_padding_mode:pss -verify rsa.pem -signature signature text";
  for (const char* const name : {"rsa-pss-sha384", "SHA384-RSA-PKCS-PSS", "CKM_SHA384_RSA_PKCS_PSS",
                                 "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1"}) {
    CAPTURE(name);
    home.output_of({"sign", rsa, "--mechanism", name, "--in", home.file("text"), "--out", home.file("signature")});
    CHECK(home.shell("openssl dgst -sha384" + pss));
    CHECK_FALSE(home.shell("openssl dgst -sha256" + pss));
    home.output_of(
        {"verify", rsa, "--algorithm", name, "--in", home.file("text"), "--signature", home.file("signature")});
    REQUIRE(home.shell("rm signature"));
  }
  home.check_refused({"sign", rsa, "--algorithm", "ecdsa-sha256", "--in", home.file("text")}, "of another kind");
  home.check_refused({"sign", rsa, "--algorithm", "rsa-oaep-sha256", "--in", home.file("text")}, "rsa-pss-sha256");
  const std::string montgomery = home.create({"--no-pin", "--algorithm", "x25519"});
  home.check_refused({"sign", montgomery, "--in", home.file("text")}, "cannot sign");
}

TEST_CASE("sks sign: Ed25519 signs the file itself, as far as the key store takes it") {
  const ProgramHome home;
  home.with_content("text", "message");
  home.with_content("long", long_text());
  const std::string key = home.create({"--no-pin", "--algorithm", "ed25519"});
  home.output_of({"export", key, "--public", "--out", home.file("key.pem")});
  home.output_of({"sign", key, "--in", home.file("text"), "--out", home.file("signature")});
  CHECK(home.shell("openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in text -sigfile signature"));
  home.output_of({"verify", key, "--in", home.file("text"), "--signature", home.file("signature")});
  home.check_refused({"sign", key, "--in", home.file("long"), "--out", home.file("none")}, "is longer than");
}

TEST_CASE("sks sign: a raw signature is r and s, and HMAC keys make MACs") {
  const ProgramHome home;
  home.with_content("text", "message");
  const std::string key = home.create({"--no-pin", "--algorithm", "ec.nist.p521"});
  const std::string raw = home.output_of({"sign", key, "--raw", "--in", home.file("text")});
  CHECK(raw.size() == 132);
  home.with_content("raw", raw);
  home.output_of({"verify", key, "--raw", "--in", home.file("text"), "--signature", home.file("raw")});
  home.with_content("short", raw.substr(1));
  CHECK(home.run({"verify", key, "--raw", "--in", home.file("text"), "--signature", home.file("short")}).exit_code ==
        1);

  home.with_content("hmac.jwk", R"({"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODxAREhM"})");
  const std::string mac_key =
      std::to_string(home.json_of({"import", home.file("hmac.jwk"), "--no-pin"}).at(0).at("handle").get<unsigned>());
  home.output_of({"sign", mac_key, "--in", home.file("text"), "--out", home.file("mac")});
  REQUIRE(
      home.shell("openssl dgst -sha256 -mac HMAC -macopt hexkey:000102030405060708090a0b0c0d0e0f10111213 -binary "
                 "text >expected && cmp mac expected"));
  home.output_of({"verify", mac_key, "--in", home.file("text"), "--signature", home.file("mac")});
  home.with_content("text", "another");
  CHECK(home.run({"verify", mac_key, "--in", home.file("text"), "--signature", home.file("mac")}).exit_code == 1);
}

TEST_CASE("sks verify: needs no PIN, and a wrong signature is no success") {
  const ProgramHome home;
  home.with_content("text", "message");
  home.with_content("other", "messagf");
  const std::string key = import(home, "ec.pem", {"--pin", "Sesame"});
  REQUIRE(home.shell("openssl dgst -sha256 -sign '" + key_file("ec.pem") + "' -out signature text"));
  const std::vector<std::string> right{"verify", key, "--in", home.file("text"), "--signature", home.file("signature")};
  const std::vector<std::string> wrong{"verify",           key,           "--in",
                                       home.file("other"), "--signature", home.file("signature")};
  CHECK(home.output_of(right) == "This is a ecdsa-sha256 signature of key " + key + ".\n");
  CHECK(home.json_of(right).at("valid") == true);
  home.check_refused(wrong, "this is not a ecdsa-sha256 signature of key " + key);
  std::vector<std::string> wrong_json = wrong;
  wrong_json.emplace_back("--json");
  const auto outcome = home.run(wrong_json);
  CHECK(outcome.exit_code == 1);
  CHECK(nlohmann::json::parse(outcome.out).at("valid") == false);
  home.with_content("garbage", "no signature");
  home.check_refused({"verify", key, "--in", home.file("text"), "--signature", home.file("garbage")}, "is not a");
  home.check_refused({"verify", key, "--in", home.file("text"), "--signature", home.file("absent")}, "absent");
}

TEST_CASE("sks decrypt: opens what OpenSSL has encrypted, and OpenSSL what sks encrypt has") {
  const ProgramHome home;
  home.with_content("text", "a secret");
  const std::string key = import(home, "rsa.pem", {"--pin", "Sesame"});
  home.output_of({"export", key, "--public", "--out", home.file("key.pem")});
  struct Case {
    const char* name;
    const char* openssl;
  };
  const std::vector<Case> cases{
      {"rsa-oaep-sha256", " -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256"},
      {"rsa-oaep-sha1", " -pkeyopt rsa_padding_mode:oaep"},
      {"rsa-pkcs1", " -pkeyopt rsa_padding_mode:pkcs1"}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    REQUIRE(
        home.shell(std::string("openssl pkeyutl -encrypt -pubin -inkey key.pem -in text -out encrypted") + c.openssl));
    CHECK(home.output_of({"decrypt", key, "--algorithm", c.name, "--pin", "Sesame", "--in", home.file("encrypted")}) ==
          "a secret");
    home.output_of({"encrypt", key, "--algorithm", c.name, "--in", home.file("text"), "--out", home.file("mine")});
    CHECK(home.shell("openssl pkeyutl -decrypt -inkey '" + key_file("rsa.pem") + "' -in mine -out opened" + c.openssl +
                     " && cmp text opened"));
    REQUIRE(home.shell("rm mine opened encrypted"));
  }
  home.with_content("long", std::string(191, 'x'));  // 256 - 2 * 32 - 2 fit
  home.check_refused({"encrypt", key, "--in", home.file("long")}, "longer than the 190 bytes");
  home.with_content("garbage", std::string(256, 'x'));
  home.check_refused({"decrypt", key, "--pin", "Sesame", "--in", home.file("garbage")}, "");
  const std::string ec = home.create({"--no-pin"});
  home.check_refused({"encrypt", ec, "--in", home.file("text")}, "cannot encrypt and decrypt");
}

TEST_CASE("sks encrypt: a symmetric key encrypts what it alone decrypts") {
  const ProgramHome home;
  home.with_content("text", "a secret");
  home.with_content("aes.jwk", R"({"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODw"})");
  const std::string key =
      std::to_string(home.json_of({"import", home.file("aes.jwk"), "--no-pin"}).at(0).at("handle").get<unsigned>());
  const auto told = home.json_of({"encrypt", key, "--in", home.file("text")});
  CHECK(told.at("algorithm") == "aes-gcm");
  const Bytes encrypted = from_base64url(told.at("data").get<std::string>()).value();
  CHECK(encrypted.size() == 12 + 8 + 16);
  home.with_content("encrypted", to_string(encrypted));
  CHECK(home.output_of({"decrypt", key, "--in", home.file("encrypted")}) == "a secret");
  std::string altered = to_string(encrypted);
  altered.back() = static_cast<char>(altered.back() ^ 1);
  home.with_content("altered", altered);
  home.check_refused({"decrypt", key, "--in", home.file("altered")}, "");
  home.with_content("short", altered.substr(0, 27));
  home.check_refused({"decrypt", key, "--in", home.file("short")}, "too short");

  // The IV stands in front.
  home.output_of({"encrypt", key, "--algorithm", "aes128-cbc", "--in", home.file("text"), "--out", home.file("cbc")});
  CHECK(
      home.shell("tail -c +17 cbc >body && openssl enc -d -aes-128-cbc -K 000102030405060708090a0b0c0d0e0f -iv "
                 "$(head -c 16 cbc | od -An -tx1 | tr -d ' \\n') -in body -out opened && cmp text opened"));
  home.check_refused({"encrypt", key, "--algorithm", "aes256-cbc", "--in", home.file("text")}, "of another kind");
}

TEST_CASE("sks sign: a wrong PIN costs a try and says what is left; a suspended key takes none") {
  const ProgramHome home;
  home.with_content("text", "message");
  const std::string key = key_with_puk(home);
  const auto sign_with = [&](const char* pin) {
    return std::vector<std::string>{"sign", key, "--in", home.file("text"), "--pin", pin};
  };
  const auto errors = [&] { return home.json_of({"show", key}).at("protection").at("pin").at("errorCount"); };
  home.check_refused(sign_with("9999"), "the PIN is wrong; 2 tries are left");
  CHECK(errors() == 1);
  CHECK(home.run(sign_with("1234")).exit_code == 0);
  CHECK(errors() == 0);
  home.check_refused(sign_with(""), "--pin is empty", 2);
  // What cannot be the PIN is none that is wrong.
  const std::string too_long(129, '1');
  for (const char* const pin : {"1", too_long.c_str()}) {
    home.check_refused(sign_with(pin), "costs no try");
    home.check_refused({"pin", "check", key, "--pin", pin}, "costs no try");
    home.check_refused({"pin", "change", key, "--pin", pin, "--new-pin", "5678"}, "costs no try");
    home.check_refused({"suspend", key, "--pin", pin}, "costs no try");
  }
  home.check_refused({"pin", "unblock", key, "--puk", too_long}, "costs no try");
  CHECK(errors() == 0);
  CHECK(home.json_of({"show", key}).at("protection").at("puk").at("errorCount") == 0);

  CHECK(home.json_of({"suspend", key, "--pin", "1234"}).at("suspendedBy") == nlohmann::json::array({"user"}));
  home.check_refused(sign_with("9999"), "suspended");
  CHECK(errors() == 0);
  home.check_refused({"resume-key", key, "--pin", "9999"}, "the PIN is wrong; 2 tries are left");
  CHECK(home.output_of({"resume-key", key, "--pin", "1234"}) == "Key " + key + " can be used.\n");
  CHECK(home.run(sign_with("1234")).exit_code == 0);

  for (const char* const rest : {"2 tries are left", "1 try is left", "blocked"})
    home.check_refused(sign_with("9999"), rest);
  home.check_refused(sign_with("1234"), "sks pin unblock");
}

TEST_CASE("sks import: a file whose passphrase nobody tells is named once") {
  const ProgramHome home;
  const std::string file = source_file("tests/vectors/key-files/modern.p12");
  home.check_refused({"import", file, "--no-pin"}, "sks: " + file + " needs a passphrase: there is no ");
}

TEST_CASE("sks pin: change takes the PIN so far, unblock the PUK, and neither takes a PIN that will not do") {
  const ProgramHome home;
  const std::string key = key_with_puk(home);
  home.check_refused({"pin", "change", key, "--pin", "1234", "--new-pin", "12"}, "too short");
  home.check_refused({"pin", "change", key, "--pin", "1234", "--new-pin", "123x"}, "it will not do");
  home.check_refused({"pin", "change", key, "--pin", "9999", "--new-pin", "5678"}, "2 tries are left");
  CHECK(home.output_of({"pin", "change", key, "--pin", "1234", "--new-pin", "5678"}) ==
        "The PIN of key " + key + " is changed.\n");
  CHECK(home.json_of({"pin", "check", key, "--pin", "5678"}).at("pin") == "right");
  home.output_of({"pin", "change", key, "--pin-file", home.secret("pins", "5678\n4321\n")});
  home.output_of({"pin", "check", key, "--pin", "4321"});

  for (int i = 0; i < 3; ++i) CHECK(home.run({"pin", "check", key, "--pin", "0000"}).exit_code == 1);
  home.check_refused({"pin", "change", key, "--pin", "4321", "--new-pin", "1111"}, "blocked");
  home.check_refused({"pin", "unblock", key, "--puk", "11111111"}, "the PUK is wrong; 2 tries are left");
  const auto unblocked = home.json_of({"pin", "unblock", key, "--puk", "87654321"});
  CHECK(unblocked.at("errorCount") == 0);
  CHECK(unblocked.at("blocked") == false);
  home.output_of({"pin", "check", key, "--pin", "4321"});
  home.output_of({"pin", "unblock", key, "--puk", "87654321", "--new-pin", "2468"});
  home.output_of({"pin", "check", key, "--pin", "2468"});

  const std::string without_puk = home.create({"--pin", "Sesame"});
  home.check_refused({"pin", "unblock", without_puk, "--puk", "1"}, "has no PUK");
  const std::string without_pin = home.create({"--no-pin"});
  home.check_refused({"pin", "change", without_pin, "--pin", "1", "--new-pin", "2"}, "has no PIN");
}

TEST_CASE("sks export: certificates and public keys for everybody, the private key as far as it may leave") {
  const ProgramHome home;
  const std::string fixed = home.create({"--no-pin", "--label", "Fixed"});
  home.with_content("path.pem", home.output_of({"export", fixed}));
  CHECK(home.shell("openssl x509 -in path.pem -noout -subject"));
  CHECK(home.said().find("Fixed") != std::string::npos);
  const std::string passphrase = home.secret("passphrase", "Correct-Horse-2\n");
  home.check_refused({"export", fixed, "--private", "--export-passphrase-file", passphrase}, "non-exportable");
  home.check_refused({"export", fixed, "--private", "--public"}, "", 2);

  const std::string free = import(home, "rsa.pem", {"--pin", "Sesame", "--exportable", "--label", "Free"});
  const std::vector<std::string> options{"--export-passphrase-file", passphrase, "--pin", "Sesame"};
  const auto export_as = [&](const char* kind, const char* name) {
    std::vector<std::string> arguments{"export", free, kind, "--out", home.file(name)};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return home.json_of(arguments);
  };
  CHECK(export_as("--private", "key.pem").at("kind") == "privateKey");
  CHECK(home.shell(
      "openssl pkey -in key.pem -passin pass:Correct-Horse-2 -outform DER -out out.der && openssl pkey -in '" +
      key_file("rsa.pem") + "' -outform DER -out in.der && cmp in.der out.der"));
  CHECK_FALSE(home.shell("openssl pkey -in key.pem -passin pass:wrong -noout"));
  export_as("--pkcs12", "key.p12");
  CHECK(home.shell(
      "openssl pkcs12 -in key.p12 -passin pass:Correct-Horse-2 -nodes -out all.pem && "
      "openssl pkey -in all.pem -outform DER -out out.der && cmp in.der out.der && grep -q 'CN = Free' all.pem"));
  CHECK_FALSE(home.shell("openssl pkcs12 -in key.p12 -passin pass:wrong -noout"));
  home.check_refused({"export", free, "--private", "--pin", "Sesame", "--export-passphrase-file", passphrase, "--out",
                      home.file("key.pem")},
                     "key.pem");
  home.check_refused({"export", free, "--private", "--pin", "wrong", "--export-passphrase-file", passphrase},
                     "tries are left");
  CHECK(home.json_of({"show", free}).at("protection").at("exported") == true);

  // What leaves comes back.
  const ProgramHome other;
  CHECK(other.json_of({"import", home.file("key.p12"), "--no-pin", "--import-passphrase-file", passphrase})
            .at(0)
            .at("friendlyName") == "Free");
}

TEST_CASE("sks sign: works in a pipe, and writes no signature on a terminal") {
  const ProgramHome home;
  home.with_content("text", "message");
  const std::string key = home.create({"--no-pin"});
  home.output_of({"export", key, "--public", "--out", home.file("key.pem")});
  const std::string sks = std::string("'") + SKS_PROGRAM + "' --store store ";
  CHECK(home.shell(
      sks + "sign " + key + " <text >signature && " + sks + "verify " + key +
      " --signature signature --in - <text && openssl dgst -sha256 -verify key.pem -signature signature text"));
  const auto shown =
      test::run_at_terminal(SKS_PROGRAM, {"--store", home.store(), "sign", key, "--in", home.file("text")}, {});
  CHECK(shown.exit_code == 1);
  CHECK(shown.out.find("--out FILE") != std::string::npos);
}

TEST_CASE("sks pin: asks at the terminal, twice for what is new") {
  const ProgramHome home;
  const std::string key = key_with_puk(home);
  const std::vector<std::string> change{"--store", home.store(), "pin", "change", key};
  const std::vector<test::Answer> differing{{"PIN: ", "1234\n"}, {"New PIN: ", "5678\n"}, {"Once more: ", "5679\n"}};
  const auto refused = test::run_at_terminal(SKS_PROGRAM, change, differing);
  CHECK(refused.exit_code == 1);
  CHECK(refused.out.find("differ") != std::string::npos);
  const std::vector<test::Answer> same{{"PIN: ", "1234\n"}, {"New PIN: ", "5678\n"}, {"Once more: ", "5678\n"}};
  CHECK(test::run_at_terminal(SKS_PROGRAM, change, same).exit_code == 0);
  home.output_of({"pin", "check", key, "--pin", "5678"});
  const std::vector<std::string> unblock{"--store", home.store(), "pin", "unblock", key, "--set-pin"};
  const std::vector<test::Answer> by_puk{{"PUK: ", "87654321\n"}, {"New PIN: ", "2468\n"}, {"Once more: ", "2468\n"}};
  CHECK(test::run_at_terminal(SKS_PROGRAM, unblock, by_puk).exit_code == 0);
  home.output_of({"pin", "check", key, "--pin", "2468"});
  // Where nobody can be asked, that is said.
  const auto alone = test::run_program_process(SKS_PROGRAM, change);
  CHECK(alone.exit_code == 1);
  CHECK(alone.err == "sks: the PIN is needed, and there is no terminal to ask at\n");
}

TEST_CASE("sks: a key is named by its handle, fingerprint, id, label or URI") {
  const ProgramHome home;
  const std::string first = home.create({"--no-pin", "--label", "First key; 100%"});
  const std::string second = home.create({"--pin", "Sesame", "--label", "Second"});
  const auto uris = home.json_of({"list", "--uri"});
  const auto handle_of = [&](const std::string& name) {
    return std::to_string(home.json_of({"show", name}).at("handle").get<unsigned>());
  };
  for (const auto& key : uris) {
    const std::string handle = std::to_string(key.at("handle").get<unsigned>());
    CHECK(handle_of(handle) == handle);
    CHECK(handle_of(key.at("id")) == handle);
    for (const auto& uri : key.at("uris")) CHECK(handle_of(uri) == handle);
  }
  CHECK(handle_of("First key; 100%") == first);
  CHECK(handle_of("pkcs11:object=First%20key%3B%20100%25") == first);
  CHECK(handle_of("pkcs11:token=local-issuer-" +
                  std::to_string(std::stoul(uris.back().at("tokenSerial").get<std::string>().substr(8), nullptr, 16)) +
                  ";object=Second") == second);
  CHECK(uris.at(0).at("tokenLabel") == "OpenSKS keys without PIN");
  CHECK(home.output_of({"list", "--uri"}).find("object=First%20key%3B%20100%25;type=private") != std::string::npos);
  // openssl asn1parse and sha1sum tell the id: SHA-1 of the bits of the public key.
  home.output_of({"export", first, "--public", "--out", home.file("key.pem")});
  CHECK(home.shell("openssl pkey -pubin -in key.pem -outform DER | tail -c 65 | sha1sum"));
  CHECK(home.said().substr(0, 40) == uris.at(0).at("id"));

  const std::string third = home.create({"--no-pin", "--label", "Second"});
  home.check_refused({"show", "Second"}, "several keys");
  home.check_refused({"delete", "Second", "--yes"}, "several keys");
  home.check_refused({"show", "pkcs11:"}, "names no key");
  home.check_refused({"show", "pkcs11:type=private"}, "several keys");
  home.check_refused({"show", "pkcs11:type=data"}, "there is no key");
  home.check_refused({"show", "pkcs11:object=Second?pin-value=1"}, "--pin-file");
  home.check_refused({"show", "pkcs11:colour=red"}, "colour");
  home.check_refused({"show", "pkcs11:object=%4"}, "");
  home.check_refused({"show", "Third"}, "there is no key Third");
  CHECK(
      home.json_of({"delete", "pkcs11:id=" + percent_encoded(home.json_of({"list", "--uri"}).back().at("id")), "--yes"})
          .at("handle") == std::stoi(third));
  CHECK(home.run({"show", third}).exit_code == 1);
  home.output_of({"show", "Second"});
}

}  // namespace sks::cli
