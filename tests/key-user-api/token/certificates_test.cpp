#include <doctest/doctest.h>

#include "tests/key-user-api/token/local_lab.h"

/// Certificates that are written for keys. Spec: spec/sksd.md 6.
namespace sks::test {

TEST_CASE("certificates: a local key gets the certificate that somebody issued, and its path") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const auto made = client.generate_pair(0, CKM_EC_KEY_PAIR_GEN, ec_params(), token_key().text(CKA_LABEL, "mine"));
  REQUIRE(made.rv == CKR_OK);
  const std::uint64_t object = made.second + 2;
  const Bytes own = client.value(0, object, CKA_VALUE);
  const crypto::PrivateKey authority_key = generate_key(kSks + "ec.nist.p256");
  const crypto::Certificate authority =
      crypto::issue_certificate({crypto::CertificateKind::ca, {{"CN", "Other CA"}}, 0, 4102444800, {}, {}, {}},
                                authority_key.public_key(), nullptr, authority_key)
          .value();
  const crypto::Certificate issued =
      crypto::issue_certificate({crypto::CertificateKind::tls_client, {{"CN", "Me"}}, 0, 4102444800, {}, {}, {}},
                                lab.certificate_of(stored(made.second)).public_key().value(), &authority, authority_key)
          .value();
  const auto write = [&](const crypto::Certificate& certificate) {
    return client.create(0, Attributes()
                                .number(CKA_CLASS, CKO_CERTIFICATE)
                                .number(CKA_CERTIFICATE_TYPE, CKC_X_509)
                                .boolean(CKA_TOKEN, true)
                                .bytes(CKA_VALUE, certificate.der()));
  };
  CHECK(write(authority).rv == CKR_TEMPLATE_INCONSISTENT);  // it is above no key yet
  CHECK(write(issued).object == object);
  CHECK(client.value(0, object, CKA_VALUE) == issued.der());
  CHECK(client.value(0, made.second, CKA_SUBJECT) == issued.subject_der());
  CHECK(client.value(0, object, CKA_ID) == client.value(0, made.second, CKA_ID));
  CHECK(client.find(0, Attributes().bytes(CKA_VALUE, own)).empty());
  CHECK(client.yes(0, object, CKA_DESTROYABLE));
  CHECK(write(issued).object == object);  // again

  const auto above = write(authority);
  CHECK(above.object == object + 1);
  CHECK(client.number(0, above.object, CKA_CERTIFICATE_CATEGORY) == 2);
  CHECK(client.find(0, Attributes().bytes(CKA_VALUE, authority.der())) == Objects{above.object});
  CHECK(write(authority).object == above.object);
  CHECK(signs(lab, stored(made.second)));

  lab.service.reset();
  lab.open_service();
  Client later(*lab.service);
  CHECK(later.value(0, object, CKA_VALUE) == issued.der());
  CHECK(later.destroy(0, object + 1) == CKR_ACTION_PROHIBITED);
  CHECK(later.destroy(0, object) == CKR_OK);
  CHECK(later.value(0, object, CKA_VALUE) == own);
  CHECK(later.find(0, Attributes().bytes(CKA_VALUE, authority.der())).empty());
}

TEST_CASE("certificates: a key of an issuer keeps the certificate of the issuer") {
  Lab lab;
  const KeyHandle key = lab.provision({{"ec"}}).front();
  lab.open_service();
  Client client(*lab.service);
  const auto write = [&](const Bytes& der) {
    return client.create(
        0, Attributes().number(CKA_CLASS, CKO_CERTIFICATE).boolean(CKA_TOKEN, true).bytes(CKA_VALUE, der));
  };
  CHECK(write(lab.certificate_of(key).der()).object == object_of(key, 3));
  CHECK(write(certify(lab.certificate_of(key).spki())).rv == CKR_TOKEN_WRITE_PROTECTED);
}

}  // namespace sks::test
