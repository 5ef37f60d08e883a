#pragma once

#include <cstddef>
#include <string>

namespace sks::bench {

/// The subject of person number `i`, out of some thousands of names: those of a load have to fall between those of a
/// filled database, not side by side at the end of its indexes.
inline std::string subject_of(std::size_t i) {
  return "CN=Given" + std::to_string(i * 7919 % 5003) + " Family" + std::to_string(i * 104729 % 20011) +
         ",O=Example,C=SE";
}

}  // namespace sks::bench
