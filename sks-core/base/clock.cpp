#include "sks-core/base/clock.h"

#include <chrono>
#include <thread>

namespace sks {
namespace {

class SystemClock final : public Clock {
 public:
  std::int64_t now() const override {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::seconds>(since).count();
  }
  void sleep_seconds(unsigned seconds) const override { std::this_thread::sleep_for(std::chrono::seconds(seconds)); }
};

}  // namespace

const Clock& system_clock() {
  // Never destroyed: we may be part of a module that is unloaded, or used while the process ends.
  static const auto& clock = *new SystemClock;
  return clock;
}

}  // namespace sks
