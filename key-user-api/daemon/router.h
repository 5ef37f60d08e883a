#pragma once

#include <atomic>
#include <functional>

#include "key-user-api/daemon/applications.h"
#include "key-user-api/daemon/use_sink.h"
#include "sks-core/engine/engine.h"

/// From a request to its response, without sockets: the SKS API (sks-byte-stream.md), what concerns the store and its
/// server (spec/sksd.md 10), applications (chapter 4), and what the token service answers.
namespace sks::daemon {

/// A connection, as its requests see it.
struct Caller {
  std::shared_ptr<const Peer> peer;
  int socket = -1;
  Applications::Seat seat = {};
};

struct RouterPorts {
  SecureKeyStore& store;
  token::Service& service;
  std::function<Result<std::optional<PinGroupHandle>>(KeyHandle)> pin_group_of;
  std::function<std::size_t(ProvisioningHandle)> key_count_of;
  /// Gives up the store for its folder's owner. Fails with not_allowed and who else is there.
  std::function<Result<void>()> release;
  UseSink& uses;
  const Random& random = system_random();
  ApplicationLimits limits = {};
};

/// Thread-safe, as long as a caller is used by one thread.
class Router {
 public:
  explicit Router(RouterPorts ports)
      : ports_(std::move(ports)), applications_(ports_.service, ports_.random, ports_.limits) {}

  struct Answer {
    SecureBytes body;  ///< empty: close the connection, for there is no memory, or there are too many of them
    Use use;           ///< to be told of when the answer is on its way; only if use.record.is_use
  };
  Answer answer(Caller& caller, ByteView request) noexcept;

  const Applications& applications() const { return applications_; }
  UseSink& uses() { return ports_.uses; }

 private:
  friend struct OwnMethods;
  SecureBytes answer_store(ByteView request, token::UseRecord& record);
  SecureBytes answer_own(Caller& caller, std::uint8_t id, ByteView request, token::UseRecord& record);
  SecureBytes answer_token(Caller& caller, ByteView request, token::UseRecord& record);
  void let_service_look_again();

  RouterPorts ports_;
  Applications applications_;
  /// How often the store was changed past the service, and up to which change the service has looked.
  std::atomic<std::uint64_t> changes_ = 0;
  std::atomic<std::uint64_t> seen_changes_ = 0;
  std::mutex looking_;
};

}  // namespace sks::daemon
