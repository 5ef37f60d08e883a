#include "keygen2/certificate_path.h"

#include <doctest/doctest.h>

#include "sks-core/crypto/private_key.h"

// Spec: keygen2.md 5.4.
using namespace sks;
using namespace sks::keygen2;

namespace {

crypto::PrivateKey new_key() {
  return crypto::PrivateKey::generate(*find_algorithm("https://webpki.github.io/sks/algorithm#ec.nist.p256")).value();
}

crypto::Certificate authority(const std::string& name, const crypto::PrivateKey& key) {
  return crypto::issue_certificate({crypto::CertificateKind::ca, {{"CN", name}}, 1'000'000, 2'000'000, {}, {}, {}},
                                   key.public_key(), nullptr, key)
      .value();
}

}  // namespace

TEST_CASE("check_certificate_path: 5.4, the texts of the names are equal, and the signatures verify") {
  const crypto::PrivateKey key = new_key();
  const crypto::Certificate authority_certificate = authority("Some CA", key);
  const Bytes& ca = authority_certificate.der();
  const Bytes leaf = crypto::issue_certificate(
                         {crypto::CertificateKind::tls_client, {{"CN", "leaf"}}, 1'000'000, 2'000'000, {}, {}, {}},
                         new_key().public_key(), &authority_certificate, key)
                         .value()
                         .der();
  CHECK(check_certificate_path(std::vector<Bytes>{leaf, ca}));
  CHECK(check_certificate_path(std::vector<Bytes>{leaf}));

  const std::vector<std::vector<Bytes>> refused{
      {},
      {leaf, leaf},
      {leaf, authority("Some CA", new_key()).der()},
      // Equal by the rules of X.509, and the signature verifies.
      {leaf, authority("some ca", key).der()},
      {leaf, authority("Some  CA", key).der()},
  };
  for (const std::vector<Bytes>& broken : refused) {
    const auto result = check_certificate_path(broken);
    REQUIRE_FALSE(result);
    CHECK(result.error().error_class == ErrorClass::crypto);
  }
}
