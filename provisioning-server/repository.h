#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "provisioning-server/audit/audit_log.h"
#include "provisioning-server/policy/limits.h"
#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

/// What an issuer keeps, as operations of its own field. Several processes may share one repository.
namespace sks::issuer {

/// What a session does to a key of an earlier session when it closes. Spec: keygen2.md 7.11, sks-extensions.md
struct KeyOperation {
  /// update: another key takes its place. clone: another key shares its PIN. suspend, resume: on the device.
  enum class Kind : std::uint8_t { unlock, remove, update, clone, suspend, resume };
  std::string fingerprint;  ///< of the key's credential
  Kind kind = Kind::unlock;
  std::string owner;                ///< serverSessionId of the session that owns the key, by the device's word
  std::int64_t kmk_generation = 1;  ///< of the key management key under which the device has found it
};
std::string_view to_string(KeyOperation::Kind kind);
/// Whether the operation takes a new key.
inline bool makes_key(KeyOperation::Kind kind) {
  return kind == KeyOperation::Kind::update || kind == KeyOperation::Kind::clone;
}

/// What a ticket is for when it is not for an enrolment: one operation on keys that a device has.
struct ManagementOrder {
  std::optional<KeyOperation::Kind> kind = {};  ///< none: an enrolment
  std::string fingerprint = {};                 ///< of the credential; empty: all of the ticket's subject on the device
  std::string device = {};                      ///< fingerprint of the device that has the keys
};

/// Secrets that a client shows (tickets, cookies) are kept as their SHA-256 in hexadecimal: who reads the database
/// cannot use them.
struct Ticket {
  std::string digest;
  std::string profile;
  std::string subject;
  std::string cookie_digest;  ///< of a cookie handed out together with the ticket; empty if none was
  std::int64_t created = 0;
  std::int64_t expires = 0;
  std::int64_t used = 0;     ///< 0: not yet
  std::string creator = {};  ///< who made it: as AuditEntry::actor
  std::string data = {};     ///< what the maker gave along for the certificates: a JSON object, or empty
  ManagementOrder order = {};
  bool cancelled = false;  ///< withdrawn before it was used; it has expired then
};

/// Life of a session: the phases of keygen2.md 1.3, then exactly one of the two ends.
enum class SessionPhase : std::uint8_t {
  invocation,
  initialization,
  discovery,
  key_creation,
  suspended,
  finalization,
  done,
  aborted,
};
std::string_view to_string(SessionPhase phase);
inline bool is_over(SessionPhase phase) { return phase == SessionPhase::done || phase == SessionPhase::aborted; }

/// The reply to the last accepted request, for its exact repetition.
struct StoredReply {
  enum class Kind : std::uint8_t { message, redirect };
  Kind kind = Kind::message;
  std::string text;  ///< the JSON, or the Location
};

struct Session {
  std::string id;             ///< serverSessionId
  std::string cookie_digest;  ///< selects the session
  std::string ticket_digest;
  std::string profile;
  std::string profile_digest;
  std::string subject;
  SessionPhase phase = SessionPhase::invocation;
  std::uint64_t version = 1;
  Bytes sealed_state;        ///< empty once the session is over
  Bytes sealed_puk;          ///< empty without PUK policy
  std::string last_request;  ///< digest of the request that `reply` answers
  StoredReply reply;
  std::int64_t created = 0;
  std::int64_t expires = 0;
  std::string client_session_id;    ///< empty before initialization
  std::string device_fingerprint;   ///< hexadecimal; empty before initialization and in privacy mode
  std::string data = {};            ///< what the certificates say beyond the subject: a JSON object, or empty
  ManagementOrder order = {};       ///< of its ticket
  std::int64_t kmk_generation = 1;  ///< of the key management key that it gives to what it issues and manages
};

struct Credential {
  std::string fingerprint;  ///< SHA-256 of the certificate, hexadecimal
  Bytes certificate;
  std::string subject;
  std::string profile;
  std::string app_usage;
  std::string friendly_name;
  std::string public_key_digest;
  std::string server_session_id;  ///< of the session that issued it
  std::string client_session_id;
  std::string device_fingerprint;
  Bytes key_management_key;  ///< SPKI, of kmk_generation
  bool privacy_enabled = false;
  /// removed: its key was deleted in a session of this issuer. suspended: revoked until it is resumed. replaced: the
  /// key of another credential has taken the place of its key. abandoned: its session was not completed; the device may
  /// have the key all the same, so the certificate is on hold.
  enum class Status : std::uint8_t { pending, issued, revoked, abandoned, removed, suspended, replaced };
  Status status = Status::pending;
  std::int64_t issued = 0;
  std::int64_t revoked = 0;
  // What stands in the certificate.
  std::string serial = {};  ///< hexadecimal, as its bytes are encoded but without a leading zero byte
  std::string issuer = {};  ///< RFC 2253 text
  std::int64_t not_after = 0;
  // What has happened to its key since.
  std::int64_t kmk_generation = 1;  ///< of the key management key that the device had for it when it was last managed
  bool key_suspended = false;       ///< on the device, by a session; its certificate may be in force all the same
  std::string replaces = {};        ///< fingerprint of the credential whose place it takes; empty if none
  std::string clones = {};          ///< fingerprint of the credential whose PIN it shares; empty if none
  std::string signature_profile = {};  ///< URI, spec/signature-profiles.md; empty: none. Written, not read
};
std::string_view to_string(Credential::Status status);

/// One step of a session: the row moves from (phase, version) to what `after` holds, or nothing happens.
struct Step {
  SessionPhase from;
  std::uint64_t from_version;
  /// The new row; its version is from_version + 1. Phase done makes the session's pending credentials valid, phase
  /// aborted abandons them. Done also makes the session's operations count: what they say happens to the credentials,
  /// and all credentials of sessions that owned one of those keys belong to this session then, under its key management
  /// key. That a device had the key of a credential also tells how an earlier session ended whose last message was
  /// lost: what that key was to replace is replaced, and it is valid. Credentials of anonymous clients stay as they
  /// are: nothing tells which device has done something to them.
  Session after;
  std::vector<Credential> pending;
  std::vector<KeyOperation> operations;
  AuditEntry audit;
  /// The certificates of the device, leaf first, in the step in which it has shown them; empty otherwise.
  std::vector<Bytes> device_path = {};
  /// SPKI of the key management key of the session, in the step in which it is done; empty otherwise.
  Bytes key_management_key = {};
  /// What the step must keep to, or nothing happens.
  ProfileLimits limits = {};
  /// Of a step to done: whether find_operations() has found any. That they are not looked for anew saves every other
  /// session what it costs to be alone.
  bool ends_operations = false;
};

enum class StartOutcome : std::uint8_t { started, ticket_unknown, ticket_used, ticket_expired };
/// conflict: another request moved the session first. duplicate: the client session id or a public key is already
/// known.
/// The others: the limit that the step would exceed.
enum class StepOutcome : std::uint8_t {
  committed,
  conflict,
  duplicate,
  device_credentials,
  subject_credentials,
  device_sessions,
};
/// not_open: it was used, or has expired.
enum class CancelOutcome : std::uint8_t { cancelled, unknown, not_open };

/// Every operation is one transaction that is durable when it returns. All fail with storage and leave nothing behind.
class Repository {
 public:
  virtual ~Repository() = default;

  virtual Result<void> add_ticket(const Ticket& ticket, const AuditEntry& audit) = 0;
  virtual Result<std::optional<Ticket>> find_ticket(const std::string& digest) = 0;
  /// A ticket that has not been used expires at `audit.time`.
  virtual Result<CancelOutcome> cancel_ticket(const std::string& digest, const AuditEntry& audit) = 0;

  /// Spends the session's ticket and stores the session, or reports why the ticket cannot be spent at `audit.time`.
  virtual Result<StartOutcome> start_session(const Session& session, const AuditEntry& audit) = 0;
  virtual Result<std::optional<Session>> find_session(const std::string& cookie_digest) = 0;
  /// Compare and swap on phase and version, with the audit entry.
  virtual Result<StepOutcome> commit_step(const Step& step) = 0;
  /// The same without waiting: `done` is called once, in a thread of the repository. It must not throw or wait for
  /// anything. False: this step has to be waited for, and is as it was.
  using StepDone = std::function<void(Step step, Result<StepOutcome> outcome)>;
  virtual bool commit_step_later(Step& /*step*/, StepDone /*done*/) { return false; }
  /// Aborts every session that has expired by `now`; returns how many.
  virtual Result<std::size_t> expire_sessions(std::int64_t now) = 0;

  virtual Result<std::optional<Credential>> find_credential(const std::string& fingerprint) = 0;
  /// The credential, when its key may be owned by this session: the one that owns it on record, or one that was to
  /// operate on a key of that owner, directly or through others, where the records do not tell how these ended.
  virtual Result<std::optional<Credential>> find_credential_in(const std::string& fingerprint,
                                                               const std::string& server_session_id,
                                                               const std::string& client_session_id) = 0;
  /// What a session was to do to keys of earlier sessions: by kinds, each in the order of the fingerprints.
  virtual Result<std::vector<KeyOperation>> find_operations(const std::string& server_session_id) = 0;
  /// The credentials that an order is about, of `subject` when it names none, and of `profile` unless that is empty;
  /// with those whose keys take their places on the device if a session that did not end here was closed there. In the
  /// order of the fingerprints.
  virtual Result<std::vector<Credential>> find_targets(const ManagementOrder& order, const std::string& subject,
                                                       const std::string& profile) = 0;
  /// The clientSessionId of a session; empty when there is none.
  virtual Result<std::string> find_client_session(const std::string& server_session_id) = 0;
  /// The sealed PUK of the session that issued a credential, and that session; none when unknown.
  virtual Result<std::optional<Session>> find_session_of(const Credential& credential) = 0;

  /// As the function of policy/limits.h.
  virtual Result<std::optional<LimitExcess>> find_excess(const ProfileLimits& limits, const Session& session,
                                                         std::int64_t coming, std::int64_t now) = 0;

  virtual Result<void> add_audit(const AuditEntry& audit) = 0;
};

}  // namespace sks::issuer
