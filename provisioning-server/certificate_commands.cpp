#include "provisioning-server/certificate_commands.h"

#include <array>
#include <iostream>

#include "provisioning-server/authority/certificate_files.h"
#include "provisioning-server/issuer.h"
#include "provisioning-server/life_cycle/key_generations.h"

namespace sks::issuer {
namespace {

constexpr const char* kOperator = "operator";

struct Renewal {
  std::string_view what;
  Result<crypto::Certificate> (*run)(const RenewalPlace&, RenewalKey);
  std::string_view advice;  // after a new key
};
constexpr auto kRenewals = std::to_array<Renewal>({
    {"tls", renew_tls, ""},
    {"credential-ca", renew_credential_authority,
     "; give relying parties credential-ca.pem, which holds the old and the new certificate, and leave the earlier key"
     " where it is, in its file or in the token: its revocation lists go on with it as long as its certificate is "
     "valid;"
     " reload running servers when [authority] has changed"},
    {"tls-ca", renew_tls_authority,
     "; give clients ca.pem, which holds the old and the new certificate, then run sks-issuer renew tls"},
});

Result<void> note_seal(Issuer& issuer, const std::string& result, const std::string& detail) {
  return issuer.repository().add_audit({system_clock().now(), kOperator, "seal", "", "", result, detail});
}

/// On record before it is done, so that no key changes without a trace, and again when it is.
Result<void> seal_on_record(Issuer& issuer, const std::string& file) {
  SKS_TRY(note_seal(issuer, "begun", file));
  const Result<void> sealed = seal_file(file, issuer.file_seal());
  if (sealed) return note_seal(issuer, "ok", file);
  SKS_TRY(note_seal(issuer, "failed", file + ": " + sealed.error().detail));
  return sealed;
}

}  // namespace

Result<void> renew_certificate(const std::string& folder, const std::string& what, bool new_key) {
  for (const Renewal& row : kRenewals) {
    if (row.what != what) continue;
    SKS_LET(const std::unique_ptr<Issuer> issuer, Issuer::open(folder));
    const RenewalKey key = new_key ? RenewalKey::fresh : RenewalKey::keep;
    SKS_LET(const crypto::Certificate made, row.run(issuer->renewal_place(kOperator), key));
    std::cout << renewal_text(what, made, key) << (new_key ? row.advice : "") << '\n';
    return {};
  }
  return Error{Status::option, "what to renew is tls, credential-ca or tls-ca"};
}

Result<void> seal_keys(const std::string& folder) {
  SKS_LET(const std::unique_ptr<Issuer> issuer, Issuer::open(folder));
  const IssuerPaths& paths = issuer->paths();
  const std::string& pin = issuer->config().authority.pin_file;
  std::vector<std::string> files{paths.tls_key, paths.tls_ca_key, paths.credential_ca_key, paths.audit_key};
  for (std::string& file : key_generation_files(paths)) files.push_back(std::move(file));
  if (!pin.empty()) files.push_back(pin.starts_with('/') ? pin : paths.folder + '/' + pin);
  for (const std::string& file : files) {
    SKS_LET(const bool is_plain, is_plain_file(file));
    if (!is_plain) continue;
    SKS_TRY(seal_on_record(*issuer, file));
    std::cout << file << " sealed\n";
  }
  return {};
}

}  // namespace sks::issuer
