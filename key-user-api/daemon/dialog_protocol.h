#pragma once

#include <optional>
#include <string>

#include "key-user-api/token/service.h"
#include "sks-core/base/bytes.h"

/// What sksd and its dialog process send each other, as packets of one socket. Both are the same program, and neither
/// believes that of a packet.
namespace sks::daemon {

inline constexpr std::size_t kMaxDialogPacket = 16384;

/// From sksd.
struct DialogRequest {
  std::uint32_t number = 0;
  bool cancels = false;  ///< the question of that number; otherwise it is one
  token::TrustedDialog::Question question = {};
  bool consent = false;  ///< a question without a secret: the answer has an empty one for yes
};
SecureBytes encode(const DialogRequest& request);
std::optional<DialogRequest> decode_request(ByteView packet);

/// To sksd, one for each question.
struct DialogAnswer {
  std::uint32_t number = 0;
  std::optional<SecureBytes> secret = {};
  std::string failure = {};  ///< why the user was not asked, or empty
};
SecureBytes encode(const DialogAnswer& answer);
std::optional<DialogAnswer> decode_answer(ByteView packet);

/// The dialog process: answers requests from `socket` until its other end is closed.
void serve_dialogs(int socket);

}  // namespace sks::daemon
