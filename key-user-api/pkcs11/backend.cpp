#include "key-user-api/pkcs11/backend.h"

#include "key-user-api/persona.h"
#include "key-user-api/pkcs11/engine_shield.h"

namespace sks::p11 {

Result<std::unique_ptr<Backend>> Backend::open() {
  SKS_TRY(shield_from_engines());
  SKS_LET(const ChosenStore chosen, choose_store());
  SKS_LET(LocalStore store, LocalStore::open(chosen.folder));
  return std::unique_ptr<Backend>(new Backend(std::move(store)));
}

Backend::Backend(LocalStore store)
    : store_(std::move(store)),
      api_(store_.engine(), [this](KeyHandle key) { return store_.engine().pin_group(key); }) {}

}  // namespace sks::p11
