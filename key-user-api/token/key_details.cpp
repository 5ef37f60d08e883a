#include "key-user-api/token/key_details.h"

#include <algorithm>

#include "key-user-api/local_issuer/local_keys.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"
#include "sks-core/crypto/x509.h"
#include "sks-core/engine/property_bag.h"

namespace sks::token {
namespace {

constexpr std::uint8_t kTrustedGui = 2;    // inputMethod, sks-api.md 5.1
constexpr std::size_t kObjectCost = 4096;  // bytes of OpenSSL's objects and of ours, about

bool is_aes_size(std::size_t bytes) { return bytes == 16 || bytes == 24 || bytes == 32; }

bool encrypts(std::uint16_t usages) { return (usages & static_cast<std::uint16_t>(Usage::encrypt)) != 0; }

std::string text_of(ByteView value) {
  std::string text = to_string(value);
  return is_utf8(text) ? text : std::string();
}

std::string subject_text(ByteView certificate) {
  const Result<crypto::Certificate> decoded = crypto::Certificate::from_der(certificate);
  return decoded ? decoded->subject() : std::string();
}

}  // namespace

std::optional<std::vector<Bytes>> read_certificates(std::string_view text) {
  std::vector<Bytes> path;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(kCertificateSeparator), text.size());
    Result<Bytes> der = from_base64url(text.substr(0, end));
    if (!der || !split_certificate(*der)) return std::nullopt;
    path.push_back(std::move(der).value());
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return path;
}

Bytes id_of(ByteView spki) {
  const std::optional<SpkiFields> fields = split_spki(spki);
  return fields ? crypto::sha1(fields->key_bits) : Bytes();
}

Result<std::shared_ptr<const KeyDetails>> KeyDetails::read(SecureKeyStore& store,
                                                           const UserApi::PinGroupOf& pin_group_of, KeyHandle key) {
  auto details = std::make_shared<KeyDetails>();
  details->handle = key;
  if (!key) {
    SKS_LET(DeviceInfo device, store.get_device_info());
    details->path = std::move(device.certificate_path);
    details->path.insert(details->path.begin(), Bytes());  // where the certificate of a key would be
    return std::shared_ptr<const KeyDetails>(std::move(details));
  }
  SKS_LET(KeyAttributes attributes, store.get_key_attributes(key));
  SKS_LET(const KeyProtectionInfo protection, store.get_key_protection_info(key));
  SKS_LET(const std::optional<PinGroupHandle> group, pin_group_of(key));
  details->slot = group ? group->value : 0;
  details->path = std::move(attributes.certificate_path);
  SKS_TRY(details->read_key(attributes, protection));
  details->endorsed_algorithms = std::move(attributes.endorsed_algorithms);
  const auto& extensions = attributes.extension_types;
  details->has_properties = std::ranges::find(extensions, kPkcs11ExtensionType) != extensions.end();
  details->is_hidden = std::ranges::find(extensions, kPinManagerType) != extensions.end();
  if (details->has_properties) SKS_TRY(details->read_properties(store));
  if (details->id.empty()) details->id = id_of(details->spki);
  if (details->label.empty()) details->label = std::move(attributes.friendly_name);
  if (details->label.empty() && !details->path.empty()) details->label = subject_text(details->path.front());
  return std::shared_ptr<const KeyDetails>(std::move(details));
}

Result<void> KeyDetails::read_key(const KeyAttributes& attributes, const KeyProtectionInfo& protection) {
  secret_bytes = attributes.symmetric_key_length;
  if (!is_secret()) {
    const auto fields = path.empty() ? std::nullopt : split_certificate(path.front());
    if (!fields) return Error{Status::internal, "the certificate of a key is none"};
    spki = to_bytes(fields->spki);
    shape = shape_of(spki);
  }
  const bool is_known = is_secret() || shape;
  const std::optional<KeyKind> kind = shape ? std::optional(shape->kind) : std::nullopt;
  if (is_known) usages = usages_of_key(kind, attributes.endorsed_algorithms);
  is_imported = (protection.key_backup & kImported) != 0;
  is_extractable = protection.export_protection == 0;
  always_authenticate = slot != 0 && protection.input_method == kTrustedGui && !protection.enable_pin_caching;
  delete_protection = static_cast<DeleteProtection>(protection.delete_protection);
  return {};
}

Result<void> KeyDetails::read_properties(SecureKeyStore& store) {
  SKS_LET(const ExtensionContent bag, store.get_extension(handle, kPkcs11ExtensionType));
  const auto properties = engine::read_property_bag(bag.data.view());
  if (!properties) {  // whoever made this key meant something else by it
    has_properties = false;
    return {};
  }
  for (const engine::Property& property : *properties) {
    const std::string name = to_string(property.name);
    const std::string value = text_of(property.value);
    if (name == kPkcs11Id) {
      if (Result<Bytes> decoded = from_hex(value)) id = std::move(decoded).value();
    } else if (name == kPkcs11Label) {
      label = value;
    } else if (name == kPkcs11Certificates && !value.empty()) {
      auto certificates = read_certificates(value);
      if (!certificates) continue;
      path = std::move(*certificates);
      has_own_certificate = false;
    }
  }
  return {};
}

CK_KEY_TYPE KeyDetails::key_type() const {
  if (shape) return key_type_of(shape->kind);
  return is_aes_size(secret_bytes) && encrypts(usages) ? CKK_AES : CKK_GENERIC_SECRET;
}

std::size_t KeyDetails::cost() const {
  std::size_t cost = kObjectCost;
  for (const Bytes& certificate : path) cost += certificate.size();
  return cost;
}

Contents KeyDetails::contents(unsigned part) const {
  Contents contents;
  if (part >= kFirstAuthorityPart && part != kAttestationPart) {
    contents.certificate = path.at(part - kCertificatePart);
    contents.label = subject_text(contents.certificate);
    if (const auto fields = split_certificate(contents.certificate)) contents.id = id_of(fields->spki);
  } else {
    contents.label = label;
    contents.id = id;
    contents.spki = spki;
    if (part == kSecretPart) contents.endorsed = &endorsed_algorithms;
    if (!is_secret()) contents.certificate = path.front();
  }
  if (const auto fields = split_certificate(contents.certificate)) {
    contents.subject = fields->subject;
    if (part >= kCertificatePart) contents.spki = fields->spki;
  }
  return contents;
}

std::shared_ptr<const KeyInUse> KeyDetails::in_use(unsigned part) const {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const KeyInUse>& use = part == kSecretPart ? secret_use_ : public_use_;
  if (use == nullptr) use = make_in_use(part);
  return use;
}

std::shared_ptr<const KeyInUse> KeyDetails::make_in_use(unsigned part) const {
  auto use = std::make_shared<KeyInUse>();
  use->object = object_of(handle, part);
  use->slot = slot;
  use->key_type = key_type();
  if (shape) {
    const auto decoded = crypto::PublicKey::from_spki(spki);
    if (!decoded) return nullptr;
    use->public_key = *decoded;
  }
  if (part == kPublicPart) {
    use->object_class = CKO_PUBLIC_KEY;
    use->usages = usages_of_public(usages);
    return use;
  }
  use->object_class = is_secret() ? CKO_SECRET_KEY : CKO_PRIVATE_KEY;
  use->usages = usages;
  use->stored = handle;
  use->endorsed_algorithms = endorsed_algorithms;
  use->always_authenticate = always_authenticate;
  use->extractable = is_extractable;
  return use;
}

}  // namespace sks::token
