#include "sks-core/base/clock.h"

#include <chrono>
#include <thread>

namespace sks {
namespace {

template <class Unit>
std::int64_t since_1970() {
  return std::chrono::duration_cast<Unit>(std::chrono::system_clock::now().time_since_epoch()).count();
}

class SystemClock final : public Clock {
 public:
  std::int64_t now() const override { return since_1970<std::chrono::seconds>(); }
  std::int64_t now_in_milliseconds() const override { return since_1970<std::chrono::milliseconds>(); }
  void sleep_seconds(unsigned seconds) const override { std::this_thread::sleep_for(std::chrono::seconds(seconds)); }
};

}  // namespace

const Clock& system_clock() {
  // Never destroyed: we may be part of a module that is unloaded, or used while the process ends.
  static const auto& clock = *new SystemClock;
  return clock;
}

}  // namespace sks
