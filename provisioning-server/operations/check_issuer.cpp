#include "provisioning-server/operations/check_issuer.h"

#include <algorithm>
#include <filesystem>

#include "provisioning-server/authority/certificate_files.h"
#include "provisioning-server/database/schema.h"
#include "provisioning-server/database/shown_url.h"
#include "provisioning-server/internal/files.h"
#include "provisioning-server/issuer.h"
#include "provisioning-server/life_cycle/key_generations.h"
#include "provisioning-server/pages.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kSoon = 30 * 86400;

/// Findings, one a line.
class Findings {
 public:
  explicit Findings(std::ostream& out) : out_(out) {}

  void ok(const std::string& sentence) { line("ok", sentence); }
  void warn(const std::string& sentence) { line("warning", sentence); }
  void problem(const std::string& sentence) {
    line("problem", sentence);
    ++problems_;
  }
  template <class T>
  bool check(const Result<T>& outcome, const std::string& sentence) {
    if (outcome) {
      ok(sentence);
    } else {
      problem(outcome.error().detail);
    }
    return static_cast<bool>(outcome);
  }
  std::size_t problems() const { return problems_; }

 private:
  void line(const char* kind, std::string sentence) {
    std::ranges::replace_if(
        sentence, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    out_ << kind << ": " << sentence << '\n';
  }

  std::ostream& out_;
  std::size_t problems_ = 0;
};

void check_keys(const IssuerPaths& paths, Findings& findings) {
  std::error_code failure;
  std::size_t count = 0;
  bool all_private = true;
  for (const auto& entry : std::filesystem::directory_iterator(paths.keys, failure)) {
    ++count;
    const Result<void> is_private = check_secret_file(entry.path().string());
    if (is_private) continue;
    all_private = false;
    findings.problem(is_private.error().detail);
  }
  if (failure) return findings.problem("cannot read " + paths.keys + ": " + failure.message());
  if (all_private) findings.ok(std::to_string(count) + " files in " + paths.keys + " are closed to others");
}

void check_dates(const std::string& file, Findings& findings) {
  const Result<std::vector<crypto::Certificate>> certificates = read_certificates(file);
  if (!certificates) return findings.problem(certificates.error().detail);
  const crypto::Certificate& used = certificates->front();
  const std::int64_t now = system_clock().now();
  const std::string period =
      file + " is valid from " + time_text(used.not_before()) + " to " + time_text(used.not_after());
  if (used.not_before() > now || used.not_after() < now) return findings.problem(period);
  if (used.not_after() - now < kSoon) return findings.warn(period);
  findings.ok(period);
}

/// Null: it is not there, or serving would not begin with it.
std::unique_ptr<Database> look_at_database(const IssuerConfig& config, const IssuerPaths& paths, Findings& findings) {
  Result<std::unique_ptr<Database>> database = open_database(config.database.url, paths.folder);
  if (!database) {
    findings.problem(database.error().detail);
    return nullptr;
  }
  if (!findings.check(check_database(**database),
                      "the database " + shown_database_url(config.database.url) + " answers"))
    return nullptr;
  if (!findings.check(count_missing_steps(**database), "this program knows the tables of the database")) return nullptr;
  return std::move(database).value();
}

void tell_device_findings(DeviceRegistry& devices, Findings& findings) {
  using Severity = DeviceTrustFinding::Severity;
  for (const DeviceTrustFinding& finding : devices.findings(system_clock())) {
    if (finding.severity == Severity::ok) findings.ok(finding.sentence);
    if (finding.severity == Severity::warning) findings.warn(finding.sentence);
    if (finding.severity == Severity::problem) findings.problem(finding.sentence);
  }
}

void check_directory(const IssuerConfig& config, const IssuerPaths& paths, Findings& findings) {
  if (config.directory.file.empty()) return;
  const auto directory = FileDirectory::open(paths.folder + '/' + config.directory.file);
  if (!directory) return findings.problem(directory.error().detail);
  findings.ok("the directory " + config.directory.file + " knows " + std::to_string((*directory)->size()) + " users");
}

void check_profiles(const IssuerConfig& config, const IssuerPaths& paths, const KeyManager& key_manager,
                    const std::vector<Bytes>& leaves, Findings& findings) {
  ProfileStore profiles(paths.profiles, config.device_trust, key_manager.public_key(), leaves);
  const Result<std::vector<std::string>> names = profiles.names();
  if (!names) return findings.problem(names.error().detail);
  if (names->empty()) findings.warn("there are no profiles in " + paths.profiles);
  for (const std::string& name : *names) {
    const auto profile = profiles.find(name);
    if (!findings.check(profile, "profile " + name)) continue;
    if ((*profile)->certificate.from_directory && config.directory.file.empty())
      findings.problem("profile " + name + " asks a directory, and issuer.toml has no [directory]");
  }
}

/// An issuer without one gets it when it is served.
void check_audit_key(const IssuerPaths& paths, const FileSeal& seal, Findings& findings) {
  std::error_code failure;
  if (!std::filesystem::exists(paths.audit_key, failure)) return;
  findings.check(read_key_file(paths.audit_key, seal), "the audit key can be read");
}

/// What only makes sense with the KEK: keys that fit their certificates and the database, and profiles that fit the
/// keys. No `database`: it has been complained about.
Result<void> check_sealed(const IssuerConfig& config, const IssuerPaths& paths, Database* database,
                          Findings& findings) {
  SKS_LET(SecureBytes kek, read_secret_file(paths.kek));
  if (kek.size() != kKekSize) return Error{Status::option, paths.kek + " must hold 32 bytes"};
  const FileSeal seal(std::move(kek), system_random());
  SKS_LET(const std::unique_ptr<ServerIdentity> server, ServerIdentity::open(paths, seal, system_clock()));
  findings.check(server->identity(), "the TLS certificate has its key");
  const auto no_addresses = [](const crypto::Certificate&) { return StatusAddresses{}; };
  const auto authority = LiveAuthority::open(config.authority, paths, seal, no_addresses, system_clock());
  const Result<void> fits = authority ? (*authority)->check_key_fits() : Result<void>(authority.error());
  findings.check(fits, "the credential CA has its key");
  check_audit_key(paths, seal, findings);
  SKS_LET(const KeyManager key_manager, read_key_generations(paths, seal));
  findings.check(database == nullptr ? Result<void>() : check_key_generations(*database, key_manager),
                 "the key management key is of generation " + std::to_string(key_manager.generation()));
  check_profiles(config, paths, key_manager, server->leaves(), findings);
  return {};
}

}  // namespace

Result<void> check_database(Database& database) {
  return database.read([](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(transaction.query("SELECT step FROM schema_version", {}));
    return {};
  });
}

Result<void> check_issuer(const std::string& folder, std::ostream& out) {
  const IssuerPaths paths(folder);
  Findings findings(out);
  check_keys(paths, findings);
  check_dates(paths.tls_certificate, findings);
  check_dates(paths.credential_ca, findings);
  const Result<std::string> text = read_file(paths.config);
  if (!text) {
    findings.problem(text.error().detail);
  } else if (const Result<IssuerConfig> config = parse_config(*text, paths.config);
             findings.check(config, "the configuration " + paths.config)) {
    const bool by_ca = config->device_trust == DeviceTrustMode::ca;
    const auto devices = DeviceRegistry::open(config->device_trust, by_ca ? paths.device_ca : paths.registered_devices,
                                              config->device_authorities);
    if (findings.check(devices, "device trust is " + std::string(device_trust_name(config->device_trust))))
      tell_device_findings(**devices, findings);
    check_directory(*config, paths, findings);
    const std::unique_ptr<Database> database = look_at_database(*config, paths, findings);
    if (const Result<void> sealed = check_sealed(*config, paths, database.get(), findings); !sealed)
      findings.problem(sealed.error().detail);
  }
  if (findings.problems() == 0) return {};
  return Error{Status::option,
               "the issuer would not serve as it should: problems: " + std::to_string(findings.problems())};
}

}  // namespace sks::issuer
