#include "key-user-api/pkcs11/tokens.h"

#include <time.h>

#include <algorithm>

#include "key-user-api/dialog/pin_encoding.h"

namespace sks::p11 {
namespace {

constexpr std::string_view kManufacturer = "OpenSKS";
constexpr std::string_view kModel = "SKS";
constexpr std::size_t kSerialSize = 16;
constexpr std::size_t kMaxLabel = 32;
/// Browsers ask for tokens many times in a row. What others do to a PIN shows after this time.
constexpr std::chrono::milliseconds kRecent{100};

constexpr std::uint8_t kStateTried = 1;
constexpr std::uint8_t kStateLastAttempt = 2;
constexpr std::uint8_t kStateLocked = 4;
constexpr std::uint8_t kStateBits = kStateTried | kStateLastAttempt | kStateLocked;

struct StateFlag {
  std::uint8_t bit;
  CK_FLAGS user;
  CK_FLAGS so;
};
constexpr StateFlag kStateFlags[] = {
    {kStateTried, CKF_USER_PIN_COUNT_LOW, CKF_SO_PIN_COUNT_LOW},
    {kStateLastAttempt, CKF_USER_PIN_FINAL_TRY, CKF_SO_PIN_FINAL_TRY},
    {kStateLocked, CKF_USER_PIN_LOCKED, CKF_SO_PIN_LOCKED},
};

std::chrono::nanoseconds now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

TokenView read_token(ByteReader& in) {
  TokenView token;
  token.slot = in.u32();
  token.label = in.text();
  token.serial = in.text();
  in.text();  // the issuer's host, which PKCS#11 has no field for
  token.has_pin = in.boolean();
  token.has_puk = in.boolean();
  token.format = in.u8();
  token.min_length = in.u16();
  token.max_length = in.u16();
  token.pin_state = in.u8();
  token.puk_state = in.u8();
  token.protected_path = in.boolean();
  in.boolean();  // userPinModifiable: C_SetPIN tells
  token.logged_in = static_cast<LoggedIn>(in.u8());
  return token;
}

bool is_valid(const TokenView& token) {
  return token.label.size() <= kMaxLabel && token.serial.size() <= kSerialSize &&
         (token.pin_state & ~kStateBits) == 0 && (token.puk_state & ~kStateBits) == 0 &&
         token.logged_in <= LoggedIn::so;
}

}  // namespace

Answer<TokenList> read_tokens(Reply& reply) {
  TokenList tokens;
  for (std::size_t left = reply.in.u16(); left > 0 && !reply.in.failed(); --left) {
    tokens.push_back(read_token(reply.in));
    if (!is_valid(tokens.back())) return Rv{CKR_DEVICE_ERROR};
  }
  SKS_TRY(reply.finish());
  return tokens;
}

CK_SLOT_INFO slot_info(const TokenView& token) {
  CK_SLOT_INFO info{};
  fill_text(info.slotDescription, token.label);
  fill_text(info.manufacturerID, kManufacturer);
  info.flags = CKF_TOKEN_PRESENT;
  return info;
}

CK_TOKEN_INFO token_info(const TokenView& token, SessionCount sessions) {
  CK_TOKEN_INFO info{};
  fill_text(info.label, token.label);
  fill_text(info.manufacturerID, kManufacturer);
  fill_text(info.model, kModel);
  fill_text(info.serialNumber, token.serial);
  fill_text(info.utcTime, "");
  info.flags = CKF_RNG | CKF_TOKEN_INITIALIZED;
  info.ulMaxSessionCount = CK_EFFECTIVELY_INFINITE;
  info.ulSessionCount = sessions.all;
  info.ulMaxRwSessionCount = CK_EFFECTIVELY_INFINITE;
  info.ulRwSessionCount = sessions.read_write;
  info.ulTotalPublicMemory = CK_UNAVAILABLE_INFORMATION;
  info.ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
  info.ulTotalPrivateMemory = CK_UNAVAILABLE_INFORMATION;
  info.ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
  if (!token.has_pin) return info;
  info.flags |= CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED;
  if (token.protected_path) info.flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
  for (const StateFlag& row : kStateFlags) {
    if ((token.pin_state & row.bit) != 0) info.flags |= row.user;
    if (token.has_puk && (token.puk_state & row.bit) != 0) info.flags |= row.so;
  }
  info.ulMinPinLen = dialog::typed_length(token.min_length, token.format);
  info.ulMaxPinLen = dialog::typed_length(token.max_length, token.format);
  return info;
}

std::shared_ptr<const TokenList> Tokens::recent() const {
  return list_ != nullptr && era_ == daemon_.era() && now() - taken_at_ < kRecent ? list_ : nullptr;
}

Answer<std::shared_ptr<const TokenList>> Tokens::list() {
  std::uint64_t version = 0;
  {
    const std::lock_guard lock(mutex_);
    if (auto known = recent()) return known;
    version = version_;
  }
  SKS_LET(Reply reply, daemon_.call(Request(kListTokens)));
  SKS_LET(TokenList tokens, read_tokens(reply));
  auto list = std::make_shared<const TokenList>(std::move(tokens));
  const std::lock_guard lock(mutex_);
  if (version == version_) {
    list_ = list;
    era_ = reply.era;
    taken_at_ = now();
  }
  return list;
}

Answer<TokenView> Tokens::find(CK_SLOT_ID slot) {
  SKS_LET(const std::shared_ptr<const TokenList> tokens, list());
  const auto found =
      std::find_if(tokens->begin(), tokens->end(), [slot](const TokenView& t) { return t.slot == slot; });
  if (found == tokens->end()) return Rv{CKR_SLOT_ID_INVALID};
  return *found;
}

LoggedIn Tokens::logged_in(CK_SLOT_ID slot) {
  const Answer<TokenView> token = find(slot);
  return token ? token->logged_in : LoggedIn::nobody;
}

void Tokens::forget() {
  const std::lock_guard lock(mutex_);
  list_.reset();
  ++version_;
}

}  // namespace sks::p11
