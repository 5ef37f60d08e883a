#pragma once

#include <span>
#include <string_view>

#include "key-user-api/token/key_access.h"
#include "sks-core/base/byte_reader.h"

/// Attributes as they travel. Spec: spec/sksd.md 2.
namespace sks::token {

inline constexpr std::size_t kMaxAttributes = 64;
inline constexpr std::size_t kMaxAttributeValue = 65536;  ///< bytes

SecureBytes ulong_value(std::uint64_t value);
SecureBytes bool_value(bool value);

/// What is beyond the limits of chapter 2 is a request that does not decode: the reader then has failed.
void fail(ByteReader& in);
/// `list of attribute`
Template read_template(ByteReader& in);
/// `list of ulong type`
std::vector<CK_ATTRIBUTE_TYPE> read_types(ByteReader& in);
/// Asks finish(). Fails with CKR_ARGUMENTS_BAD, which Service::answer turns into ERROR_OPTION.
Outcome<void> check_decoded(const ByteReader& in);

/// The attribute of this type, or null.
const Attribute* find_attribute(const Template& attributes, CK_ATTRIBUTE_TYPE type);

/// Fail with CKR_ATTRIBUTE_VALUE_INVALID.
Outcome<bool> read_bool(const Attribute& attribute);
Outcome<std::uint64_t> read_ulong(const Attribute& attribute);

/// The same for one that may be missing.
Outcome<bool> bool_or(const Template& attributes, CK_ATTRIBUTE_TYPE type, bool otherwise);
Outcome<std::optional<bool>> optional_bool(const Template& attributes, CK_ATTRIBUTE_TYPE type);
Outcome<std::optional<std::uint64_t>> optional_ulong(const Template& attributes, CK_ATTRIBUTE_TYPE type);
/// Fails with CKR_TEMPLATE_INCOMPLETE when it is missing.
Outcome<std::uint64_t> required_ulong(const Template& attributes, CK_ATTRIBUTE_TYPE type);
Outcome<ByteView> required_value(const Template& attributes, CK_ATTRIBUTE_TYPE type);
/// Empty when it is missing.
ByteView value_or_empty(const Template& attributes, CK_ATTRIBUTE_TYPE type);
/// Fails with CKR_ATTRIBUTE_VALUE_INVALID on what is no UTF-8.
Outcome<std::string> text_or_empty(const Template& attributes, CK_ATTRIBUTE_TYPE type);

/// Fails with CKR_TEMPLATE_INCONSISTENT when an attribute is there twice.
Outcome<void> check_no_duplicates(const Template& attributes);

/// "attribute 0x108"
std::string name_of(CK_ATTRIBUTE_TYPE type);

}  // namespace sks::token
