#include <algorithm>
#include <array>

#include "conformance/checks.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/mac.h"

// MACs and attestations, and what is encrypted among the values that they protect.
namespace sks::conformance {
namespace {

/// Operations with the session key that a MACed call costs, its attestation included. Spec: keygen2.md 7.9.
struct Cost {
  const Format* format;
  std::uint32_t operations;
};
constexpr auto kCosts = std::to_array<Cost>({
    {&format::kCreatePukPolicy, 1},
    {&format::kCreatePinPolicy, 1},
    {&format::kCreateKeyEntry, 2},
    {&format::kSetCertificatePath, 1},
    {&format::kImportSymmetricKey, 1},
    {&format::kImportPrivateKey, 1},
    {&format::kAddExtension, 1},
    {&format::kPostCloneKeyProtection, 2},
    {&format::kPostUpdateKey, 2},
    {&format::kPostUnlockKey, 2},
    {&format::kPostDeleteKey, 2},
    {&format::kCloseProvisioningSession, 2},
});

/// Where the clear values of encryptions are listed.
struct Purpose {
  const char* name;
  const char* list;
  const char* member;
  Bytes (Node::*decode)() const;
};
constexpr auto kPurposes = std::to_array<Purpose>({
    {"pin", "pins", "value", &Node::hex},
    {"puk", "puks", "value", &Node::hex},
    {"symmetricKey", "symmetricKeys", "key", &Node::hex},
    {"privateKey", "privateKeys", "pkcs8", &Node::base64},
    {"encryptedExtension", "encryptedExtensions", "plaintext", &Node::hex},
});

void check_plaintext(const Session& session, const Node& encryption, Findings& findings) {
  const crypto::Sha256Digest key = crypto::hmac_sha256(session.session_key.view(), as_bytes("EncryptionKey"));
  const Node wrapped = encryption["ivAndCiphertext"];
  const Node plaintext = encryption["plaintext"];
  const Bytes bytes = wrapped.hex();
  if (bytes.size() <= crypto::kAesBlock) return wrapped.fail("is too short for an IV and a cipher text");
  const auto clear = crypto::aes_256_cbc_decrypt(key, ByteView(bytes).first(crypto::kAesBlock),
                                                 ByteView(bytes).subspan(crypto::kAesBlock));
  if (!clear) return wrapped.fail("does not decrypt: " + clear.error().detail);
  expect_equal(findings, "the clear value", plain("plaintext", to_bytes(clear->view()), wrapped.place()),
               plain("plaintext", plaintext.hex(), plaintext.place()));
  const std::string name = encryption["purpose"].text();
  const auto* const purpose = std::ranges::find_if(kPurposes, [&](const Purpose& row) { return name == row.name; });
  if (purpose == kPurposes.end()) return encryption["purpose"].fail("is an unknown purpose");
  const std::vector<Node> listed = secrets(session.recording, findings)[purpose->list].elements();
  const Bytes found = plaintext.hex();
  if (std::ranges::none_of(listed, [&](const Node& row) { return (row[purpose->member].*purpose->decode)() == found; }))
    plaintext.fail("is not listed in /" + std::string(purpose->list));
}

}  // namespace

void check_sequence(const Session& session, Findings& findings) {
  for (const Finding& finding : session.reading.list())
    findings.add(finding.place, finding.sentence, finding.difference);
  for (std::size_t i = 0; i < session.values.size(); ++i) findings.count();
}

template <Part part>
void check_values(const Session& session, Findings& findings) {
  for (const ProtectedValue& value : session.values) {
    if (value.format->part != part) continue;
    const std::string title = (value.format->attests() ? "the " : "the MAC of ") + std::string(value.format->title()) +
                              " (counter " + std::to_string(value.counter) + ')';
    check_sources(findings, title, value.sources, [&](ByteView input, ByteView mac) {
      return verifies_mac(session.session_key, value.format->method, value.counter, input, mac);
    });
  }
}
template void check_values<Part::creation>(const Session&, Findings&);
template void check_values<Part::certification>(const Session&, Findings&);
template void check_values<Part::management>(const Session&, Findings&);
template void check_values<Part::close>(const Session&, Findings&);

void check_session_key_limit(const Session& session, Findings& findings) {
  std::uint32_t operations = 0;
  for (const ProtectedValue& value : session.values) {
    const auto* const cost = std::ranges::find(kCosts, value.format, &Cost::format);
    if (cost != kCosts.end()) operations += cost->operations + (value.encrypted ? 1 : 0);
  }
  const Node limit = secrets(session.recording, findings)["sessionKeyLimit"];
  findings.count();
  if (limit.number() < operations)
    limit.fail("is below " + std::to_string(operations) + ", the operations with the session key");
}

void check_encryptions(const Session& session, Findings& findings) {
  const std::vector<Node> recorded = secrets(session.recording, findings)["encryptions"].elements();
  for (const Node& encryption : recorded) check_plaintext(session, encryption, findings);
  for (const ProtectedValue& value : session.values) {
    if (!value.encrypted) continue;
    findings.count();
    const auto same = [&](const Node& row) { return row["ivAndCiphertext"].hex() == value.encrypted->bytes; };
    if (std::ranges::none_of(recorded, same))
      findings.add(value.encrypted->place, "is none of the recorded encryptions");
  }
}

}  // namespace sks::conformance
