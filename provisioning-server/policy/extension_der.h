#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sks-core/base/result.h"
#include "sks-core/crypto/der.h"

/// Extensions of certificates, from what profiles say. Spec: RFC 5280, 4.2.
namespace sks::issuer {

/// DER of an OBJECT IDENTIFIER in dotted form; empty when the text is none.
Bytes object_identifier(std::string_view dotted);
/// DER of an Extension; `oid` is the DER of its identifier.
Bytes encode_extension(ByteView oid, crypto::der::Critical critical, ByteView value);

/// keyUsage, critical: bit n of RFC 5280 4.2.1.3 is 1 << n.
Bytes key_usage_extension(std::uint16_t bits);
/// `oids` in dotted form.
Bytes extended_key_usage_extension(const std::vector<std::string>& oids);
Bytes certificate_policies_extension(const std::vector<std::string>& oids);

struct AlternativeNames {
  std::vector<std::string> emails;
  std::vector<std::string> upns;  ///< userPrincipalName of Microsoft, an otherName
  std::vector<std::string> uris;
};
/// Fails with option on an e-mail address or a URI that is not printable ASCII without spaces. Empty when there are no
/// names.
Result<Bytes> alternative_names_extension(const AlternativeNames& names);

}  // namespace sks::issuer
