#include "provisioning-server/authority/queued_signer.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "provisioning-server/log.h"
#include "provisioning-server/metrics.h"
#include "sks-core/crypto/hash.h"

namespace sks::issuer {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Job {
  std::function<Result<Bytes>()> work;
  std::optional<Result<Bytes>> result;
  bool abandoned = false;  // nobody waits for it any more
};

std::string seconds_text(std::chrono::milliseconds time) {
  const auto tenths = (time.count() + 99) / 100;
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10) + " seconds";
}

bool verifies(const crypto::PublicKey& key, ByteView message, ByteView signature) {
  if (key.kind() == KeyKind::rsa || crypto::signature_hash(key) == HashId::sha256) {
    const Result<Bytes> raw = key.kind() == KeyKind::rsa ? Result<Bytes>(to_bytes(signature))
                                                         : crypto::ecdsa_der_to_raw(key.curve(), signature);
    return raw && crypto::verify_signature(key, message, *raw);
  }
  const Bytes digest = crypto::digest(crypto::signature_hash(key), message);
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new(key.openssl(), nullptr));
  SKS_CHECK(context != nullptr);
  const bool good =
      EVP_PKEY_verify_init(context.get()) == 1 &&
      EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(), digest.size()) == 1;
  (void)ossl::take_error("");
  return good;
}

/// Each key has a queue of its own, and an earlier key works beside the one in use.
void count_waiting(std::int64_t change) { Metrics::instance().add_to_gauge("authority_queue_length", change); }

/// The words of metric authority_refused_total.
std::string_view reason_of(Status status) {
  if (status == Status::not_available) return "unavailable";
  return status == Status::not_allowed ? "pin" : "failed";
}

}  // namespace

struct QueuedSigner::Worker {
  std::mutex mutex;
  std::condition_variable has_work;
  std::condition_variable has_result;
  std::deque<std::shared_ptr<Job>> waiting;
  std::optional<SteadyClock::time_point> busy_since;
  bool stop = false;
  bool ended = false;
  Device device;
  Probe probe;

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      has_work.wait(lock, [this] { return stop || !waiting.empty(); });
      if (stop) break;
      const std::shared_ptr<Job> job = waiting.front();
      waiting.pop_front();
      count_waiting(-1);
      if (job->abandoned) continue;
      busy_since = SteadyClock::now();
      lock.unlock();
      Result<Bytes> result = job->work();
      lock.lock();
      busy_since.reset();
      job->result = std::move(result);
      has_result.notify_all();
    }
    ended = true;
    has_result.notify_all();
  }
};

QueuedSigner::QueuedSigner(std::string name, crypto::PublicKey public_key, Device device, QueueLimits limits,
                           Probe probe)
    : name_(std::move(name)), public_key_(std::move(public_key)), limits_(limits), worker_(std::make_shared<Worker>()) {
  worker_->device = std::move(device);
  worker_->probe = std::move(probe);
  // Detached with a share of what it works on: a thread inside of a module that hangs cannot be ended.
  std::thread([worker = worker_] { worker->run(); }).detach();
}

QueuedSigner::~QueuedSigner() {
  std::unique_lock lock(worker_->mutex);
  worker_->stop = true;
  worker_->has_work.notify_all();
  const bool hangs = worker_->busy_since && SteadyClock::now() - *worker_->busy_since >= limits_.patience;
  if (!hangs) worker_->has_result.wait_for(lock, limits_.patience, [this] { return worker_->ended; });
}

Result<Bytes> QueuedSigner::ask(std::function<Result<Bytes>()> work) const {
  const auto too_slow = [this] {
    return Error{Status::not_available, name_ + " has not answered for " + seconds_text(limits_.patience)};
  };
  const auto job = std::make_shared<Job>();
  job->work = std::move(work);
  const SteadyClock::time_point deadline = SteadyClock::now() + limits_.patience;
  std::unique_lock lock(worker_->mutex);
  // A device that hangs would take everybody's patience; those who come later need not lose theirs.
  if (worker_->busy_since && SteadyClock::now() - *worker_->busy_since >= limits_.patience) return too_slow();
  if (worker_->waiting.size() >= limits_.length)
    return Error{Status::not_available,
                 name_ + " is busy: " + std::to_string(limits_.length) + " signatures wait for it"};
  worker_->waiting.push_back(job);
  count_waiting(1);
  worker_->has_work.notify_one();
  if (!worker_->has_result.wait_until(lock, deadline, [&] { return job->result.has_value(); })) {
    job->abandoned = true;
    count_waiting(-static_cast<std::int64_t>(std::erase(worker_->waiting, job)));
    return too_slow();
  }
  return std::move(*job->result);
}

Result<Bytes> QueuedSigner::sign(ByteView message) const {
  const SteadyClock::time_point begin = SteadyClock::now();
  // The thread may be at it longer than this object and the caller are there.
  Result<Bytes> signature =
      ask([worker = worker_, copy = to_bytes(message)]() -> Result<Bytes> { return worker->device(copy); });
  // A wrong key or a fault in the device must not become a certificate.
  if (signature && !verifies(public_key_, message, *signature))
    signature =
        Error{Status::crypto, name_ + " returned a signature that does not verify with the authority's certificate"};
  Metrics& metrics = Metrics::instance();
  if (signature) {
    metrics.observe("authority_sign_seconds", std::chrono::duration<double>(SteadyClock::now() - begin).count());
  } else {
    metrics.counter("authority_refused_total", {{"reason", reason_of(signature.error().status)}}).add();
  }
  note(Request::signature, signature ? std::string() : signature.error().detail);
  return signature;
}

Result<void> QueuedSigner::check() const {
  const Result<Bytes> answer = ask([worker = worker_]() -> Result<Bytes> {
    SKS_TRY(worker->probe());
    return Bytes();
  });
  note(Request::check, answer ? std::string() : answer.error().detail);
  return answer ? Result<void>() : answer.error();
}

/// One line when things change: a device that is away would fill the log otherwise. A check that succeeds says nothing
/// about a device that has the key and does not sign.
void QueuedSigner::note(Request request, const std::string& trouble) const {
  const std::lock_guard lock(trouble_mutex_);
  if (trouble == trouble_) return;
  if (request == Request::check && troubled_ == Request::signature && !trouble_.empty()) return;
  troubled_ = request;
  if (trouble.empty()) {
    log_info("authority-back", {{"key", name_}});
  } else {
    log_error("authority-lost", {{"reason", trouble}});
  }
  trouble_ = trouble;
}

}  // namespace sks::issuer
