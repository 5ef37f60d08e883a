#pragma once

#include <map>
#include <string>
#include <vector>

namespace sks::cli {

/// Capability URIs of keygen2.md 4.2 and what this machine answers to them.
using DeviceAttributes = std::map<std::string, std::vector<std::string>>;

/// Vendor and version of the operating system from `os_release` (see os-release(5)); of the network interface that has
/// `local_address`, that address and its hardware address. What is not known is left out, and an IMEI always.
DeviceAttributes device_attributes(const std::string& local_address, const std::string& os_release = "/etc/os-release");

}  // namespace sks::cli
