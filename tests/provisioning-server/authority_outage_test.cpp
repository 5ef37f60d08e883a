#include <doctest/doctest.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <optional>

#include "provisioning-server/authority/certificate_authority.h"
#include "tests/provisioning-server/authority/authority_lab.h"
#include "tests/provisioning-server/authority/fake_token.h"
#include "tests/provisioning-server/issuer_fixture.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using test::Device;
using test::header;
using test::IssuerLab;
using test::outcome;

namespace {

/// The issuer's CA key moves into the fake token.
std::unique_ptr<test::FakeModule> move_key_into_token(IssuerLab& lab) {
  auto key = issuer::read_key_file(lab.issuer->paths().credential_ca_key, lab.issuer->file_seal());
  REQUIRE(key);
  auto module = std::make_unique<test::FakeModule>(std::move(*key));
  const std::string file = lab.path + "/issuer.toml";
  std::string config = test::read_file(file);
  const std::string from = "key = \"file\"\n";
  const std::size_t at = config.find(from);
  REQUIRE(at != std::string::npos);
  config.replace(at, from.size(),
                 "key = \"pkcs11\"\nmodule = \"" + std::string(test::kFakeModule) +
                     "\"\ntoken_label = \"fake\"\nkey_label = \"ca\"\ntimeout_seconds = 1\n");
  test::write_file(file, config);
  lab.restart();
  return module;
}

/// The message in which the device shows its keys, so that certificates are due.
std::string run_until_keys(Device& device, const std::string& ticket) {
  issuer::Response response = device.get(ticket);
  std::string body;
  while (response.status == 200) {
    body = device.answer(response);
    if (body.find("KeyCreationResponse") != std::string::npos) return body;
    response = device.post(body);
  }
  FAIL("no key was asked for");
  return body;
}

}  // namespace

TEST_CASE("Enrolment: with the CA key in a token") {
  IssuerLab lab;
  const auto module = move_key_into_token(lab);
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  CHECK(module->token().signatures > 0);
}

TEST_CASE("LiveAuthority: what a token signs to prove that it has the key is another text each time") {
  IssuerLab lab;
  const auto module = move_key_into_token(lab);
  static std::vector<Bytes> digests;
  static decltype(test::FakeToken::sign) right;
  digests.clear();
  right = module->token().sign;
  module->token().sign = [](const std::uint8_t* digest, unsigned long size, std::uint8_t* out,
                            unsigned long* out_size) {
    digests.emplace_back(digest, digest + size);
    return right(digest, size, out, out_size);
  };
  REQUIRE(lab.issuer->authority().prove_key());
  REQUIRE(lab.issuer->authority().prove_key());
  REQUIRE(digests.size() == 2);
  CHECK(digests[0] != digests[1]);
}

TEST_CASE("Enrolment: a token that fails or hangs costs the client a repetition, not the session") {
  IssuerLab lab;
  const auto module = move_key_into_token(lab);
  Device device(lab);
  const std::string keys = run_until_keys(device, lab.new_ticket());
  module->token().every_sign = CKR_DEVICE_REMOVED;
  for (int i = 0; i < 3; ++i) {
    const issuer::Response refused = device.post(keys);
    CHECK(refused.status == 503);
    CHECK_FALSE(test::header(refused, "Retry-After").empty());
  }
  module->token().every_sign = CKR_OK;
  module->token().hangs = true;
  CHECK(device.post(keys).status == 503);
  // Others are served meanwhile, as far as they need no certificate.
  Device other(lab);
  CHECK(other.get(lab.new_ticket()).status == 200);
  module->token().hangs = false;
  issuer::Response response = device.post(keys);
  while (response.status == 503) response = device.post(keys);
  while (response.status == 200) response = device.post(device.answer(response));
  CHECK(outcome(response) == "complete");
  CHECK(device.key_count() == 1);
}

TEST_CASE("Enrolment: a token with a wrong key or a wrong PIN costs the client a repetition, not the session") {
  IssuerLab lab;
  const auto module = move_key_into_token(lab);
  Device device(lab);
  const std::string keys = run_until_keys(device, lab.new_ticket());
  auto* const right = module->token().sign;
  module->token().sign = [](const std::uint8_t*, unsigned long, std::uint8_t* out, unsigned long* size) {
    std::fill_n(out, 64, std::uint8_t{1});
    *size = 64;
    return true;
  };
  CHECK(device.post(keys).status == 503);
  module->token().sign = right;
  module->token().asks_always = true;
  module->token().login = CKR_PIN_INCORRECT;
  CHECK(device.post(keys).status == 503);
  CHECK(lab.count("SELECT count(*) FROM sessions WHERE ended <> 0") == 0);
  CHECK(lab.count("SELECT count(*) FROM credentials") == 0);
  module->token().login = CKR_OK;
  module->token().asks_always = false;
  lab.restart();  // the PIN is not tried again before
  issuer::Response response = device.post(keys);
  while (response.status == 200) response = device.post(device.answer(response));
  CHECK(outcome(response) == "complete");
}

TEST_CASE("SigningAuthority: whatever keeps its key from signing is no fault of the request") {
  struct Failing final : crypto::Signer {
    explicit Failing(crypto::PublicKey its_key) : key(std::move(its_key)) {}
    const crypto::PublicKey& public_key() const override { return key; }
    Result<Bytes> sign(ByteView) const override { return Error{status, "the key is unwell"}; }
    Result<void> check() const override { return {}; }
    crypto::PublicKey key;
    Status status = Status::crypto;
  };
  const test::FakeClock clock(test::kLabStart + 1000);
  const crypto::KeySigner own(test::new_key());
  const auto signer = std::make_shared<Failing>(own.public_key());
  const auto authority = issuer::SigningAuthority::from_parts(test::ca_certificate(own), signer, {}, clock);
  REQUIRE(authority);
  const crypto::PublicKey key = test::new_key().public_key();
  for (const Status status : {Status::crypto, Status::not_allowed, Status::option, Status::not_available}) {
    signer->status = status;
    const auto refused = authority->issue({{{"CN", "Jo"}}, {}, 30}, key);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().status == Status::not_available);
    CHECK(refused.error().detail == "the key is unwell");
  }
}

TEST_CASE("Enrolment: goes on over a renewal of the TLS certificate and of the credential CA") {
  IssuerLab lab;
  Device device(lab);
  const issuer::Response first = device.get(lab.new_ticket());
  const std::string answer = device.answer(first);
  const Bytes old = lab.issuer->credential_authority().der();
  REQUIRE(issuer::renew_tls(lab.issuer->renewal_place("operator"), issuer::RenewalKey::fresh));
  REQUIRE(issuer::renew_credential_authority(lab.issuer->renewal_place("operator"), issuer::RenewalKey::fresh));
  REQUIRE(lab.issuer->reload_certificates().value());
  issuer::Response response = device.post(answer);
  while (response.status == 200) response = device.post(device.answer(response));
  CHECK(outcome(response) == "complete");
  const auto leaf = crypto::Certificate::from_der(device.certificate(0));
  REQUIRE(leaf);
  CHECK(leaf->is_issued_by(lab.issuer->credential_authority()));
  CHECK_FALSE(leaf->is_issued_by(*crypto::Certificate::from_der(old)));
}
