#pragma once

#include "conformance/finding.h"
#include "conformance/recording.h"

namespace sks::conformance {

/// Whether exactly the messages of a legal sequence are there, in their order, each in the file that is named after it.
/// Spec: keygen2.md 1.2.
void check_message_order(const Recording& recording, Findings& findings);
bool has_all_messages(const Recording& recording);

}  // namespace sks::conformance
