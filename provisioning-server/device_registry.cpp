#include "provisioning-server/device_registry.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>

#include "provisioning-server/internal/files.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

using attestation::DeviceTrust;
using attestation::RegisteredTrust;

constexpr mode_t kPrivate = 0600;

std::string_view trimmed(std::string_view line) {
  constexpr std::string_view kBlank = " \t\r";
  line = line.substr(0, line.find('#'));
  const std::size_t begin = std::min(line.find_first_not_of(kBlank), line.size());
  line.remove_prefix(begin);
  return line.substr(0, line.find_last_not_of(kBlank) + 1);
}

Result<RegisteredTrust> parse_registered(std::string_view content, const std::string& file) {
  RegisteredTrust trust;
  for (std::size_t line_number = 1; !content.empty(); ++line_number) {
    const std::string_view line = content.substr(0, content.find('\n'));
    content.remove_prefix(std::min(line.size() + 1, content.size()));
    const std::string_view entry = trimmed(line);
    if (entry.empty()) continue;
    const Result<crypto::Sha256Digest> fingerprint = parse_fingerprint(entry);
    if (!fingerprint)
      return Error{Status::option, file + ":" + std::to_string(line_number) + ": " + fingerprint.error().detail};
    trust.fingerprints.insert(*fingerprint);
  }
  return trust;
}

Result<DeviceTrust> load(DeviceTrustMode mode, const std::string& file) {
  switch (mode) {
    case DeviceTrustMode::open:
      return DeviceTrust(attestation::OpenTrust{});
    case DeviceTrustMode::registered: {
      SKS_LET(const std::string content, read_file(file));
      SKS_LET(RegisteredTrust trust, parse_registered(content, file));
      return DeviceTrust(std::move(trust));
    }
    case DeviceTrustMode::ca: {
      SKS_LET(const std::string content, read_file(file));
      SKS_LET(std::vector<crypto::Certificate> authorities, parse_device_authorities(content, file));
      return DeviceTrust(attestation::DeviceCaTrust{std::move(authorities)});
    }
  }
  return Error{Status::internal, "unknown device trust"};
}

/// Keeps two `register` commands from losing each other's line.
class FileLock {
 public:
  explicit FileLock(const std::string& file) : fd_(::open(file.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, kPrivate)) {
    if (fd_ >= 0) flock(fd_, LOCK_EX);
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  int fd_;
};

}  // namespace

Result<crypto::Sha256Digest> parse_fingerprint(std::string_view text) {
  std::string digits(text);
  std::erase(digits, ':');
  const Result<Bytes> bytes = from_hex(digits);
  if (!bytes || bytes->size() != crypto::kSha256Size)
    return Error{Status::option, "a fingerprint is 64 hexadecimal digits, the SHA-256 of a certificate"};
  crypto::Sha256Digest fingerprint{};
  std::ranges::copy(*bytes, fingerprint.begin());
  return fingerprint;
}

Result<std::vector<crypto::Certificate>> parse_device_authorities(const std::string& pem, const std::string& file) {
  const Result<std::vector<Bytes>> blocks = from_pem(pem, "CERTIFICATE");
  if (!blocks) return Error{Status::option, file + ": " + blocks.error().detail};
  std::vector<crypto::Certificate> authorities;
  for (const Bytes& der : *blocks) {
    Result<crypto::Certificate> certificate = crypto::Certificate::from_der(der);
    if (!certificate) return Error{Status::option, file + ": " + certificate.error().detail};
    if (!certificate->is_ca())
      return Error{Status::option, file + ": " + certificate->subject() + " is not the certificate of a CA"};
    authorities.push_back(std::move(certificate).value());
  }
  if (authorities.empty()) return Error{Status::option, file + " holds no certificate in PEM form"};
  return authorities;
}

Result<std::unique_ptr<DeviceRegistry>> DeviceRegistry::open(DeviceTrustMode mode, std::string file) {
  std::unique_ptr<DeviceRegistry> registry(new DeviceRegistry(mode, std::move(file)));
  SKS_TRY(registry->current());
  return registry;
}

Result<std::shared_ptr<const DeviceTrust>> DeviceRegistry::current() {
  const std::lock_guard lock(mutex_);
  std::string stamp = file_stamp(file_);
  if (trust_ != nullptr && stamp == stamp_) return trust_;
  SKS_LET(DeviceTrust trust, load(mode_, file_));
  trust_ = std::make_shared<const DeviceTrust>(std::move(trust));
  stamp_ = std::move(stamp);
  return trust_;
}

Result<bool> DeviceRegistry::add_fingerprint(const std::string& file, const crypto::Sha256Digest& fingerprint) {
  const FileLock lock(file + ".lock");
  SKS_LET(std::string content, read_file(file));
  SKS_LET(const RegisteredTrust registered, parse_registered(content, file));
  if (registered.fingerprints.contains(fingerprint)) return false;
  if (!content.empty() && content.back() != '\n') content += '\n';
  content += to_hex(fingerprint) + '\n';
  SKS_TRY(replace_file(file, content, kPrivate));
  return true;
}

Result<bool> DeviceRegistry::remove_fingerprint(const std::string& file, const crypto::Sha256Digest& fingerprint) {
  const FileLock lock(file + ".lock");
  SKS_LET(const std::string content, read_file(file));
  SKS_LET(const RegisteredTrust registered, parse_registered(content, file));
  if (!registered.fingerprints.contains(fingerprint)) return false;
  std::string kept;
  for (std::string_view rest = content; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const Result<crypto::Sha256Digest> found = parse_fingerprint(trimmed(line));
    if (!found || *found != fingerprint) kept.append(line).append("\n");
  }
  SKS_TRY(replace_file(file, kept, kPrivate));
  return true;
}

}  // namespace sks::issuer
