#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sks-core/base/result.h"
#include "tests/sks-core/model/call.h"

/// A small SKS, written from the text of sks-api.md and sks-extensions.md: plain values, no cryptography, no storage.
///
/// PIN values and error counts belong to keys here and are written to all keys of a group (chapter 5.6), whereas the
/// engine keeps groups as objects.
namespace sks::model {

using Handle = std::uint32_t;

struct PukPolicy {
  Handle session = 0;
  std::string value;
  std::uint8_t format = 0;
  std::uint16_t retry_limit = 0;
  std::uint16_t errors = 0;
  std::string id;
  bool operator==(const PukPolicy&) const = default;
};

struct PinPolicy {
  Handle session = 0;
  Handle puk = 0;
  bool user_defined = false;
  bool user_modifiable = false;
  std::uint8_t format = 0;
  std::uint16_t retry_limit = 0;
  std::uint8_t grouping = 0;
  std::uint8_t patterns = 0;
  std::uint16_t min_length = 0;
  std::uint16_t max_length = 0;
  std::uint8_t input_method = 0;
  std::string id;
};

struct Property {
  std::string name;
  bool writable;
  std::string value;
};

struct Extension {
  std::uint8_t sub_type = 0;
  std::string qualifier;
  std::string data;                  ///< unless it is a property bag
  std::vector<Property> properties;  ///< of a property bag
};

/// A certificate is its key pair and a number.
struct Certificate {
  int pair = 0;
  int serial = 0;
  auto operator<=>(const Certificate&) const = default;
};

struct Key {
  Handle session = 0;
  int identity = 0;  ///< the label of the call that made it; an update gives a handle to another key
  std::string id;
  int pair = 0;          ///< generated
  int private_pair = 0;  ///< generated or imported
  std::optional<Certificate> certificate;
  std::optional<std::string> symmetric;
  Handle policy = 0;
  std::string pin;
  std::uint16_t pin_errors = 0;
  bool device_pin = false;
  bool caching = false;
  std::uint8_t biometric = 0;
  std::uint8_t export_protection = 0;
  std::uint8_t delete_protection = 0;
  std::uint8_t app_usage = 0;
  std::string friendly_name;
  std::vector<int> endorsed;
  std::uint8_t backup = 0;
  std::uint8_t suspended = 0;
  std::vector<std::string> extension_order;
  std::map<std::string, Extension> extensions;

  bool has_pin() const { return policy != 0 || device_pin; }
};

struct PostOperation {
  Method method;
  Handle target;
  int target_identity;
  Handle new_key;
};

struct Session {
  bool open = true;
  bool privacy = false;
  Kmk kmk = 0;
  std::string name;  ///< serverSessionId
  std::uint16_t ops = 0;
  std::uint16_t counter = 0;
  std::map<std::string, bool> ids;  ///< and whether they are referenced
  std::vector<PostOperation> post_operations;
};

/// A call with its labels resolved to handles, and with the handle that the store gave to a new object.
struct Request : Call {
  Request(const Call& call) : Call(call) {}  // NOLINT(google-explicit-constructor)
  Handle session_handle = 0;
  Handle key_handle = 0;
  Handle target_handle = 0;
  Handle pin_policy_handle = 0;
  Handle puk_policy_handle = 0;
  Handle made = 0;
};

/// What the specification says must come out of a call.
struct Verdict {
  std::optional<Status> status;     ///< none: success
  std::optional<Status> tolerated;  ///< where appendix B lets stores differ
  std::uint8_t activation = 0;
  unsigned naps = 0;  ///< delays for a PUK without retry limit
  Handle found = 0;
};

class State {
 public:
  std::map<Handle, Session> sessions;
  std::map<Handle, Key> keys;
  std::map<Handle, PinPolicy> pins;
  std::map<Handle, PukPolicy> puks;

  /// Carries the call out.
  Verdict apply(const Request& request);
  /// Chapter 1.6.
  void abort(Handle session);

  const Session* open_session(Handle handle) const;
  const Key* open_key(Handle handle) const;
  const Key* std_key(Handle handle) const;
  const PukPolicy* puk_of(const Key& key) const;
  /// Chapter 5.6: the keys that share PIN and error count with this one.
  std::vector<Handle> group_of(Handle key) const;
  /// The session that an error in this call aborts; zero if none.
  Handle aborts(const Request& request) const;

 private:
  using Refusal = std::optional<Status>;
  using Handler = Refusal (State::*)(const Request& request, Verdict& verdict);
  static const std::map<Method, Handler>& handlers();

  Refusal create_session(const Request& request, Verdict& verdict);
  Refusal close_session(const Request& request, Verdict& verdict);
  Refusal abort_session(const Request& request, Verdict& verdict);
  Refusal update_kmk(const Request& request, Verdict& verdict);
  Refusal create_puk_policy(const Request& request, Verdict& verdict);
  Refusal create_pin_policy(const Request& request, Verdict& verdict);
  Refusal create_key(const Request& request, Verdict& verdict);
  Refusal get_key_handle(const Request& request, Verdict& verdict);
  Refusal set_certificate_path(const Request& request, Verdict& verdict);
  Refusal import_symmetric_key(const Request& request, Verdict& verdict);
  Refusal import_private_key(const Request& request, Verdict& verdict);
  Refusal add_extension(const Request& request, Verdict& verdict);
  Refusal post_on_target(const Request& request, Verdict& verdict);
  Refusal post_with_new_key(const Request& request, Verdict& verdict);
  Refusal activate_or_deactivate(const Request& request, Verdict& verdict);
  Refusal set_property(const Request& request, Verdict& verdict);
  Refusal delete_key(const Request& request, Verdict& verdict);
  Refusal export_key(const Request& request, Verdict& verdict);
  Refusal unlock_key(const Request& request, Verdict& verdict);
  Refusal change_pin(const Request& request, Verdict& verdict);
  Refusal set_pin(const Request& request, Verdict& verdict);
  Refusal verify_pin_only(const Request& request, Verdict& verdict);
  Refusal use_key(const Request& request, Verdict& verdict);

  // model_provisioning.cpp
  Refusal check_pin_arrangement(const Request& request);
  Refusal check_new_pin(const Request& request) const;
  // model_close.cpp
  Refusal check_keys(Handle session) const;
  Refusal target_key(Handle handle) const;
  Refusal authorize_target(const Request& request, Session& session) const;
  Refusal record(Session& session, const PostOperation& operation) const;
  std::uint8_t activation_after(const Session& session, Handle key) const;
  void perform(Session& session, Handle session_handle);
  void absorb(Handle into, Handle old);
  Refusal activate_locally(const Request& request, Verdict& verdict);
  Refusal activate_by_issuer(const Request& request, Verdict& verdict);
  // model_pin.cpp
  Refusal verify_pin(Handle key, const std::string& pin);
  Refusal verify_puk(Handle key, const std::string& puk, Verdict& verdict);
  Refusal authorize(const Request& request);
  Refusal check_protection(std::uint8_t protection, const Request& request, Verdict& verdict);
  Refusal check_changed_pin(Handle key, const std::string& pin) const;
  void set_errors(Handle key, std::uint16_t errors);
  void set_pin_value(Handle key, const std::string& pin);
  void remove_key(Handle key);
  void remove_unused_policies();
};

/// Chapter 5.3 without grouping.
bool obeys(const PinPolicy& policy, const std::string& pin);
/// Chapter 4.7 step 6 and chapter 5.3 step 2.
bool has_syntax(std::uint8_t format, const std::string& text);
/// Takes an op of chapter 3.7.
bool take_op(Session& session);

}  // namespace sks::model
