#include "key-user-api/ssh_agent/agent_lock.h"

#include <doctest/doctest.h>

#include <vector>

#include "tests/sks-core/engine/device.h"

namespace sks::test {
namespace {

using std::chrono::milliseconds;

TEST_CASE("agent lock: opens with its passphrase alone, and takes its time after a wrong one") {
  std::vector<milliseconds> pauses;
  ssh::AgentLock lock(system_random(), [&](milliseconds pause) { pauses.push_back(pause); });
  CHECK_FALSE(lock.locked());
  CHECK(status_of(lock.unlock(as_bytes("right"))) == Status::not_allowed);
  CHECK(lock.lock(as_bytes("right")));
  CHECK(lock.locked());
  CHECK(status_of(lock.lock(as_bytes("wrong"))) == Status::not_allowed);
  for (const char* const wrong : {"wrong", "", "righ", "rightt"})
    CHECK(status_of(lock.unlock(as_bytes(wrong))) == Status::authorization);
  CHECK(lock.locked());
  CHECK(lock.unlock(as_bytes("right")));
  CHECK_FALSE(lock.locked());
  CHECK(pauses == std::vector{milliseconds(250), milliseconds(500), milliseconds(1000), milliseconds(2000)});

  CHECK(lock.lock(as_bytes("")));
  CHECK(status_of(lock.unlock(as_bytes("right"))) == Status::authorization);
  CHECK(pauses.back() == milliseconds(250));  // counted anew
  for (int i = 0; i < 8; ++i) CHECK_FALSE(lock.unlock(as_bytes("x")));
  CHECK(pauses.back() == milliseconds(8000));
  CHECK(lock.unlock(as_bytes("")));
}

}  // namespace
}  // namespace sks::test
