// Every installed header is included above this line.

#include <cstdio>

namespace {

/// A device identity of the integrator's own.
class Identity final : public sks::DeviceIdentity {
 public:
  explicit Identity(sks::crypto::PrivateKey key) : key_(std::move(key)) {
    const sks::crypto::CertificateTemplate what{
        sks::crypto::CertificateKind::device, {{"CN", "Consumer"}}, 1577836800, 4102444800, {}, {}, {}};
    path_.push_back(sks::crypto::issue_certificate(what, key_.public_key(), nullptr, key_).value().der());
  }
  const std::vector<sks::Bytes>& certificate_path() const override { return path_; }
  sks::Result<sks::Bytes> sign(sks::ByteView data) const override { return key_.sign(data); }

 private:
  sks::crypto::PrivateKey key_;
  std::vector<sks::Bytes> path_;
};

}  // namespace

int main() {
  const sks::Algorithm* const p256 = sks::find_algorithm("https://webpki.github.io/sks/algorithm#ec.nist.p256");
  const Identity identity(sks::crypto::PrivateKey::generate(*p256).value());
  sks::MemoryStorage storage;
  const auto engine = sks::Engine::open({storage, identity}).value();
  sks::wire::RemoteKeyStore remote(std::make_unique<sks::wire::LocalChannel>(*engine));
  const sks::DeviceInfo info = remote.get_device_info().value();
  std::printf("%s, sks.h %s\n", info.vendor_name.c_str(), sks_version());
  return info.certificate_path == identity.certificate_path() ? 0 : 1;
}
