#include <map>

#include "conformance/session.h"

namespace sks::conformance {
namespace {

/// Follows the calls of a session, as their arguments are MACed. Spec: keygen2.md 4.8, 4.12 and 7.6.
class CallWalk {
 public:
  CallWalk(const Recording& recording, Findings& findings) : recording_(recording), findings_(findings) {}

  std::vector<Told> run() {
    const auto created = find_call(recording_, "createProvisioningSession");
    if (!created) {
      findings_.add({std::string(kCallsFile), "", ""}, "holds no call of createProvisioningSession");
      return {};
    }
    session_ = call_result(recording_, *created, findings_)["provisioningHandle"].number();
    ids_.emplace(call_arguments(recording_, *created, findings_));
    created_.emplace(call_result(recording_, *created, findings_));
    for (std::size_t i = 0; i < recording_.calls.size(); ++i) {
      const auto row = handlers().find(recording_.calls[i].method);
      if (row == handlers().end()) continue;
      const Node out = call_result(recording_, i, findings_);
      if (recording_.calls[i].failed()) out.fail("is an error in the middle of a session");
      (this->*row->second)(call_arguments(recording_, i, findings_), out);
    }
    return std::move(told_);
  }

 private:
  using Handler = void (CallWalk::*)(const Node& in, const Node& out);
  struct Policy {
    Node id;
    bool preset = false;
  };
  struct Key {
    Node id;
    Node public_key;
    std::optional<Node> end_entity;
  };

  static const std::map<std::string_view, Handler>& handlers() {
    static const std::map<std::string_view, Handler> kHandlers{
        {"createPukPolicy", &CallWalk::on_puk_policy},
        {"createPinPolicy", &CallWalk::on_pin_policy},
        {"createKeyEntry", &CallWalk::on_key_entry},
        {"setCertificatePath", &CallWalk::on_certificate_path},
        {"importSymmetricKey", &CallWalk::on_import_symmetric_key},
        {"importPrivateKey", &CallWalk::on_import_private_key},
        {"addExtension", &CallWalk::on_extension},
        {"postCloneKeyProtection", &CallWalk::on_clone},
        {"postUpdateKey", &CallWalk::on_update},
        {"postUnlockKey", &CallWalk::on_unlock},
        {"postDeleteKey", &CallWalk::on_delete},
        {"closeProvisioningSession", &CallWalk::on_close},
    };
    return kHandlers;
  }

  Told& add(const Format& format, const Values& values, const Node& mac) {
    told_.push_back({&format, encode(format, values), plain("mac", mac.hex(), mac.place())});
    return told_.back();
  }
  void check_session(const Node& in) const {
    if (in["provisioningHandle"].number() != session_)
      in["provisioningHandle"].fail("is not the handle of the session");
  }
  template <class T>
  T* find(std::map<std::uint32_t, T>& objects, const Node& handle) const {
    const auto found = objects.find(handle.number());
    if (found != objects.end()) return &found->second;
    handle.fail("is the handle of nothing that the session made");
    return nullptr;
  }
  /// A policy by its handle; 0 stands for none.
  Policy* find_policy(std::map<std::uint32_t, Policy>& policies, const Node& handle) const {
    return handle.number() == 0 ? nullptr : find(policies, handle);
  }

  void on_puk_policy(const Node& in, const Node& out) {
    check_session(in);
    const Node puk = in["pukValue"];
    Values values;
    values.text("id", in["id"], in["id"].text())
        .bytes("encryptedPuk", puk, puk.hex())
        .number("format", in["format"], in["format"].number())
        .number("retryLimit", in["retryLimit"], in["retryLimit"].number());
    add(format::kCreatePukPolicy, values, in["mac"]).encrypted = plain("encryptedPuk", puk.hex(), puk.place());
    puks_.emplace(out.number(), Policy{in["id"]});
  }

  void on_pin_policy(const Node& in, const Node& out) {
    check_session(in);
    const Policy* const puk = find_policy(puks_, in["pukPolicyHandle"]);
    Values values;
    values.text("id", in["id"], in["id"].text())
        .text("pukPolicyId", in["pukPolicyHandle"], puk == nullptr ? "" : puk->id.text());
    for (const char* const name : {"userDefined", "userModifiable"})
      values.number(name, in[name], in[name].boolean() ? 1 : 0);
    for (const char* const name :
         {"format", "retryLimit", "grouping", "patternRestrictions", "minLength", "maxLength", "inputMethod"})
      values.number(name, in[name], in[name].number());
    add(format::kCreatePinPolicy, values, in["mac"]);
    pins_.emplace(out.number(), Policy{in["id"], !in["userDefined"].boolean()});
  }

  void on_key_entry(const Node& in, const Node& out) {
    check_session(in);
    const Policy* const pin = find_policy(pins_, in["pinPolicyHandle"]);
    // A PIN that the user chose is an argument in the clear, and not MACed.
    const bool preset = pin != nullptr && pin->preset;
    Values values;
    values.text("pinPolicyId", in["pinPolicyHandle"], pin == nullptr ? "" : pin->id.text())
        .bytes("encryptedPin", in["pinValue"], preset ? in["pinValue"].hex() : Bytes());
    for (const char* const name : {"id", "keyEntryAlgorithm", "keyAlgorithm"})
      values.text(name, in[name], in[name].text());
    values.text("friendlyName", in["friendlyName"], in["friendlyName"].optional_text());
    for (const char* const name : {"serverSeed", "keyParameters"})
      values.bytes(name, in[name], in[name].optional_hex());
    for (const char* const name : {"devicePinProtection", "enablePinCaching"})
      values.number(name, in[name], in[name].boolean() ? 1 : 0);
    for (const char* const name : {"biometricProtection", "exportProtection", "deleteProtection", "appUsage"})
      values.number(name, in[name], in[name].number());
    for (const Node& algorithm : in["endorsedAlgorithms"].optional_elements())
      values.element("endorsedAlgorithms", algorithm, to_bytes(as_bytes(algorithm.text())));
    Told& told = add(format::kCreateKeyEntry, values, in["mac"]);
    if (preset) told.encrypted = plain("encryptedPin", in["pinValue"].hex(), in["pinValue"].place());

    Values attested;
    attested.bytes("publicKey", out["publicKey"], out["publicKey"].base64()).bytes("mac", in["mac"], in["mac"].hex());
    add(format::kKeyAttestation, attested, out["attestation"]);
    keys_.emplace(out["keyHandle"].number(), Key{in["id"], out["publicKey"], std::nullopt});
  }

  void on_certificate_path(const Node& in, const Node&) {
    Key* const key = find(keys_, in["keyHandle"]);
    if (key == nullptr) return;
    const std::vector<Node> path = in["certificatePath"].elements();
    Values values;
    values.bytes("publicKey", in["keyHandle"], key->public_key.base64()).text("id", in["keyHandle"], key->id.text());
    for (const Node& certificate : path) values.element("certificatePath", certificate, certificate.base64());
    add(format::kSetCertificatePath, values, in["mac"]);
    if (!path.empty()) key->end_entity = path.front();
  }

  /// Adds the certificate of the key that `in` names. False: there is none.
  bool add_end_entity(Values& values, const Node& in) {
    const Key* const key = find(keys_, in["keyHandle"]);
    if (key == nullptr) return false;
    if (!key->end_entity) {
      in["keyHandle"].fail("is the handle of a key that has no certificate yet");
      return false;
    }
    values.bytes("endEntityCertificate", in["keyHandle"], key->end_entity->base64());
    return true;
  }

  void on_import(const Format& format, const Node& in) {
    Values values;
    if (!add_end_entity(values, in)) return;
    const Node key = in["encryptedKey"];
    values.bytes("encryptedKey", key, key.hex());
    add(format, values, in["mac"]).encrypted = plain("encryptedKey", key.hex(), key.place());
  }
  void on_import_symmetric_key(const Node& in, const Node&) { on_import(format::kImportSymmetricKey, in); }
  void on_import_private_key(const Node& in, const Node&) { on_import(format::kImportPrivateKey, in); }

  void on_extension(const Node& in, const Node&) {
    constexpr std::uint32_t kEncrypted = 1;
    Values values;
    if (!add_end_entity(values, in)) return;
    const Node data = in["extensionData"];
    values.text("type", in["type"], in["type"].text())
        .number("subType", in["subType"], in["subType"].number())
        .text("qualifier", in["qualifier"], in["qualifier"].optional_text())
        .bytes("extensionData", data, data.hex());
    Told& told = add(format::kAddExtension, values, in["mac"]);
    if (in["subType"].number() == kEncrypted) told.encrypted = plain("extensionData", data.hex(), data.place());
  }

  void on_replacing(const Format& format, const Node& in) {
    Values values;
    if (!add_end_entity(values, in)) return;
    values.bytes("authorization", in["authorization"], in["authorization"].hex());
    add(format, values, in["mac"]);
  }
  void on_clone(const Node& in, const Node&) { on_replacing(format::kPostCloneKeyProtection, in); }
  void on_update(const Node& in, const Node&) { on_replacing(format::kPostUpdateKey, in); }

  void on_plain(const Format& format, const Node& in) {
    check_session(in);
    Values values;
    values.bytes("authorization", in["authorization"], in["authorization"].hex());
    add(format, values, in["mac"]);
  }
  void on_unlock(const Node& in, const Node&) { on_plain(format::kPostUnlockKey, in); }
  void on_delete(const Node& in, const Node&) { on_plain(format::kPostDeleteKey, in); }

  void on_close(const Node& in, const Node& out) {
    check_session(in);
    const Node nonce = in["nonce"];
    Values values;
    values.text("clientSessionId", (*created_)["clientSessionId"], (*created_)["clientSessionId"].text())
        .text("serverSessionId", (*ids_)["serverSessionId"], (*ids_)["serverSessionId"].text())
        .text("issuerUri", (*ids_)["issuerUri"], (*ids_)["issuerUri"].text())
        .bytes("nonce", nonce, nonce.hex());
    add(format::kCloseProvisioningSession, values, in["mac"]);
    Values attested;
    attested.bytes("nonce", nonce, nonce.hex());
    add(format::kCloseAttestation, attested, out);
  }

  const Recording& recording_;
  Findings& findings_;
  std::uint32_t session_ = 0;
  std::optional<Node> ids_;      // arguments of createProvisioningSession
  std::optional<Node> created_;  // and its results
  std::map<std::uint32_t, Policy> puks_;
  std::map<std::uint32_t, Policy> pins_;
  std::map<std::uint32_t, Key> keys_;
  std::vector<Told> told_;
};

}  // namespace

std::vector<Told> told_by_calls(const Recording& recording, Findings& findings) {
  return CallWalk(recording, findings).run();
}

}  // namespace sks::conformance
