#include "provisioning-server/device_registry.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "provisioning-server/internal/files.h"
#include "provisioning-server/log.h"
#include "provisioning-server/metrics.h"
#include "provisioning-server/pages.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

using attestation::RevocationList;
using Revocation = attestation::DevicePathRules::Revocation;
using Severity = DeviceTrustFinding::Severity;
using Fingerprints = std::set<crypto::Sha256Digest>;

constexpr std::size_t kMaxList = 64 << 20;
constexpr std::int64_t kSoon = 86400;
constexpr mode_t kPrivate = 0600;

std::string_view trimmed(std::string_view line) {
  constexpr std::string_view kBlank = " \t\r";
  line = line.substr(0, line.find('#'));
  const std::size_t begin = std::min(line.find_first_not_of(kBlank), line.size());
  line.remove_prefix(begin);
  return line.substr(0, line.find_last_not_of(kBlank) + 1);
}

Result<Fingerprints> parse_registered(std::string_view content, const std::string& file) {
  Fingerprints fingerprints;
  for (std::size_t line_number = 1; !content.empty(); ++line_number) {
    const std::string_view line = content.substr(0, content.find('\n'));
    content.remove_prefix(std::min(line.size() + 1, content.size()));
    const std::string_view entry = trimmed(line);
    if (entry.empty()) continue;
    const Result<crypto::Sha256Digest> fingerprint = parse_fingerprint(entry);
    if (!fingerprint)
      return Error{Status::option, file + ":" + std::to_string(line_number) + ": " + fingerprint.error().detail};
    fingerprints.insert(*fingerprint);
  }
  return fingerprints;
}

/// PEM or DER. Fails with option.
Result<std::vector<RevocationList>> parse_lists(const std::string& content, const std::string& file) {
  std::vector<Bytes> blocks{to_bytes(as_bytes(content))};
  if (content.find("-----BEGIN") != std::string::npos) {
    Result<std::vector<Bytes>> pem = from_pem(content, "X509 CRL");
    if (!pem) return Error{Status::option, file + ": " + pem.error().detail};
    blocks = std::move(pem).value();
  }
  if (blocks.empty()) return Error{Status::option, file + " holds no revocation list"};
  std::vector<RevocationList> lists;
  for (const Bytes& block : blocks) {
    Result<RevocationList> list = RevocationList::from_der(block);
    if (!list) return Error{Status::option, file + ": " + list.error().detail};
    lists.push_back(std::move(list).value());
  }
  return lists;
}

/// Issuers of lists that name an authority of the row and are not signed by it. Lists of authorities that only devices
/// show are verified with the path.
std::vector<std::string> find_unverified(const std::vector<RevocationList>& lists,
                                         const std::vector<crypto::Certificate>& authorities) {
  std::vector<std::string> unverified;
  for (const RevocationList& list : lists) {
    const auto names = [&](const crypto::Certificate& authority) { return list.names(authority); };
    const auto signs = [&](const crypto::Certificate& authority) { return list.is_signed_by(authority); };
    if (std::ranges::any_of(authorities, names) && std::ranges::none_of(authorities, signs))
      unverified.push_back(list.issuer());
  }
  return unverified;
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

/// What one file with revocation lists comes to.
void find_in_list(const RevocationListFile& file, Revocation revocation, std::int64_t now,
                  std::vector<DeviceTrustFinding>& findings) {
  const Severity severity = revocation == Revocation::required ? Severity::problem : Severity::warning;
  const std::string what = "device CA " + file.authority + ": ";
  if (file.failure) findings.push_back({severity, "device-crl-not-read", what + file.failure->detail});
  for (const std::string& issuer : file.unverified)
    findings.push_back({Severity::problem, "device-crl-forged",
                        what + "the list of " + issuer + " in " + file.file + " is not signed by that CA"});
  for (const RevocationList& list : file.lists) {
    const std::string one = what + "the list of " + list.issuer() + " in " + file.file;
    if (list.this_update() > now) {
      findings.push_back({severity, "device-crl-not-valid", one + " is not valid yet"});
    } else if (list.next_update() < now) {
      findings.push_back({severity, "device-crl-expired",
                          one + " should have been followed by another one on " + time_text(list.next_update())});
    } else if (list.next_update() < now + kSoon) {
      findings.push_back({Severity::warning, "device-crl-expires",
                          one + " will be followed by another one on " + time_text(list.next_update())});
    } else {
      findings.push_back(
          {Severity::ok, "device-crl", one + " withdraws " + std::to_string(list.size()) + " certificates"});
    }
  }
}

void find_in_authority(const DevicePolicy::Authority& authority, std::int64_t now,
                       std::vector<DeviceTrustFinding>& findings) {
  const std::string what = "device CA " + authority.rules.name;
  for (const crypto::Certificate& certificate : authority.certificates)
    if (certificate.not_after() < now && authority.rules.period != attestation::DevicePathRules::Period::none)
      findings.push_back(
          {Severity::warning, "device-ca-expired", what + ": " + certificate.subject() + " has expired"});
  if (authority.rules.revocation == Revocation::none)
    findings.push_back({Severity::warning, "device-revocation-not-checked",
                        what + ": nobody looks whether its devices have been withdrawn (revocation = \"none\")"});
  if (authority.rules.revocation == Revocation::if_available)
    findings.push_back(
        {Severity::warning, "device-revocation-optional",
         what + ": its devices are accepted while there is no valid list (revocation = \"if-available\")"});
  for (const RevocationListFile& file : authority.lists) find_in_list(file, authority.rules.revocation, now, findings);
}

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

DeviceRegistry::DeviceRegistry(DeviceTrustMode mode, std::string file, std::vector<DeviceAuthorityRules> authorities)
    : mode_(mode), file_(std::move(file)), authorities_(std::move(authorities)) {
  if (mode_ == DeviceTrustMode::ca && authorities_.empty()) authorities_.push_back(plain_device_authority(file_));
}

Result<std::unique_ptr<DeviceRegistry>> DeviceRegistry::open(DeviceTrustMode mode, std::string file,
                                                             std::vector<DeviceAuthorityRules> authorities) {
  std::unique_ptr<DeviceRegistry> registry(new DeviceRegistry(mode, std::move(file), std::move(authorities)));
  SKS_TRY(registry->current());
  return registry;
}

std::string DeviceRegistry::place_of(const std::string& file) const {
  return (std::filesystem::path(file_).parent_path() / file).string();
}

std::string DeviceRegistry::stamp() const {
  if (mode_ == DeviceTrustMode::registered) return file_stamp(file_);
  std::string all;
  if (mode_ == DeviceTrustMode::open) return all;
  for (const DeviceAuthorityRules& rules : authorities_) {
    all += file_stamp(place_of(rules.file)) + ';';
    for (const std::string& list : rules.lists) all += file_stamp(place_of(list)) + ';';
  }
  return all;
}

Result<DevicePolicy::Authority> DeviceRegistry::load_authority(const DeviceAuthorityRules& rules) const {
  DevicePolicy::Authority authority{rules, {}, {}};
  const std::string file = place_of(rules.file);
  SKS_LET(const std::string pem, read_file(file));
  SKS_LET(authority.certificates, parse_device_authorities(pem, file));
  for (const std::string& name : rules.lists) {
    RevocationListFile list{rules.name, place_of(name)};
    const Result<std::string> content = read_file(list.file, kMaxList);
    auto lists = content ? parse_lists(*content, list.file) : Result<std::vector<RevocationList>>(content.error());
    if (lists) {
      list.unverified = find_unverified(*lists, authority.certificates);
      list.lists = std::move(lists).value();
    } else {
      list.failure = lists.error();
    }
    authority.lists.push_back(std::move(list));
  }
  return authority;
}

Result<DevicePolicy> DeviceRegistry::load() const {
  switch (mode_) {
    case DeviceTrustMode::open:
      return DevicePolicy::accept_all();
    case DeviceTrustMode::registered: {
      SKS_LET(const std::string content, read_file(file_));
      SKS_LET(Fingerprints fingerprints, parse_registered(content, file_));
      return DevicePolicy::accept_registered(std::move(fingerprints));
    }
    case DeviceTrustMode::ca: {
      std::vector<DevicePolicy::Authority> authorities;
      for (const DeviceAuthorityRules& rules : authorities_) {
        SKS_LET(DevicePolicy::Authority authority, load_authority(rules));
        authorities.push_back(std::move(authority));
      }
      return DevicePolicy::accept_by_authority(std::move(authorities));
    }
  }
  return Error{Status::internal, "unknown device trust"};
}

Result<std::shared_ptr<const DevicePolicy>> DeviceRegistry::current() {
  const std::lock_guard lock(mutex_);
  std::string now = stamp();
  if (policy_ != nullptr && now == stamp_) return policy_;
  SKS_LET(DevicePolicy policy, load());
  policy_ = std::make_shared<const DevicePolicy>(std::move(policy));
  stamp_ = std::move(now);
  return policy_;
}

bool DeviceRegistry::is_at_hand() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  return lock.owns_lock() && policy_ != nullptr && stamp() == stamp_;
}

Result<bool> DeviceRegistry::has_fingerprint(const std::string& file, const crypto::Sha256Digest& fingerprint) {
  SKS_LET(const std::string content, read_file(file));
  SKS_LET(const Fingerprints registered, parse_registered(content, file));
  return registered.contains(fingerprint);
}

Result<bool> DeviceRegistry::add_fingerprint(const std::string& file, const crypto::Sha256Digest& fingerprint) {
  const FileLock lock(file + ".lock");
  SKS_LET(std::string content, read_file(file));
  SKS_LET(const Fingerprints registered, parse_registered(content, file));
  if (registered.contains(fingerprint)) return false;
  if (!content.empty() && content.back() != '\n') content += '\n';
  content += to_hex(fingerprint) + '\n';
  SKS_TRY(replace_file(file, content, kPrivate));
  return true;
}

Result<bool> DeviceRegistry::remove_fingerprint(const std::string& file, const crypto::Sha256Digest& fingerprint) {
  const FileLock lock(file + ".lock");
  SKS_LET(const std::string content, read_file(file));
  SKS_LET(const Fingerprints registered, parse_registered(content, file));
  if (!registered.contains(fingerprint)) return false;
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

std::vector<DeviceTrustFinding> DeviceRegistry::findings(const Clock& clock) {
  std::vector<DeviceTrustFinding> findings;
  if (mode_ == DeviceTrustMode::open)
    findings.push_back({Severity::warning, "device-trust-open", "nothing proves where the keys live"});
  const Result<std::shared_ptr<const DevicePolicy>> policy = current();
  if (!policy) {
    findings.push_back({Severity::problem, "device-trust-not-read", policy.error().detail});
    return findings;
  }
  for (const DevicePolicy::Authority& authority : (*policy)->authorities())
    find_in_authority(authority, clock.now(), findings);
  return findings;
}

void DeviceRegistry::note_findings(const Clock& clock) {
  std::vector<std::string> sentences;
  for (const DeviceTrustFinding& finding : findings(clock)) {
    sentences.push_back(finding.sentence);
    if (finding.severity == Severity::ok || std::ranges::count(noted_, finding.sentence) != 0) continue;
    (finding.severity == Severity::problem ? log_error : log_warning)(finding.event, {{"reason", finding.sentence}});
    if (finding.event.starts_with("device-crl") && finding.severity == Severity::problem)
      Metrics::instance().counter("device_crl_refused_total", {{"reason", finding.event}}).add();
  }
  noted_ = std::move(sentences);
  const Result<std::shared_ptr<const DevicePolicy>> policy = current();
  if (!policy) return;
  for (const DevicePolicy::Authority& authority : (*policy)->authorities()) {
    std::optional<std::int64_t> next;
    for (const RevocationListFile& file : authority.lists)
      for (const RevocationList& list : file.lists)
        next = std::min(next.value_or(list.next_update()), list.next_update());
    if (next) Metrics::instance().set_gauge("device_crl_next_update_seconds", *next, {{"ca", authority.rules.name}});
  }
}

}  // namespace sks::issuer
