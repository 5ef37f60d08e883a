#pragma once

#include <memory>
#include <optional>
#include <string>

#include "key-user-api/local_store.h"
#include "sks-core/wire/socket_channel.h"

namespace sks::cli {

/// Which key store a command works with, and where its sksd would be.
struct StorePlace {
  std::string folder;
  std::string socket;        ///< empty: there is no place for one
  std::string problem = {};  ///< why there is none
  bool on_demand = true;     ///< applications start the sksd; else somebody else does, who has set SKS_SOCKET
};

/// `persona` is empty when the store was chosen by its folder. `from_environment`: nobody named either, so that
/// SKS_SOCKET may name the socket.
StorePlace place_of(const std::string& folder, const std::string& persona, bool from_environment);

/// A key store for one command: opened in this process, or that of the sksd which has it.
class OpenedStore {
 public:
  /// In this process unless another one holds the store; then through its socket, if it is a sksd. Waits about two
  /// seconds for anybody else. Fails as LocalStore::open.
  static Result<OpenedStore> open(const StorePlace& place, SecretSource& secrets);

  SecureKeyStore& engine();
  /// As those of Engine. Through a sksd they fail, or give 0, also when it is gone.
  Result<std::optional<PinGroupHandle>> pin_group(KeyHandle key);
  std::size_t key_count(ProvisioningHandle session);

  /// Whether the store is that of a sksd: other programs may use it at the same time.
  bool is_shared() const { return remote_ != nullptr; }

 private:
  explicit OpenedStore(LocalStore store) : local_(std::move(store)) {}
  OpenedStore(std::unique_ptr<SecureKeyStore> remote, std::unique_ptr<wire::SocketChannel> questions)
      : remote_(std::move(remote)), questions_(std::move(questions)) {}
  static Result<OpenedStore> connect(const std::string& socket);

  std::optional<LocalStore> local_;
  std::unique_ptr<SecureKeyStore> remote_;
  std::unique_ptr<wire::SocketChannel> questions_;  ///< for what is no part of the SKS API
};

/// Sees to it that no sksd that was started on demand keeps a command from the folder: asks it to end, and waits until
/// it has. Anybody else who holds the store is left alone. Fails with not_allowed and whom the sksd serves.
Result<void> free_from_sksd(const StorePlace& place);

}  // namespace sks::cli
