#pragma once

#include <string_view>

namespace sks::issuer {

/// Tells the service manager that started this process, if one did, how it is: "READY=1", "STOPPING=1", or
/// "RELOADING=1", to which the time is added. Protocol of sd_notify(3): one datagram to the socket in NOTIFY_SOCKET.
/// Nobody listening is no error.
void notify_service_manager(std::string_view state);

}  // namespace sks::issuer
