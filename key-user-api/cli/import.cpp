#include <algorithm>
#include <filesystem>

#include "key-user-api/cli/listed_key.h"
#include "key-user-api/cli/new_certificates.h"
#include "key-user-api/cli/new_keys.h"
#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/key_files/key_files.h"
#include "sealed-storage/files.h"

namespace sks::cli {
namespace {

constexpr std::size_t kMaxLabel = 100;  // bytes, so that it is no more characters

Result<key_files::KeyFile> read_file(const std::string& path, SecretSource& secrets) {
  SKS_LET(const SecureBytes content, sealed::read_private_file(path, key_files::kMaxFile, sealed::Readers::anyone));
  auto file =
      key_files::read_key_file(content.view(), [&] { return secrets.get(SecretSource::Secret::passphrase, path); });
  if (file || file.error().detail.starts_with(path)) return file;
  return Error{file.error().status, path + ": " + file.error().detail};
}

std::string subject_of(ByteView certificate) {
  const auto decoded = crypto::Certificate::from_der(certificate);
  return decoded ? decoded->subject() : std::string();
}

/// The first name that there is: what the user said, what the file says, whose certificate it is, the file's own.
std::string label_of(const ImportOptions& options, const std::string& own, const std::vector<Bytes>& path) {
  std::string label = options.label.empty() ? own : options.label;
  if (label.empty() && !path.empty()) label = subject_of(path.front());
  if (label.empty()) label = std::filesystem::path(options.file).stem().string();
  return dialog::shorten(label, kMaxLabel);
}

/// A certificate of somebody, in a file with a key without one, was meant for that key.
Result<void> check_certificates(const key_files::KeyFile& file) {
  if (std::ranges::none_of(file.private_keys, [](const auto& key) { return key.certificate_path.empty(); })) return {};
  for (const Bytes& der : file.other_certificates) {
    const auto certificate = crypto::Certificate::from_der(der);
    if (certificate && !certificate->is_ca())
      return Error{Status::option, "the certificate of " + dialog::printable(certificate->subject()) +
                                       " in the file is for none of its keys"};
  }
  return {};
}

/// Certificates go to keys that have a name and a PIN.
Result<void> check_no_key_options(const ImportOptions& options) {
  const bool has_pin = !options.pin.pins.empty() || !options.pin.shared_with.empty();
  if (options.label.empty() && !options.exportable && !has_pin) return {};
  return Error{Status::option,
               options.file + " holds certificates only; --label, --exportable and the options for a PIN are for keys"};
}

/// A key that is here already, by whatever certificate, would have the same URIs twice.
Result<void> check_new(const key_files::KeyFile& file, SecureKeyStore& store) {
  SKS_LET(const std::vector<ListedKey> present, list_keys(store));
  for (const ListedKey& key : present) {
    SKS_LET(const KeyAttributes attributes, store.get_key_attributes(key.handle));
    SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(attributes.certificate_path.at(0)));
    if (std::ranges::find(file.private_keys, certificate.spki(), &key_files::PrivateKey::public_key) !=
        file.private_keys.end())
      return Error{Status::option, "the key of " + dialog::printable(key.subject) + " is in this key store, as key " +
                                       std::to_string(key.handle.value)};
  }
  return {};
}

std::vector<LocalKeyRequest> requests_for(key_files::KeyFile& file, const ImportOptions& options) {
  LocalKeySpec spec;
  if (options.exportable) spec.export_protection = Protection::none;
  std::vector<LocalKeyRequest> requests;
  for (key_files::PrivateKey& key : file.private_keys) {
    spec.label = label_of(options, key.label, key.certificate_path);
    requests.push_back({BroughtKey{std::move(key.pkcs8), std::move(key.certificate_path)}, spec});
  }
  for (key_files::SymmetricKey& key : file.symmetric_keys) {
    spec.label = label_of(options, key.label, {});
    requests.push_back({BroughtSymmetricKey{std::move(key.value)}, spec});
  }
  return requests;
}

}  // namespace

Result<void> run_import(ImportOptions options, Format format, SecureKeyStore& store, SecretSource& secrets,
                        const PinAskers& askers, const Clock& clock, std::ostream& out) {
  SKS_LET(key_files::KeyFile file, read_file(options.file, secrets));
  const std::size_t count = file.private_keys.size() + file.symmetric_keys.size();
  if (count == 0 && file.other_certificates.empty())
    return Error{Status::option, options.file + " holds no key and no certificate"};
  if (count == 0) SKS_TRY(check_no_key_options(options));
  if (count == 0) return bring_certificates(file.other_certificates, options.file, format, store, out);
  if (count > 1 && !options.label.empty())
    return Error{Status::option, options.file + " holds " + std::to_string(count) + " keys, and --label names one"};
  SKS_TRY(check_certificates(file));
  for (const key_files::PrivateKey& key : file.private_keys) SKS_TRY(check_storable(store, key.public_key));
  SKS_TRY(check_new(file, store));
  std::vector<LocalKeyRequest> requests = requests_for(file, options);
  SKS_LET(const std::vector<LocalKey> keys,
          provision_with_pin(std::move(requests), std::move(options.pin), store, askers, clock));
  SKS_TRY(show_new_keys(keys, "Imported:", format, store, out));
  if (format == Format::text && !file.other_certificates.empty())
    out << "Left out: " << file.other_certificates.size() << " certificates that belong to no key.\n";
  return {};
}

}  // namespace sks::cli
