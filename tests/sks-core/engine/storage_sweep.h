#pragma once

#include <doctest/doctest.h>

#include <functional>

#include "tests/sks-core/engine/device.h"

namespace sks::test {

/// Fails the n-th storage operation of `call` for n = 1, 2, ... until the call succeeds. Each round starts with
/// `prepare` on a new device; `check` looks at the device after the failed call and again after a restart.
template <class State>
void sweep(const std::function<State(Device&)>& prepare,
           const std::function<std::optional<Status>(Device&, State&)>& call,
           const std::function<void(Device&, State&)>& check) {
  for (int n = 1; n < 100; ++n) {
    CAPTURE(n);
    Device device;
    State state = prepare(device);
    device.storage.memory.fail_after(n);
    const std::optional<Status> status = call(device, state);
    device.storage.memory.fail_after(0);
    if (!status) {
      CHECK(n > 1);
      return;
    }
    CHECK(status == Status::storage);
    check(device, state);
    device.restart();
    check(device, state);
  }
  FAIL("the call never succeeds");
}

}  // namespace sks::test
