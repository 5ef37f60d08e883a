#include "key-user-api/pkcs11/keys.h"

#include "key-user-api/pkcs11/attributes.h"

namespace sks::p11 {
namespace {

constexpr int kMostTries = 3;

using namespace std::string_view_literals;

/// Above the handles of session objects, and below this, are the daemon's; the era stands from here on.
constexpr unsigned kEraShift = 56;
constexpr Era kEraMask = 0x7F;
constexpr CK_OBJECT_HANDLE kDaemonMask = (CK_OBJECT_HANDLE{1} << kEraShift) - 1;

constexpr std::uint8_t kHasValue = 0;
constexpr std::uint8_t kMostResult = 2;

// spec/sksd.md 6: handle = keyHandle x 256 + n.
constexpr CK_OBJECT_HANDLE kKindMask = 0xFF;
constexpr CK_OBJECT_HANDLE kPrivateOrSecretKey = 1;

struct UsageRow {
  CK_ATTRIBUTE_TYPE attribute;
  CK_FLAGS use;
};
constexpr UsageRow kUsages[] = {
    {CKA_ENCRYPT, CKF_ENCRYPT}, {CKA_DECRYPT, CKF_DECRYPT}, {CKA_SIGN, CKF_SIGN},     {CKA_VERIFY, CKF_VERIFY},
    {CKA_DERIVE, CKF_DERIVE},   {CKA_WRAP, CKF_WRAP},       {CKA_UNWRAP, CKF_UNWRAP},
};

constexpr auto kQuestions = std::to_array<CK_ATTRIBUTE_TYPE>({
    CKA_CLASS,
    CKA_KEY_TYPE,
    CKA_ALWAYS_AUTHENTICATE,
    CKA_MODULUS,
    CKA_EC_PARAMS,
    CKA_ENCRYPT,
    CKA_DECRYPT,
    CKA_SIGN,
    CKA_VERIFY,
    CKA_DERIVE,
    CKA_WRAP,
    CKA_UNWRAP,
});

/// Curves by their CKA_EC_PARAMS, and the length of a number of theirs. Edwards curves by the length of half
/// a signature.
struct CurveRow {
  std::string_view parameters;
  std::uint16_t bytes;
};
constexpr CurveRow kCurves[] = {
    {"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"sv, 32},      // P-256
    {"\x06\x05\x2b\x81\x04\x00\x22"sv, 48},                  // P-384
    {"\x06\x05\x2b\x81\x04\x00\x23"sv, 66},                  // P-521
    {"\x06\x05\x2b\x81\x04\x00\x0a"sv, 32},                  // secp256k1
    {"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07"sv, 32},  // brainpoolP256r1
    {"\x06\x03\x2b\x65\x70"sv, 32},                          // Ed25519
    {"\x13\x0c"sv
     "edwards25519"sv,
     32},                            // and by its name
    {"\x06\x03\x2b\x65\x71"sv, 57},  // Ed448
    {"\x13\x0a"sv
     "edwards448"sv,
     57},  // and by its name
};

std::uint16_t curve_bytes(ByteView parameters) {
  for (const CurveRow& row : kCurves)
    if (equal(parameters, as_bytes(row.parameters))) return row.bytes;
  return 0;
}

std::uint16_t modulus_bytes(ByteView modulus) {
  while (!modulus.empty() && modulus.front() == 0) modulus = modulus.subspan(1);
  return modulus.size() > 0xFFFF ? std::uint16_t{0} : static_cast<std::uint16_t>(modulus.size());
}

Answer<void> learn(KeyFacts& facts, bool& is_key, CK_ATTRIBUTE_TYPE type, ByteView value) {
  switch (type) {
    case CKA_CLASS: {
      SKS_LET(const CK_ULONG object_class, read_number(value));
      is_key = object_class == CKO_PRIVATE_KEY || object_class == CKO_PUBLIC_KEY || object_class == CKO_SECRET_KEY;
      return {};
    }
    case CKA_KEY_TYPE: {
      SKS_LET(facts.type, read_number(value));
      return {};
    }
    case CKA_ALWAYS_AUTHENTICATE: {
      SKS_LET(facts.always_authenticate, read_boolean(value));
      return {};
    }
    case CKA_MODULUS:
      facts.size = modulus_bytes(value);
      return {};
    case CKA_EC_PARAMS:
      facts.size = curve_bytes(value);
      return {};
    default:
      break;
  }
  for (const UsageRow& row : kUsages) {
    if (row.attribute != type) continue;
    SKS_LET(const bool permitted, read_boolean(value));
    if (permitted) facts.uses |= row.use;
  }
  return {};
}

}  // namespace

Answer<CK_OBJECT_HANDLE> handle_for_application(std::uint64_t handle, Era era) {
  if (handle == 0 || handle > kDaemonMask) return Rv{CKR_DEVICE_ERROR};
  if (!is_session_object(handle)) return handle;
  return handle | CK_OBJECT_HANDLE{era & kEraMask} << kEraShift;
}

void write_object(Request& request, std::uint32_t slot, CK_OBJECT_HANDLE handle, Era now, CK_RV invalid) {
  request.out.u32(slot);
  if (!is_session_object(handle)) {
    request.out.u64(handle);
    return;
  }
  const bool is_present = handle >> kEraShift == (now & kEraMask);
  // None has the handle 0.
  request.out.u64(is_present ? handle & kDaemonMask : 0);
  request.bind(now, invalid);
}

Keys::Entry& Keys::place_of(std::uint32_t slot, CK_OBJECT_HANDLE key) {
  const std::uint64_t mixed = (key ^ std::uint64_t{slot} << 40) * 0x9E3779B97F4A7C15U;
  return entries_[(mixed >> 32) % entries_.size()];
}

Answer<KeyFacts> Keys::facts(std::uint32_t slot, CK_OBJECT_HANDLE key) {
  std::uint64_t version = 0;
  {
    const std::lock_guard lock(mutex_);
    const Entry& known = place_of(slot, key);
    if (known.is_used && known.slot == slot && known.key == key && known.era == daemon_.era()) return known.facts;
    version = version_;
  }
  Era era = 0;
  Answer<KeyFacts> facts = ask(slot, key, era);
  for (int tries = 0; tries < kMostTries && !facts && facts.error().code == CKR_OBJECT_HANDLE_INVALID; ++tries) {
    SKS_LET(const std::optional<LoggedIn> hider, may_hide(slot, key));
    if (hider == LoggedIn::nobody) return Rv{CKR_USER_NOT_LOGGED_IN};
    if (hider != LoggedIn::user) break;
    // Another thread has logged in meanwhile, maybe more than once where daemons come and go.
    facts = ask(slot, key, era);
  }
  if (!facts) return Rv{facts.error().code == CKR_OBJECT_HANDLE_INVALID ? CKR_KEY_HANDLE_INVALID : facts.error().code};
  const std::lock_guard lock(mutex_);
  if (version == version_) place_of(slot, key) = {true, slot, key, era, *facts};
  return facts;
}

Answer<std::optional<LoggedIn>> Keys::may_hide(std::uint32_t slot, CK_OBJECT_HANDLE key) {
  if (is_session_object(key) || (key & kKindMask) != kPrivateOrSecretKey) return std::optional<LoggedIn>();
  SKS_LET(const TokenView token, tokens_.find(slot));
  return token.has_pin ? std::optional(token.logged_in) : std::nullopt;
}

Answer<KeyFacts> Keys::ask(std::uint32_t slot, CK_OBJECT_HANDLE key, Era& era) {
  Request request(kGetAttributes);
  write_object(request, slot, key, daemon_.era(), CKR_OBJECT_HANDLE_INVALID);
  request.out.count(kQuestions.size());
  for (const CK_ATTRIBUTE_TYPE type : kQuestions) request.out.u64(type);
  SKS_LET(Reply reply, daemon_.call(std::move(request)));
  era = reply.era;
  if (reply.in.u16() != kQuestions.size()) return Rv{CKR_DEVICE_ERROR};
  KeyFacts facts;
  bool is_key = false;
  for (const CK_ATTRIBUTE_TYPE type : kQuestions) {
    const std::uint8_t result = reply.in.u8();
    const ByteView value = reply.in.blob();
    if (reply.in.failed() || result > kMostResult) return Rv{CKR_DEVICE_ERROR};
    if (result == kHasValue) SKS_TRY(learn(facts, is_key, type, value));
  }
  SKS_TRY(reply.finish());
  if (!is_key) return Rv{CKR_KEY_HANDLE_INVALID};
  return facts;
}

CK_RV Keys::explain_missing(std::uint32_t slot, CK_OBJECT_HANDLE key) {
  const Answer<KeyFacts> now = facts(slot, key);
  if (!now && now.error().code != CKR_USER_NOT_LOGGED_IN) return now.error().code;
  const Answer<std::optional<LoggedIn>> hider = may_hide(slot, key);
  if (!hider) return hider.error().code;
  return *hider ? CKR_USER_NOT_LOGGED_IN : CKR_KEY_HANDLE_INVALID;
}

void Keys::forget() {
  const std::lock_guard lock(mutex_);
  ++version_;
  for (Entry& entry : entries_) entry.is_used = false;
}

}  // namespace sks::p11
