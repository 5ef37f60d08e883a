#include "provisioning-server/authority/certificate_files.h"

#include <algorithm>
#include <filesystem>

#include "provisioning-server/internal/files.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kBackdating = 300;
constexpr const char* kP256 = "https://webpki.github.io/sks/algorithm#ec.nist.p256";

}  // namespace

std::string next_key_file(const std::string& key_file) { return key_file + ".next"; }

Result<std::vector<crypto::Certificate>> read_certificates(const std::string& file) {
  SKS_LET(const std::string content, read_file(file));
  const Result<std::vector<Bytes>> blocks = from_pem(content, "CERTIFICATE");
  if (!blocks) return Error{blocks.error().status, file + ": " + blocks.error().detail};
  if (blocks->empty()) return Error{Status::option, file + " holds no certificate in PEM form"};
  std::vector<crypto::Certificate> certificates;
  for (const Bytes& block : *blocks) {
    Result<crypto::Certificate> certificate = crypto::Certificate::from_der(block);
    if (!certificate) return Error{certificate.error().status, file + ": " + certificate.error().detail};
    certificates.push_back(std::move(certificate).value());
  }
  return certificates;
}

std::string certificates_to_pem(const std::vector<crypto::Certificate>& certificates) {
  std::string text;
  for (const crypto::Certificate& certificate : certificates) text += to_pem(certificate.der(), "CERTIFICATE");
  return text;
}

Result<crypto::PrivateKey> read_paired_key(const std::string& file, const crypto::PublicKey& key,
                                           const FileSeal& seal) {
  const auto is_it = [&](const Result<crypto::PrivateKey>& found) {
    return found && equal(found->public_key().spki(), key.spki());
  };
  Result<crypto::PrivateKey> own = read_key_file(file, seal);
  if (is_it(own)) return own;
  const std::string next = next_key_file(file);
  std::error_code failure;
  if (std::filesystem::exists(next, failure)) {
    // Bound to the name that it will have.
    SKS_LET(const SecureBytes content, read_secret_file(next));
    SKS_LET(const SecureBytes pem,
            seal.open(std::filesystem::path(file).filename().string(), SecureBytes::copy_of(content.view())));
    const std::string_view text(reinterpret_cast<const char*>(pem.data()), pem.size());
    SKS_LET(std::vector<Bytes> blocks, from_pem(text, "PRIVATE KEY"));
    if (blocks.size() == 1) {
      Result<crypto::PrivateKey> waiting = crypto::PrivateKey::from_pkcs8(blocks.front());
      cleanse(blocks.front());
      if (is_it(waiting)) return waiting;
    }
  }
  if (!own) return own;
  return Error{Status::option, file + ": the key is not the one of the certificate"};
}

Result<crypto::PrivateKey> make_key() {
  const Algorithm* const algorithm = find_algorithm(kP256);
  SKS_CHECK(algorithm != nullptr);
  return crypto::PrivateKey::generate(*algorithm);
}

Bytes common_name(const std::string& what, const MainUrl& url) {
  constexpr std::size_t kMaxCommonName = 64;
  const std::string full = what + " for " + url.host();
  const Result<Bytes> name = crypto::encode_name({{"CN", full.size() <= kMaxCommonName ? full : what}});
  SKS_CHECK(name);
  return *name;
}

Result<crypto::Certificate> make_authority_certificate(const Bytes& subject, const crypto::Signer& signer,
                                                       std::int64_t now) {
  crypto::CertificateTemplate contents;
  contents.kind = crypto::CertificateKind::ca;
  contents.subject_der = subject;
  contents.not_before = now - kBackdating;
  contents.not_after = now + kAuthorityDays * kDay;
  return crypto::issue_certificate(contents, signer.public_key(), nullptr, signer);
}

Result<crypto::Certificate> make_server_certificate(const MainUrl& url, const crypto::PublicKey& key,
                                                    const crypto::Certificate& authority, const crypto::Signer& signer,
                                                    std::int64_t now, std::int64_t days) {
  crypto::CertificateTemplate contents;
  contents.kind = crypto::CertificateKind::tls_server;
  contents.subject_der = common_name("OpenSKS issuer", url);
  contents.not_before = now - kBackdating;
  contents.not_after = std::min(now + days * kDay, authority.not_after());
  if (url.host_is_address()) {
    contents.ip_addresses = {url.host()};
  } else {
    contents.dns_names = {url.host()};
  }
  if (url.host() == "localhost") contents.ip_addresses = {"127.0.0.1", "::1"};
  return crypto::issue_certificate(contents, key, &authority, signer);
}

}  // namespace sks::issuer
