#include "key-user-api/cli/export.h"

#include <array>
#include <nlohmann/json.hpp>

#include "key-user-api/cli/listed_key.h"
#include "key-user-api/key_files/writing.h"
#include "sks-core/base/encoding.h"

namespace sks::cli {
namespace {

/// Indexed by Exported.
constexpr auto kKinds = std::to_array<std::string_view>({"certificatePath", "publicKey", "privateKey", "pkcs12"});

std::string name_of(const ListedKey& key) { return "key " + std::to_string(key.handle.value); }

std::string path_as_pem(const std::vector<Bytes>& path) {
  std::string text;
  for (const Bytes& der : path) text += to_pem(der, "CERTIFICATE");
  return text;
}

Result<SecureBytes> take_private_key(const ListedKey& key, const ExportOptions& options, SecureKeyStore& store,
                                     dialog::Terminal* terminal) {
  const std::uint8_t protection = key.protection.export_protection;
  SKS_LET(const SecureBytes authorization,
          take_authorization(protection, key, options.passwords,
                             name_of(key) + " cannot leave the key store: it is non-exportable", terminal));
  auto exported = store.export_key(key.handle, authorization);
  if (!exported && exported.error().status == Status::authorization)
    return explain_wrong_authorization(protection, store, key.handle);
  return exported;
}

/// The content of the file. What is encrypted asks for its passphrase before the key leaves.
Result<Bytes> make_content(const ListedKey& key, const ExportOptions& options, SecureKeyStore& store,
                           SecretSource& secrets, dialog::Terminal* terminal) {
  SKS_LET(const KeyAttributes attributes, store.get_key_attributes(key.handle));
  if (options.what == Exported::certificates) return to_bytes(as_bytes(path_as_pem(attributes.certificate_path)));
  if (attributes.symmetric_key_length != 0)
    return Error{Status::option, name_of(key) + " is symmetric, and leaves in a backup alone (see 'sks backup')"};
  if (options.what == Exported::public_key) {
    SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(attributes.certificate_path.at(0)));
    return to_bytes(as_bytes(to_pem(certificate.spki(), "PUBLIC KEY")));
  }
  const std::string owner = options.output.file.empty() ? "the exported key" : options.output.file;
  SKS_LET(const SecureBytes passphrase, secrets.get(SecretSource::Secret::new_passphrase, owner));
  SKS_LET(const SecureBytes pkcs8, take_private_key(key, options, store, terminal));
  if (options.what == Exported::pkcs12)
    return key_files::write_pkcs12(pkcs8.view(), attributes.certificate_path, attributes.friendly_name,
                                   passphrase.view());
  SKS_LET(const Bytes encrypted, key_files::write_encrypted_pkcs8(pkcs8.view(), passphrase.view()));
  return to_bytes(as_bytes(to_pem(encrypted, "ENCRYPTED PRIVATE KEY")));
}

}  // namespace

Result<void> run_export(ExportOptions options, Format format, SecureKeyStore& store, SecretSource& secrets,
                        dialog::Terminal* terminal, std::ostream& out) {
  SKS_LET(const ListedKey key, find_key(store, options.key));
  if (!options.output.file.empty()) SKS_TRY(sealed::check_absent(options.output.file));
  SKS_LET(const Bytes content, make_content(key, options, store, secrets, terminal));
  const bool to_file = !options.output.file.empty();
  if (to_file || format == Format::text) SKS_TRY(deliver(content, options.output, out));
  if (format == Format::text) return {};
  nlohmann::ordered_json json{{"handle", key.handle.value},
                              {"kind", kKinds.at(static_cast<std::size_t>(options.what))}};
  if (to_file) {
    json["file"] = options.output.file;
    json["size"] = content.size();
  } else if (options.what == Exported::pkcs12) {
    json["data"] = to_base64url(content);
  } else {
    json["pem"] = to_string(content);
  }
  out << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  return {};
}

}  // namespace sks::cli
