#pragma once

#include <string_view>

#include "provisioning-server/http_message.h"
#include "sks-core/base/result.h"

namespace sks::issuer {

/// A refusal of the REST API: application/problem+json (RFC 9457) with one sentence.
Response problem_response(unsigned status, std::string_view sentence);

/// The same for an error of the layers below: option 400, authorization 403, not_available 404, not_allowed 409, and
/// 503 for the rest, whose sentences are for the log alone.
Response problem_response(const Error& error);

}  // namespace sks::issuer
