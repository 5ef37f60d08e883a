#pragma once

#include <span>

#include "key-user-api/pkcs11/daemon.h"

/// Attributes between the form of the application's machine and that of spec/sksd.md 2.
namespace sks::p11 {

/// What the value of an attribute is made of.
enum class ValueKind : std::uint8_t {
  bytes,
  boolean,
  number,    ///< CK_ULONG
  numbers,   ///< an array of CK_ULONG
  template_  ///< an array of attributes, which does not travel
};

ValueKind kind_of(CK_ATTRIBUTE_TYPE type);

/// Appends a template. Fails with CKR_TEMPLATE_INCONSISTENT (more attributes than travel), CKR_ATTRIBUTE_TYPE_INVALID
/// (an array of attributes) or CKR_ATTRIBUTE_VALUE_INVALID (no value behind the pointer, or not of its kind's length).
Answer<void> write_template(wire::BodyWriter& out, std::span<const CK_ATTRIBUTE> attributes);

/// The value of a CK_BBOOL attribute of a template; `otherwise` when it is not there or not of the right length.
bool boolean_of(std::span<const CK_ATTRIBUTE> attributes, CK_ATTRIBUTE_TYPE type, bool otherwise);

/// Gives the value in an answer of getAttributes to the application, as C_GetAttributeValue does for one attribute.
/// Fails with CKR_BUFFER_TOO_SMALL, or with CKR_DEVICE_ERROR when the value is not of its kind.
Answer<void> store_value(CK_ATTRIBUTE& attribute, ByteView value);

/// Reads a CK_ULONG or a CK_BBOOL of an answer. Fails with CKR_DEVICE_ERROR.
Answer<CK_ULONG> read_number(ByteView value);
Answer<bool> read_boolean(ByteView value);

/// The most attributes that travel at a time.
inline constexpr std::size_t kMostAttributes = 64;

}  // namespace sks::p11
