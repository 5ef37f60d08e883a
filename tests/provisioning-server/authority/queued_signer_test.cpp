#include "provisioning-server/authority/queued_signer.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "provisioning-server/metrics.h"
#include "tests/provisioning-server/authority/authority_lab.h"

namespace sks::issuer {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kAges{600000};

/// A device that can be held up.
struct Gate {
  std::shared_ptr<std::atomic<bool>> shut = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<std::atomic<int>> calls = std::make_shared<std::atomic<int>>(0);
  std::shared_ptr<const crypto::KeySigner> key = std::make_shared<crypto::KeySigner>(test::new_key());

  ~Gate() { *shut = false; }

  QueuedSigner::Device device() const {
    return [shut_ = shut, calls_ = calls, key_ = key](ByteView message) {
      ++*calls_;
      while (*shut_) std::this_thread::sleep_for(milliseconds(1));
      return key_->sign(message);
    };
  }
};

void wait_for(const std::function<bool()>& condition) {
  while (!condition()) std::this_thread::sleep_for(milliseconds(1));
}

TEST_CASE("QueuedSigner: certificates signed through it hold, from several threads at once") {
  const Gate gate;
  const QueuedSigner signer("token", gate.key->public_key(), gate.device(), {kAges, 64});
  const crypto::Certificate ca = test::ca_certificate(signer);
  CHECK(test::openssl_accepts({ca.der(), ca.der()}));
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 20; ++j)
        if (signer.sign(as_bytes("x"))) ++good;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 160);
}

TEST_CASE(
    "QueuedSigner: a device that hangs costs the first caller its patience, the next ones nothing, and recovers") {
  const Gate gate;
  const QueuedSigner signer("the token", gate.key->public_key(), gate.device(), {milliseconds(200), 64});
  *gate.shut = true;
  const auto first = signer.sign(as_bytes("x"));
  REQUIRE_FALSE(first);
  CHECK(first.error().status == Status::not_available);
  CHECK(first.error().detail == "the token has not answered for 0.2 seconds");
  for (int i = 0; i < 1000; ++i) CHECK(signer.sign(as_bytes("x")).error().status == Status::not_available);
  CHECK(*gate.calls == 1);
  *gate.shut = false;
  wait_for([&] { return static_cast<bool>(signer.sign(as_bytes("x"))); });
}

TEST_CASE("QueuedSigner: more callers than the queue holds are refused at once, the others are served") {
  const Gate gate;
  const QueuedSigner signer("the token", gate.key->public_key(), gate.device(), {kAges, 2});
  *gate.shut = true;
  std::atomic<int> good{0};
  const auto call = [&] {
    if (signer.sign(as_bytes("x"))) ++good;
  };
  std::thread busy(call);
  wait_for([&] { return *gate.calls == 1; });
  // Of the three that follow one is too many, whichever it is.
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      const auto result = signer.sign(as_bytes("x"));
      if (result) ++good;
      if (!result && result.error().detail == "the token is busy: 2 signatures wait for it") ++refused;
    });
  wait_for([&] { return refused == 1; });
  *gate.shut = false;
  busy.join();
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 3);
  CHECK(refused == 1);
}

/// A signer whose queue is full, whatever comes first, until its gate opens.
struct FullQueue {
  explicit FullQueue(std::size_t length) : signer("t", gate.key->public_key(), gate.device(), {kAges, length}) {
    *gate.shut = true;
    callers.emplace_back([this] { call(); });
    wait_for([this] { return *gate.calls == 1; });
    for (std::size_t i = 0; i <= length; ++i) callers.emplace_back([this] { call(); });
    wait_for([this] { return refused == 1; });
  }
  void open() {
    *gate.shut = false;
    for (std::thread& caller : callers) caller.join();
  }
  void call() {
    if (!signer.sign(as_bytes("x"))) ++refused;
  }

  Gate gate;
  QueuedSigner signer;
  std::atomic<int> refused{0};
  std::vector<std::thread> callers;
};

TEST_CASE("QueuedSigner: the metric of the queue is the sum over all keys") {
  const auto is_metric = [](const char* value) {
    return Metrics::instance().text().find("sks_issuer_authority_queue_length " + std::string(value) + '\n') !=
           std::string::npos;
  };
  FullQueue one(2);
  FullQueue other(1);
  CHECK(is_metric("3"));
  other.open();
  CHECK(is_metric("2"));
  one.open();
  CHECK(is_metric("0"));
  // Whoever loses patience waits no longer.
  const Gate gate;
  const QueuedSigner hanging("t", gate.key->public_key(), gate.device(), {milliseconds(50), 64});
  *gate.shut = true;
  std::thread busy([&] { CHECK_FALSE(hanging.sign(as_bytes("x"))); });
  CHECK_FALSE(hanging.sign(as_bytes("x")));
  busy.join();
  CHECK(is_metric("0"));
}

TEST_CASE("QueuedSigner: what is no signature of the authority's key is not passed on") {
  for (const char* const name : {"ec.nist.p256", "ec.nist.p384", "rsa2048"}) {
    CAPTURE(name);
    const auto right = std::make_shared<crypto::KeySigner>(test::new_key(name));
    const auto other = std::make_shared<crypto::KeySigner>(test::new_key(name));
    const QueuedSigner good("t", right->public_key(), [right](ByteView m) { return right->sign(m); }, {kAges, 1});
    CHECK(good.sign(as_bytes("x")));
    const QueuedSigner wrong("t", right->public_key(), [other](ByteView m) { return other->sign(m); }, {kAges, 1});
    CHECK(wrong.sign(as_bytes("x")).error().status == Status::crypto);
    const QueuedSigner empty("t", right->public_key(), [](ByteView) { return Bytes(); }, {kAges, 1});
    CHECK(empty.sign(as_bytes("x")).error().status == Status::crypto);
  }
}

TEST_CASE("QueuedSigner: a check waits in the same queue, is no signature, and tells what the probe tells") {
  const Gate gate;
  const auto there = std::make_shared<std::atomic<bool>>(true);
  const QueuedSigner signer("the token", gate.key->public_key(), gate.device(), {milliseconds(200), 64},
                            [there, shut = gate.shut]() -> Result<void> {
                              while (*shut) std::this_thread::sleep_for(milliseconds(1));
                              if (*there) return {};
                              return Error{Status::option, "no such key"};
                            });
  wait_for([&] { return static_cast<bool>(signer.check()); });
  *there = false;
  wait_for([&] { return signer.check().error().detail == "no such key"; });
  *there = true;
  *gate.shut = true;
  CHECK(signer.check().error().detail == "the token has not answered for 0.2 seconds");
  CHECK(signer.sign(as_bytes("x")).error().status == Status::not_available);
  *gate.shut = false;
  wait_for([&] { return static_cast<bool>(signer.check()); });
  CHECK(*gate.calls == 0);
}

TEST_CASE("QueuedSigner: goes without its device when that hangs") {
  const Gate gate;
  *gate.shut = true;
  {
    const QueuedSigner signer("the token", gate.key->public_key(), gate.device(), {milliseconds(10), 4});
    CHECK_FALSE(signer.sign(as_bytes("x")));
  }
  CHECK(*gate.shut);
}

}  // namespace
}  // namespace sks::issuer
