#pragma once

#include <deque>
#include <functional>
#include <utility>

#include "sks-core/base/clock.h"
#include "sks-core/base/random.h"
#include "sks-core/engine/key_source.h"

/// The inputs from the world, under a test's control.
namespace sks::test {

class FakeClock final : public Clock {
 public:
  explicit FakeClock(std::int64_t now) : now_(now) {}
  std::int64_t now() const override { return now_; }
  void sleep_seconds(unsigned seconds) const override { slept_ += seconds; }
  void set(std::int64_t now) { now_ = now; }
  unsigned slept() const { return slept_; }

 private:
  std::int64_t now_;
  mutable unsigned slept_ = 0;
};

/// Hands out the queued answers in turn, each to a request of exactly its size; then falls back on OpenSSL.
class ScriptedRandom final : public Random {
 public:
  void queue(Bytes bytes) { script_.push_back(std::move(bytes)); }
  void fill(std::span<std::uint8_t> out) const override {
    if (script_.empty()) return system_random().fill(out);
    SKS_CHECK(script_.front().size() == out.size());
    std::copy(script_.front().begin(), script_.front().end(), out.begin());
    script_.pop_front();
  }

 private:
  mutable std::deque<Bytes> script_;
};

/// Hands out the queued keys in turn, then real ones.
class ScriptedKeySource final : public KeySource {
 public:
  void queue(crypto::PrivateKey key) { script_.push_back(std::move(key)); }
  Result<crypto::PrivateKey> generate(const Algorithm& algorithm, ByteView parameters, ByteView seed) const override {
    if (script_.empty()) return system_key_source().generate(algorithm, parameters, seed);
    crypto::PrivateKey key = std::move(script_.front());
    script_.pop_front();
    return key;
  }

 private:
  mutable std::deque<crypto::PrivateKey> script_;
};

}  // namespace sks::test
