#include "provisioning-server/revocation/crl_publisher.h"

#include <algorithm>

#include "provisioning-server/log.h"
#include "provisioning-server/revocation/crl.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kAdoptAtOnce = 1000;
// Relying parties with a clock that is a little slow must not see a list from the future.
constexpr std::int64_t kBackdating = 300;

std::int64_t new_claim(const Random& random) {
  std::uint64_t number = 1;  // never 0
  for (const std::uint8_t octet : random.bytes(7)) number = number << 8 | octet;
  return -static_cast<std::int64_t>(number);
}

}  // namespace

CrlPublisher::CrlPublisher(RevocationStore& store, AuthorityKeys authorities, const RevocationConfig& config,
                           const Clock& clock, const Random& random)
    : store_(store), authorities_(std::move(authorities)), config_(config), clock_(clock), random_(random) {}

CrlPublisher::~CrlPublisher() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void CrlPublisher::start() {
  if (thread_.joinable()) return;
  thread_ = std::thread([this] { run(); });
}

void CrlPublisher::run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    lock.unlock();
    const Result<std::size_t> published = publish_due();
    if (!published) log_error("crl-not-published", {{"reason", published.error().detail}});
    lock.lock();
    wake_.wait_for(lock, std::chrono::seconds(config_.crl_interval_seconds), [this] { return stop_; });
  }
}

bool CrlPublisher::is_due(const std::optional<StoredCrl>& latest, bool has_changes) const {
  if (!latest) return true;
  const std::int64_t now = clock_.now();
  // The clock was ahead when it was made: nobody takes such a list yet, and its times do not tell when it is due.
  if (latest->this_update > now) return true;
  const std::int64_t made = latest->this_update + kBackdating;
  if (has_changes && now >= made + config_.crl_interval_seconds) return true;
  return now >= latest->next_update - config_.crl_hours * kHour / 3;
}

Result<std::size_t> CrlPublisher::publish_due() {
  for (std::size_t adopted = kAdoptAtOnce; adopted == kAdoptAtOnce;) {
    SKS_LET(adopted, store_.adopt(kAdoptAtOnce, clock_.now()));
  }
  std::size_t count = 0;
  std::optional<Error> failure;
  const std::vector<AuthorityKey> authorities = authorities_();
  for (const AuthorityKey& authority : authorities) {
    const Result<bool> published = publish_when_due(authority, &authority == &authorities.front());
    if (published && *published) ++count;
    // The lists of the others are due all the same.
    if (!published && !failure) failure = published.error();
  }
  if (failure) return *failure;
  return count;
}

Result<bool> CrlPublisher::publish_when_due(const AuthorityKey& authority, bool is_in_use) {
  const std::string id = authority_id(authority.certificate);
  if (id.empty() || authority.signer == nullptr || authority.certificate.not_after() <= clock_.now()) return false;
  SKS_LET(const std::optional<StoredCrl> latest, store_.find_crl(id, RevocationStore::Part::head));
  SKS_LET(const bool has_changes, store_.has_changes(id));
  if (!is_due(latest, has_changes)) return false;
  if (const Result<void> there = authority.signer->check(); !there) {
    // An earlier key that is not in its token is gone for good, as one without its file; its signer has said so.
    if (!is_in_use && there.error().status == Status::option) return false;
    return there.error();
  }
  return publish(authority, id);
}

Result<bool> CrlPublisher::publish(const AuthorityKey& authority, const std::string& id) {
  SKS_LET(const std::optional<StoredCrl> latest, store_.find_crl(id, RevocationStore::Part::head));
  const std::int64_t before = latest ? latest->number : 0;
  const std::int64_t claim = new_claim(random_);
  SKS_TRY(store_.claim_changes(id, claim));
  const std::int64_t now = clock_.now();
  StoredCrl crl;
  crl.number = before + 1;
  crl.this_update = now - kBackdating;
  crl.next_update = now + config_.crl_hours * kHour;
  // Each certificate stands in one list after it has expired. RFC 5280, 3.3
  SKS_LET(const Bytes entries, store_.read_entries(id, latest ? std::min(latest->this_update, now) : now));
  SKS_LET(crl.der, sign_crl({static_cast<std::uint64_t>(crl.number), crl.this_update, crl.next_update, entries},
                            authority.certificate, *authority.signer));
  return store_.store_crl(id, before, crl, claim);
}

}  // namespace sks::issuer
