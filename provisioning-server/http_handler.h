#pragma once

#include <mutex>

#include "provisioning-server/enrolment.h"
#include "provisioning-server/http_message.h"

namespace sks::issuer {

inline constexpr std::size_t kMaxBody = 1 << 20;  // Spec: keygen2.md Appendix B
inline constexpr std::size_t kMaxHeader = 16 * 1024;
inline constexpr const char* kSessionCookie = "__Host-sks-session";

/// Every decision about HTTP. Spec: keygen2.md 2 and E.2 to E.4. Safe for several threads.
class HttpHandler {
 public:
  HttpHandler(EnrolmentPorts ports, std::int64_t session_starts_per_second);

  /// Never throws: what goes wrong inside becomes 503.
  Response handle(const Request& request) noexcept;

  /// The checks of handle() that need no body, so that a body nobody wants is not read. None: go on.
  std::optional<Response> check_head(const Request& request) const;

  /// A refusal that concerns HTTP alone: 400, 404, 405, 413, 415, 429 or 503.
  Response refuse(unsigned status) const;

 private:
  struct Route;
  const Route* find_route(std::string_view path, std::string_view method) const;
  Response get_init(const Request& request);
  Response post_message(const Request& request);
  Response get_result(const Request& request);
  Response get_whoami(const Request& request);
  Response answer(Result<Reply> reply);
  bool take_start_permit();

  static const std::vector<Route>& routes();

  EnrolmentPorts ports_;
  Enrolment enrolment_;
  std::int64_t starts_per_second_;
  std::mutex permits_mutex_;
  std::int64_t permit_second_ = 0;
  std::int64_t permits_used_ = 0;
};

}  // namespace sks::issuer
