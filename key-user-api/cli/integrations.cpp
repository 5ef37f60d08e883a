#include <openssl/conf.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "key-user-api/cli/child_process.h"
#include "key-user-api/cli/integration.h"
#include "key-user-api/cli/own_files.h"
#include "key-user-api/dialog/program_path.h"
#include "sks-core/crypto/ossl.h"

/// The table of integrations.
namespace sks::cli {
namespace {

namespace fs = std::filesystem;

constexpr auto kToolPatience = std::chrono::seconds(30);

bool is_folder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

/// The folders that are there, each once.
std::vector<std::string> present(std::vector<std::string> folders) {
  std::erase_if(folders, [](const std::string& folder) { return !is_folder(folder); });
  return folders;
}

// p11-kit

Result<std::vector<Setting>> p11_kit_settings(const Surroundings& where) {
  return std::vector<Setting>{{where.config + "/pkcs11/modules/sks.module", &whole_file_form(),
                               "module: " + where.module + "\ncritical: no\n"}};
}

std::string p11_kit_advice(const Surroundings&) { return "'p11-kit list-modules' shows it."; }

// NSS, and Chromium, which uses the same database

std::string shared_database(const Surroundings& where) { return where.home + "/.pki/nssdb"; }

std::vector<Setting> in_databases(const std::vector<std::string>& folders, const Surroundings& where) {
  std::vector<Setting> settings;
  for (const std::string& folder : folders) settings.push_back({folder + "/pkcs11.txt", &nss_form(), where.module});
  return settings;
}

Result<std::vector<Setting>> nss_settings(const Surroundings& where) {
  return in_databases({shared_database(where)}, where);
}

/// Also where newer ones, and those of Snap, have it, if they have begun to.
Result<std::vector<Setting>> chromium_settings(const Surroundings& where) {
  std::vector<std::string> folders{shared_database(where)};
  for (const std::string& folder :
       present({where.data + "/pki/nssdb", where.home + "/snap/chromium/current/.pki/nssdb"}))
    folders.push_back(folder);
  return in_databases(folders, where);
}

/// A database is made of several files, and NSS's own program makes them.
Result<void> make_database(const Surroundings& where) {
  const std::string folder = shared_database(where);
  if (read_text(folder + "/pkcs11.txt")) return {};
  const auto certutil = dialog::find_in_path("certutil");
  if (!certutil)
    return Error{Status::not_available, "there is no NSS database in " + folder +
                                            " yet, and no certutil (package libnss3-tools) that could make one"};
  SKS_TRY(make_folder(folder));
  const auto exit_code = run_quietly(*certutil, {"-N", "-d", "sql:" + folder, "--empty-password"}, kToolPatience);
  if (exit_code && exit_code->value_or(1) == 0 && read_text(folder + "/pkcs11.txt")) return {};
  return Error{Status::not_available, "certutil could not make an NSS database in " + folder};
}

std::string nss_advice(const Surroundings& where) {
  return "'modutil -dbdir sql:" + shared_database(where) +
         " -list' shows it; programs that run notice when they start again.";
}

std::string chromium_advice(const Surroundings&) {
  return "Chromium notices when it starts again. It shares this database with other programs that use NSS: see 'sks "
         "integrate nss'.";
}

// Firefox

std::vector<std::string> firefox_folders(const Surroundings& where) {
  return present({where.home + "/.mozilla/firefox", where.config + "/mozilla/firefox",
                  where.home + "/snap/firefox/common/.mozilla/firefox",
                  where.home + "/.var/app/org.mozilla.firefox/.mozilla/firefox"});
}

/// The profiles of one profiles.ini: the Path of each section that has one, relative to the folder unless it says not.
std::vector<std::string> profiles_in(const std::string& folder) {
  std::vector<std::string> profiles;
  const std::string text = read_text(folder + "/profiles.ini").value_or("");
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.pop_back();
    constexpr std::string_view kPath = "Path=";
    if (line.starts_with(kPath)) {
      const std::string path = line.substr(kPath.size());
      profiles.push_back(path.starts_with('/') ? path : folder + "/" + path);
    }
    at = end + 1;
  }
  return profiles;
}

Result<std::vector<Setting>> firefox_settings(const Surroundings& where) {
  std::vector<std::string> databases;
  for (const std::string& folder : firefox_folders(where))
    for (const std::string& profile : profiles_in(folder))
      if (read_text(profile + "/pkcs11.txt")) databases.push_back(profile);
  if (databases.empty()) return Error{Status::not_available, "there is no profile of Firefox yet: start Firefox once"};
  return in_databases(databases, where);
}

std::string firefox_advice(const Surroundings&) {
  return "Firefox notices when it starts again. A profile that is made later needs this again.";
}

// OpenSSH

std::string ssh_word(const std::string& path) {
  return path.find(' ') == std::string::npos ? path : "\"" + path + "\"";
}

Result<std::vector<Setting>> ssh_settings(const Surroundings& where) {
  return std::vector<Setting>{{where.home + "/.ssh/config",
                               &block_form(),
                               "PKCS11Provider " + ssh_word(where.module) + "\n",
                               {"PKCS11Provider"}}};
}

std::string ssh_advice(const Surroundings& where) {
  return "'ssh-keygen -D " + where.module + "' prints the lines for authorized_keys.";
}

// OpenSSL

std::string openssl_file(const Surroundings& where) { return where.config + "/sks/openssl.cnf"; }

using Configuration = ossl::Ptr<CONF, NCONF_free>;

std::string value_in(const Configuration& configuration, const char* section, const char* name) {
  const char* const value = configuration == nullptr ? nullptr : NCONF_get_string(configuration.get(), section, name);
  static_cast<void>(ossl::take_error(""));  // its being absent is none
  return value == nullptr ? "" : value;
}

/// A configuration that is the system's and one engine more: its sections are opened again under their own names.
Result<std::vector<Setting>> openssl_settings(const Surroundings& where) {
  const std::string system = std::string(X509_get_default_cert_area()) + "/openssl.cnf";
  Configuration configuration(NCONF_new(nullptr));
  const bool loaded = configuration != nullptr && NCONF_load(configuration.get(), system.c_str(), nullptr) == 1;
  if (!loaded) configuration.reset();
  std::string init = value_in(configuration, nullptr, "openssl_conf");
  if (init.empty()) init = "sks_init";
  std::string engines = value_in(configuration, init.c_str(), "engines");
  if (engines.empty()) engines = "sks_engines";
  const std::string include = loaded ? ".include " + system + "\n\n" : "";
  return std::vector<Setting>{
      {openssl_file(where), &whole_file_form(),
       include + "[default]\nopenssl_conf = " + init + "\n\n[" + init + "]\nengines = " + engines + "\n\n[" + engines +
           "]\npkcs11 = sks_pkcs11\n\n[sks_pkcs11]\nengine_id = pkcs11\nMODULE_PATH = " + where.module +
           "\ninit = 0\n"}};
}

std::string openssl_advice(const Surroundings& where) {
  return "It is used by programs that are started with OPENSSL_CONF=" + openssl_file(where) +
         ", and needs the engine of the package libengine-pkcs11-openssl; keys are named by the URIs of 'sks list "
         "--uri'.";
}

// GnuPG

constexpr const char* kSmartCardDaemon = "gnupg-pkcs11-scd";

Result<std::vector<Setting>> gnupg_settings(const Surroundings& where) {
  const std::string daemon =
      dialog::find_in_path(kSmartCardDaemon).value_or(std::string("/usr/bin/") + kSmartCardDaemon);
  return std::vector<Setting>{
      {where.gnupg + "/gnupg-pkcs11-scd.conf",
       &block_form(),
       "providers sks\nprovider-sks-library " + where.module + "\n",
       {"providers"}},
      {where.gnupg + "/gpg-agent.conf", &block_form(), "scdaemon-program " + daemon + "\n", {"scdaemon-program"}}};
}

Result<void> find_smart_card_daemon(const Surroundings&) {
  if (dialog::find_in_path(kSmartCardDaemon)) return {};
  return Error{Status::not_available,
               std::string("there is no ") + kSmartCardDaemon + ", which is in the package of that name"};
}

std::string gnupg_advice(const Surroundings&) {
  return "'gpgconf --kill gpg-agent' lets it notice; then 'gpg --card-status' and 'gpgsm --learn-card' show the keys.";
}

constexpr auto kIntegrations = std::to_array<Integration>({
    {"p11-kit", "let programs that use p11-kit find the keys, such as those with GnuTLS", p11_kit_settings, nullptr,
     p11_kit_advice},
    {"nss", "let programs that share the NSS database of this user find the keys", nss_settings, make_database,
     nss_advice},
    {"ssh", "let ssh offer the keys to servers", ssh_settings, nullptr, ssh_advice},
    {"openssl", "let programs that use OpenSSL's configuration find the keys", openssl_settings, nullptr,
     openssl_advice},
    {"gnupg", "let gpg and gpgsm use the keys as those of a card", gnupg_settings, find_smart_card_daemon,
     gnupg_advice},
    {"firefox", "let every profile of Firefox find the keys", firefox_settings, nullptr, firefox_advice},
    {"chromium", "let Chromium and its like find the keys", chromium_settings, make_database, chromium_advice},
});

}  // namespace

std::span<const Integration> all_integrations() { return kIntegrations; }

}  // namespace sks::cli
