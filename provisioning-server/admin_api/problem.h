#pragma once

#include <string_view>

#include "provisioning-server/http_message.h"
#include "sks-core/base/result.h"

namespace sks::issuer {

/// A refusal of the REST API: application/problem+json (RFC 9457) with one sentence.
Response problem_response(unsigned status, std::string_view sentence);

/// What an error of the layers below is called in HTTP: option 400, authorization 403, not_available 404, not_allowed
/// 409, and 503 for the rest.
unsigned http_status_of(const Error& error);
/// The sentence of a 503 is for the log alone.
Response problem_response(const Error& error);

}  // namespace sks::issuer
