#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "keygen2/issuer_session.h"
#include "provisioning-server/authority/certificate_authority.h"
#include "provisioning-server/authority/server_identity.h"
#include "provisioning-server/device_registry.h"
#include "provisioning-server/key_manager.h"
#include "provisioning-server/operations/rate_limit.h"
#include "provisioning-server/profile_store.h"
#include "provisioning-server/recent_sessions.h"
#include "provisioning-server/refusal.h"
#include "provisioning-server/repository.h"
#include "provisioning-server/session_seal.h"

namespace sks::issuer {

/// What enrolments need. Everything here must outlive them.
struct EnrolmentPorts {
  const MainUrl& url;
  Repository& repository;
  const CertificateAuthority& authority;
  DeviceRegistry& devices;
  ProfileStore& profiles;
  const SessionSeal& seal;
  const KeyManager& key_manager;
  const ServerIdentity& server;
  SubjectDirectory* directory = nullptr;
  const Clock& clock = system_clock();
  const Random& random = system_random();
};

struct Reply {
  StoredReply content;
  std::string cookie;  ///< to be set; empty if none
};

/// Sessions of KeyGen2 between two requests: restores a session, hands it the message, stores what came out.
///
/// What it remembers of sessions only saves time, so any process may take the next step. Spec: keygen2.md 1.3, 2 and
/// Appendix E.
class Enrolment {
 public:
  explicit Enrolment(EnrolmentPorts ports);

  /// GET of the init URL. `cookie` is empty when the request had none. Fails with storage.
  Result<Reply> begin(const std::string& ticket, const std::string& cookie, const std::string& peer);

  /// POST to the main URL. Fails with storage, not_available (the key of the CA) or internal: nothing has happened.
  Result<Reply> step(const std::string& body, const std::string& cookie, const std::string& peer);

  /// The reply; none: nothing has happened, and step() is to be asked.
  using Later = std::function<void(std::optional<Reply>)>;
  /// The usual case of step(), which needs neither the database nor files before its commit, and does not wait for
  /// that: `later` is called once, and must do little. False: this is another case, and step() is to be asked.
  bool step_promptly(const std::string& body, const std::string& cookie, const std::string& peer, Later later);

 private:
  /// A step that is fine, up to what the repository says.
  struct Accepted {
    Step step;
    std::size_t issued;                           ///< certificates of the session, when this is its last step
    std::optional<keygen2::IssuerSession> state;  ///< what step.after.sealed_state opens to
  };
  struct Ending {
    Refusal why = Refusal::state;
    std::string detail;
  };
  struct Outcome {
    explicit Outcome(Accepted step) : accepted(std::move(step)) {}
    explicit Outcome(Ending why) : ending(std::move(why)) {}
    std::optional<Accepted> accepted;  ///< none: `ending` says why
    Ending ending;
  };
  struct Draft {
    Draft(Session row, keygen2::IssuerSession begun) : session(std::move(row)), state(std::move(begun)) {}
    explicit Draft(Ending why) : ending(std::move(why)) {}
    std::optional<Session> session;  ///< none: `ending` says why
    std::optional<keygen2::IssuerSession> state;
    Ending ending;
  };
  struct Incoming {
    std::string digest;
    const std::string& peer;
  };
  Result<Draft> draft(const Ticket& ticket, const Profile& profile, std::int64_t now) const;
  Result<Reply> start(const Ticket& ticket, const std::string& cookie, const Incoming& request);
  Result<Reply> begin_again(const Ticket& ticket, const std::string& cookie, const Incoming& request);
  bool is_all_at_hand(const Session& session) const;
  /// What a message means for a session, whose state is opened where it is not there. Fails as step().
  Result<Outcome> prepare(const Session& before, std::optional<keygen2::IssuerSession> session, const std::string& body,
                          const Incoming& request) const;
  void move_on(Step& step, const keygen2::IssuerSession& session, std::string answer, const Profile& profile,
               const Incoming& request, std::int64_t now) const;
  Result<void> end_operations(Accepted& accepted) const;
  Reply conclude(Accepted accepted);
  /// None when another request moved the session in the meantime.
  Result<std::optional<Reply>> try_step(const Session& session, const std::string& body, const Incoming& request);
  Result<std::optional<Reply>> abort(const Session& session, Refusal why, const std::string& action,
                                     const std::string& detail, const Incoming& request);
  Reply refuse(Refusal why) const;
  /// A refusal that leaves every session as it is, with its audit row. Tickets and cookies that are not ours only reach
  /// the log: anybody could fill the database with them. So do those that are, when they come again and again.
  Result<Reply> refuse_ticket(Refusal why, const Ticket& ticket, const std::string& detail, const Incoming& request);
  Result<Reply> refuse_over(const Session& session, const Incoming& request);
  Result<void> put_on_record(const std::string& subject, const AuditEntry& refusal);
  /// Fails as make_management_plan().
  Result<keygen2::IssuancePlan> plan_of(const Profile& profile, const Ticket& ticket,
                                        const std::vector<Credential>& targets, SecureBytes puk) const;
  keygen2::IssuerContext context() const;

  EnrolmentPorts ports_;
  RecentSessions recent_;
  RateLimit refusals_on_record_;  ///< by the ticket or the session, and the word
};

/// SHA-256 in hexadecimal: how secrets that a client shows are kept.
std::string digest_of(std::string_view secret);

/// The PUK that was drawn for a session. Fails with crypto.
Result<SecureBytes> open_puk(const SessionSeal& seal, const Session& session);

}  // namespace sks::issuer
