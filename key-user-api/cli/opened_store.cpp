#include "key-user-api/cli/opened_store.h"

#include <thread>

#include "key-user-api/socket_place/socket_place.h"
#include "sealed-storage/store_folder.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/wire/body_writer.h"
#include "sks-core/wire/client.h"
#include "sks-core/wire/error_text.h"

namespace sks::cli {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPause{10};
constexpr std::chrono::milliseconds kConnectPatience{2'000};
/// For the calls that run when a sksd is asked to end.
constexpr std::chrono::milliseconds kReleasePatience{30'000};

/// Methods of spec/sksd.md 10.
constexpr std::uint8_t kPinGroup = 150;
constexpr std::uint8_t kKeyCount = 151;
constexpr std::uint8_t kRelease = 152;

bool is_held(const std::string& folder) { return sealed::FolderLock::holder(sealed::Files(folder).lock).has_value(); }

Error malformed() { return {Status::external, "sksd has sent a malformed answer"}; }

/// What stands behind a status of success. Fails with the status and text of the answer.
Result<ByteReader> read_answer(ByteView answer) {
  ByteReader in(answer);
  const std::uint8_t status = in.u8();
  if (status == 0 && !in.failed()) return in;
  const std::string text = in.text();
  if (!in.finish() || status > static_cast<std::uint8_t>(Status::not_available)) return malformed();
  return Error{Status{status}, wire::error_text(text)};
}

Result<std::uint32_t> ask_number(wire::SocketChannel& channel, std::uint8_t method, std::uint32_t handle) {
  wire::BodyWriter out(8);
  out.u8(method);
  out.u32(handle);
  SKS_LET(const SecureBytes answer, channel.transact(out.take().view()));
  SKS_LET(ByteReader in, read_answer(answer.view()));
  const std::uint32_t number = in.u32();
  if (!in.finish()) return malformed();
  return number;
}

Result<std::unique_ptr<wire::SocketChannel>> channel_to(const std::string& socket) {
  if (socket.empty()) return Error{Status::not_available, "there is no place for a socket"};
  return wire::SocketChannel::connect(wire::UnixAddress{socket}, {.connect = kConnectPatience});
}

}  // namespace

StorePlace place_of(const std::string& folder, const std::string& persona, bool from_environment) {
  SocketPlaceOrProblem found = from_environment  ? socket_of_environment()
                               : persona.empty() ? socket_of_store(folder)
                                                 : socket_of_persona(persona);
  if (!found.place) return {folder, {}, std::move(found.problem)};
  return {folder, std::move(found.place->socket), {}, !found.place->start_option.empty()};
}

Result<OpenedStore> OpenedStore::connect(const std::string& socket) {
  SKS_LET(auto api, channel_to(socket));
  SKS_LET(auto questions, channel_to(socket));
  return OpenedStore(std::make_unique<wire::RemoteKeyStore>(std::move(api)), std::move(questions));
}

// The lock decides, and not the socket: a sksd of the same name may have another folder.
Result<OpenedStore> OpenedStore::open(const StorePlace& place, SecretSource& secrets) {
  for (const auto until = steady_clock::now() + kLockPatience;;) {
    const bool waits = steady_clock::now() < until;
    if (is_held(place.folder)) {
      if (auto served = connect(place.socket)) return served;
    }
    if (!waits || !is_held(place.folder)) {
      auto opened = LocalStore::open(place.folder, secrets, {});
      if (opened) return OpenedStore(std::move(*opened));
      if (!waits || opened.error().status != Status::not_available || !is_held(place.folder))
        return std::move(opened).error();
    }
    std::this_thread::sleep_for(kPause);
  }
}

SecureKeyStore& OpenedStore::engine() {
  if (remote_) return *remote_;
  return local_->engine();
}

Result<std::optional<PinGroupHandle>> OpenedStore::pin_group(KeyHandle key) {
  if (local_) return local_->engine().pin_group(key);
  SKS_LET(const std::uint32_t group, ask_number(*questions_, kPinGroup, key.value));
  if (group == 0) return std::optional<PinGroupHandle>();
  return std::optional(PinGroupHandle{group});
}

std::size_t OpenedStore::key_count(ProvisioningHandle session) {
  if (local_) return local_->engine().key_count(session);
  const auto count = ask_number(*questions_, kKeyCount, session.value);
  return count ? *count : 0;
}

Result<void> free_from_sksd(const StorePlace& place) {
  if (place.socket.empty() || !is_held(place.folder)) return {};
  auto connected = wire::connect(wire::UnixAddress{place.socket}, kConnectPatience);
  if (!connected) return {};  // whoever holds the store, it is no sksd, or one that is about to end
  const int socket = connected->number();
  const std::uint8_t request = kRelease;
  SKS_TRY(wire::send_frame(socket, {&request, 1}, wire::patience_for(kConnectPatience)));
  SKS_LET(const SecureBytes answer, wire::receive_frame(socket, wire::patience_for(kConnectPatience)));
  if (const auto released = read_answer(answer.view()); !released)
    return Error{released.error().status, place.folder + ": " + released.error().detail};
  const auto patience = wire::patience_for(kReleasePatience);
  while (is_held(place.folder) && steady_clock::now() < patience.until) std::this_thread::sleep_for(kPause);
  return {};
}

}  // namespace sks::cli
