#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "key-user-api/cli/http_message.h"

namespace sks::cli {

/// 200 with application/json: the next message is in the body.
struct MessageReply {};

/// The issuer ended the exchange. Spec: keygen2.md 2.4.
struct TerminationReply {
  std::string location;      ///< absolute http(s) URI; empty for a page, or for a URI that no browser should open
  std::string content_type;  ///< of the page in the body; empty when there is none, or the issuer does not say
};

/// 429 or 503: the same request may be repeated. Spec: keygen2.md Appendix E.4.
struct BusyReply {
  std::optional<std::int64_t> retry_after;  ///< seconds
  std::string detail;
};

/// None of these: error HTTP.
struct BadReply {
  std::string detail;
};

using Reply = std::variant<MessageReply, TerminationReply, BusyReply, BadReply>;

/// What a response means, by keygen2.md 2.3 and 2.4. `now` serves a Retry-After that is a date.
Reply classify(const HttpResponse& response, const Url& request_url, std::int64_t now);

}  // namespace sks::cli
