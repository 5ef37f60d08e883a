#pragma once

#include <atomic>
#include <mutex>

#include "key-user-api/local_issuer/local_keys.h"
#include "key-user-api/token/application.h"
#include "key-user-api/token/call.h"
#include "key-user-api/token/stored_keys.h"

/// What the methods 161 to 177 share. Private to this folder.
namespace sks::token {

/// An object as one application sees it.
struct FoundObject {
  Facts facts;
  std::shared_ptr<const SessionObject> session;  ///< null: a stored object
};

class Core final : public KeyAccess {
 public:
  Core(Ports service_ports, Bytes device_certificate);

  Ports ports;
  StoredKeys keys;

  Outcome<std::shared_ptr<const KeyInUse>> find_key(Application& application, std::uint32_t slot,
                                                    CK_OBJECT_HANDLE object) override;
  Outcome<Authorization> authorize(Application& application, const KeyInUse& key, std::uint32_t ticket) override;
  void authorization_failed(const KeyInUse& key, const SecureBytes& pin) override;
  Outcome<CK_OBJECT_HANDLE> make_key(Application& application, std::uint32_t slot, SecureBytes value,
                                     Template attributes) override;

  std::shared_ptr<Application> new_application();
  /// Logs the user out in all other applications: the PIN that they have shown is not the PIN any more.
  void end_other_logins(const Application& but, std::uint32_t slot);
  /// The key store has refused a PIN that was right once. Logs the user out wherever it is the PIN of the login: each
  /// of these logins would cost an attempt.
  void end_logins_with(std::uint32_t slot, const SecureBytes& pin);

  /// CKR_SLOT_ID_INVALID.
  Outcome<TokenIdentity> token(std::uint32_t slot) const;
  StoredKeys::Sees sees(const Application& application, std::uint32_t slot) const;

  /// CKR_OBJECT_HANDLE_INVALID.
  Outcome<FoundObject> find_object(const Application& application, std::uint32_t slot, CK_OBJECT_HANDLE object) const;
  /// Calls `use` with the contents, which live as long as the call.
  template <class Use>
  Outcome<void> with_contents(const FoundObject& object, const Use& use) {
    if (object.session != nullptr) return use(object.session->contents());
    SKS_LET(const std::shared_ptr<const KeyDetails> details, keys.details(*key_of(object.facts.handle)));
    return use(details->contents(part_of(object.facts.handle)));
  }

  /// The PIN for a new key of a token, and what follows from its absence: CKR_TOKEN_WRITE_PROTECTED or
  /// CKR_USER_NOT_LOGGED_IN.
  Outcome<LocalPin> pin_for_new_key(const Application& application, std::uint32_t slot);

  CK_OBJECT_HANDLE next_session_object() { return next_object_++; }

 private:
  std::vector<std::shared_ptr<Application>> living_applications();

  std::atomic<CK_OBJECT_HANDLE> next_object_{kFirstSessionObject};
  const std::shared_ptr<MemoryPool> memory_ = std::make_shared<MemoryPool>(Application::kMaxBytesOfAll);
  std::mutex mutex_;
  std::vector<std::weak_ptr<Application>> applications_;
  std::map<std::uint32_t, PinManager> pin_managers_;
};

/// One method of chapter 5 or 6.
struct TokenMethod {
  std::uint8_t id;
  std::string_view name;
  bool is_use;
  Outcome<void> (*serve)(Core& core, Call& call);
};
/// In ascending order, each.
std::span<const TokenMethod> pin_methods();
std::span<const TokenMethod> object_methods();

/// The refusal for a failed method of the key store, where no better one is at hand.
Refusal refusal_of(const Error& error);

}  // namespace sks::token
