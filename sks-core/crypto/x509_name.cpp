#include "sks-core/crypto/x509.h"
#include "sks-core/crypto/x509_text.h"

namespace sks::crypto {
namespace {

using OwnedName = ossl::Ptr<X509_NAME, X509_NAME_free>;

Bytes value_der(const ASN1_STRING* value) {
  std::uint8_t* out = nullptr;
  const int size = i2d_ASN1_PRINTABLE(value, &out);
  SKS_CHECK(size >= 0);
  const ossl::Ptr<std::uint8_t, free_text> owner(out);
  return {out, out + size};
}

std::optional<std::string> value_text(const ASN1_STRING* value) {
  std::uint8_t* out = nullptr;
  const int size = ASN1_STRING_to_UTF8(&out, value);
  (void)ossl::take_error("");
  if (size < 0) return std::nullopt;
  const ossl::Ptr<std::uint8_t, free_text> owner(out);
  return std::string(out, out + size);
}

NameAttribute attribute_of(const X509_NAME_ENTRY* entry) {
  const ASN1_STRING* const value = X509_NAME_ENTRY_get_data(entry);
  NameAttribute attribute{dotted(X509_NAME_ENTRY_get_object(entry)), 0, {}, value_der(value), value_text(value)};
  // Of values that are no strings, OpenSSL keeps the whole encoding: both are taken from there.
  const std::uint8_t* at = attribute.value_der.data();
  long size = 0;
  int tag = 0;
  int tag_class = 0;
  const int form = ASN1_get_object(&at, &size, &tag, &tag_class, static_cast<long>(attribute.value_der.size()));
  SKS_CHECK((form & 0x80) == 0);
  attribute.tag = static_cast<std::uint8_t>(tag);
  attribute.content.assign(at, at + size);
  return attribute;
}

}  // namespace

std::string dotted(const ASN1_OBJECT* identifier) {
  constexpr int kNoName = 1;
  const int size = OBJ_obj2txt(nullptr, 0, identifier, kNoName);
  (void)ossl::take_error("");
  if (size < 0) return {};
  std::string text(static_cast<std::size_t>(size) + 1, '\0');  // with the NUL that OpenSSL writes
  SKS_CHECK(OBJ_obj2txt(text.data(), size + 1, identifier, kNoName) == size);
  text.pop_back();
  return text;
}

Result<Name> parse_name(ByteView der) {
  const std::uint8_t* at = der.data();
  const OwnedName decoded(d2i_X509_NAME(nullptr, &at, static_cast<long>(der.size())));
  if (decoded == nullptr || at != der.data() + der.size()) return ossl::take_error("Name is malformed");
  Name name;
  int relative_name = -1;
  for (int i = 0; i < X509_NAME_entry_count(decoded.get()); ++i) {
    const X509_NAME_ENTRY* const entry = X509_NAME_get_entry(decoded.get(), i);
    if (X509_NAME_ENTRY_set(entry) != relative_name) name.emplace_back();
    relative_name = X509_NAME_ENTRY_set(entry);
    name.back().push_back(attribute_of(entry));
  }
  return name;
}

}  // namespace sks::crypto
