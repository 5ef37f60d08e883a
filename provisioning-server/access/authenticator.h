#pragma once

#include <optional>
#include <string>
#include <variant>

#include "provisioning-server/access/access.h"
#include "provisioning-server/http_message.h"

namespace sks::issuer {

/// How a request shows who it comes from. A browser adds the first and the last by itself, whoever made it send the
/// request.
enum class Proof : std::uint8_t { certificate, bearer, cookie };

struct Authenticated {
  Caller caller;
  Proof proof;
};
/// 401 (nobody known), 429 (too many attempts) or 503 (nobody can tell at the moment).
struct NotAuthenticated {
  unsigned status;
  std::string sentence;
};

/// Finds the account behind a request. Safe for several threads.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  virtual std::variant<Authenticated, NotAuthenticated> authenticate(const Request& request) = 0;
};

}  // namespace sks::issuer
