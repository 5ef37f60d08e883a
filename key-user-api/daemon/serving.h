#pragma once

#include <ostream>

#include "key-user-api/daemon/options.h"

namespace sks::daemon {

/// Serves the applications of one store (--for, --for-store) until somebody asks to stop or nobody needs it. Returns
/// the exit code of the process, be it the one that serves or the one that has started it; complaints go to `err`.
int serve_applications(const Options& options, std::ostream& err);

}  // namespace sks::daemon
