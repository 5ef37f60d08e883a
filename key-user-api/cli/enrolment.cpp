#include "key-user-api/cli/enrolment.h"

#include <algorithm>
#include <array>
#include <set>

#include "key-user-api/cli/cookie_jar.h"
#include "key-user-api/cli/device_attributes.h"
#include "key-user-api/cli/html_text.h"
#include "key-user-api/cli/interrupt.h"
#include "key-user-api/cli/listed_key.h"
#include "key-user-api/cli/output.h"
#include "key-user-api/cli/reply.h"
#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/local_issuer/local_issuer.h"
#include "keygen2/client_session.h"
#include "keygen2/client_store.h"
#include "keygen2/origin.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"

namespace sks::cli {
namespace {

constexpr int kMaxRepeats = 2;
constexpr std::int64_t kBusyPause = 1;     ///< seconds, unless the issuer names a time
constexpr std::int64_t kNetworkPause = 0;  ///< most often it was a kept connection that the issuer has closed
constexpr std::int64_t kMaxPause = 60;     ///< an issuer that wants more is not waited for

/// An answer that is a message or a termination; anything else has become an error.
struct Answer {
  std::optional<std::string> message;
  Termination termination;
};

/// One session's HTTP: cookies, classification, and the repetition of a POST.
class IssuerChannel {
 public:
  IssuerChannel(const Invocation& invocation, const EnrolmentPorts& ports)
      : invocation_(invocation), transport_(ports.transport), clock_(ports.clock), progress_(ports.progress) {}

  Result<Answer> get_first();
  Result<Answer> post(const std::string& message);

 private:
  struct Attempt {
    std::optional<Answer> answer;
    std::optional<std::int64_t> repeat_after;  ///< seconds; none: repeating is not allowed
    std::string problem;
    bool interrupted = false;
  };

  Attempt attempt(HttpRequest request);
  std::string cookie_header(const Url& url) const;
  bool pause(std::int64_t seconds) const;

  const Invocation& invocation_;
  HttpTransport& transport_;
  const Clock& clock_;
  std::ostream& progress_;
  CookieJar jar_;
};

Error interruption() { return {Status::user_abort, "interrupted"}; }

std::string IssuerChannel::cookie_header(const Url& url) const {
  const std::string own = jar_.header_for(url, clock_.now());
  if (invocation_.cookie.empty() || own.empty()) return invocation_.cookie + own;
  return invocation_.cookie + "; " + own;
}

bool IssuerChannel::pause(std::int64_t seconds) const {
  if (seconds > 0) progress_ << "The issuer is busy; asking again in " << seconds << " s.\n";
  for (; seconds > 0 && !interrupted(); --seconds) clock_.sleep_seconds(1);
  return !interrupted();
}

IssuerChannel::Attempt IssuerChannel::attempt(HttpRequest request) {
  request.cookie = cookie_header(request.url);
  auto response = transport_.exchange(request);
  if (!response) {
    const HttpFailure& failure = response.error();
    const bool repeatable = failure.kind == HttpFailure::Kind::network;
    return {std::nullopt, repeatable ? std::optional(kNetworkPause) : std::nullopt, failure.detail,
            failure.kind == HttpFailure::Kind::interrupted};
  }
  for (const std::string_view cookie : response->all("Set-Cookie")) jar_.set(request.url, cookie, clock_.now());
  Reply reply = classify(*response, request.url, clock_.now());
  if (std::holds_alternative<MessageReply>(reply)) return {Answer{std::move(response->body), {}}, {}, "", false};
  if (auto* const termination = std::get_if<TerminationReply>(&reply))
    return {
        Answer{std::nullopt, {std::move(termination->location), page_text(termination->content_type, response->body)}},
        {},
        "",
        false};
  if (auto* const busy = std::get_if<BusyReply>(&reply)) {
    const std::int64_t wait = std::max<std::int64_t>(busy->retry_after.value_or(kBusyPause), 0);
    return {std::nullopt, wait <= kMaxPause ? std::optional(wait) : std::nullopt, busy->detail, false};
  }
  return {std::nullopt, std::nullopt, std::get<BadReply>(reply).detail, false};
}

Result<Answer> IssuerChannel::get_first() {
  Attempt first = attempt({HttpRequest::Method::get, invocation_.init, "", ""});
  if (first.interrupted) return interruption();
  if (!first.answer) return Error{Status::external, first.problem};
  return std::move(*first.answer);
}

Result<Answer> IssuerChannel::post(const std::string& message) {
  for (int repeats = 0;; ++repeats) {
    Attempt done = attempt({HttpRequest::Method::post, invocation_.main, "", message});
    if (done.answer) return std::move(*done.answer);
    if (done.interrupted) return interruption();
    if (!done.repeat_after || repeats == kMaxRepeats) return Error{Status::external, done.problem};
    if (!pause(*done.repeat_after)) return interruption();
  }
}

Error to_error(const keygen2::Failure& failure) {
  using keygen2::ErrorClass;
  const Status status = failure.error_class == ErrorClass::user  ? Status::user_abort
                        : failure.error_class == ErrorClass::sks ? failure.status
                                                                 : Status::external;
  return {status, failure.detail + " (" + std::string(keygen2::to_string(failure.error_class)) + ")"};
}

/// Shows the issuer's page, and makes its end of the run an error.
Error unexpected_termination(std::string what, const Termination& termination, const EnrolmentPorts& ports) {
  // The error names the page; it is opened here, where one can be.
  if (ports.browser != nullptr || !termination.page.empty())
    show_termination(termination, "about this", ports.browser, ports.progress);
  if (!termination.location.empty()) what += "; its page about this: " + termination.location;
  return {Status::external, std::move(what)};
}

std::string count_keys(std::size_t count) { return count == 1 ? "1 key" : std::to_string(count) + " keys"; }

/// What is in the key store before a run. Handles say nothing about the order: the keys of a session that is resumed
/// are older than those of sessions in between.
struct Contents {
  std::set<KeyHandle> keys;
  std::set<ProvisioningHandle> open_sessions;
};

Result<Contents> look_at(SecureKeyStore& store) {
  Contents contents;
  KeyHandle last;
  while (true) {
    SKS_LET(const std::optional<EnumeratedKey> next, store.enumerate_keys(last));
    if (!next) break;
    last = next->handle;
    contents.keys.insert(last);
  }
  SKS_LET(const std::vector<SessionInfo> open, list_sessions(store, SessionState::open));
  for (const SessionInfo& session : open) contents.open_sessions.insert(session.handle);
  return contents;
}

Result<void> tell_new_keys(SecureKeyStore& store, const Contents& before, std::ostream& progress) {
  SKS_LET(const std::vector<ListedKey> keys, list_keys(store));
  for (const ListedKey& key : keys)
    if (!before.keys.contains(key.handle))
      progress << "Certificate installed for key " << key.handle.value << " (" << key.algorithm
               << "): " << dialog::printable(key.subject) << "\n";
  return {};
}

/// What else a run did, to keys that were there before it.
void tell_changes(const keygen2::RunSummary& summary, std::ostream& progress) {
  using keygen2::RunSummary;
  struct Change {
    std::size_t RunSummary::*count;
    const char* name;
  };
  constexpr auto kChanges = std::to_array<Change>({{&RunSummary::updated, "replaced"},
                                                   {&RunSummary::cloned, "joined in its PIN"},
                                                   {&RunSummary::unlocked, "unlocked"},
                                                   {&RunSummary::deleted, "deleted"},
                                                   {&RunSummary::activated, "activated"},
                                                   {&RunSummary::deactivated, "deactivated"}});
  std::string text;
  for (const Change& change : kChanges)
    if (const std::size_t count = summary.*change.count; count != 0)
      text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + change.name;
  if (!text.empty()) progress << "Keys changed: " << text << ".\n";
}

Result<void> tell_suspension(const Invocation& invocation, SecureKeyStore& store, const Contents& before,
                             std::ostream& progress) {
  SKS_LET(const std::vector<SessionInfo> open, list_sessions(store, SessionState::open));
  for (const SessionInfo& session : open)
    if (!before.open_sessions.contains(session.handle))
      progress << "The issuer will go on later. Until " << end_of_session(session) << " session "
               << session.handle.value << " waits for the link with which " << invocation.init.authority()
               << " resumes it: sks resume LINK ('sks resume' lists what waits).\n";
  return {};
}

/// What went wrong after the key store had committed can no longer take the keys away.
Error after_commit(const Error& error) {
  return {error.status, "the keys are in the key store, but the issuer may not know it: " + error.detail +
                            " (ask the issuer whether they are valid; 'sks delete' removes them)"};
}

/// From the first message to the termination. Errors leave the abort to the session's own destructor.
Result<keygen2::Ending> exchange_messages(IssuerChannel& channel, keygen2::ClientSession& session, std::string message,
                                          const EnrolmentPorts& ports) {
  std::size_t keys_told = 0;
  while (true) {
    if (interrupted() && !session.committed()) return interruption();
    auto response = session.receive(message);
    if (!response) return session.committed() ? after_commit(to_error(response.error())) : to_error(response.error());
    if (interrupted() && !session.committed()) return interruption();
    if (session.key_count() > keys_told && !session.committed()) {
      keys_told = session.key_count();
      ports.progress << "Created " << count_keys(keys_told) << " in the key store.\n";
    }
    auto answer = channel.post(*response);
    if (!answer) return session.committed() ? after_commit(answer.error()) : answer.error();
    if (answer->message) {
      message = std::move(*answer->message);
      continue;
    }
    const bool committed = session.committed();
    const auto ended = session.terminated();
    if (!ended && committed) return after_commit(to_error(ended.error()));
    if (!ended) return unexpected_termination("the issuer ended the session", answer->termination, ports);
    show_termination(answer->termination, "about the result", ports.browser, ports.progress);
    return *ended;
  }
}

bool may_resume(const SessionInfo& session, const Invocation& invocation, const Resumption& resumption) {
  return (!resumption.session || session.handle == *resumption.session) &&
         keygen2::is_same_origin(session.issuer_uri, invocation.issuer_uri);
}

Result<void> check_waiting(SecureKeyStore& store, const Invocation& invocation, const Resumption& resumption) {
  SKS_LET(const std::vector<SessionInfo> open, list_sessions(store, SessionState::open));
  const auto fits = [&](const SessionInfo& session) { return may_resume(session, invocation, resumption); };
  if (std::ranges::any_of(open, fits)) return {};
  const std::string which = resumption.session
                                ? "session " + std::to_string(resumption.session->value) + " does not wait"
                                : "no session waits";
  return Error{Status::no_session, which + " for " + invocation.init.authority() + " ('sks resume' lists what waits)"};
}

/// The first message of a run that must resume: whether it does, and the session that was meant.
Result<void> check_resumes(SecureKeyStore& store, const Resumption& resumption, std::string_view first) {
  auto message = keygen2::IncomingMessage::parse(first, keygen2::kMaxMessageToClient);
  if (!message) return to_error(message.error());
  if (message->type() != keygen2::MessageType::provisioning_finalization_request)
    return Error{Status::external,
                 "the issuer resumes nothing with this link; if it is an invitation to get new keys, "
                 "'sks enroll' takes it"};
  if (!resumption.session) return {};
  const auto request = message->decode<keygen2::ProvisioningFinalizationRequest>();
  if (!request) return to_error(request.error());
  SKS_LET(const std::vector<SessionInfo> open, list_sessions(store, SessionState::open));
  const auto* const named = keygen2::find_session(open, request->ids);
  if (named != nullptr && named->handle == *resumption.session) return {};
  return Error{Status::external,
               "the issuer resumes another session than " + std::to_string(resumption.session->value)};
}

}  // namespace

std::string end_of_session(const SessionInfo& session) {
  return format_time(std::int64_t{session.client_time} + session.session_life_time);
}

Result<void> abort_stale_sessions(SecureKeyStore& store, std::int64_t now) {
  SKS_LET(const std::vector<SessionInfo> open, list_sessions(store, SessionState::open));
  for (const SessionInfo& session : open)
    if (now > std::int64_t{session.client_time} + session.session_life_time || session.issuer_uri == kLocalIssuerUri)
      SKS_TRY(store.abort_provisioning_session(session.handle));
  return {};
}

Result<void> enrol(const Invocation& invocation, const EnrolmentPorts& ports,
                   const std::optional<Resumption>& resumption) {
  SKS_TRY(abort_stale_sessions(ports.store, ports.clock.now()));
  if (resumption) SKS_TRY(check_waiting(ports.store, invocation, *resumption));
  SKS_LET(const Contents before, look_at(ports.store));
  IssuerChannel channel(invocation, ports);
  SKS_LET(Answer first, channel.get_first());
  const Bytes& certificate = ports.transport.server_certificate();
  ports.progress << "Connected to " << invocation.init.authority() << ", whose TLS certificate has the SHA-256 "
                 << to_hex(crypto::sha256(certificate)) << ".\n";
  if (!first.message) return unexpected_termination("the issuer does not start a session", first.termination, ports);
  if (resumption) SKS_TRY(check_resumes(ports.store, *resumption, *first.message));

  keygen2::ClientSession session(ports.store, ports.dialog, ports.clock,
                                 {.issuer_uri = invocation.issuer_uri,
                                  .issuer_host = invocation.init.host,
                                  .server_certificate = certificate,
                                  .attributes = device_attributes(ports.transport.local_address())});
  SKS_LET(const keygen2::Ending ending, exchange_messages(channel, session, std::move(*first.message), ports));
  if (ending == keygen2::Ending::suspended) return tell_suspension(invocation, ports.store, before, ports.progress);
  SKS_TRY(tell_new_keys(ports.store, before, ports.progress));
  tell_changes(session.summary(), ports.progress);
  ports.progress << "Done: the issuer has finished the session.\n";
  return {};
}

}  // namespace sks::cli
