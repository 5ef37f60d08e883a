#include "key-user-api/pkcs11/daemon.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace sks::p11 {
namespace {

constexpr std::uint8_t kApiVersion = 1;
constexpr std::uint8_t kStatusOk = 0x00;
constexpr std::uint8_t kStatusOfCryptoki = 0x80;
constexpr std::size_t kSecretSize = 32;
constexpr std::size_t kMaxSentence = 2000;
/// Of the 64 that an application may have, some are left for those that the daemon has not seen the end of yet.
constexpr std::size_t kMostConnections = 60;
/// Calls of one process that may wait for a person at a time; the rest of the connections is for the other methods.
constexpr std::size_t kMostWithPeople = 52;
constexpr std::size_t kMostData = 1'000'000;
/// How often a new connection may turn out to be dead before the daemon is given up.
constexpr int kMostFreshFailures = 2;

/// Codes by which an application steers the module itself; no daemon may say them.
bool is_ours_to_say(CK_RV code) {
  return code == CKR_OK || code == CKR_BUFFER_TOO_SMALL || code == CKR_CRYPTOKI_NOT_INITIALIZED ||
         code == CKR_CRYPTOKI_ALREADY_INITIALIZED;
}

}  // namespace

class Daemon::Lease {
 public:
  Lease(Daemon& daemon, Connection connection, bool fresh)
      : daemon_(&daemon), connection_(std::move(connection)), fresh_(fresh) {}
  Lease(Lease&& other) noexcept
      : daemon_(std::exchange(other.daemon_, nullptr)),
        connection_(std::move(other.connection_)),
        fresh_(other.fresh_) {}
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (daemon_ == nullptr) return;
    connection_.line.reset();
    daemon_->forget_one();
  }

  Answer<void> fill(Answer<Connection> made) {
    if (!made) return made.error();
    connection_ = std::move(made).value();
    return {};
  }

  Line& line() { return *connection_.line; }
  Era era() const { return connection_.era; }
  bool is_fresh() const { return fresh_; }
  void give_back() { std::exchange(daemon_, nullptr)->give_back(std::move(connection_)); }

 private:
  Daemon* daemon_;
  Connection connection_;
  bool fresh_;
};

/// What a call holds that may wait for a person, for as long as it takes.
class Daemon::Patience {
 public:
  Patience(Daemon& daemon, const Method& method) : daemon_(method.patience == kPatienceWithPeople ? &daemon : nullptr) {
    if (daemon_ == nullptr) return;
    const std::lock_guard lock(daemon_->mutex_);
    while (daemon_->with_people_ == kMostWithPeople) daemon_->person_left_.wait(daemon_->mutex_);
    ++daemon_->with_people_;
  }
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;
  ~Patience() {
    if (daemon_ == nullptr) return;
    const std::lock_guard lock(daemon_->mutex_);
    --daemon_->with_people_;
    daemon_->person_left_.notify_one();
  }

 private:
  Daemon* const daemon_;
};

Daemon::Daemon(std::unique_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {
  idle_.reserve(kMostConnections);  // giving back must not fail
}

Answer<Reply> Daemon::call(Request request) {
  if (request.out.failed()) return Rv{CKR_DATA_LEN_RANGE};
  const SecureBytes body = request.out.take();
  const Patience patience(*this, request.method_);
  bool repeated = false;
  int fresh_failures = 0;
  for (;;) {
    SKS_LET(Lease lease, acquire());
    if (request.is_contradictory_ || (request.era_ && lease.era() != *request.era_)) {
      lease.give_back();
      return Rv{request.otherwise_};
    }
    SecureBytes answer;
    switch (lease.line().exchange(body.view(), request.method_.patience, answer)) {
      case Delivery::answered: {
        const Era era = lease.era();
        lease.give_back();
        return decode(std::move(answer), era);
      }
      case Delivery::not_sent:  // a daemon that was started anew since this connection was made
        if (lease.is_fresh() && ++fresh_failures == kMostFreshFailures) return Rv{CKR_DEVICE_ERROR};
        break;
      case Delivery::unknown:
        if (request.method_.repeat == Repeat::never || repeated) return Rv{CKR_DEVICE_ERROR};
        repeated = true;
        break;
    }
  }
}

Answer<Reply> Daemon::decode(SecureBytes body, Era era) {
  ByteReader in(body.view());
  const std::uint8_t status = in.u8();
  if (status == kStatusOk) return Reply{std::move(body), in, era};
  const std::uint64_t code = status == kStatusOfCryptoki ? in.u64() : CKR_DEVICE_ERROR;
  const ByteView sentence = in.array();
  if (!in.finish() || sentence.size() > kMaxSentence || is_ours_to_say(code)) return Rv{CKR_DEVICE_ERROR};
  return Rv{code};
}

Answer<Daemon::Lease> Daemon::acquire() {
  if (std::optional<Connection> idle = take_idle()) return Lease(*this, std::move(*idle), false);
  Lease lease(*this, Connection{}, true);
  SKS_TRY(lease.fill(connect()));
  return lease;
}

/// One that nobody uses; none when the caller may make a new one, which is counted then.
std::optional<Daemon::Connection> Daemon::take_idle() {
  std::vector<Connection> outdated;  // closed without the lock
  const std::lock_guard lock(mutex_);
  for (;;) {
    while (!idle_.empty()) {
      // Rather the one that this thread has used last: what serves it in the daemon runs close by.
      const auto own = std::find_if(idle_.rbegin(), idle_.rend(), [](const Connection& connection) {
        return ::pthread_equal(connection.last_user, ::pthread_self()) != 0;
      });
      if (own != idle_.rend()) std::swap(*own, idle_.back());
      Connection last = std::move(idle_.back());
      idle_.pop_back();
      if (last.era == era()) return last;
      outdated.push_back(std::move(last));
      --connections_;
    }
    if (connections_ < kMostConnections) break;
    changed_.wait(mutex_);
  }
  ++connections_;
  return std::nullopt;
}

void Daemon::give_back(Connection connection) {
  connection.last_user = ::pthread_self();
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(connection));
  changed_.notify_one();
}

void Daemon::forget_one() {
  const std::lock_guard lock(mutex_);
  --connections_;
  changed_.notify_one();
}

Answer<Daemon::Connection> Daemon::connect() {
  const std::lock_guard lock(opening_);
  for (int failures = 0; failures < kMostFreshFailures; ++failures) {
    std::unique_ptr<Line> line = exchange_->connect();
    if (line == nullptr) return Rv{CKR_DEVICE_ERROR, true};
    SKS_LET(std::optional<Connection> connection, open_application(std::move(line)));
    if (connection) return std::move(*connection);
  }
  return Rv{CKR_DEVICE_ERROR};
}

/// None when the daemon left before it answered: nothing has come of it.
Answer<std::optional<Daemon::Connection>> Daemon::open_application(std::unique_ptr<Line> line) {
  for (;;) {
    const bool is_known = !secret_.empty();
    wire::BodyWriter out(64);
    out.u8(kOpenApplication.id);
    out.array(secret_.view());
    out.u8(kApiVersion);
    const SecureBytes request = out.take();
    SecureBytes body;
    if (line->exchange(request.view(), kOpenApplication.patience, body) != Delivery::answered)
      return std::optional<Connection>();
    Answer<Reply> reply = decode(std::move(body), era());
    if (!reply && is_known && reply.error().code == CKR_DEVICE_REMOVED) {
      secret_ = SecureBytes();
      era_.fetch_add(1, std::memory_order_acq_rel);
      continue;
    }
    if (!reply) return Rv{reply.error().code == CKR_HOST_MEMORY ? CKR_HOST_MEMORY : CKR_DEVICE_ERROR};
    const ByteView secret = reply->in.array();
    const std::uint32_t maximum = reply->in.u32();
    SKS_TRY(reply->finish());
    if (secret.size() != kSecretSize || maximum == 0) return Rv{CKR_DEVICE_ERROR};
    if (is_known && !equal_constant_time(secret, secret_.view())) return Rv{CKR_DEVICE_ERROR};
    if (!is_known) secret_ = SecureBytes::copy_of(secret);
    maximum_data_.store(std::min<std::size_t>(maximum, kMostData), std::memory_order_relaxed);
    return std::optional(Connection{std::move(line), era()});
  }
}

}  // namespace sks::p11
