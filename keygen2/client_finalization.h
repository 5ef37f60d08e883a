#pragma once

#include "keygen2/client_run.h"

/// What finalization has in common, whether a run goes on or is resumed. Private to the client half. Spec: keygen2.md
/// 1.5 C-5, 4.11, 4.12, 8.6.
namespace sks::keygen2 {

/// What a request will have done when the key store has committed.
RunSummary summarize(const ProvisioningFinalizationRequest& request);

/// Checks the credentials, finds all targets, and only then calls the key store's methods up to
/// closeProvisioningSession. Fails with crypto (a certificate path), value (a trust anchor), policy (a target that is
/// not here) or sks.
Outcome<std::string> finalize(ClientRun& run, const ProvisioningFinalizationRequest& request);

}  // namespace sks::keygen2
