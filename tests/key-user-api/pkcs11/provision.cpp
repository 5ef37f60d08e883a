#include "tests/key-user-api/pkcs11/provision.h"

#include <doctest/doctest.h>

#include "key-user-api/local_issuer/local_keys.h"
#include "key-user-api/local_store.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/x509.h"
#include "tests/support/test_issuer.h"

namespace sks::test {
namespace {

constexpr std::string_view kKeyAlgorithms = "https://webpki.github.io/sks/algorithm#";
constexpr std::string_view kSignatureAlgorithms = "http://www.w3.org/2001/04/xmldsig-more#";
constexpr std::int64_t kNotBefore = 1577836800;  // 2020
constexpr std::int64_t kNotAfter = 4102444800;   // 2100
constexpr std::uint8_t kNumeric = 0;
constexpr std::uint8_t kAlphanumeric = 1;
constexpr std::uint8_t kBinary = 3;
constexpr std::uint8_t kShared = 1;
constexpr std::uint8_t kFree = 0;  // protections
constexpr std::uint8_t kForbidden = 3;

std::string key_algorithm(std::string_view name) { return std::string(kKeyAlgorithms).append(name); }
std::string signature_algorithm(std::string_view name) { return std::string(kSignatureAlgorithms).append(name); }

struct Authority {
  crypto::PrivateKey key = generate_key(key_algorithm("ec.nist.p256"));
  crypto::Certificate certificate =
      crypto::issue_certificate(
          {crypto::CertificateKind::ca, {{"CN", "PKCS11 test CA"}}, kNotBefore, kNotAfter, {}, {}, {}},
          key.public_key(), nullptr, key)
          .value();

  std::vector<Bytes> path_for(const std::string& name, ByteView spki) const {
    const crypto::CertificateTemplate what{
        crypto::CertificateKind::tls_client, {{"CN", name + " user"}}, kNotBefore, kNotAfter, {}, {}, {}};
    const crypto::PublicKey subject_key = crypto::PublicKey::from_spki(spki).value();
    return {crypto::issue_certificate(what, subject_key, &certificate, key).value().der(), certificate.der()};
  }
};

struct WantedKey {
  std::string name;
  std::string algorithm;
  std::vector<std::string> endorsed;
  std::uint8_t export_protection = kForbidden;
};

/// One session with one PIN policy (none for an empty PIN), all keys in one group.
void provision(SecureKeyStore& store, const Authority& authority, const std::string& issuer, std::string_view pin,
               const std::vector<WantedKey>& keys, std::uint8_t pin_format = kNumeric, std::uint8_t input_method = 0) {
  TestIssuer session(store);
  session.request.issuer_uri = issuer;
  REQUIRE(session.open());
  PinPolicyHandle policy;
  if (!pin.empty()) {
    PinPolicyRequest wanted;
    wanted.id = "PIN";
    wanted.user_defined = true;
    wanted.user_modifiable = true;
    wanted.format = pin_format;
    wanted.retry_limit = kRetryLimit;
    wanted.grouping = kShared;
    wanted.min_length = kMainMinPin;
    wanted.max_length = kMainMaxPin;
    wanted.input_method = input_method;
    policy = session.create_pin_policy(wanted).value();
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    KeyEntryRequest wanted;
    wanted.id = "Key." + std::to_string(i);
    wanted.key_entry_algorithm = kKeyEntryAlgorithm;
    wanted.pin_policy = policy;
    wanted.pin_value = SecureBytes::copy_of(as_bytes(pin));
    wanted.app_usage = 1;
    wanted.friendly_name = keys[i].name;
    wanted.key_algorithm = keys[i].algorithm;
    wanted.export_protection = keys[i].export_protection;
    wanted.endorsed_algorithms = keys[i].endorsed;
    const std::string id = wanted.id;
    const CreatedKey created = session.create_key_entry(std::move(wanted)).value();
    REQUIRE(session.set_certificate_path(created, id, authority.path_for(keys[i].name, created.public_key)));
  }
  REQUIRE(session.close());
}

}  // namespace

void provision_empty_store(const std::string& folder) { REQUIRE(LocalStore::create(folder, "PKCS11 test device")); }

std::string provision_store(const std::string& folder) {
  provision_empty_store(folder);
  LocalStore store = LocalStore::open(folder).value();
  const Authority authority;
  const std::string p256 = key_algorithm("ec.nist.p256");
  const std::string rsa2048 = key_algorithm("rsa2048");
  provision(store.engine(), authority, "https://main.example.com:8443/sks", kMainPin,
            {{"ec", p256, {}}, {"rsa", rsa2048, {}, kFree}});
  provision(store.engine(), authority, "https://second.example.com/sks", kSecondPin,
            {{"sha256 only", p256, {signature_algorithm("ecdsa-sha256")}},
             {"p384", key_algorithm("ec.nist.p384"), {}},
             {"rsa sha256 only", rsa2048, {signature_algorithm("rsa-sha256")}},
             {"no crypto", p256, {key_algorithm("none")}}});
  provision(store.engine(), authority, "https://open.example.com/sks", "",
            {{"open", p256, {}}, {"ed25519", key_algorithm("ed25519"), {}}});
  return to_pem(authority.certificate.der(), "CERTIFICATE");
}

void provision_policies(const std::string& folder) {
  provision_empty_store(folder);
  LocalStore store = LocalStore::open(folder).value();
  NewPin pin;
  pin.value = SecureBytes::copy_of(as_bytes(kMainPin));
  pin.format = pin::Format::numeric;
  pin.retry_limit = kRetryLimit;
  pin.puk.emplace();
  pin.puk->value = SecureBytes::copy_of(as_bytes(kPuk));
  LocalKeySpec spec;
  spec.label = "own";
  REQUIRE(create_key(store.engine(), {key_algorithm("ec.nist.p256")}, spec, LocalPin(std::move(pin))));
  constexpr std::uint8_t kTrustedGui = 2;
  provision(store.engine(), Authority(), "https://dialog.example.com/sks", kMainPin,
            {{"each time", key_algorithm("ec.nist.p256"), {}}}, kNumeric, kTrustedGui);
}

void provision_pin_formats(const std::string& folder) {
  provision_empty_store(folder);
  LocalStore store = LocalStore::open(folder).value();
  const Authority authority;
  const std::string p256 = key_algorithm("ec.nist.p256");
  provision(store.engine(), authority, "https://letters.example.com/sks", "AB12CD", {{"letters", p256, {}}},
            kAlphanumeric);
  provision(store.engine(), authority, "https://binary.example.com/sks", std::string_view("\x00\xff\x10\xfe", 4),
            {{"binary", p256, {}}}, kBinary);
}

}  // namespace sks::test
