#include "conformance/kit/device.h"

#include <sys/stat.h>

#include <algorithm>

#include "conformance/kit/authority.h"
#include "conformance/kit/temporary_folder.h"
#include "sks-core/base/encoding.h"

namespace sks::conformance {
namespace {

constexpr std::int64_t kYear = 365 * kDay;
constexpr const char* kCertificateLabel = "CERTIFICATE";
constexpr const char* kKeyLabel = "PRIVATE KEY";

struct DeviceAuthority {
  crypto::PrivateKey key;
  crypto::Certificate certificate;
};

Result<Bytes> first_block(const std::string& file, const std::string& text, const char* label) {
  SKS_LET(const std::vector<Bytes> blocks, from_pem(text, label));
  if (blocks.empty()) return Error{Status::option, file + " holds no " + label};
  return blocks.front();
}

Result<DeviceAuthority> new_authority() {
  SKS_LET(crypto::PrivateKey key, new_key("ec.nist.p256"));
  const std::int64_t now = system_clock().now();
  const crypto::CertificateTemplate wanted{
      crypto::CertificateKind::ca, {{"CN", "Devices of a conformance kit"}}, now - 2 * kDay, now + kYear, {}, {}, {}};
  SKS_LET(crypto::Certificate certificate, crypto::issue_certificate(wanted, key.public_key(), nullptr, key));
  return DeviceAuthority{std::move(key), std::move(certificate)};
}

Result<void> save(const std::string& file, const DeviceAuthority& authority) {
  SKS_LET(const SecureBytes pkcs8, authority.key.to_pkcs8());
  constexpr mode_t kOthers = 077;
  const mode_t before = ::umask(kOthers);
  const auto written =
      write_file(file, to_pem(authority.certificate.der(), kCertificateLabel) + to_pem(pkcs8.view(), kKeyLabel));
  ::umask(before);
  return written;
}

Result<DeviceAuthority> open_authority(const std::string& file) {
  if (file.empty()) return new_authority();
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    SKS_LET(DeviceAuthority made, new_authority());
    SKS_TRY(save(file, made));
    return made;
  }
  SKS_LET(const std::string text, read_file(file));
  SKS_LET(const Bytes der, first_block(file, text, kCertificateLabel));
  SKS_LET(const Bytes pkcs8, first_block(file, text, kKeyLabel));
  SKS_LET(crypto::Certificate certificate, crypto::Certificate::from_der(der));
  SKS_LET(crypto::PrivateKey key, crypto::PrivateKey::from_pkcs8(pkcs8));
  return DeviceAuthority{std::move(key), std::move(certificate)};
}

Result<attestation::SoftwareIdentity> given_identity(const DeviceFiles& files) {
  SKS_LET(const std::string certificates, read_file(files.certificate));
  SKS_LET(std::vector<Bytes> path, from_pem(certificates, kCertificateLabel));
  if (path.empty()) return Error{Status::option, files.certificate + " holds no certificate"};
  SKS_LET(const std::string key, read_file(files.key));
  SKS_LET(const Bytes pkcs8, first_block(files.key, key, kKeyLabel));
  return attestation::SoftwareIdentity::from_parts(std::move(path), pkcs8);
}

/// A device whose certificate ends so many seconds from now.
Result<attestation::SoftwareIdentity> certified(const DeviceAuthority& authority, std::int64_t ends) {
  SKS_LET(const crypto::PrivateKey key, new_key("ec.nist.p256"));
  const std::int64_t now = system_clock().now();
  const crypto::CertificateTemplate wanted{
      crypto::CertificateKind::device, {{"CN", "Conformance device"}}, now - 2 * kDay, now + ends, {}, {}, {}};
  SKS_LET(const crypto::Certificate certificate,
          crypto::issue_certificate(wanted, key.public_key(), &authority.certificate, authority.key));
  SKS_LET(const SecureBytes pkcs8, key.to_pkcs8());
  return attestation::SoftwareIdentity::from_parts({certificate.der(), authority.certificate.der()}, pkcs8.view());
}

}  // namespace

Result<std::string> device_authority(const std::string& file) {
  if (file.empty()) return Error{Status::option, "a file for the device CA is needed: it is not the same without one"};
  SKS_LET(const DeviceAuthority authority, open_authority(file));
  return to_pem(authority.certificate.der(), kCertificateLabel);
}

Result<Devices> make_devices(const DeviceFiles& files) {
  if (!files.certificate.empty()) {
    SKS_LET(attestation::SoftwareIdentity given, given_identity(files));
    return Devices{std::move(given)};
  }
  SKS_LET(const DeviceAuthority authority, open_authority(files.authority));
  SKS_LET(attestation::SoftwareIdentity own, certified(authority, kYear));
  Devices devices{std::move(own)};
  if (files.authority.empty()) return devices;
  SKS_LET(const DeviceAuthority unknown, new_authority());
  SKS_LET(devices.stranger, certified(unknown, kYear));
  SKS_LET(attestation::SoftwareIdentity signer, certified(authority, kYear));
  std::vector<Bytes> path = signer.certificate_path();
  path.front().back() ^= 1U;  // of the CA's signature
  devices.forged.emplace(std::move(path), std::move(signer));
  SKS_LET(devices.expired, certified(authority, -kDay));
  return devices;
}

const SecureBytes* KeyMaker::find_used(const Algorithm& algorithm) const {
  if (mode_ == Keys::fresh) return nullptr;
  const bool earlier = mode_ == Keys::of_earlier_session && earlier_ != nullptr;
  const auto& known = earlier ? earlier_->keys : made_;
  // Each key of the earlier session once: two equal keys in one session are another mistake.
  for (std::size_t i = earlier ? next_ : 0; i < known.size(); ++i) {
    if (known[i].first != algorithm.uri) continue;
    next_ = i + 1;
    return &known[i].second;
  }
  return nullptr;
}

Result<crypto::PrivateKey> KeyMaker::generate(const Algorithm& algorithm, ByteView parameters, ByteView seed) const {
  SKS_LET(crypto::PrivateKey key, make(algorithm, parameters, seed));
  SKS_LET(latest_, key.to_pkcs8());
  return key;
}

Result<crypto::PrivateKey> KeyMaker::make(const Algorithm& algorithm, ByteView parameters, ByteView seed) const {
  if (const SecureBytes* const used = find_used(algorithm)) return crypto::PrivateKey::from_pkcs8(used->view());
  Algorithm wanted = algorithm;
  Bytes exponent = to_bytes(parameters);
  if (exponent_ != 0 && algorithm.kind == KeyKind::rsa) {
    wanted.takes_parameters = true;
    exponent = {exponent_};
  }
  SKS_LET(crypto::PrivateKey key, system_key_source().generate(wanted, exponent, seed));
  SKS_LET(SecureBytes pkcs8, key.to_pkcs8());
  made_.emplace_back(algorithm.uri, std::move(pkcs8));
  return key;
}

void IdSource::fill(std::span<std::uint8_t> out) const {
  if (!wanted_.empty() && out.size() == wanted_.size())
    std::ranges::copy(wanted_, out.begin());
  else
    system_random().fill(out);
}

Result<std::unique_ptr<Device>> Device::create(const DeviceIdentity& identity) {
  auto device = std::make_unique<Device>();
  device->identity_ = &identity;
  SKS_LET(
      device->engine_,
      Engine::open({.storage = device->storage_, .identity = identity, .keys = device->keys_, .random = device->ids_}));
  return device;
}

}  // namespace sks::conformance
