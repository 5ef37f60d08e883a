#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "provisioning-server/http_route.h"
#include "provisioning-server/url.h"

namespace sks::issuer {

inline constexpr std::size_t kMaxBody = 1 << 20;  // Spec: keygen2.md Appendix B
inline constexpr std::size_t kMaxHeader = 16 * 1024;

/// Finds the route of a request, and decides what concerns HTTP alone. Spec: keygen2.md 2, E.2 and E.3. Safe for
/// several threads as long as the routes are.
class HttpHandler {
 public:
  /// A target in absolute-form is accepted when it names the origin of `url`; without one, never.
  HttpHandler(std::optional<MainUrl> url, Routes routes);
  ~HttpHandler();

  /// Never throws: what goes wrong inside becomes 503.
  Response handle(const Request& request) const noexcept;

  /// handle() for requests that need to wait for nothing in this thread: `later` takes the response, or none, when
  /// handle() has to be asked after all. False: likewise, and `later` is not called. The request must stay until then.
  bool handle_promptly(const Request& request, RespondLater later) const noexcept;

  /// The checks of handle() that need no body, so that a body nobody wants is not read. None: go on.
  std::optional<Response> check_head(const Request& request) const;

  /// A refusal that concerns HTTP alone: 400, 404, 405, 413, 415, 429 or 503. The REST API has a form of its own for
  /// it: `target` tells, as far as it is known.
  Response refuse(unsigned status, std::string_view target = {}) const;

 private:
  struct Row;
  struct Path;
  struct Target;
  const Path* find_path(std::string_view path, PathValues* values) const;
  std::variant<Target, Response> find(const Request& request) const;
  using SteadyTime = std::chrono::steady_clock::time_point;
  static Response finish(const Row& row, const Request& request, SteadyTime begin, Response response);

  std::optional<MainUrl> url_;
  std::map<std::string, std::unique_ptr<Path>, std::less<>> exact_;
  std::vector<std::unique_ptr<Path>> patterns_;
};

/// Gives a response the headers that every one carries, unless its route has set them.
void add_security_headers(Response& response);

}  // namespace sks::issuer
