#include "key-user-api/pkcs11/client.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "key-user-api/pkcs11/complaint.h"
#include "key-user-api/pkcs11/socket_line.h"
#include "key-user-api/socket_place/socket_place.h"

namespace sks::p11 {
namespace {

struct State {
  Mutex mutex;
  std::shared_ptr<Client> client;
};

// Nothing here has a destructor: the application may call from its own exit handlers, or unload the module while a
// thread is inside.
constinit Descriptors g_descriptors;
static_assert(std::is_trivially_destructible_v<Descriptors>);
alignas(State) constinit std::byte g_memory[sizeof(State)]{};
/// The process that the state is of; its negative while that process makes a fresh one.
constinit std::atomic<pid_t> g_owner{0};

State& state_in_memory() { return *std::launder(reinterpret_cast<State*>(g_memory)); }

/// The state of the calling process.
///
/// In a child the inherited one is left as it is: its lock may be held by a thread that does not exist here, and its
/// memory may be half changed.
State& state() {
  const pid_t process = ::getpid();
  for (;;) {
    pid_t owner = g_owner.load(std::memory_order_acquire);
    if (owner == process) return state_in_memory();
    if (owner == -process) {  // another thread of this process is at it
      ::sched_yield();
      continue;
    }
    if (!g_owner.compare_exchange_weak(owner, -process, std::memory_order_acq_rel)) continue;
    g_descriptors.close_all();
    new (g_memory) State;
    g_owner.store(process, std::memory_order_release);
  }
}

Answer<void> check(const CK_C_INITIALIZE_ARGS& arguments) {
  if (arguments.pReserved != nullptr) return Rv{CKR_ARGUMENTS_BAD};
  const int mutex_functions = (arguments.CreateMutex != nullptr) + (arguments.DestroyMutex != nullptr) +
                              (arguments.LockMutex != nullptr) + (arguments.UnlockMutex != nullptr);
  if (mutex_functions != 0 && mutex_functions != 4) return Rv{CKR_ARGUMENTS_BAD};
  // Only the operating system's locks are used here; an application that forbids them cannot be served.
  if (mutex_functions == 4 && (arguments.flags & CKF_OS_LOCKING_OK) == 0) return Rv{CKR_CANT_LOCK};
  return {};
}

}  // namespace

Answer<void> initialize(const CK_C_INITIALIZE_ARGS* arguments) {
  if (arguments != nullptr) SKS_TRY(check(*arguments));
  if (current_client() != nullptr) return Rv{CKR_CRYPTOKI_ALREADY_INITIALIZED};
  SocketPlaceOrProblem place = socket_of_environment();
  if (!place.place) {
    complain(std::move(place.problem));
    return Rv{CKR_DEVICE_ERROR};
  }
  DaemonStart start(daemon_program(), place.place->start_option, place.place->start_value);
  return initialize_with(
      std::make_unique<SocketExchange>(std::move(place.place->socket), std::move(start), g_descriptors));
}

Answer<void> initialize_with(std::unique_ptr<Exchange> exchange) {
  auto client = std::make_shared<Client>(std::move(exchange));
  State& ours = state();
  const std::lock_guard lock(ours.mutex);
  if (ours.client != nullptr) return Rv{CKR_CRYPTOKI_ALREADY_INITIALIZED};
  ours.client = std::move(client);
  return {};
}

Answer<void> finalize() {
  std::shared_ptr<Client> ended;  // without the lock
  State& ours = state();
  const std::lock_guard lock(ours.mutex);
  if (ours.client == nullptr) return Rv{CKR_CRYPTOKI_NOT_INITIALIZED};
  ended = std::move(ours.client);
  return {};
}

std::shared_ptr<Client> current_client() {
  State& ours = state();
  const std::lock_guard lock(ours.mutex);
  return ours.client;
}

}  // namespace sks::p11
