#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "key-user-api/cli/backup_collection.h"
#include "key-user-api/cli/browser.h"
#include "key-user-api/cli/enrolment.h"
#include "key-user-api/cli/http_message.h"
#include "key-user-api/cli/invocation.h"
#include "key-user-api/dialog/script_dialog.h"
#include "key-user-api/dialog/terminal.h"
#include "sealed-storage/examination.h"
#include "sealed-storage/sqlite_store.h"
#include "sks-core/base/clock.h"
#include "sks-core/engine/secure_key_store.h"

/// The commands of sks, one file each. A command writes its result to `out`; an error is one sentence for its user.
/// Where a Terminal is taken, null means that nobody is there to ask.
namespace sks::cli {

enum class Format : std::uint8_t { text, json };

struct InitOptions {
  std::string store;
  std::string name;              ///< of the device; empty: the name of this host
  std::string certificate_file;  ///< where to write the device certificate, or empty
  sealed::Protection protection = sealed::key_file_provider();
  sealed::AnchorChoice anchor = {};
};
Result<void> run_init(const InitOptions& options, SecretSource& secrets, std::ostream& out);

struct ReprotectOptions {
  std::string store;
  sealed::Protection protection;
};
Result<void> run_reprotect(const ReprotectOptions& options, SecretSource& secrets, std::ostream& out);

struct AnchorOptions {
  std::string store;
  sealed::AnchorChoice anchor;
  AnchorCheck check = AnchorCheck::required;
};
/// Gives the key store another anchor against being put back to an earlier state, or none.
Result<void> run_anchor(const AnchorOptions& options, SecretSource& secrets, std::ostream& out);
void describe_anchor(const sealed::AnchorChoice& anchor, const std::string& store, std::ostream& out);

/// Tells what state a key store is in, then `others`, and changes nothing. Fails with storage after it has told of a
/// problem, and with a sentence of its own when it could not look.
Result<void> run_doctor(Format format, const std::string& store, SecretSource& secrets, const Clock& clock,
                        std::vector<Finding> others, std::ostream& out);

struct DeviceOptions {
  bool pem = false;
  Format format = Format::text;
};
Result<void> run_device(const DeviceOptions& options, SecureKeyStore& store, std::ostream& out);

struct EnrollOptions {
  Invocation invocation;
  dialog::ScriptDialog::Consent consent = dialog::ScriptDialog::Consent::ask;
  std::vector<SecureBytes> pins = {};
  dialog::ScriptDialog::Disclosure disclosure = dialog::ScriptDialog::Disclosure::open;
  Browser* browser = nullptr;  ///< null: the issuer's pages are only named
  std::optional<Resumption> resumption = {};
};
/// `attended` null: nobody is there to ask.
Result<void> run_enroll(EnrollOptions options, HttpTransport& transport, SecureKeyStore& store,
                        dialog::AttendedDialog* attended, const Clock& clock, std::ostream& out);

/// How many keys a session has.
using KeyCountOf = std::function<std::size_t(ProvisioningHandle)>;
/// Lists the sessions that an issuer may still resume.
Result<void> run_resume_list(Format format, SecureKeyStore& store, const KeyCountOf& key_count_of, const Clock& clock,
                             std::ostream& out);

struct IntegrateDesktopOptions {
  bool remove = false;
  std::vector<std::string> start_options;  ///< that choose the key store, in front of the command
};
Result<void> run_integrate_desktop(const IntegrateDesktopOptions& options, std::ostream& out);

Result<void> run_list(Format format, SecureKeyStore& store, std::ostream& out);
/// Lists the RFC 7512 URIs of what PKCS#11 applications see.
Result<void> run_list_uris(Format format, SecureKeyStore& store, const UserApi::PinGroupOf& pin_group_of,
                           std::ostream& out);
Result<void> run_sessions(Format format, SecureKeyStore& store, std::ostream& out);

/// Who reads what a command writes.
enum class Reader : std::uint8_t { program, person };

struct ShowOptions {
  std::string key;        ///< handle or certificate fingerprint
  std::string extension;  ///< type URI of the one whose content is wanted; empty: everything about the key
  std::string file;       ///< where that content goes; empty: to `out`
  Reader reader = Reader::program;
};
/// The content of an extension is written as it is, to a person at a terminal only if it is text, and readable. Fails
/// with no_key, option (no such key or extension, not text, there is a file already), storage, or as getExtension.
Result<void> run_show(const ShowOptions& options, Format format, SecureKeyStore& store, std::ostream& out);

struct DeleteOptions {
  std::string key;                     ///< handle or certificate fingerprint
  std::vector<SecureBytes> passwords;  ///< the PIN or PUK as typed, or nothing
  bool confirmed = false;
  Format format = Format::text;
};
Result<void> run_delete(DeleteOptions options, SecureKeyStore& store, dialog::Terminal* terminal, std::ostream& out);

struct PinCheckOptions {
  std::string key;
  std::vector<SecureBytes> pins;
  Format format = Format::text;
};
Result<void> run_pin_check(PinCheckOptions options, SecureKeyStore& store, dialog::Terminal* terminal,
                           std::ostream& out);

/// `current`: the folder of the store that a command without a persona works with.
Result<void> run_persona_list(Format format, const std::string& current, std::ostream& out);

struct PersonaDeleteOptions {
  std::string name;
  bool confirmed = false;
};
/// `secrets` are asked in order to count the keys that would be lost, and only when there is nobody's confirmation yet.
Result<void> run_persona_delete(const PersonaDeleteOptions& options, SecretSource& secrets, dialog::Terminal* terminal,
                                std::ostream& out);

struct PersonaExportOptions {
  std::string name;
  std::string file;
};
Result<void> run_persona_export(const PersonaExportOptions& options, SecretSource& secrets, SecretSource& file_secrets,
                                std::ostream& out);

struct PersonaImportOptions {
  std::string file;
  std::string name;  ///< empty: the one that it had
  sealed::Protection protection = sealed::key_file_provider();
};
Result<void> run_persona_import(const PersonaImportOptions& options, SecretSource& secrets, SecretSource& file_secrets,
                                std::ostream& out);

struct BackupOptions {
  std::string file;
  ProtectedKeys protected_keys = ProtectedKeys::take;
  std::vector<SecureBytes> pins;  ///< as typed, one for each PIN group, or none
  std::vector<SecureBytes> puks;
};
/// `secrets` has the passphrase of the file.
Result<void> run_backup(BackupOptions options, SecureKeyStore& store, const UserApi::PinGroupOf& pin_group_of,
                        SecretSource& secrets, dialog::Terminal* terminal, const Clock& clock, std::ostream& out);

/// Fails with not_available, storage, or as decode_backup.
Result<sealed::Backup> read_backup(const std::string& path, SecretSource& secrets);

struct RestoreOptions {
  std::vector<SecureBytes> pins;  ///< the new ones, one for each group of keys that share a PIN, or none
};
Result<void> run_restore(RestoreOptions options, sealed::Backup backup, SecureKeyStore& store,
                         dialog::Terminal* terminal, const Clock& clock, std::ostream& out);

/// Which PIN the keys get that a command brings or makes.
struct PinOptions {
  bool none = false;              ///< no PIN
  std::string shared_with;        ///< that of this key: handle or certificate fingerprint; empty: a new one
  std::vector<SecureBytes> pins;  ///< the one PIN as typed, or nothing
};

/// Who may be asked: for a new PIN, and for one that is there. Null: nobody.
struct PinAskers {
  dialog::AttendedDialog* attended = nullptr;
  dialog::Terminal* terminal = nullptr;
};

struct ImportOptions {
  std::string file;
  std::string label;  ///< empty: what the file says of each key
  bool exportable = false;
  PinOptions pin = {};
};
/// Brings the keys of a file, all of them or none; of a file without keys, the certificates of keys that are here.
/// `secrets` has the passphrase of the file.
Result<void> run_import(ImportOptions options, Format format, SecureKeyStore& store, SecretSource& secrets,
                        const PinAskers& askers, const Clock& clock, std::ostream& out);

struct KeyCreateOptions {
  std::string algorithm = "ec.nist.p256";  ///< end of the URI of a key generation algorithm
  std::string label;
  bool exportable = false;
  PinOptions pin = {};
};
Result<void> run_key_create(KeyCreateOptions options, Format format, SecureKeyStore& store, const PinAskers& askers,
                            const Clock& clock, std::ostream& out);

struct ListedKey;
/// A PIN or PUK as its policy describes it.
struct PasswordKind {
  std::string_view name;
  std::uint8_t format;
  std::uint16_t min_length;  ///< bytes
  std::uint16_t max_length;
};
PasswordKind pin_of(const ListedKey& key);
PasswordKind puk_of(const ListedKey& key);

/// What was typed as bytes for the key store. Fails with option on a text that cannot be the password, so that the key
/// store, which would count it as a wrong one, does not see it.
Result<SecureBytes> password_from_text(ByteView text, const PasswordKind& kind);

/// The one password of a command: from `given`, else asked for at the terminal. Fails as password_from_text(), with
/// option (several given) or user_abort (none).
Result<SecureBytes> take_password(const std::vector<SecureBytes>& given, const PasswordKind& kind,
                                  dialog::Terminal* terminal);

/// What deleteProtection or exportProtection (the values of sks-api.md 5.1) asks for: nothing, the PIN or the PUK.
/// Fails as take_password(), with option (one is given and none is asked for: nobody would notice a wrong one), or with
/// not_allowed and the sentence `forbidden`.
Result<SecureBytes> take_authorization(std::uint8_t protection, const ListedKey& key,
                                       const std::vector<SecureBytes>& given, const std::string& forbidden,
                                       dialog::Terminal* terminal);
/// The refusal of what was taken, as a sentence with what is left of the tries.
Error explain_wrong_authorization(std::uint8_t protection, SecureKeyStore& store, KeyHandle key);

/// The line that names a device certificate.
std::string device_line(ByteView certificate);

}  // namespace sks::cli
