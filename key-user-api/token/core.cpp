#include "key-user-api/token/core.h"

#include <algorithm>
#include <array>

#include "key-user-api/token/creation.h"

namespace sks::token {
namespace {

constexpr int kTries = 5;

Refusal no_object() { return {CKR_OBJECT_HANDLE_INVALID, "there is no such object"}; }
Refusal not_logged_in() { return {CKR_USER_NOT_LOGGED_IN, "the user is not logged in"}; }

}  // namespace

Core::Core(Ports service_ports, Bytes device_certificate)
    : ports(std::move(service_ports)),
      keys(ports.store, ports.pin_group_of, ports.notes, ports.random, std::move(device_certificate)) {}

Outcome<std::shared_ptr<const KeyInUse>> Core::find_key(Application& application, std::uint32_t slot,
                                                        CK_OBJECT_HANDLE object) {
  std::shared_ptr<const KeyInUse> found;
  if (object >= kFirstSessionObject) {
    const auto session = application.find_object(object);
    if (session != nullptr && session->slot == slot) found = session->in_use;
  } else {
    const unsigned part = part_of(object);
    const std::optional<KeyHandle> key = key_of(object);
    if (!key || !*key || (part != kSecretPart && part != kPublicPart)) return no_object();
    SKS_LET(const std::shared_ptr<const KeyDetails> details, keys.details(*key));
    const bool is_there = details->slot == slot && !details->is_hidden && (part == kSecretPart || details->shape);
    const bool is_visible = part == kPublicPart || slot == 0 || application.is_user(slot);
    if (is_there && is_visible) found = details->in_use(part);
  }
  if (found == nullptr) return no_object();
  return found;
}

Outcome<Authorization> Core::authorize(Application& application, const KeyInUse& key, std::uint32_t ticket) {
  SKS_CHECK(key.stored.has_value());
  if (key.slot == 0) return Authorization();
  std::optional<SecureBytes> pin;
  if (key.always_authenticate) {
    if (application.is_user(key.slot)) pin = application.take_ticket(ticket, key.object, ports.clock.now());
  } else {
    pin = application.pin_of(key.slot, LoggedIn::user);
  }
  if (!pin) return not_logged_in();
  return Authorization{std::move(*pin), false};
}

void Core::authorization_failed(const KeyInUse& key, const SecureBytes& pin) { end_logins_with(key.slot, pin); }

Outcome<CK_OBJECT_HANDLE> Core::make_key(Application& application, std::uint32_t slot, SecureBytes value,
                                         Template attributes) {
  return make_object(*this, application, slot, attributes, std::move(value));
}

std::shared_ptr<Application> Core::new_application() {
  auto application = std::make_shared<Application>(memory_);
  const std::lock_guard lock(mutex_);
  std::erase_if(applications_, [](const auto& one) { return one.expired(); });
  applications_.push_back(application);
  return application;
}

std::vector<std::shared_ptr<Application>> Core::living_applications() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Application>> living;
  for (const std::weak_ptr<Application>& one : applications_)
    if (auto application = one.lock()) living.push_back(std::move(application));
  return living;
}

void Core::end_other_logins(const Application& but, std::uint32_t slot) {
  for (const std::shared_ptr<Application>& application : living_applications())
    if (application.get() != &but && application->is_user(slot)) application->log_out(slot);
}

void Core::end_logins_with(std::uint32_t slot, const SecureBytes& pin) {
  for (const std::shared_ptr<Application>& application : living_applications()) application->end_login_with(slot, pin);
}

Outcome<TokenIdentity> Core::token(std::uint32_t slot) const {
  std::optional<TokenIdentity> found = keys.token(slot);
  if (!found) return Refusal{CKR_SLOT_ID_INVALID, "there is no such slot"};
  return std::move(*found);
}

StoredKeys::Sees Core::sees(const Application& application, std::uint32_t slot) const {
  return slot == 0 || application.is_user(slot) ? StoredKeys::Sees::everything : StoredKeys::Sees::public_objects;
}

Outcome<FoundObject> Core::find_object(const Application& application, std::uint32_t slot,
                                       CK_OBJECT_HANDLE object) const {
  if (object >= kFirstSessionObject) {
    const auto session = application.find_object(object);
    if (session == nullptr || session->slot != slot) return no_object();
    return FoundObject{session->facts, session};
  }
  SKS_LET(const Facts facts, keys.facts(slot, object, sees(application, slot)));
  return FoundObject{facts, nullptr};
}

Outcome<LocalPin> Core::pin_for_new_key(const Application& application, std::uint32_t slot) {
  if (slot == 0) return LocalPin();
  SKS_LET(const TokenIdentity identity, token(slot));
  const Refusal is_protected{CKR_TOKEN_WRITE_PROTECTED, "only the issuer of this token can put a key there"};
  if (!identity.is_local) return is_protected;
  std::optional<SecureBytes> pin = application.pin_of(slot, LoggedIn::user);
  if (!pin) return not_logged_in();
  std::optional<PinManager> manager;
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = pin_managers_.find(slot); known != pin_managers_.end()) manager = known->second;
  }
  // Looking for it takes a look at every key.
  if (!manager || keys.token_of(manager->key) != slot) {
    // It says that there is no such key also when another one was deleted under its eyes.
    Result<PinManager> found = Error{Status::no_key, "the token is gone"};
    for (int i = 0; i < kTries && !found && found.error().status == Status::no_key; ++i)
      found = find_pin_manager(ports.store, identity.any_key);
    if (!found && found.error().status == Status::option) return is_protected;
    if (!found) return refusal_of(found.error());
    manager = std::move(found).value();
    const std::lock_guard lock(mutex_);
    pin_managers_.insert_or_assign(slot, *manager);
  }
  return LocalPin(SharedPin{std::move(*manager), std::move(*pin)});
}

Refusal refusal_of(const Error& error) {
  struct Row {
    Status status;
    CK_RV code;
  };
  constexpr auto kRows = std::to_array<Row>({
      {Status::authorization, CKR_PIN_INCORRECT},
      {Status::not_allowed, CKR_FUNCTION_REJECTED},
      {Status::storage, CKR_DEVICE_ERROR},
      {Status::mac, CKR_DEVICE_ERROR},
      {Status::crypto, CKR_FUNCTION_FAILED},
      {Status::no_session, CKR_DEVICE_ERROR},
      {Status::no_key, CKR_OBJECT_HANDLE_INVALID},
      {Status::algorithm, CKR_TEMPLATE_INCONSISTENT},
      {Status::option, CKR_TEMPLATE_INCONSISTENT},
      {Status::internal, CKR_DEVICE_ERROR},
      {Status::external, CKR_DEVICE_ERROR},
      {Status::user_abort, CKR_FUNCTION_CANCELED},
      {Status::not_available, CKR_KEY_SIZE_RANGE},
  });
  const auto row = std::ranges::find(kRows, error.status, &Row::status);
  return {row == kRows.end() ? CKR_DEVICE_ERROR : row->code, error.detail};
}

}  // namespace sks::token
