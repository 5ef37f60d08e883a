#pragma once

#include "provisioning-server/http_message.h"
#include "sks-core/base/result.h"

namespace sks::issuer {

/// The answer 503 to a request that failed for this reason, with its line in the log. Where the database or the CA key
/// is away, that has a line of its own, once: see watch_database() and QueuedSigner.
Response failed_request(const Error& reason);

}  // namespace sks::issuer
