#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "key-user-api/cli/url.h"

namespace sks::test {

/// Where a device enrols, as whoever made its ticket says.
struct EnrolmentLink {
  cli::Url init;           ///< of the first GET
  cli::Url main;           ///< of everything behind it
  std::string issuer_uri;  ///< the main URL, to the letter
  std::string cookie;      ///< value of the Cookie header
};

enum class Connections : std::uint8_t {
  one_for_all,  ///< as clients do
  one_each,     ///< so that a load balancer hands each request to whomever it likes
};

/// Enrols a new device with its key store in memory, and repeats every request word for word until it is answered.
/// Returns the SHA-256 of the certificates that the device has got, in hexadecimal. Fails with external when the issuer
/// refuses or does not answer for minutes, otherwise as the device does.
Result<std::vector<std::string>> enrol_new_device(const std::string& ca_file, const EnrolmentLink& link,
                                                  Connections connections);

}  // namespace sks::test
