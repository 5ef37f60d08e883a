#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "provisioning-server/database/database.h"
#include "provisioning-server/repository.h"
#include "provisioning-server/signature_profiles/signature_profile.h"

/// What an issuer has, in lists: for the console and the REST API.
namespace sks::issuer {

inline constexpr std::size_t kMaxPage = 500;

/// A part of a list. The cursor is what the page before it gave back; empty for the first one.
struct PageRequest {
  std::size_t size = 50;  ///< 1 to kMaxPage
  std::string cursor = {};
};

/// One page. A page that took long to find may have fewer rows than asked for, or none, and still be followed by
/// others.
template <class Row>
struct Page {
  std::vector<Row> rows;
  std::string next;  ///< cursor of the page behind it; empty at the end
};

// In filters an empty text, or no value, leaves the property open. Rows hold no secrets and nothing sealed.

struct TicketFilter {
  enum class State : std::uint8_t { any, open, used, expired };
  State state = State::any;
  std::string profile = {};
  std::string creator = {};
  std::string text = {};  ///< part of the subject
};
/// Ticket::cookie_digest is left out.
struct TicketRow {
  Ticket ticket;
  std::string session;  ///< serverSessionId of the session that it started; empty if none
};

struct SessionFilter {
  enum class State : std::uint8_t { any, open, done, aborted };
  State state = State::any;
  std::string profile = {};
  std::string device = {};  ///< whole fingerprint
  std::string result = {};  ///< "ok" or the word of a refusal
  std::string text = {};    ///< part of the subject
};
struct SessionRow {
  std::string id;
  std::string ticket_digest;
  std::string profile;
  std::string profile_digest;
  std::string subject;
  SessionPhase phase = SessionPhase::invocation;
  std::int64_t created = 0;
  std::int64_t expires = 0;
  std::int64_t ended = 0;  ///< 0: open
  std::string result;      ///< "ok" or the word of a refusal, once it has ended
  std::string client_session_id;
  std::string device_fingerprint;
  bool has_puk = false;
  ManagementOrder order;
  std::int64_t kmk_generation = 1;
};

struct CredentialFilter {
  /// What somebody has typed into the one search field: words of the subject, each perhaps only its beginning; or a
  /// serial number; or the beginning of a fingerprint, of the credential or of its device. Colons do not count in
  /// numbers.
  std::string text = {};
  std::string subject = {};      ///< beginning of the subject, as it is written
  std::string serial = {};       ///< whole, hexadecimal
  std::string fingerprint = {};  ///< beginning
  std::string device = {};       ///< whole fingerprint of a device
  std::string profile = {};
  std::optional<Credential::Status> status = {};
  std::string session = {};  ///< serverSessionId of the session that issued it
};
/// Credential::certificate is left out of lists.
struct CredentialRow {
  Credential credential;
  std::int64_t created = 0;  ///< when its row was made; it is issued when its session is done
  std::string owner;         ///< serverSessionId of the session that the key belongs to
};

struct DeviceFilter {
  std::string fingerprint = {};  ///< beginning
};
struct DeviceRow {
  std::string fingerprint;
  Bytes certificate;  ///< DER; empty for one that was seen before certificates were kept
  Bytes path;         ///< the certificate and those above it, one DER behind the other
  std::int64_t first_seen = 0;
  std::int64_t last_seen = 0;
};

struct AuditFilter {
  std::int64_t from = 0;
  std::int64_t to = 0;  ///< exclusive; 0: until today
  std::string session = {};
  std::string actor = {};
  std::string action = {};
  std::string result = {};
  std::string text = {};  ///< part of the detail
};
struct AuditRow {
  std::string chain;
  std::int64_t number = 0;
  AuditEntry entry;
};

struct SignatureProfileFilter {
  std::string subject = {};  ///< whole, as it is written
  bool in_force = true;      ///< only of credentials that are valid: issued, and not expired
};
/// What the signatures of a credential's key are for.
struct SignatureProfileRow {
  SignatureProfile profile;
  std::string credential;  ///< fingerprint
  std::int64_t not_after = 0;
  Credential::Status status = Credential::Status::issued;
};

/// What happened in one hour or day.
struct StatisticsPoint {
  std::int64_t start = 0;
  std::int64_t credentials = 0;  ///< issued
  /// Sessions that ended, by result: "ok" or the word of a refusal; in the order of the words.
  std::vector<std::pair<std::string, std::int64_t>> sessions;
};

struct StatusCount {
  Credential::Status status;
  std::int64_t count;
};
/// How much there is of everything.
struct Overview {
  std::int64_t open_tickets = 0;
  std::int64_t open_sessions = 0;
  std::int64_t devices = 0;
  std::vector<StatusCount> credentials;  ///< every status
};

/// The lists are newest first unless a filter says otherwise: what begins with a text is in the order of these texts.
/// All fail with option (a page of no size, a cursor that is none) or storage. Safe for several threads.
class Directory {
 public:
  /// `database` must outlive it.
  explicit Directory(Database& database) : database_(database) {}

  /// `now` tells open tickets from those that have expired.
  Result<Page<TicketRow>> tickets(const TicketFilter& filter, const PageRequest& page, std::int64_t now) const;
  Result<Page<SessionRow>> sessions(const SessionFilter& filter, const PageRequest& page) const;
  Result<Page<CredentialRow>> credentials(const CredentialFilter& filter, const PageRequest& page) const;
  Result<Page<DeviceRow>> devices(const DeviceFilter& filter, const PageRequest& page) const;
  /// In the order of the fingerprints.
  Result<Page<SignatureProfileRow>> signature_profiles(const SignatureProfileFilter& filter, const PageRequest& page,
                                                       std::int64_t now) const;
  Result<Page<AuditRow>> audit(const AuditFilter& filter, const PageRequest& page) const;

  /// One row with everything in it; none when unknown.
  Result<std::optional<TicketRow>> ticket(const std::string& digest) const;
  Result<std::optional<SessionRow>> session(const std::string& id) const;
  Result<std::optional<CredentialRow>> credential(const std::string& fingerprint) const;
  Result<std::optional<DeviceRow>> device(const std::string& fingerprint) const;

  /// Every interval of `seconds` (3600: hours, 86400: days, in UTC) that begins in [from, to), also those in which
  /// nothing happened. Fails with option above 1000 of them, too.
  Result<std::vector<StatisticsPoint>> statistics(std::int64_t from, std::int64_t to, std::int64_t seconds) const;

  Result<Overview> overview(std::int64_t now) const;

 private:
  Database& database_;
};

}  // namespace sks::issuer
