#include "tests/key-user-api/backup/filled_store.h"

#include <doctest/doctest.h>

#include "sks-core/crypto/x509.h"
#include "tests/support/test_issuer.h"

namespace sks::test {
namespace {

const std::string kPrefix = "https://webpki.github.io/sks/algorithm#";

PinPolicyRequest digits(std::string id, PukPolicyHandle puk) {
  PinPolicyRequest policy;
  policy.id = std::move(id);
  policy.puk_policy = puk;
  policy.user_defined = true;
  policy.user_modifiable = true;
  policy.retry_limit = 3;
  policy.grouping = 1;
  policy.min_length = 4;
  policy.max_length = 8;
  return policy;
}

KeyEntryRequest named(const std::string& name, std::uint8_t export_protection, PinPolicyHandle policy = {},
                      std::string_view pin = {}) {
  KeyEntryRequest key;
  key.id = name;
  key.key_entry_algorithm = kPrefix + "key.1";
  key.pin_policy = policy;
  key.pin_value = SecureBytes::copy_of(as_bytes(pin));
  key.export_protection = export_protection;
  key.app_usage = 1;
  key.friendly_name = name;
  key.key_algorithm = kPrefix + "ec.nist.p256";
  return key;
}

}  // namespace

FilledStore::FilledStore(const std::string& folder) {
  REQUIRE(LocalStore::create(folder, "Laptop"));
  LocalStore store = LocalStore::open(folder).value();
  Engine& engine = store.engine();
  TestIssuer issuer(engine);
  REQUIRE(issuer.open());
  const auto puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("99999")), 0, 3, {}}).value();
  const auto shared = issuer.create_pin_policy(digits("Shared", puk)).value();
  const auto vault = issuer.create_pin_policy(digits("Alone", {})).value();
  const auto make = [&](KeyEntryRequest request) {
    const std::string name = request.friendly_name;
    const CreatedKey key = issuer.create_certified_key(std::move(request)).value();
    certificates[name] = issuer.end_entity(key.handle);
    return key.handle;
  };
  make(named("Login", 1, shared, "1234"));
  make(named("Mail", 0, shared, "1234"));
  make(named("Archive", 2, shared, "1234"));
  make(named("Vault", 1, vault, "5678"));
  make(named("Fixed", 3));
  make(named("Asleep", 0));
  const KeyHandle mac = make(named("Mac", 0));
  REQUIRE(issuer.import_symmetric_key(mac, issuer.encrypt(Bytes(32, 0x0b))));

  const crypto::PrivateKey rsa = generate_key(kPrefix + "rsa2048");
  const CreatedKey free = issuer.create_key_entry(named("Free", 0)).value();
  certificates["Free"] = certify(rsa.public_key().spki());
  REQUIRE(issuer.set_certificate_path(free, "Free", {certificates["Free"]}));
  REQUIRE(issuer.import_private_key(free.handle, issuer.encrypt(rsa.to_pkcs8().value().view())));
  REQUIRE(issuer.add_extension(free.handle, {"https://example.com/plain", 0, "", to_bytes(as_bytes("hello")), {}}));
  REQUIRE(issuer.add_extension(free.handle, {"https://example.com/bag", 2, "", {0, 1, 'n', 1, 0, 1, 'v'}, {}}));
  REQUIRE(issuer.close());
  REQUIRE(engine.deactivate({{}, find_key_named(engine, "Asleep"), {}, {}}));
}

KeyHandle find_key_named(SecureKeyStore& store, const std::string& name) {
  for (KeyHandle last;;) {
    const std::optional<EnumeratedKey> next = store.enumerate_keys(last).value();
    REQUIRE_MESSAGE(next.has_value(), "no key " << name);
    last = next->handle;
    if (store.get_key_attributes(last).value().friendly_name == name) return last;
  }
}

bool signs_for(SecureKeyStore& store, const std::string& name, ByteView certificate, const std::string& pin) {
  const crypto::PublicKey key = crypto::Certificate::from_der(certificate).value().public_key().value();
  const std::string algorithm = std::string("http://www.w3.org/2001/04/xmldsig-more#") +
                                (key.kind() == KeyKind::rsa ? "rsa-sha256" : "ecdsa-sha256");
  const auto signature = store.sign_data(find_key_named(store, name), algorithm, {},
                                         {SecureBytes::copy_of(as_bytes(pin)), false}, as_bytes("message"));
  return signature && crypto::verify_signature(key, as_bytes("message"), *signature);
}

}  // namespace sks::test
