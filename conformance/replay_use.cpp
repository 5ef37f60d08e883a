#include "conformance/calls.h"
#include "conformance/comparison.h"
#include "conformance/key_use.h"
#include "conformance/replay_session.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/cipher.h"

// What the methods for users and applications have to return.
namespace sks::conformance {

void SessionReplay::judge_done(Turn& turn) {
  turn.findings.count();
  if (!turn.out.is_null()) live_out(turn).fail("is " + shown(turn.out) + ", expected nothing");
}

void SessionReplay::judge_as_recorded(Turn& turn) {
  expect_json(turn.findings, live_out(turn).place(), recorded(turn).out, turn.out);
}

void SessionReplay::judge_next_key(Turn& turn) {
  const Json expected = device_.model.key_after(handle(turn, "keyHandle"));
  turn.findings.count();
  if (expected.is_null() != turn.out.is_null())
    return live_out(turn).fail("is " + shown(turn.out) + ", expected " + shown(expected));
  expect_json(turn.findings, live_out(turn).place(), expected, turn.out);
}

void SessionReplay::judge_next_session(Turn& turn) {
  const bool open = live_in(turn)["provisioningState"].boolean();
  const Json expected = device_.model.session_after(handle(turn, "provisioningHandle"), open);
  turn.findings.count();
  if (expected.is_null() != turn.out.is_null())
    return live_out(turn).fail("is " + shown(turn.out) + ", expected " + shown(expected));
  expect_json(turn.findings, live_out(turn).place(), expected, turn.out);
}

void SessionReplay::judge_attributes(Turn& turn) {
  Json expected = recorded(turn).out;
  const ModelKey* const key = key_of(turn);
  if (key != nullptr && expected.is_object()) expected["certificatePath"] = key->attributes["certificatePath"];
  expect_json(turn.findings, live_out(turn).place(), expected, turn.out);
}

void SessionReplay::judge_deletion(Turn& turn) {
  judge_done(turn);
  device_.model.remove_key(handle(turn, "keyHandle"));
}

/// A symmetric key is that of the recording. A private key has to be that of the certificate.
void SessionReplay::judge_export(Turn& turn) {
  const ModelKey* const key = key_of(turn);
  if (key != nullptr && key->symmetric_key) return judge_as_recorded(turn);
  const auto exported = crypto::PrivateKey::from_pkcs8(live_out(turn).hex());
  const auto certified = certified_key(turn);
  turn.findings.count();
  if (!exported || !certified || exported->public_key().spki() != certified->spki())
    live_out(turn).fail("is not the private key of the certificate");
}

void SessionReplay::judge_new_pin(Turn& turn) {
  judge_done(turn);
  if (ModelKey* const key = key_of(turn)) key->pin = turn.in["newPin"];
}

std::optional<crypto::PublicKey> SessionReplay::certified_key(Turn& turn) {
  const ModelKey* const key = key_of(turn);
  if (key == nullptr) return std::nullopt;
  const Json path = key->attributes.value("certificatePath", Json::array());
  if (path.empty()) return std::nullopt;
  const auto certificate = crypto::Certificate::from_der(Node(path.front(), place(turn, "in"), turn.findings).base64());
  const auto certified = certificate ? certificate->public_key() : Result<crypto::PublicKey>(certificate.error());
  if (!certified) return std::nullopt;
  return *certified;
}

void SessionReplay::judge_signature(Turn& turn) {
  const Node in = live_in(turn);
  const Signed what = recorded(turn).method == "signData" ? Signed::message : Signed::hash;
  const Algorithm* const algorithm = find_algorithm(in["algorithm"].text());
  const auto key = certified_key(turn);
  turn.findings.count();
  const Node out = live_out(turn);
  if (!key || algorithm == nullptr ||
      !verifies(*key, {*algorithm, in["parameters"].optional_hex()}, what, in["data"].hex(), out.hex()))
    out.fail("is " + shown(turn.out) + ", expected a signature that verifies with the key of the certificate");
}

void SessionReplay::judge_agreement(Turn& turn) {
  const auto key = certified_key(turn);
  if (!key || !peer_) return;
  const auto expected = peer_->agree(*key);
  turn.findings.count();
  if (!expected) return live_out(turn).fail("was agreed on with a key of another type");
  expect_equal(turn.findings, "the shared secret", plain("Z", to_bytes(expected->view()), place(turn, "in")),
               plain("Z", live_out(turn).hex(), live_out(turn).place()));
}

/// With an initialization vector of its own the result is not determined, but what it decrypts to is.
void SessionReplay::judge_cipher(Turn& turn) {
  const Node in = live_in(turn);
  const Algorithm* const algorithm = find_algorithm(in["algorithm"].text());
  const bool fresh = algorithm != nullptr && algorithm->iv == IvSource::internal && in["mode"].boolean();
  const ModelKey* const key = key_of(turn);
  if (!fresh || key == nullptr || !key->symmetric_key) return judge_as_recorded(turn);
  const Node out = live_out(turn);
  const Bytes found = out.hex();
  turn.findings.count();
  if (found.size() < crypto::kAesBlock)
    return out.fail("is " + shown(turn.out) + ", expected an initialization vector and a cipher text");
  const ByteView all(found);
  const auto plaintext =
      crypto::aes_cbc_decrypt(key->symmetric_key->view(), all.first(crypto::kAesBlock), all.subspan(crypto::kAesBlock));
  if (!plaintext) return out.fail("does not decrypt: " + plaintext.error().detail);
  expect_equal(turn.findings, "what the cipher text decrypts to",
               plain("plaintext", in["data"].hex(), in["data"].place()),
               plain("plaintext", to_bytes(plaintext->view()), out.place()));
}

}  // namespace sks::conformance
