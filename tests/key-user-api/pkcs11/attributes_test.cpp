#include "key-user-api/pkcs11/attributes.h"

#include <doctest/doctest.h>

#include <array>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/private_key.h"
#include "sks-core/crypto/x509.h"

namespace sks::test {
namespace {

/// A SubjectPublicKeyInfo of RFC 8410, whose key may be any bytes.
crypto::PublicKey public_key(std::string_view prefix, std::size_t size) {
  const Bytes header = from_hex(prefix).value();
  return crypto::PublicKey::from_spki(concat({header, Bytes(size, 9)})).value();
}

UserKey user_key(const crypto::PublicKey& key) {
  const crypto::PrivateKey authority =
      crypto::PrivateKey::generate(*find_algorithm("https://webpki.github.io/sks/algorithm#ec.nist.p256")).value();
  const crypto::CertificateTemplate what{
      crypto::CertificateKind::tls_client, {{"CN", "Jo"}}, 1577836800, 4102444800, {}, {}, {}};
  const crypto::Certificate certificate = crypto::issue_certificate(what, key, nullptr, authority).value();
  return {KeyHandle{1}, std::nullopt, "key", "https://issuer.example", {certificate}, key, {}, false};
}

}  // namespace

TEST_CASE("make_attributes: keys for key agreement are of Montgomery curves and made as such") {
  struct Case {
    const char* prefix;
    std::size_t size;
    CK_KEY_TYPE type;
    CK_MECHANISM_TYPE made_by;
  };
  // Numbers of PKCS#11 3.0: CKK_EC_EDWARDS 40, CKK_EC_MONTGOMERY 41, CKM_EC_EDWARDS_KEY_PAIR_GEN 1055,
  // CKM_EC_MONTGOMERY_KEY_PAIR_GEN 1056, all hexadecimal.
  constexpr auto kCases = std::to_array<Case>({{"302a300506032b656e032100", 32, 0x41, 0x1056},
                                               {"3042300506032b656f033900", 56, 0x41, 0x1056},
                                               {"302a300506032b6570032100", 32, 0x40, 0x1055},
                                               {"3043300506032b6571033a00", 57, 0x40, 0x1055}});
  for (const Case& c : kCases) {
    CAPTURE(c.prefix);
    UserKey key = user_key(public_key(c.prefix, c.size));
    for (const p11::ObjectKind kind : {p11::ObjectKind::ec_public, p11::ObjectKind::ec_private}) {
      const auto attributes = p11::make_attributes({kind, false, &key, &key.path.front()});
      CHECK(attributes.at(CKA_KEY_TYPE) == p11::ulong_value(c.type));
      CHECK(attributes.at(CKA_KEY_GEN_MECHANISM) == p11::ulong_value(c.made_by));
    }
    key.imported = true;
    const auto attributes = p11::make_attributes({p11::ObjectKind::ec_public, false, &key, &key.path.front()});
    CHECK(attributes.at(CKA_KEY_GEN_MECHANISM) == p11::ulong_value(CK_UNAVAILABLE_INFORMATION));
  }
}

}  // namespace sks::test
