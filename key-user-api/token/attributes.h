#pragma once

#include "key-user-api/token/object.h"
#include "key-user-api/token/template.h"

/// The one table of attributes. Spec: spec/sksd.md 6.
namespace sks::token {

/// What computing an attribute takes.
enum class Needs : std::uint8_t { facts, contents, attestation };

/// What a template of a new object may do with an attribute.
enum class AtCreation : std::uint8_t { given, computed };

/// Whether C_SetAttributeValue and C_CopyObject may set it.
enum class Later : std::uint8_t { fixed, settable };

struct AttributeRow {
  CK_ATTRIBUTE_TYPE type;
  unsigned kinds;  ///< bits of Kind
  Needs needs;
  SecureBytes (*value)(const Facts& facts, const Contents& contents);
  std::uint32_t flag = 0;  ///< instead of `value`: CK_BBOOL
  bool is_secret = false;  ///< leaves only as CKA_SENSITIVE and CKA_EXTRACTABLE allow
  AtCreation creation = AtCreation::given;
  Later later = Later::fixed;
  bool is_promise = false;  ///< CK_BBOOL that no new object can have as true
};

/// The row for objects of this kind, or null: they have no such attribute.
const AttributeRow* find_row(Kind kind, CK_ATTRIBUTE_TYPE type);

/// Whether objects of some kind need their contents for this attribute.
bool needs_contents(CK_ATTRIBUTE_TYPE type);

/// Whether the value may leave.
bool is_readable(const AttributeRow& row, const Facts& facts);

/// The value of a readable attribute that needs no attestation. `contents` is looked at only by rows that need them.
SecureBytes compute(const AttributeRow& row, const Facts& facts, const Contents& contents);

/// Whether attributes of a new object are known for its kind, may be given and are there once, and whether every
/// CK_BBOOL is one that the object can have. Fails with CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_READ_ONLY,
/// CKR_TEMPLATE_INCONSISTENT or CKR_ATTRIBUTE_VALUE_INVALID.
Outcome<void> check_new(Kind kind, const Template& attributes);

}  // namespace sks::token
