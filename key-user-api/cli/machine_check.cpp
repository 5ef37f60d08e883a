#include "key-user-api/cli/machine_check.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "key-user-api/cli/agent.h"
#include "key-user-api/dialog/pinentry_program.h"
#include "sealed-storage/files.h"
#include "sks-core/wire/client.h"
#include "sks-core/wire/socket_channel.h"

namespace sks::cli {
namespace {

using Level = Finding::Level;

/// For a question that takes a sksd no time, on a machine that has much to do.
constexpr std::chrono::seconds kPatience{10};

Finding check_daemon_program() {
  const auto program = find_sksd();
  if (program) return {Level::good, "sksd is here, for applications to start", ""};
  return {Level::problem, program.error().detail + ": no application reaches the keys",
          "install sksd, or let SKS_SKSD name it"};
}

/// 0, or what connect() fails with.
int try_connect(const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof(address.sun_path)) return ENAMETOOLONG;
  std::memcpy(address.sun_path, socket.data(), socket.size());
  const sealed::FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno;
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

/// Whether a key store is behind the socket. A process that is stopped accepts connections too.
Finding check_answer(const std::string& socket) {
  auto channel = wire::SocketChannel::connect(wire::UnixAddress{socket},
                                              {.connect = kPatience, .send = kPatience, .answer = kPatience});
  if (channel && wire::RemoteKeyStore(std::move(*channel)).get_device_info())
    return {Level::good, "sksd serves the key store on " + socket, ""};
  return {Level::problem,
          "whoever listens on " + socket + " does not answer as sksd does: no application reaches the keys",
          "look at what that process does, or end it"};
}

Finding check_nobody(const StorePlace& place, int error) {
  if (!place.on_demand)
    return {Level::problem,
            "nobody serves the socket " + place.socket +
                ", which SKS_SOCKET names: no application "
                "reaches the keys, and none starts sksd for it",
            "start its sksd, or unset SKS_SOCKET"};
  if (error == ENOENT) return {Level::good, "sksd does not run; the first application starts it", ""};
  return {Level::note, "nobody answers behind the socket " + place.socket,
          "nothing: the next application starts sksd again; if it does not come, start sksd by hand to see why"};
}

Finding check_socket(const StorePlace& place) {
  if (place.socket.empty())
    return {Level::problem, place.problem + ": no application reaches the keys",
            "log in so that there is a XDG_RUNTIME_DIR, or let SKS_SOCKET name a socket, absolutely"};
  const int error = try_connect(place.socket);
  if (error == 0) return check_answer(place.socket);
  if (error == ENOENT || error == ECONNREFUSED) return check_nobody(place, error);
  if (error == EAGAIN)
    return {Level::note, "sksd is too busy to answer on " + place.socket, "look at what it does, or stop it"};
  return {Level::note, "the socket " + place.socket + " cannot be used: " + std::strerror(error),
          "see whose it is, and who may use its folder"};
}

Finding check_pinentry() {
  const auto pinentry = dialog::find_pinentry();
  if (pinentry) return {Level::good, "PINs can be asked for by " + *pinentry, ""};
  return {Level::note, pinentry.error().detail + ": keys cannot ask for their PIN but at a terminal",
          "install one of GnuPG's pinentry programs, or let SKS_PINENTRY name one"};
}

Finding check_registration(const Environment& environment) {
  const auto where = find_surroundings("", environment);
  if (!where) return {Level::note, "applications cannot be asked about: " + where.error().detail, ""};
  if (::access(where->module.c_str(), R_OK) != 0)
    return {Level::note, "there is no PKCS#11 module " + where->module, "install it"};
  std::string good;
  std::string bad;
  for (const Integration& row : all_integrations()) {
    const IntegrationState state = check_integration(row, *where).state;
    const bool broken = state == IntegrationState::outdated || state == IntegrationState::broken;
    if (!broken && state != IntegrationState::in_place) continue;
    std::string& names = broken ? bad : good;
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  if (!bad.empty())
    return {Level::note, "the PKCS#11 module is not registered as it should be with: " + bad,
            "'sks integrate --check' tells more; integrate it again"};
  if (!good.empty()) return {Level::good, "the PKCS#11 module is registered with: " + good, ""};
  return {Level::note, "the PKCS#11 module is registered with no application", "'sks integrate' registers it"};
}

}  // namespace

std::vector<Finding> check_machine(const StorePlace& store, const Environment& environment) {
  std::vector<Finding> findings;
  if (store.on_demand) findings.push_back(check_daemon_program());
  findings.push_back(check_socket(store));
  findings.push_back(check_pinentry());
  findings.push_back(check_registration(environment));
  return findings;
}

}  // namespace sks::cli
