#include "tests/sks-core/model/call.h"

namespace sks::model {
namespace {

constexpr const char* kNames[] = {
    "createProvisioningSession",
    "closeProvisioningSession",
    "abortProvisioningSession",
    "updateKeyManagementKey",
    "createPukPolicy",
    "createPinPolicy",
    "createKeyEntry",
    "getKeyHandle",
    "setCertificatePath",
    "importSymmetricKey",
    "importPrivateKey",
    "addExtension",
    "postDeleteKey",
    "postUnlockKey",
    "postUpdateKey",
    "postCloneKeyProtection",
    "activate",
    "deactivate",
    "setProperty",
    "deleteKey",
    "exportKey",
    "unlockKey",
    "changePin",
    "setPin",
    "verifyPin",
    "signData",
    "signHashedData",
    "keyAgreement",
    "asymmetricKeyDecrypt",
    "performHmac",
    "symmetricKeyEncrypt",
    "(restart)",
    "(kill)",
};

/// Collects the arguments that differ from those of a default call.
class Line {
 public:
  explicit Line(std::string start) : text_(std::move(start)) {}
  void label(const char* name, int value) {
    if (value != 0) add(name, "#" + std::to_string(value));
  }
  void text(const char* name, const std::string& value) {
    if (!value.empty()) add(name, '"' + value + '"');
  }
  template <class T>
  void number(const char* name, T value, T usual) {
    if (value != usual) add(name, std::to_string(static_cast<long>(value)));
  }
  std::string take() { return std::move(text_); }

 private:
  void add(const char* name, const std::string& value) { text_ += std::string(" ") + name + "=" + value; }
  std::string text_;
};

}  // namespace

std::string name_of(Method method) { return kNames[static_cast<std::size_t>(method)]; }

std::string describe(const Call& call) {
  const Call usual;
  Line line("#" + std::to_string(call.label) + " " + name_of(call.method));
  line.label("session", call.session);
  line.label("key", call.key);
  line.label("target", call.target);
  line.label("pinPolicy", call.pin_policy);
  line.label("pukPolicy", call.puk_policy);
  line.text("id", call.id);
  line.text("value", call.value);
  line.text("authorization", call.authorization);
  line.text("type", call.type);
  line.text("name", call.name);
  line.number("privacy", call.privacy, usual.privacy);
  line.number("kmk", call.kmk, usual.kmk);
  line.number("signer", call.signer, usual.signer);
  line.number("sessionKeyLimit", call.op_limit, usual.op_limit);
  line.number("format", call.format, usual.format);
  line.number("retryLimit", call.retry_limit, usual.retry_limit);
  line.number("grouping", call.grouping, usual.grouping);
  line.number("patterns", call.patterns, usual.patterns);
  line.number("minLength", call.min_length, usual.min_length);
  line.number("maxLength", call.max_length, usual.max_length);
  line.number("inputMethod", call.input_method, usual.input_method);
  line.number("userDefined", call.user_defined, usual.user_defined);
  line.number("userModifiable", call.user_modifiable, usual.user_modifiable);
  line.number("pair", call.pair, usual.pair);
  line.number("serial", call.serial, usual.serial);
  line.number("devicePin", call.device_pin, usual.device_pin);
  line.number("caching", call.caching, usual.caching);
  line.number("biometric", call.biometric, usual.biometric);
  line.number("export", call.export_protection, usual.export_protection);
  line.number("delete", call.delete_protection, usual.delete_protection);
  line.number("appUsage", call.app_usage, usual.app_usage);
  line.number("endorsed", call.endorsed, usual.endorsed);
  line.number("subType", call.sub_type, usual.sub_type);
  line.number("length", call.length, usual.length);
  line.number("algorithm", call.algorithm, usual.algorithm);
  line.number("biometricAuth", call.biometric_auth, usual.biometric_auth);
  line.number("parameters", call.has_parameters, usual.has_parameters);
  line.number("wrongMac", call.wrong_mac, usual.wrong_mac);
  line.number("damage", call.damage, usual.damage);
  line.number("fault", call.fault, usual.fault);
  line.number("faultAt", call.fault_at, usual.fault_at);
  return line.take();
}

const std::vector<UserAlgorithm> kUserAlgorithms{
    {"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", Kind::signature},
    {"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", Kind::signature, true},
    {"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", Kind::hmac},
    {"https://webpki.github.io/sks/algorithm#aes.ecb.nopad", Kind::cipher},
    {"https://webpki.github.io/sks/algorithm#ecdh.raw", Kind::agreement},
    {"https://webpki.github.io/sks/algorithm#rsa.oaep.sha256", Kind::decryption, true},
    {"https://webpki.github.io/sks/algorithm#none", Kind::none_at_all},
    {"https://webpki.github.io/sks/algorithm#ec.nist.p256", Kind::key_generation},
    {"https://webpki.github.io/sks/algorithm#unheard.of", Kind::unknown},
    {"http://www.w3.org/2001/04/xmlenc#aes256-cbc", Kind::cipher, false, 32},
};

// The last four name an unknown algorithm, are not in order, name one twice, or name #none beside others.
const std::vector<std::vector<int>> kEndorsedLists{
    {}, {0}, {1}, {2}, {6}, {2, 9}, {0, 4}, {1, 5}, {7}, {8}, {1, 0}, {0, 0}, {0, 6},
};

}  // namespace sks::model
