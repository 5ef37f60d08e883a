#include "key-user-api/pkcs11/attributes.h"

#include <array>
#include <cstring>

namespace sks::p11 {
namespace {

constexpr std::size_t kMostValue = 65'536;
constexpr std::size_t kNumberSize = 8;

struct Row {
  CK_ATTRIBUTE_TYPE type;
  ValueKind kind;
};

/// Everything that is not here is bytes, ascending by type.
constexpr auto kRows = std::to_array<Row>({
    {CKA_CLASS, ValueKind::number},
    {CKA_TOKEN, ValueKind::boolean},
    {CKA_PRIVATE, ValueKind::boolean},
    {CKA_CERTIFICATE_TYPE, ValueKind::number},
    {CKA_TRUSTED, ValueKind::boolean},
    {CKA_CERTIFICATE_CATEGORY, ValueKind::number},
    {CKA_JAVA_MIDP_SECURITY_DOMAIN, ValueKind::number},
    {CKA_NAME_HASH_ALGORITHM, ValueKind::number},
    {CKA_KEY_TYPE, ValueKind::number},
    {CKA_SENSITIVE, ValueKind::boolean},
    {CKA_ENCRYPT, ValueKind::boolean},
    {CKA_DECRYPT, ValueKind::boolean},
    {CKA_WRAP, ValueKind::boolean},
    {CKA_UNWRAP, ValueKind::boolean},
    {CKA_SIGN, ValueKind::boolean},
    {CKA_SIGN_RECOVER, ValueKind::boolean},
    {CKA_VERIFY, ValueKind::boolean},
    {CKA_VERIFY_RECOVER, ValueKind::boolean},
    {CKA_DERIVE, ValueKind::boolean},
    {CKA_MODULUS_BITS, ValueKind::number},
    {CKA_PRIME_BITS, ValueKind::number},
    {CKA_SUB_PRIME_BITS, ValueKind::number},
    {CKA_VALUE_BITS, ValueKind::number},
    {CKA_VALUE_LEN, ValueKind::number},
    {CKA_EXTRACTABLE, ValueKind::boolean},
    {CKA_LOCAL, ValueKind::boolean},
    {CKA_NEVER_EXTRACTABLE, ValueKind::boolean},
    {CKA_ALWAYS_SENSITIVE, ValueKind::boolean},
    {CKA_KEY_GEN_MECHANISM, ValueKind::number},
    {CKA_MODIFIABLE, ValueKind::boolean},
    {CKA_COPYABLE, ValueKind::boolean},
    {CKA_DESTROYABLE, ValueKind::boolean},
    {CKA_SECONDARY_AUTH, ValueKind::boolean},
    {CKA_AUTH_PIN_FLAGS, ValueKind::number},
    {CKA_ALWAYS_AUTHENTICATE, ValueKind::boolean},
    {CKA_WRAP_WITH_TRUSTED, ValueKind::boolean},
    {CKA_OTP_FORMAT, ValueKind::number},
    {CKA_OTP_LENGTH, ValueKind::number},
    {CKA_OTP_TIME_INTERVAL, ValueKind::number},
    {CKA_OTP_USER_FRIENDLY_MODE, ValueKind::boolean},
    {CKA_OTP_CHALLENGE_REQUIREMENT, ValueKind::number},
    {CKA_OTP_TIME_REQUIREMENT, ValueKind::number},
    {CKA_OTP_COUNTER_REQUIREMENT, ValueKind::number},
    {CKA_OTP_PIN_REQUIREMENT, ValueKind::number},
    {CKA_HW_FEATURE_TYPE, ValueKind::number},
    {CKA_RESET_ON_INIT, ValueKind::boolean},
    {CKA_HAS_RESET, ValueKind::boolean},
    {CKA_PIXEL_X, ValueKind::number},
    {CKA_PIXEL_Y, ValueKind::number},
    {CKA_RESOLUTION, ValueKind::number},
    {CKA_CHAR_ROWS, ValueKind::number},
    {CKA_CHAR_COLUMNS, ValueKind::number},
    {CKA_COLOR, ValueKind::boolean},
    {CKA_BITS_PER_PIXEL, ValueKind::number},
    {CKA_MECHANISM_TYPE, ValueKind::number},
    {kCkaProfileId, ValueKind::number},
    {CKA_WRAP_TEMPLATE, ValueKind::template_},
    {CKA_UNWRAP_TEMPLATE, ValueKind::template_},
    {CKA_DERIVE_TEMPLATE, ValueKind::template_},
    {CKA_ALLOWED_MECHANISMS, ValueKind::numbers},
});

constexpr bool is_before(const Row& row, CK_ATTRIBUTE_TYPE type) { return row.type < type; }
static_assert(std::is_sorted(kRows.begin(), kRows.end(), [](const Row& a, const Row& b) { return a.type < b.type; }),
              "kRows is searched by type");

bool is_length_of(ValueKind kind, std::size_t size) {
  switch (kind) {
    case ValueKind::bytes:
      return true;
    case ValueKind::boolean:
      return size == sizeof(CK_BBOOL);
    case ValueKind::number:
      return size == kNumberSize;
    case ValueKind::numbers:
      return size % kNumberSize == 0;
    case ValueKind::template_:
      break;
  }
  return false;
}

CK_ULONG number_at(ByteView bytes) {
  CK_ULONG value = 0;
  for (const std::uint8_t byte : bytes.first(kNumberSize)) value = value << 8 | byte;
  return value;
}

void write_value(wire::BodyWriter& out, ValueKind kind, ByteView value) {
  if (kind == ValueKind::boolean) {
    const std::uint8_t normal = value[0] == CK_FALSE ? CK_FALSE : CK_TRUE;
    return out.blob({&normal, 1});
  }
  if (kind == ValueKind::bytes) return out.blob(value);
  out.u32(static_cast<std::uint32_t>(value.size()));
  for (std::size_t at = 0; at < value.size(); at += kNumberSize) {
    CK_ULONG number = 0;
    std::memcpy(&number, value.data() + at, sizeof number);
    out.u64(number);
  }
}

}  // namespace

ValueKind kind_of(CK_ATTRIBUTE_TYPE type) {
  const auto row = std::lower_bound(kRows.begin(), kRows.end(), type, is_before);
  if (row != kRows.end() && row->type == type) return row->kind;
  return (type & CKF_ARRAY_ATTRIBUTE) != 0 ? ValueKind::template_ : ValueKind::bytes;
}

Answer<void> write_template(wire::BodyWriter& out, std::span<const CK_ATTRIBUTE> attributes) {
  if (attributes.size() > kMostAttributes) return Rv{CKR_TEMPLATE_INCONSISTENT};
  out.count(attributes.size());
  for (const CK_ATTRIBUTE& attribute : attributes) {
    const ValueKind kind = kind_of(attribute.type);
    if (kind == ValueKind::template_) return Rv{CKR_ATTRIBUTE_TYPE_INVALID};
    if (is_missing(attribute.pValue, attribute.ulValueLen) || attribute.ulValueLen > kMostValue ||
        !is_length_of(kind, attribute.ulValueLen))
      return Rv{CKR_ATTRIBUTE_VALUE_INVALID};
    out.u64(attribute.type);
    write_value(out, kind, {static_cast<const std::uint8_t*>(attribute.pValue), attribute.ulValueLen});
  }
  return {};
}

bool boolean_of(std::span<const CK_ATTRIBUTE> attributes, CK_ATTRIBUTE_TYPE type, bool otherwise) {
  for (const CK_ATTRIBUTE& attribute : attributes)
    if (attribute.type == type && attribute.pValue != nullptr && attribute.ulValueLen == sizeof(CK_BBOOL))
      return *static_cast<const CK_BBOOL*>(attribute.pValue) != CK_FALSE;
  return otherwise;
}

Answer<void> store_value(CK_ATTRIBUTE& attribute, ByteView value) {
  const ValueKind kind = kind_of(attribute.type);
  if (!is_length_of(kind, value.size())) return Rv{CKR_DEVICE_ERROR};
  if (kind == ValueKind::boolean && value[0] > CK_TRUE) return Rv{CKR_DEVICE_ERROR};
  if (attribute.pValue == nullptr) {
    attribute.ulValueLen = value.size();
    return {};
  }
  if (attribute.ulValueLen < value.size()) return Rv{CKR_BUFFER_TOO_SMALL};
  auto* const out = static_cast<std::uint8_t*>(attribute.pValue);
  if (kind == ValueKind::number || kind == ValueKind::numbers) {
    for (std::size_t at = 0; at < value.size(); at += kNumberSize) {
      const CK_ULONG number = number_at(value.subspan(at));
      std::memcpy(out + at, &number, sizeof number);
    }
  } else if (!value.empty()) {
    std::memcpy(out, value.data(), value.size());
  }
  attribute.ulValueLen = value.size();
  return {};
}

Answer<CK_ULONG> read_number(ByteView value) {
  if (value.size() != kNumberSize) return Rv{CKR_DEVICE_ERROR};
  return number_at(value);
}

Answer<bool> read_boolean(ByteView value) {
  if (value.size() != 1 || value[0] > CK_TRUE) return Rv{CKR_DEVICE_ERROR};
  return value[0] == CK_TRUE;
}

}  // namespace sks::p11
