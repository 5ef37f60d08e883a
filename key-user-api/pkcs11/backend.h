#pragma once

#include "key-user-api/local_store.h"
#include "key-user-api/user_api.h"

namespace sks::p11 {

/// Where the module's keys live. The only part that knows that the store is opened in this process.
class Backend {
 public:
  /// Opens the store that the environment chooses. Fails as choose_store and LocalStore::open.
  static Result<std::unique_ptr<Backend>> open();

  UserApi& api() { return api_; }

 private:
  explicit Backend(LocalStore store);

  LocalStore store_;
  UserApi api_;
};

}  // namespace sks::p11
