#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/x509.h"
#include "sks-core/wire/client.h"
#include "tests/integrators/child.h"
#include "tests/sks-core/engine/device.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::test;

namespace {

/// A device of the example, with the identity that it got at the factory.
class ExampleDevice {
 public:
  ExampleDevice() : key_(generate_key(kSks + "ec.nist.p256")) {
    const crypto::CertificateTemplate what{crypto::CertificateKind::device,
                                           crypto::parse_dn("CN=Example device").value(),
                                           1577836800,
                                           4102444800,
                                           {},
                                           {},
                                           {}};
    certificate = crypto::issue_certificate(what, key_.public_key(), nullptr, key_).value().der();
    write_file(path("certificate.der"), to_string(certificate));
    write_file(path("key.der"), to_string(key_.to_pkcs8().value().view()));
  }

  std::vector<std::string> command(std::vector<std::string> arguments) const {
    const char* const program = std::getenv("SKS_EXAMPLE");
    REQUIRE_MESSAGE(program != nullptr, "SKS_EXAMPLE names the program under test");
    arguments.insert(arguments.begin(), {program, path("flash"), path("certificate.der"), path("key.der")});
    return arguments;
  }
  Finished run(std::vector<std::string> arguments) const { return test::run(command(std::move(arguments))); }
  std::string path(const std::string& name) const { return dir_.file(name); }
  const crypto::PublicKey& public_key() const { return key_.public_key(); }

  Bytes certificate;

 private:
  TempDir dir_;
  crypto::PrivateKey key_;
};

struct Provisioned {
  KeyHandle key;
  crypto::PublicKey public_key;
};

/// Enrols a key with PIN 1234 over the device's byte stream.
Provisioned provision(const ExampleDevice& device, SecureKeyStore& store) {
  TestIssuer issuer(store);
  issuer.request.privacy_enabled = false;
  REQUIRE(issuer.open(device.certificate));
  REQUIRE(issuer.session_attestation_holds(&device.public_key()));
  const PinPolicyHandle policy = issuer.create_pin_policy(pin_policy_request()).value();
  const CreatedKey key = issuer.create_certified_key(key_request(policy, "1234")).value();
  REQUIRE(issuer.close());
  return {key.handle, crypto::PublicKey::from_spki(key.public_key).value()};
}

Provisioned provision(const ExampleDevice& device) {
  Child child(device.command({"serve"}));
  wire::RemoteKeyStore store(std::make_unique<ChildChannel>(child));
  Provisioned made = provision(device, store);
  child.close_input();
  CHECK(child.wait() == 0);
  return made;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

TEST_CASE("example: a key enrolled over the byte stream is listed and signs after every restart") {
  const ExampleDevice device;
  const Provisioned made = provision(device);
  const std::string handle = std::to_string(made.key.value);
  const Finished listed = device.run({"list"});
  CHECK(listed.output == handle + " \"A key\" with PIN, 0 wrong PINs\n");
  CHECK(listed.code == 0);
  for (const std::string text : {"a message", ""}) {
    const Finished signature = device.run({"sign", handle, "1234", text});
    REQUIRE_MESSAGE(signature.code == 0, signature.output);
    const Result<Bytes> raw = from_hex(first_line(signature.output));
    REQUIRE(raw);
    CHECK(crypto::verify_signature(made.public_key, as_bytes(text), *raw));
  }
}

TEST_CASE("example: wrong PINs are counted across restarts and lock the key") {
  const ExampleDevice device;
  const std::string handle = std::to_string(provision(device).key.value);
  for (unsigned i = 1; i <= 3; ++i) {
    const Finished refused = device.run({"sign", handle, "0000", "a message"});
    CHECK(refused.code == 1);
    CHECK(refused.output.find("ERROR_AUTHORIZATION") != std::string::npos);
    CHECK(device.run({"list"}).output == handle + " \"A key\" with PIN, " + std::to_string(i) + " wrong PINs\n");
  }
  CHECK(device.run({"sign", handle, "1234", "a message"}).output.find("ERROR_AUTHORIZATION") != std::string::npos);
}

TEST_CASE("example: what was acknowledged survives a kill") {
  const ExampleDevice device;
  KeyHandle key;
  {
    Child child(device.command({"serve"}));
    wire::RemoteKeyStore store(std::make_unique<ChildChannel>(child));
    key = provision(device, store).key;
    TestIssuer interrupted(store);
    REQUIRE(interrupted.open());
    child.kill();
    CHECK(child.wait() == -1);
  }
  Child child(device.command({"serve"}));
  wire::RemoteKeyStore store(std::make_unique<ChildChannel>(child));
  CHECK(all_keys(store) == std::vector{key});
  CHECK(all_sessions(store, SessionState::open).size() == 1);
  CHECK(store.get_device_info().value().vendor_name == "Example");
  child.close_input();
  CHECK(child.wait() == 0);
}

TEST_CASE("example: a frame of a forbidden size ends the stream") {
  const ExampleDevice device;
  Child child(device.command({"serve"}));
  const std::array<char, 4> empty{};
  REQUIRE(write(child.input(), empty.data(), empty.size()) == 4);
  CHECK(child.wait() == 1);
}
