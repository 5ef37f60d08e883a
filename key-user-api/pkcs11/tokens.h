#pragma once

#include "key-user-api/pkcs11/daemon.h"

/// Tokens as the daemon tells of them. Spec: spec/sksd.md 5.
namespace sks::p11 {

enum class LoggedIn : std::uint8_t { nobody = 0, user = 1, so = 2 };

struct TokenView {
  std::uint32_t slot = 0;
  std::string label;
  std::string serial;
  bool has_pin = false;
  bool has_puk = false;
  std::uint8_t format = 0;
  std::uint16_t min_length = 0;
  std::uint16_t max_length = 0;
  std::uint8_t pin_state = 0;
  std::uint8_t puk_state = 0;
  bool protected_path = false;
  LoggedIn logged_in = LoggedIn::nobody;
};
using TokenList = std::vector<TokenView>;

/// Reads the answer of listTokens. Fails with CKR_DEVICE_ERROR.
Answer<TokenList> read_tokens(Reply& reply);

CK_SLOT_INFO slot_info(const TokenView& token);
/// `sessions` of this process.
struct SessionCount {
  CK_ULONG all = 0;
  CK_ULONG read_write = 0;
};
CK_TOKEN_INFO token_info(const TokenView& token, SessionCount sessions);

/// The last answer of listTokens, asked for again after a moment, and when something here may have changed it.
/// Thread-safe.
class Tokens {
 public:
  explicit Tokens(Daemon& daemon) : daemon_(daemon) {}

  Answer<std::shared_ptr<const TokenList>> list();
  /// Fails with CKR_SLOT_ID_INVALID.
  Answer<TokenView> find(CK_SLOT_ID slot);
  /// Nobody, too, when the daemon cannot be asked.
  LoggedIn logged_in(CK_SLOT_ID slot);

  /// What is known may be wrong now.
  void forget();

 private:
  std::shared_ptr<const TokenList> recent() const;

  Daemon& daemon_;
  Mutex mutex_;  // of what follows
  std::shared_ptr<const TokenList> list_;
  Era era_ = 0;
  std::chrono::nanoseconds taken_at_{};
  std::uint64_t version_ = 0;  // an answer that was under way when something changed is not kept
};

}  // namespace sks::p11
