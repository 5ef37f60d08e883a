#include "key-user-api/token/application.h"

#include <algorithm>
#include <mutex>

namespace sks::token {
namespace {

constexpr std::size_t kMaxTickets = 64;

}  // namespace

Application::Application(const std::shared_ptr<MemoryPool>& memory)
    : operations_(make_operation_set(memory)), object_memory_(std::make_shared<MemoryPool>(kMaxObjectBytes, memory)) {
  SKS_CHECK(operations_ != nullptr);
}
Application::~Application() = default;

LoggedIn Application::logged_in(std::uint32_t slot) const {
  const std::shared_lock lock(mutex_);
  const auto login = logins_.find(slot);
  return login == logins_.end() ? LoggedIn::nobody : login->second.who;
}

Outcome<void> Application::check_nobody(std::uint32_t slot, LoggedIn who) const {
  const std::shared_lock lock(mutex_);
  return check_nobody_locked(slot, who);
}

Outcome<void> Application::check_nobody_locked(std::uint32_t slot, LoggedIn who) const {
  const auto login = logins_.find(slot);
  if (login == logins_.end()) return {};
  if (login->second.who == who) return Refusal{CKR_USER_ALREADY_LOGGED_IN, "logged in already"};
  return Refusal{CKR_USER_ANOTHER_ALREADY_LOGGED_IN, "the other one is logged in"};
}

Outcome<void> Application::log_in(std::uint32_t slot, LoggedIn who, SecureBytes pin) {
  const std::unique_lock lock(mutex_);
  SKS_TRY(check_nobody_locked(slot, who));
  logins_.emplace(slot, Login{who, std::move(pin)});
  return {};
}

bool Application::log_out(std::uint32_t slot) {
  const std::unique_lock lock(mutex_);
  if (!logins_.contains(slot)) return false;
  log_out_locked(slot);
  return true;
}

void Application::end_login_with(std::uint32_t slot, const SecureBytes& pin) {
  const std::unique_lock lock(mutex_);
  const auto login = logins_.find(slot);
  if (login == logins_.end() || login->second.who != LoggedIn::user) return;
  if (equal_constant_time(login->second.pin.view(), pin.view())) log_out_locked(slot);
}

void Application::log_out_locked(std::uint32_t slot) {
  logins_.erase(slot);
  std::erase_if(tickets_, [&](const auto& entry) { return entry.second.slot == slot; });
  std::size_t bytes = object_memory_.bytes();
  std::erase_if(objects_, [&](const auto& entry) {
    const SessionObject& object = *entry.second;
    const bool goes = object.slot == slot && object.facts.has(flag::kPrivate);
    if (goes) bytes -= object.size();
    return goes;
  });
  SKS_CHECK(object_memory_.resize(bytes));
}

std::optional<SecureBytes> Application::pin_of(std::uint32_t slot, LoggedIn who) const {
  const std::shared_lock lock(mutex_);
  const auto login = logins_.find(slot);
  if (login == logins_.end() || login->second.who != who) return std::nullopt;
  return SecureBytes::copy_of(login->second.pin.view());
}

void Application::replace_pin(std::uint32_t slot, SecureBytes pin) {
  const std::unique_lock lock(mutex_);
  const auto login = logins_.find(slot);
  if (login != logins_.end() && login->second.who == LoggedIn::user) login->second.pin = std::move(pin);
}

std::uint32_t Application::add_ticket(CK_OBJECT_HANDLE key, std::uint32_t slot, SecureBytes pin,
                                      std::int64_t deadline) {
  const std::unique_lock lock(mutex_);
  while (tickets_.size() >= kMaxTickets) tickets_.erase(tickets_.begin());
  do ++last_ticket_;
  while (last_ticket_ == 0 || tickets_.contains(last_ticket_));
  tickets_.emplace(last_ticket_, Ticket{key, slot, std::move(pin), deadline});
  return last_ticket_;
}

std::optional<SecureBytes> Application::take_ticket(std::uint32_t ticket, CK_OBJECT_HANDLE key, std::int64_t now) {
  const std::unique_lock lock(mutex_);
  auto found = tickets_.extract(ticket);
  if (found.empty() || found.mapped().key != key || found.mapped().deadline < now) return std::nullopt;
  return std::move(found.mapped().pin);
}

Outcome<void> Application::hold(std::size_t bytes) {
  if (!object_memory_.resize(bytes)) return Refusal{CKR_HOST_MEMORY, "the session objects are too large"};
  return {};
}

Outcome<void> Application::add_object(std::shared_ptr<const SessionObject> object) {
  const std::unique_lock lock(mutex_);
  if (object->slot != 0 && object->facts.has(flag::kPrivate)) {
    const auto login = logins_.find(object->slot);
    if (login == logins_.end() || login->second.who != LoggedIn::user)
      return Refusal{CKR_USER_NOT_LOGGED_IN, "a private object needs a login"};
  }
  if (objects_.size() >= kMaxObjects) return Refusal{CKR_HOST_MEMORY, "the application has too many session objects"};
  SKS_TRY(hold(object_memory_.bytes() + object->size()));
  const CK_OBJECT_HANDLE handle = object->facts.handle;
  objects_.emplace(handle, std::move(object));
  return {};
}

std::shared_ptr<const SessionObject> Application::find_object(CK_OBJECT_HANDLE object) const {
  const std::shared_lock lock(mutex_);
  const auto found = objects_.find(object);
  return found == objects_.end() ? nullptr : found->second;
}

Outcome<bool> Application::replace_object(const std::shared_ptr<const SessionObject>& old,
                                          std::shared_ptr<const SessionObject> changed) {
  const std::unique_lock lock(mutex_);
  const auto found = objects_.find(old->facts.handle);
  if (found == objects_.end() || found->second != old) return false;
  SKS_TRY(hold(object_memory_.bytes() - old->size() + changed->size()));
  found->second = std::move(changed);
  return true;
}

bool Application::erase_object(CK_OBJECT_HANDLE object) {
  const std::unique_lock lock(mutex_);
  const auto found = objects_.find(object);
  if (found == objects_.end()) return false;
  SKS_CHECK(object_memory_.resize(object_memory_.bytes() - found->second->size()));
  objects_.erase(found);
  return true;
}

void Application::note_deleted(KeyHandle key) {
  constexpr std::size_t kMostRemembered = 64;
  const std::unique_lock lock(mutex_);
  deleted_.push_back(key);
  if (deleted_.size() > kMostRemembered) deleted_.pop_front();
}

bool Application::has_deleted(KeyHandle key) const {
  const std::shared_lock lock(mutex_);
  return std::find(deleted_.begin(), deleted_.end(), key) != deleted_.end();
}

std::vector<std::shared_ptr<const SessionObject>> Application::objects(std::uint32_t slot,
                                                                       CK_OBJECT_HANDLE after) const {
  const std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<const SessionObject>> found;
  for (auto at = objects_.upper_bound(after); at != objects_.end(); ++at)
    if (at->second->slot == slot) found.push_back(at->second);
  return found;
}

}  // namespace sks::token
