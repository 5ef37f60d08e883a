#include "conformance/session.h"

#include <algorithm>

#include "conformance/order.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/mac.h"
#include "sks-core/crypto/private_key.h"

namespace sks::conformance {
namespace {

const Json kNothing;

/// The operations that the recording lists, in two lists: MACs and attestations.
class RecordedOperations {
 public:
  RecordedOperations(const Node& secrets, Findings& findings)
      : macs_(secrets["macOperations"].elements()),
        attestations_(secrets["attestations"].elements()),
        findings_(findings) {}

  std::optional<Told> next(const Format& format, std::uint16_t counter) {
    std::vector<Node>& list = format.attests() ? attestations_ : macs_;
    std::size_t& at = format.attests() ? next_attestation_ : next_mac_;
    if (at == list.size()) {
      findings_.add({std::string(kSecretsFile), format.attests() ? "/attestations" : "/macOperations", ""},
                    "does not hold " + std::string(format.title()) + " with counter " + std::to_string(counter));
      return std::nullopt;
    }
    const Node& operation = list[at++];
    if (operation["macSequenceCounter"].number() != counter)
      operation["macSequenceCounter"].fail("is not " + std::to_string(counter) + ", the next counter");
    if (!format.attests() && operation["method"].text() != format.method)
      operation["method"].fail("is not " + std::string(format.method) + ", which the calls tell");
    const Node data = operation["data"];
    const Node mac = operation[format.attests() ? "value" : "mac"];
    return Told{&format, split(format, data.hex(), data.place()), plain("mac", mac.hex(), mac.place())};
  }

  void finish() {
    for (std::size_t i = next_mac_; i < macs_.size(); ++i) macs_[i].fail("belongs to no call");
    for (std::size_t i = next_attestation_; i < attestations_.size(); ++i) attestations_[i].fail("belongs to no call");
  }

 private:
  std::vector<Node> macs_;
  std::vector<Node> attestations_;
  std::size_t next_mac_ = 0;
  std::size_t next_attestation_ = 0;
  Findings& findings_;
};

/// How many values messages and calls agree on, from the first one; a finding about the first one that is different.
std::size_t common_sequence(const std::vector<Told>& calls, const std::vector<Told>& messages, Findings& findings) {
  std::size_t same = 0;
  while (same < calls.size() && same < messages.size() && calls[same].format == messages[same].format) ++same;
  const auto title = [&](const std::vector<Told>& told) {
    return same < told.size() ? std::string(told[same].format->title()) + " of " + to_string(told[same].mac.place)
                              : std::string("nothing");
  };
  if (same < calls.size() || same < messages.size())
    findings.add(same < messages.size() ? messages[same].mac.place : calls[same].mac.place,
                 "counter " + std::to_string(same) + " belongs to " + title(messages) + " in the messages and to " +
                     title(calls) + " in the calls");
  return same;
}

/// The recorded session key, unless what it is derived from fits the recorded MACs better.
SecureBytes choose_session_key(const Node& secrets, const std::vector<ProtectedValue>& values) {
  SecureBytes recorded = SecureBytes::copy_of(secrets["sessionKey"].optional_hex());
  const SecureBytes z = shared_secret(secrets);
  const crypto::Sha256Digest derived = crypto::hmac_sha256(z.view(), secrets["kdfData"].optional_hex());
  const auto fits = [&](const SecureBytes& key) {
    return std::ranges::any_of(values, [&](const ProtectedValue& value) {
      return std::ranges::any_of(value.sources, [&](const Told& told) {
        return verifies_mac(key, value.format->method, value.counter, told.input.bytes, told.mac.bytes);
      });
    });
  };
  SecureBytes other = SecureBytes::copy_of(derived);
  return !fits(recorded) && fits(other) ? std::move(other) : std::move(recorded);
}

}  // namespace

Session::Session(const Recording& recorded) : recording(recorded), complete(has_all_messages(recorded)) {
  std::vector<Told> calls = told_by_calls(recorded, reading);
  std::vector<Told> messages;
  if (complete) messages = told_by_messages(recorded, reading);
  const std::size_t common = complete ? common_sequence(calls, messages, reading) : 0;
  RecordedOperations operations(secrets(recorded, reading), reading);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const auto counter = static_cast<std::uint16_t>(i);
    ProtectedValue value{calls[i].format, counter, {}, calls[i].encrypted};
    if (auto operation = operations.next(*value.format, counter)) value.sources.push_back(*std::move(operation));
    value.sources.push_back(std::move(calls[i]));
    if (i < common) value.sources.push_back(std::move(messages[i]));
    values.push_back(std::move(value));
  }
  operations.finish();
  Findings elsewhere;  // the check of the session key tells what is wrong with it
  session_key = choose_session_key(secrets(recorded, elsewhere), values);
}

Node secrets(const Recording& recording, Findings& findings) {
  return {recording.secrets, {std::string(kSecretsFile), "", ""}, findings};
}

Node message(const Recording& recording, std::string_view qualifier, Findings& findings) {
  const auto found = std::ranges::find(recording.messages, qualifier, &RecordedMessage::qualifier);
  if (found == recording.messages.end()) return {kNothing, {"no " + std::string(qualifier), "", ""}, findings};
  return {found->content, {found->file, "", ""}, findings};
}

Node call_arguments(const Recording& recording, std::size_t index, Findings& findings) {
  const RecordedCall& call = recording.calls.at(index);
  return {call.in, {std::string(kCallsFile), '/' + std::to_string(index) + "/in", call.method}, findings};
}

Node call_result(const Recording& recording, std::size_t index, Findings& findings) {
  const RecordedCall& call = recording.calls.at(index);
  return {call.out, {std::string(kCallsFile), '/' + std::to_string(index) + "/out", call.method}, findings};
}

std::optional<std::size_t> find_call(const Recording& recording, std::string_view method) {
  const auto found = std::ranges::find(recording.calls, method, &RecordedCall::method);
  if (found == recording.calls.end()) return std::nullopt;
  return static_cast<std::size_t>(found - recording.calls.begin());
}

void check_sources(Findings& findings, const std::string& title, const std::vector<Told>& sources,
                   const Verifies& verifies) {
  if (sources.empty()) return;
  const Told* input = nullptr;
  const Told* mac = nullptr;
  for (const Told& candidate : sources) {
    const auto found = std::ranges::find_if(sources, [&](const Told& other) {
      return !other.mac.pieces.empty() && verifies(candidate.input.bytes, other.mac.bytes);
    });
    if (input != nullptr || found == sources.end()) continue;
    input = &candidate;
    mac = &*found;
  }
  if (input == nullptr) {
    input = mac = &sources.front();
    findings.add(input->mac.place, title + " is right for none of the inputs that the recording tells");
  }
  for (const Told& source : sources) {
    expect_equal(findings, "the input of " + title, input->input, source.input);
    if (!source.mac.pieces.empty()) expect_equal(findings, title, mac->mac, source.mac);
  }
}

bool verifies_mac(const SecureBytes& session_key, std::string_view method, std::uint16_t counter, ByteView data,
                  ByteView mac) {
  const Bytes suffix = ByteWriter().raw(as_bytes(method)).u16(counter).take();
  return equal_constant_time(crypto::hmac_sha256({session_key.view(), suffix}, data), mac);
}

SecureBytes shared_secret(const Node& secrets) {
  const Node own = secrets["serverEphemeralKey"]["privateKeyPkcs8"];
  const Node peer = secrets["clientEphemeralKeySpki"];
  const auto private_key = crypto::PrivateKey::from_pkcs8(own.base64());
  const auto public_key = crypto::PublicKey::from_spki(peer.base64());
  if (!private_key) own.fail("is no private key: " + private_key.error().detail);
  if (!public_key) peer.fail("is no public key: " + public_key.error().detail);
  if (!private_key || !public_key) return {};
  Result<SecureBytes> z = private_key->agree(*public_key);
  if (z) return std::move(z).value();
  peer.fail("does not agree with the issuer's key: " + z.error().detail);
  return {};
}

}  // namespace sks::conformance
