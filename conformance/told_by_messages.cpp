#include <algorithm>

#include "conformance/message_walk.h"
#include "conformance/session.h"

namespace sks::conformance {
namespace {

/// What the messages of a session tell, each value with its MAC.
class MessageTeller final : public ElementVisitor {
 public:
  MessageTeller(const Recording& recording, Findings& findings)
      : secrets_(secrets(recording, findings)),
        request_(message(recording, "KeyCreationRequest", findings)),
        response_(message(recording, "KeyCreationResponse", findings)),
        finalization_(message(recording, "ProvisioningFinalizationRequest", findings)),
        closed_(message(recording, "ProvisioningFinalizationResponse", findings)) {}

  std::vector<Told> run() {
    if (request_.exists()) {
      if (response_.exists()) generated_ = response_["generatedKeys"].elements();
      walk_key_creation(request_, *this);
      for (std::size_t i = created_; i < generated_.size(); ++i) generated_[i].fail("is a key that nobody asked for");
    }
    walk_finalization(finalization_, *this);
    on_close();
    return std::move(told_);
  }

  void on_protected(const Format& format, const Values& values, const Node& mac) override {
    told_.push_back({&format, encode(format, values), plain("mac", mac.base64url(), mac.place())});
  }

  void on_key(const Node& specifier) override {
    if (created_ >= generated_.size()) {
      specifier["id"].fail("names a key that the response does not hold");
      return;
    }
    const Node& key = generated_[created_++];
    if (key["id"].text() != specifier["id"].text())
      key["id"].fail("is not \"" + specifier["id"].text() + "\", the key whose turn it is");
    Values values;
    values.bytes("publicKey", key["publicKey"], key["publicKey"].public_key())
        .bytes("mac", specifier["mac"], specifier["mac"].base64url());
    on_protected(format::kKeyAttestation, values, key["attestation"]);
  }

  std::optional<Node> find_public_key(const Node& id) override {
    const std::string name = id.text();
    const auto key = std::ranges::find_if(generated_, [&](const Node& node) { return node["id"].text() == name; });
    if (key != generated_.end()) return (*key)["publicKey"];
    id.fail("is no key of this session");
    return std::nullopt;
  }

 private:
  void on_close() {
    const Node close = finalization_["sessionCloseData"];
    on_protected(format::kCloseProvisioningSession, close_values(closed_, secrets_["issuerUri"], close["nonce"]),
                 close["mac"]);
    Values attested;
    attested.bytes("nonce", close["nonce"], close["nonce"].base64url());
    on_protected(format::kCloseAttestation, attested, closed_["attestation"]);
  }

  Node secrets_;
  Node request_;
  Node response_;
  Node finalization_;
  Node closed_;
  std::vector<Node> generated_;
  std::size_t created_ = 0;
  std::vector<Told> told_;
};

}  // namespace

std::vector<Told> told_by_messages(const Recording& recording, Findings& findings) {
  return MessageTeller(recording, findings).run();
}

}  // namespace sks::conformance
