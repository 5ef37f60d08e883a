#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace sks::test {

/// Runs `body` in a child that is killed at the system call number `stop` of it (entries and ends count, from 1), and
/// appends the numbers of the calls that it has entered to `calls`. False when the child came to its end before; ends
/// the test when it did so without success.
bool killed_at(std::size_t stop, std::vector<std::uint64_t>& calls, const std::function<bool()>& body);

}  // namespace sks::test
