#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sks-core/crypto/x509.h"

/// What a search filter sees of names in certificates. Spec: keygen2.md 6.3 and 6.4.
namespace sks::keygen2 {

/// The text of a name by the rules of 6.3, as Java's X500Principal.getName() gives it: well-formed UTF-8, without a
/// space after commas, last RDN first.
///
/// Like Java, and beyond the letter of 6.3, it takes carriage returns at the ends of a value for spaces, and puts
/// U+FFFD in place of what is no UTF-8.
std::string distinguished_name(const crypto::Name& name);

/// E-mail addresses: the first attribute emailAddress of the subject that is alone in its RDN and a character string,
/// then every rfc822Name of subjectAltName. Well-formed UTF-8. Fails with crypto when the subject does not decode.
Result<std::vector<std::string>> email_addresses(const crypto::Certificate& certificate);

/// `bytes` as Java decodes them as UTF-8: U+FFFD in place of each sequence that is ill-formed.
std::string decode_utf8(std::string_view bytes);

}  // namespace sks::keygen2
