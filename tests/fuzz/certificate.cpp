#include "sks-core/crypto/x509.h"
#include "tests/fuzz/checks.h"

/// Certificates from issuers: every question about one that was accepted has an answer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sks;
  const ByteView input(data, size);
  const auto certificate = crypto::Certificate::from_der(input);
  const auto path = crypto::parse_path({to_bytes(input)});
  fuzz::require(static_cast<bool>(certificate) == static_cast<bool>(path), "a path of one is a certificate");
  if (!certificate) return 0;
  fuzz::require(equal(certificate->der(), input), "a certificate is what was decoded");
  const auto key = certificate->public_key();
  fuzz::require(key || key.error().status == Status::crypto || key.error().status == Status::option, "status of a key");
  if (key) {
    const auto again = crypto::PublicKey::from_spki(key->spki());
    fuzz::require(again && equal(again->spki(), key->spki()), "a certified key has a strict form");
  }
  static_cast<void>(certificate->subject());
  static_cast<void>(certificate->issuer());
  static_cast<void>(certificate->subject_der());
  static_cast<void>(certificate->issuer_der());
  fuzz::require(static_cast<bool>(crypto::parse_name(certificate->subject_der())), "a subject decodes");
  fuzz::require(static_cast<bool>(crypto::parse_name(certificate->issuer_der())), "an issuer decodes");
  static_cast<void>(certificate->serial_number_der());
  static_cast<void>(certificate->serial_number());
  static_cast<void>(certificate->key_usage());
  static_cast<void>(certificate->policies());
  static_cast<void>(certificate->extended_key_usages());
  static_cast<void>(certificate->alternative_emails());
  static_cast<void>(certificate->not_before());
  static_cast<void>(certificate->not_after());
  static_cast<void>(certificate->is_ca());
  static_cast<void>(certificate->is_issued_by(*certificate));
  return 0;
}
