#include "key-user-api/cli/new_certificates.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "key-user-api/cli/listed_key.h"
#include "key-user-api/cli/output.h"
#include "key-user-api/key_files/key_files.h"
#include "key-user-api/local_issuer/local_keys.h"
#include "sks-core/base/encoding.h"

namespace sks::cli {
namespace {

/// What a key is about to get.
struct Gift {
  ListedKey key;
  std::vector<Bytes> path;
  bool has_own;  ///< the key came with the first certificate of the path, and its issuer has fixed it
};

Result<std::vector<Gift>> choose_keys(const std::vector<Bytes>& certificates, SecureKeyStore& store) {
  SKS_LET(std::vector<ListedKey> keys, list_keys(store));
  std::vector<Gift> gifts;
  for (ListedKey& key : keys) {
    SKS_LET(const KeyAttributes attributes, store.get_key_attributes(key.handle));
    if (attributes.symmetric_key_length != 0) continue;
    const Bytes& own = attributes.certificate_path.front();
    SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(own));
    std::vector<Bytes> path = key_files::find_path(certificates, certificate.spki());
    if (path.empty()) continue;
    const bool is_local =
        std::ranges::find(attributes.extension_types, kPkcs11ExtensionType) != attributes.extension_types.end();
    if (!is_local && path.front() != own)
      return Error{Status::not_allowed, "the issuer of key " + std::to_string(key.handle.value) +
                                            " has given it its certificate, and no other can take its place"};
    gifts.push_back({std::move(key), std::move(path), !is_local});
  }
  return gifts;
}

Result<void> give(const Gift& gift, SecureKeyStore& store) {
  if (gift.has_own) return {};
  return store.set_property(gift.key.handle, kPkcs11ExtensionType, kPkcs11Certificates, write_certificates(gift.path));
}

Result<void> show(const std::vector<Gift>& gifts, Format format, std::ostream& out) {
  auto array = nlohmann::ordered_json::array();
  std::vector<TableRow> rows{{"HANDLE", "NAME", "SUBJECT"}};
  for (const Gift& gift : gifts) {
    SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(gift.path.front()));
    array.push_back({{"handle", gift.key.handle.value},
                     {"certificateFingerprint", to_hex(crypto::sha256(certificate.der()))},
                     {"friendlyName", gift.key.friendly_name},
                     {"subject", certificate.subject()},
                     {"certificates", gift.path.size()}});
    rows.push_back({std::to_string(gift.key.handle.value), gift.key.friendly_name, certificate.subject()});
  }
  if (format == Format::json) {
    out << array.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    return {};
  }
  out << "Imported the certificates of:\n";
  write_table(rows, out);
  return {};
}

}  // namespace

Result<void> bring_certificates(const std::vector<Bytes>& certificates, const std::string& file, Format format,
                                SecureKeyStore& store, std::ostream& out) {
  SKS_LET(const std::vector<Gift> gifts, choose_keys(certificates, store));
  if (gifts.empty())
    return Error{Status::option, file + " holds no key, and no certificate of a key of this key store"};
  std::set<Bytes> used;
  for (const Gift& gift : gifts) {
    if (write_certificates(gift.path).size() > kMaxCertificatesText)
      return Error{Status::option, file + ": the path of certificates is too long"};
    used.insert(gift.path.begin(), gift.path.end());
  }
  for (const Gift& gift : gifts) SKS_TRY(give(gift, store));
  SKS_TRY(show(gifts, format, out));
  if (const std::size_t left = certificates.size() - used.size(); format == Format::text && left > 0)
    out << "Left out: " << left << " certificates that belong to no key.\n";
  return {};
}

}  // namespace sks::cli
