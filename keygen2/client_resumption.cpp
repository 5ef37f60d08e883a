#include <array>

#include "keygen2/client_finalization.h"
#include "keygen2/client_store.h"
#include "keygen2/enumerations.h"
#include "keygen2/origin.h"

/// ProvisioningFinalizationRequest as first message: a run that was suspended goes on. Spec: keygen2.md 8.8.
namespace sks::keygen2 {
namespace {

struct Consequence {
  std::size_t RunSummary::*count;
  std::string_view one;
  std::string_view many;  ///< follows the number
};

constexpr auto kConsequences = std::to_array<Consequence>({
    {&RunSummary::created, "One credential arrives.", " credentials arrive."},
    {&RunSummary::updated, "One of them takes the place of an existing key.",
     " of them take the place of existing keys."},
    {&RunSummary::cloned, "One of them shares the PIN of an existing key.",
     " of them share the PINs of existing keys."},
    {&RunSummary::unlocked, "One key is unlocked.", " keys are unlocked."},
    {&RunSummary::deleted, "One key is deleted.", " keys are deleted."},
    {&RunSummary::activated, "One key is activated.", " keys are activated."},
    {&RunSummary::deactivated, "One key is deactivated.", " keys are deactivated."},
});

std::vector<std::string> consequences_of(const ProvisioningFinalizationRequest& request) {
  const RunSummary summary = summarize(request);
  std::vector<std::string> sentences;
  for (const Consequence& row : kConsequences) {
    const std::size_t count = summary.*row.count;
    if (count == 1) sentences.emplace_back(row.one);
    if (count > 1) sentences.push_back(std::to_string(count) + std::string(row.many));
  }
  return sentences;
}

/// The open session that the request continues. Fails with session or sks.
Outcome<SessionInfo> find_suspended(const ClientRun& run, const SessionIds& ids) {
  SKS_LET(const std::vector<SessionInfo> sessions, list_sessions(run.store, SessionState::open));
  const SessionInfo* const found = find_session(sessions, ids);
  if (found == nullptr) return Failure{ErrorClass::session, "there is no suspended session with these ids"};
  if (!is_same_origin(found->issuer_uri, run.context.issuer_uri))
    return Failure{ErrorClass::session, "the suspended session belongs to another issuer"};
  return *found;
}

}  // namespace

// Not checked here is what only the part before the suspension knew. The key store knows which keys wait for their
// credentials: getKeyHandle fails for any other, and closeProvisioningSession when one is missing. Whether key
// suspension was announced nobody knows any more; a key store that cannot do it refuses the call.
Outcome<std::string> on_resumption(ClientRun& run, const ProvisioningFinalizationRequest& request) {
  SKS_LET(const SessionInfo suspended, find_suspended(run, request.ids));
  // From here on every failure aborts the session, the user's refusal as well.
  run.session = suspended.handle;
  run.ids = request.ids;
  if (is_expired(suspended, run.clock.now())) return Failure{ErrorClass::session, "the suspended session has expired"};
  const bool agreed = run.dialog.consent({run.context.issuer_host, std::string(kActions.at(kActionManage)),
                                          !suspended.privacy_enabled, consequences_of(request)});
  if (!agreed) return Failure{ErrorClass::user, "the user does not agree"};
  return finalize(run, request);
}

}  // namespace sks::keygen2
