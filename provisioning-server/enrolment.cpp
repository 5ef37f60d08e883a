#include "provisioning-server/enrolment.h"

#include <algorithm>
#include <array>

#include "provisioning-server/directory/certificate_facts.h"
#include "provisioning-server/found_keys.h"
#include "provisioning-server/life_cycle/management_actions.h"
#include "provisioning-server/life_cycle/management_session.h"
#include "provisioning-server/life_cycle/replacements.h"
#include "provisioning-server/log.h"
#include "provisioning-server/metrics.h"
#include "provisioning-server/policy/subject_source.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

using keygen2::AttestedKey;
using keygen2::IssuerPhase;
using keygen2::IssuerSession;

constexpr std::int64_t kIdleSeconds = 15 * 60;  // Spec: keygen2.md 9.5
constexpr int kMaxConflicts = 4;
/// Some kilobytes each.
constexpr std::size_t kRecentSessions = 1000;
/// Decoded keys take more.
constexpr std::size_t kRecentStates = 200;
/// Refusals of one kind that have a row each, for one ticket or session. Whoever holds either can be refused for ever.
constexpr double kRefusalsAtOnce = 10;
constexpr double kRefusalsPerSecond = 1.0 / 600;
constexpr std::size_t kRememberedRefusals = 10000;
/// Longer messages take more time than other connections of the thread should wait.
constexpr std::size_t kPromptBody = 64 * 1024;
constexpr const char* kPukPurpose = "puk";
constexpr std::uint64_t kPukVersion = 0;  // it belongs to the session as a whole, not to one version of its row

/// In the order of IssuerPhase, and the response that each waits for.
struct PhaseRow {
  SessionPhase phase;
  std::string_view awaited;
};
constexpr auto kPhaseRows = std::to_array<PhaseRow>({
    {SessionPhase::invocation, "InvocationResponse"},
    {SessionPhase::initialization, "ProvisioningInitializationResponse"},
    {SessionPhase::discovery, "CredentialDiscoveryResponse"},
    {SessionPhase::key_creation, "KeyCreationResponse"},
    {SessionPhase::suspended, "message while suspended"},
    {SessionPhase::finalization, "ProvisioningFinalizationResponse"},
    {SessionPhase::done, "message after the end"},
});

SessionPhase phase_of(IssuerPhase phase) { return kPhaseRows.at(static_cast<std::size_t>(phase)).phase; }

std::string awaited_message(SessionPhase phase) {
  const auto* const row = std::ranges::find(kPhaseRows, phase, &PhaseRow::phase);
  return std::string(row == kPhaseRows.end() ? "message after the end" : row->awaited);
}

/// The state opens only together with the policy that the session began with.
std::string state_purpose(const Session& session) { return "state of " + session.profile_digest; }

std::string policy_of(const Session& session) { return session.profile + ' ' + session.profile_digest; }

void note_refusal(Refusal why, LogFields fields) {
  const std::string word(word_of(why));
  Metrics::instance().counter("sessions_refused_total", {{"reason", word}}).add();
  fields.emplace_back("result", word);
  log_warning("session-refused", fields);
}

/// "; deleted FINGERPRINT FINGERPRINT; unlocked FINGERPRINT" behind what there is.
void add_operations(std::string& detail, const std::vector<KeyOperation>& operations) {
  std::string_view last;
  for (const KeyOperation& operation : operations) {
    const std::string_view word = action_of(operation.kind).done;
    if (word != last) detail.append(detail.empty() ? "" : "; ").append(word);
    detail.append(" ").append(operation.fingerprint);
    last = word;
  }
}

struct LimitRow {
  StepOutcome outcome;
  Refusal refusal;
};
constexpr auto kLimits = std::to_array<LimitRow>({
    {StepOutcome::device_credentials, Refusal::limit_device},
    {StepOutcome::subject_credentials, Refusal::limit_subject},
    {StepOutcome::device_sessions, Refusal::limit_sessions},
});

Refusal refusal_of(StepOutcome limit) {
  const auto* const row = std::ranges::find(kLimits, limit, &LimitRow::outcome);
  SKS_CHECK(row != kLimits.end());
  return row->refusal;
}

/// The limit that the session will exceed for certain, found before its user has chosen a PIN and waited for keys. What
/// takes the place of other keys is left to the end: only then is it known which.
Result<std::optional<LimitExcess>> find_excess(Repository& repository, const Profile& profile, const Session& session,
                                               std::int64_t now) {
  const auto makes_room = [](const Lookup& lookup) {
    return lookup.action == FoundKeyAction::remove || lookup.action == FoundKeyAction::update;
  };
  if (session.order.kind || !profile.limits.any() || std::ranges::any_of(profile.lookups, makes_room))
    return std::optional<LimitExcess>();
  const auto coming = static_cast<std::int64_t>(keys_in_message_order(profile).size());
  return repository.find_excess(profile.limits, session, coming, now);
}

/// The issuer's policy at work on one step: which device, which certificates.
class StepDecisions final : public keygen2::IssuerDecisions {
 public:
  StepDecisions(const EnrolmentPorts& ports, const Session& session, const Profile& profile)
      : ports_(ports),
        session_(session),
        profile_(profile),
        keys_(keys_in_message_order(profile)),
        found_(ports.repository, ports.authority, ports.key_manager, session, profile),
        replacements_(ports.repository, ports.key_manager, session, profile) {}

  Result<void> accept_device(const crypto::CertificatePath& path) override {
    SKS_LET(const std::shared_ptr<const DevicePolicy> policy, ports_.devices.current());
    device_fingerprint_ = to_hex(crypto::sha256(path.der().front()));
    device_ = policy->decide(path, session_.profile, ports_.clock);
    if (device_.refusal) return Error{Status::not_allowed, device_.sentence};
    if (!session_.order.kind || session_.order.device == device_fingerprint_) return {};
    device_.refusal = Refusal::other_device;
    device_.sentence = "the keys are on device " + session_.order.device;
    return Error{Status::not_allowed, device_.sentence};
  }

  Result<keygen2::CredentialSpec> certify(const AttestedKey& key) override {
    Result<std::optional<Replacement>> found = replacements_.find(key.index);
    if (!found) return note_unavailable(found.error());
    const std::optional<Replacement> replacement = std::move(found).value();
    SKS_LET(const std::size_t place, place_of(key, replacement));
    const Bytes key_management_key = ports_.key_manager.public_key_of(session_.kmk_generation);
    if (key_management_key.empty())
      return note_unavailable({Status::not_available, "this process has not read the session's key management key"});
    SKS_LET(const SubjectData data, parse_subject_data(session_.data));
    SKS_LET(const CertificateRequest request,
            make_certificate_request(profile_.certificate, session_.subject, data, keys_[place]->app_usage));
    Result<crypto::CertificatePath> issued = ports_.authority.issue(request, key.public_key);
    if (!issued) return note_unavailable(issued.error());
    crypto::CertificatePath path = std::move(issued).value();
    Credential credential;
    credential.fingerprint = to_hex(crypto::sha256(path.der().front()));
    credential.certificate = path.der().front();
    credential.subject = session_.subject;
    credential.profile = session_.profile;
    credential.app_usage = app_usage_name(keys_[place]->app_usage);
    credential.friendly_name = keys_[place]->friendly_name;
    credential.public_key_digest = to_hex(crypto::sha256(key.public_key.spki()));
    credential.kmk_generation = session_.kmk_generation;
    credential.key_management_key = key_management_key;
    credential.privacy_enabled = profile_.privacy_enabled;
    // Decoded by whoever has made it.
    const Result<std::vector<crypto::Certificate>>& certificates = path.certificates();
    if (!certificates) return certificates.error();
    const crypto::Certificate& certificate = certificates->front();
    credential.serial = serial_of(certificate);
    credential.issuer = certificate.issuer();
    credential.not_after = certificate.not_after();
    keygen2::CredentialSpec spec;
    if (replacement) {
      const bool updates = replacement->kind == KeyOperation::Kind::update;
      (updates ? credential.replaces : credential.clones) = replacement->target.fingerprint;
      (updates ? spec.update : spec.clone) = replacement->key;
    }
    spec.certificate_path = std::move(path);
    SKS_LET(spec.extensions, make_key_extensions(profile_.key_extensions.at(place), data));
    if (const std::optional<SignatureProfile>& signature = profile_.signature_profiles.at(place)) {
      credential.signature_profile = signature->uri();
      keygen2::ExtensionSpec extension;
      extension.type = kSignatureProfileType;
      extension.content = SecureBytes::copy_of(as_bytes(credential.signature_profile));
      spec.extensions.push_back(std::move(extension));
    }
    credentials_.push_back(std::move(credential));
    return spec;
  }

  Result<Bytes> sign(ByteView key_management_key, ByteView data) override {
    Result<Bytes> made = ports_.key_manager.sign(key_management_key, data);
    if (!made) return note_unavailable(made.error());
    return made;
  }
  Result<void> recognize(const keygen2::FoundKey& key) override { return found_.recognize(key); }
  Result<keygen2::Management> manage(const std::vector<keygen2::FoundKey>& found) override {
    return found_.manage(found);
  }

  /// Why the session failed, when that was decided here.
  std::optional<Refusal> refusal() const { return device_.refusal ? device_.refusal : found_.refusal(); }
  /// Set when the authority could not be reached, or when this process has not read a key management key that others
  /// use: nothing was decided, and the same message may succeed later.
  const std::optional<Error>& unavailable() const { return unavailable_; }
  const std::string& device_fingerprint() const { return device_fingerprint_; }
  /// "device FINGERPRINT, device trust MODE", and what decided about it in this step; empty before a device has shown
  /// itself.
  std::string device_text() const {
    if (device_fingerprint_.empty()) return {};
    std::string text = "device " + device_fingerprint_ + ", device trust ";
    text += device_trust_name(ports_.devices.mode());
    if (!device_.authority.empty()) text += ", device CA " + device_.authority;
    if (!device_.refusal && !device_.sentence.empty()) text += ", let pass: " + device_.sentence;
    return text;
  }
  std::vector<Credential> take_credentials() { return std::move(credentials_); }
  std::vector<KeyOperation> take_operations() { return found_.take_operations(); }

 private:
  Error note_unavailable(const Error& error) {
    if (error.status == Status::not_available) unavailable_ = error;
    return error;
  }

  /// Which key of the profile this one is made by.
  Result<std::size_t> place_of(const AttestedKey& key, const std::optional<Replacement>& replacement) const {
    if (!replacement) {
      if (key.index < keys_.size()) return key.index;
      return Error{Status::internal, "a key that the profile does not ask for"};
    }
    SKS_LET(const keygen2::KeySpec* const spec, find_spec(profile_, replacement->target));
    return static_cast<std::size_t>(std::ranges::find(keys_, spec) - keys_.begin());
  }

  const EnrolmentPorts& ports_;
  const Session& session_;
  const Profile& profile_;
  std::vector<const keygen2::KeySpec*> keys_;
  FoundKeys found_;
  Replacements replacements_;
  std::vector<Credential> credentials_;
  std::string device_fingerprint_;
  DeviceDecision device_;
  std::optional<Error> unavailable_;
};

}  // namespace

std::string digest_of(std::string_view secret) { return to_hex(crypto::sha256(as_bytes(secret))); }

Result<SecureBytes> open_puk(const SessionSeal& seal, const Session& session) {
  return seal.open(session.id, kPukPurpose, kPukVersion, session.sealed_puk);
}

Enrolment::Enrolment(EnrolmentPorts ports)
    : ports_(std::move(ports)),
      recent_(kRecentSessions, kRecentStates),
      refusals_on_record_(kRefusalsPerSecond, kRefusalsAtOnce, kRememberedRefusals) {}

keygen2::IssuerContext Enrolment::context() const { return {ports_.clock, ports_.random, ports_.server.leaves()}; }

Reply Enrolment::refuse(Refusal why) const {
  return {{StoredReply::Kind::redirect,
           ports_.url.origin() + "/result?outcome=refused&reason=" + std::string(word_of(why))},
          {}};
}

Result<Reply> Enrolment::begin(const std::string& ticket_text, const std::string& cookie, const std::string& peer) {
  const Incoming request{digest_of("GET " + ticket_text), peer};
  SKS_LET(const std::optional<Ticket> ticket, ports_.repository.find_ticket(digest_of(ticket_text)));
  if (!ticket) {
    note_refusal(Refusal::ticket_unknown, {{"peer", peer}});
    return refuse(Refusal::ticket_unknown);
  }
  if (ticket->used != 0) return begin_again(*ticket, cookie, request);
  return start(*ticket, cookie, request);
}

/// A second GET is an error of the session that the first one started, unless it is its exact repetition.
/// Without that session's cookie it cannot touch the session. Spec: keygen2.md 1.3
Result<Reply> Enrolment::begin_again(const Ticket& ticket, const std::string& cookie, const Incoming& request) {
  for (int attempt = 0; !cookie.empty() && attempt < kMaxConflicts; ++attempt) {
    SKS_LET(const std::optional<Session> session, ports_.repository.find_session(digest_of(cookie)));
    if (!session || session->ticket_digest != ticket.digest) break;
    if (session->last_request == request.digest) return Reply{session->reply, {}};
    if (is_over(session->phase)) break;
    SKS_LET(std::optional<Reply> reply, abort(*session, Refusal::state, "GET", "the init URL was used again", request));
    if (reply) return std::move(*reply);
  }
  return refuse_ticket(Refusal::ticket_used, ticket, "", request);
}

Result<Reply> Enrolment::refuse_ticket(Refusal why, const Ticket& ticket, const std::string& detail,
                                       const Incoming& request) {
  const std::string word(word_of(why));
  note_refusal(why, {{"peer", request.peer}, {"profile", ticket.profile}, {"reason", detail}});
  SKS_TRY(put_on_record(ticket.digest,
                        {ports_.clock.now(), request.peer, "InvocationRequest", "", ticket.profile, word, detail}));
  return refuse(why);
}

Result<Reply> Enrolment::refuse_over(const Session& session, const Incoming& request) {
  const std::string word(word_of(Refusal::session_over));
  note_refusal(Refusal::session_over, {{"peer", request.peer}, {"session", session.id}});
  SKS_TRY(put_on_record(session.id, {ports_.clock.now(), request.peer, awaited_message(session.phase), session.id,
                                     policy_of(session), word, ""}));
  return refuse(Refusal::session_over);
}

/// A refusal of what `subject` names, unless there were many of its kind. Only those count that are on record.
Result<void> Enrolment::put_on_record(const std::string& subject, const AuditEntry& refusal) {
  const std::string key = subject + ' ' + refusal.result;
  if (!refusals_on_record_.has(key, steady_seconds())) return {};
  SKS_TRY(ports_.repository.add_audit(refusal));
  refusals_on_record_.take(key, steady_seconds());
  return {};
}

Result<keygen2::IssuancePlan> Enrolment::plan_of(const Profile& profile, const Ticket& ticket,
                                                 const std::vector<Credential>& targets, SecureBytes puk) const {
  const std::string& url = ports_.url.text();
  if (ticket.order.kind) return make_management_plan(profile, ticket.order, targets, url, ports_.key_manager);
  keygen2::IssuancePlan plan = make_plan(profile, url, ports_.key_manager.public_key(), std::move(puk));
  add_generations(plan, ports_.key_manager);
  return plan;
}

/// The row of a session that the ticket may start, but for what the request says.
Result<Enrolment::Draft> Enrolment::draft(const Ticket& ticket, const Profile& profile, std::int64_t now) const {
  // An order is about keys whose subject is on record.
  Result<SubjectFacts> facts = ticket.order.kind ? SubjectFacts{ticket.subject, {}}
                                                 : find_subject(profile, ports_.directory, ticket.subject, ticket.data);
  if (!facts) return Draft(Ending{Refusal::subject, facts.error().detail});
  std::vector<Credential> targets;
  if (ticket.order.kind) {
    SKS_LET(targets, ports_.repository.find_targets(ticket.order, ticket.subject, ticket.profile));
    const Result<void> possible = check_targets(ticket.order, targets);
    const bool missing = !possible && possible.error().status == Status::not_available;
    if (!possible)
      return Draft(Ending{missing ? Refusal::key_missing : Refusal::credential_state, possible.error().detail});
  }
  // Keys that others take the place of keep their PIN, and so their PUK.
  SecureBytes puk = ticket.order.kind ? SecureBytes() : draw_puk(profile, ports_.random);
  const SecureBytes kept_puk = SecureBytes::copy_of(puk.view());  // the plan takes the other one along
  const auto plan = plan_of(profile, ticket, targets, std::move(puk));
  if (!plan) return Draft(Ending{Refusal::profile, plan.error().detail});
  auto started = IssuerSession::start(*plan, context());
  if (!started) return Draft(Ending{Refusal::profile, started.error().detail});

  Session session;
  session.id = started->server_session_id();
  session.ticket_digest = ticket.digest;
  session.profile = ticket.profile;
  session.profile_digest = profile.digest;
  session.subject = facts->subject;
  session.data = subject_data_text(facts->data);
  if (!targets.empty()) {
    // The certificate of a key that takes the place of another one says the same about the subject.
    SKS_LET(const std::optional<Session> earlier, ports_.repository.find_session_of(targets.front()));
    if (earlier) session.data = earlier->data;
  }
  session.order = ticket.order;
  session.kmk_generation = ports_.key_manager.generation();
  session.phase = phase_of(started->phase());
  session.sealed_state = ports_.seal.seal(session.id, state_purpose(session), session.version, started->save().view());
  if (!kept_puk.empty()) session.sealed_puk = ports_.seal.seal(session.id, kPukPurpose, kPukVersion, kept_puk.view());
  session.reply = {StoredReply::Kind::message, started->invocation_request()};
  session.created = now;
  session.expires = now + kIdleSeconds;
  return Draft(std::move(session), std::move(*started));
}

Result<Reply> Enrolment::start(const Ticket& ticket, const std::string& cookie, const Incoming& request) {
  const std::int64_t now = ports_.clock.now();
  const auto refuse_with = [&](Refusal why, const std::string& detail) {
    return refuse_ticket(why, ticket, detail, request);
  };
  if (ticket.expires <= now) return refuse_with(Refusal::ticket_expired, "");
  const auto profile = find_rules(ports_.profiles, ticket.profile, ticket.order);
  if (!profile) return refuse_with(Refusal::profile, profile.error().detail);
  SKS_LET(Draft drafted, draft(ticket, **profile, now));
  if (!drafted.session) return refuse_with(drafted.ending.why, drafted.ending.detail);
  Session& session = *drafted.session;
  const bool bound = !ticket.cookie_digest.empty() && digest_of(cookie) == ticket.cookie_digest;
  const std::string fresh_cookie = bound ? std::string() : random_id(ports_.random);
  session.cookie_digest = bound ? ticket.cookie_digest : digest_of(fresh_cookie);
  session.last_request = request.digest;

  SKS_LET(const std::optional<LimitExcess> excess, find_excess(ports_.repository, **profile, session, now));
  if (excess) return refuse_with(refusal_of(excess->limit), excess->sentence);
  // What makes no certificate has no profile.
  if (!session.profile_digest.empty()) SKS_TRY(ports_.profiles.keep(**profile, now));
  const AuditEntry audit{now, request.peer, "InvocationRequest", session.id, policy_of(session), "ok", ""};
  SKS_LET(const StartOutcome outcome, ports_.repository.start_session(session, audit));
  switch (outcome) {
    case StartOutcome::started: {
      Metrics::instance().counter("sessions_started_total").add();
      log_info("session-started", {{"session", session.id}, {"peer", request.peer}, {"profile", session.profile}});
      Reply reply{std::move(session.reply), fresh_cookie};
      recent_.keep({std::move(session), std::move(drafted.state)}, now);
      return reply;
    }
    case StartOutcome::ticket_unknown:
      return refuse_with(Refusal::ticket_unknown, "");
    case StartOutcome::ticket_used:
      return refuse_with(Refusal::ticket_used, "");
    case StartOutcome::ticket_expired:
      return refuse_with(Refusal::ticket_expired, "");
  }
  return refuse_with(Refusal::ticket_unknown, "");
}

Result<Reply> Enrolment::step(const std::string& body, const std::string& cookie, const std::string& peer) {
  const Incoming request{digest_of("POST " + body), peer};
  if (cookie.empty()) return refuse(Refusal::session_unknown);
  for (int attempt = 0; attempt < kMaxConflicts; ++attempt) {
    SKS_LET(const std::optional<Session> session, ports_.repository.find_session(digest_of(cookie)));
    if (!session) {
      note_refusal(Refusal::session_unknown, {{"peer", peer}});
      return refuse(Refusal::session_unknown);
    }
    if (session->last_request == request.digest) return Reply{session->reply, {}};
    if (is_over(session->phase)) return refuse_over(*session, request);
    SKS_LET(std::optional<Reply> reply, try_step(*session, body, request));
    if (reply) return std::move(*reply);
  }
  return Error{Status::internal, "too many requests for one session at the same time"};
}

bool Enrolment::step_promptly(const std::string& body, const std::string& cookie, const std::string& peer,
                              Later later) {
  if (cookie.empty() || body.size() > kPromptBody || ports_.authority.may_wait()) return false;
  std::optional<RecentSession> recent = recent_.take(digest_of(cookie));
  if (!recent) return false;
  const Incoming request{digest_of("POST " + body), peer};
  // Whether a repetition still is one, only the repository knows.
  if (recent->row.last_request == request.digest || !is_all_at_hand(recent->row)) return false;
  Result<Outcome> prepared = prepare(recent->row, std::move(recent->state), body, request);
  if (!prepared || !prepared->accepted) return false;
  auto accepted = std::make_shared<Accepted>(std::move(*prepared->accepted));
  Step step = std::move(accepted->step);
  return ports_.repository.commit_step_later(
      step, [this, accepted, later = std::move(later), id = LogRequest::current()](Step committed,
                                                                                   const Result<StepOutcome>& outcome) {
        const LogRequest same(id);
        std::optional<Reply> reply;
        try {
          accepted->step = std::move(committed);
          if (outcome && *outcome == StepOutcome::committed) reply = conclude(std::move(*accepted));
        } catch (const std::exception& exception) {
          // The step is taken: whoever repeats the request gets its reply out of the repository.
          log_error("request-failed", {{"reason", exception.what()}});
        }
        later(std::move(reply));
      });
}

/// Whether a step of the session finds all that it needs in memory, and changes rows that are its own.
bool Enrolment::is_all_at_hand(const Session& session) const {
  if (session.order.kind || !ports_.devices.is_at_hand()) return false;
  const auto profile = ports_.profiles.find_at_hand(session.profile);
  return profile != nullptr && profile->digest == session.profile_digest && profile->lookups.empty() &&
         !profile->limits.any();
}

Result<Enrolment::Outcome> Enrolment::prepare(const Session& before, std::optional<IssuerSession> session,
                                              const std::string& body, const Incoming& request) const {
  const std::int64_t now = ports_.clock.now();
  if (before.expires <= now) return Outcome(Ending{Refusal::session_expired, ""});
  const auto profile = find_session_rules(ports_.profiles, before);
  if (!profile && profile.error().status == Status::storage) return profile.error();
  if (!profile) return Outcome(Ending{Refusal::profile, profile.error().detail});
  if (!session) {
    const auto saved = ports_.seal.open(before.id, state_purpose(before), before.version, before.sealed_state);
    if (!saved) return Outcome(Ending{Refusal::crypto, "the sealed state does not open: " + saved.error().detail});
    auto restored = IssuerSession::restore(*saved);
    if (!restored) return Outcome(Ending{refusal_of(restored.error().error_class), restored.error().detail});
    session = std::move(*restored);
  }

  StepDecisions decisions(ports_, before, **profile);
  auto answer = session->receive(body, decisions, context());
  if (!answer && decisions.unavailable()) return *decisions.unavailable();
  // Also when the session fails because the keys need what is missing: what the profile says about it goes first.
  const bool has_answers = before.phase == SessionPhase::invocation && !session->capabilities().empty();
  const CapabilityCheck capabilities =
      has_answers ? check_capabilities(capabilities_for(**profile, before.order), session->capabilities())
                  : CapabilityCheck{};
  if (!capabilities.missing.empty())
    return Outcome(Ending{Refusal::capability, "the client does not support " + capabilities.missing});
  if (!answer) {
    const Refusal why = decisions.refusal().value_or(refusal_of(answer.error().error_class));
    const std::string device = decisions.device_text();
    return Outcome(Ending{why, answer.error().detail + (device.empty() ? "" : " (" + device + ")")});
  }
  Accepted accepted{
      {before.phase, before.version, before, decisions.take_credentials(), decisions.take_operations(), {}},
      keys_in_message_order(**profile).size(),
      {}};
  move_on(accepted.step, *session, std::move(*answer), **profile, request, now);
  if (before.phase == SessionPhase::initialization) {
    SKS_LET(const std::optional<LimitExcess> excess,
            find_excess(ports_.repository, **profile, accepted.step.after, now));
    if (excess)
      return Outcome(Ending{refusal_of(excess->limit), excess->sentence + " (" + decisions.device_text() + ")"});
  }
  AuditEntry& audit = accepted.step.audit;
  audit = {now, request.peer, awaited_message(before.phase), before.id, policy_of(before), "ok", capabilities.answers};
  if (!accepted.step.after.device_fingerprint.empty())
    audit.detail = "device " + accepted.step.after.device_fingerprint;
  if (const std::string device = decisions.device_text(); !device.empty()) audit.detail = device;
  // Without lookups no key of an earlier session was found.
  if (accepted.step.after.phase == SessionPhase::done && (before.order.kind || !(*profile)->lookups.empty()))
    SKS_TRY(end_operations(accepted));
  accepted.state = std::move(session);
  return Outcome(std::move(accepted));
}

/// The row behind a step that `session` has accepted.
void Enrolment::move_on(Step& step, const IssuerSession& session, std::string answer, const Profile& profile,
                        const Incoming& request, std::int64_t now) const {
  Session& after = step.after;
  after.phase = phase_of(session.phase());
  after.client_session_id = session.client_session_id();
  if (!session.device_path().empty()) after.device_fingerprint = to_hex(crypto::sha256(session.device_path().front()));
  if (step.from == SessionPhase::invocation) after.expires = now + kIdleSeconds;
  if (step.from == SessionPhase::initialization) {
    after.expires = now + profile.session_life_time;
    step.device_path = session.device_path();
  }
  after.last_request = request.digest;
  const bool done = after.phase == SessionPhase::done;
  after.reply = done ? StoredReply{StoredReply::Kind::redirect, ports_.url.origin() + "/result?outcome=complete"}
                     : StoredReply{StoredReply::Kind::message, std::move(answer)};
  if (!done)
    after.sealed_state = ports_.seal.seal(after.id, state_purpose(after), step.from_version + 1, session.save().view());
  for (Credential& credential : step.pending) {
    credential.server_session_id = after.id;
    credential.client_session_id = after.client_session_id;
    credential.device_fingerprint = after.device_fingerprint;
  }
  step.limits = profile.limits;
}

/// What the end of the session means for keys of earlier ones.
Result<void> Enrolment::end_operations(Accepted& accepted) const {
  Step& step = accepted.step;
  SKS_LET(const std::vector<KeyOperation> operations, ports_.repository.find_operations(step.after.id));
  step.ends_operations = !operations.empty();
  add_operations(step.audit.detail, operations);
  const auto made = std::ranges::count_if(operations, [](const KeyOperation& one) { return makes_key(one.kind); });
  if (made != 0 || step.after.order.kind) accepted.issued = static_cast<std::size_t>(made);
  step.key_management_key = ports_.key_manager.public_key_of(step.after.kmk_generation);
  if (step.key_management_key.empty())
    return Error{Status::not_available, "this process has not read the key management key of the session"};
  return {};
}

Result<std::optional<Reply>> Enrolment::try_step(const Session& before, const std::string& body,
                                                 const Incoming& request) {
  const auto end_with = [&](Refusal why, const std::string& detail) {
    return abort(before, why, awaited_message(before.phase), detail, request);
  };
  SKS_LET(Outcome prepared, prepare(before, {}, body, request));
  if (!prepared.accepted) return end_with(prepared.ending.why, prepared.ending.detail);
  Accepted& accepted = *prepared.accepted;
  SKS_LET(const StepOutcome outcome, ports_.repository.commit_step(accepted.step));
  if (outcome == StepOutcome::conflict) return std::optional<Reply>();
  if (outcome == StepOutcome::duplicate) return end_with(Refusal::duplicate, "");
  if (outcome != StepOutcome::committed) return end_with(refusal_of(outcome), accepted.step.audit.detail);
  return std::optional(conclude(std::move(accepted)));
}

/// Behind a step that was committed.
Reply Enrolment::conclude(Accepted accepted) {
  Session& after = accepted.step.after;
  const AuditEntry& audit = accepted.step.audit;
  const bool done = after.phase == SessionPhase::done;
  if (done) {
    Metrics::instance().counter("sessions_finished_total").add();
    Metrics::instance().counter("credentials_issued_total").add(accepted.issued);
  }
  log_info(done ? "session-finished" : "session-step",
           {{"session", after.id}, {"peer", audit.actor}, {"profile", after.profile}, {"message", audit.action}});
  Reply reply{std::move(after.reply), {}};
  after.version = accepted.step.from_version + 1;
  recent_.keep({std::move(after), std::move(accepted.state)}, audit.time);
  return reply;
}

Result<std::optional<Reply>> Enrolment::abort(const Session& session, Refusal why, const std::string& action,
                                              const std::string& detail, const Incoming& request) {
  const std::string word(word_of(why));
  Step step{session.phase, session.version, session, {}, {}, {}};
  step.after.phase = SessionPhase::aborted;
  step.after.last_request = request.digest;
  step.after.reply = refuse(why).content;
  step.audit = {ports_.clock.now(), request.peer, action, session.id, policy_of(session), word, detail};
  SKS_LET(const StepOutcome outcome, ports_.repository.commit_step(step));
  if (outcome == StepOutcome::conflict) return std::optional<Reply>();
  note_refusal(why, {{"session", session.id},
                     {"peer", request.peer},
                     {"profile", session.profile},
                     {"message", action},
                     {"reason", detail}});
  return std::optional(Reply{step.after.reply, {}});
}

}  // namespace sks::issuer
