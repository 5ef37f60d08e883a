#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "key-user-api/user_api.h"
#include "sks-core/base/clock.h"
#include "sks-core/base/random.h"
#include "sks-core/engine/key_notes.h"

/// A key store as PKCS#11 sees it: tokens, objects and operations for applications. Spec: spec/sksd.md, chapters 3
/// to 8.
///
/// No sockets and no files: a request comes in as bytes, its response goes out as bytes.
namespace sks::token {

/// Who an application is, for questions to the user and for the log.
struct Program {
  std::string executable;  ///< absolute name, or empty when the system does not tell
  std::uint32_t pid = 0;
};

/// Asks the user for PINs and PUKs where no application may see them, and for consent.
class TrustedDialog {
 public:
  virtual ~TrustedDialog() = default;
  struct Question {
    Program program;
    std::string token_label;
    std::string what;     ///< "PIN", "PUK", or "new PIN", which is to be typed twice
    std::string problem;  ///< about the last answer, or empty
  };
  /// None when the user cancels or nobody can be asked.
  virtual std::optional<SecureBytes> ask(const Question& question) = 0;
  /// Whether the user lets the program do `what` ("signature") with what `token_label` names. False also when nobody
  /// can be asked, as by dialogs that ask for secrets alone.
  virtual bool confirm(const Question& /*question*/) { return false; }
};

/// What one application has: its logins, session objects and operations. Thread-safe: the connections of an application
/// work at the same time. Destroying it ends all of them.
class Application;

/// What a request has done, for the log. Never data or secrets. Spec: spec/sksd.md 9.
struct UseRecord {
  std::string_view method;    ///< as in spec/sksd.md, or empty when the request is none
  std::uint64_t subject = 0;  ///< slot or object
  std::uint64_t mechanism = 0;
  std::uint64_t result = 0;  ///< CK_RV
  bool is_use = false;       ///< a use of a key, a login, a change or a refusal: what the log wants
};

struct Ports {
  SecureKeyStore& store;
  UserApi::PinGroupOf pin_group_of;
  const Clock& clock;
  const Random& random;
  TrustedDialog& dialog;
  /// Of `store`, which the service then uses to start sooner the next time. May be null.
  KeyNotes* notes = nullptr;
};

/// Answers the methods from 161 on. Thread-safe; slow operations hold up nobody else.
class Service {
 public:
  /// Reads what the store holds. Fails as UserApi::keys.
  static Result<std::unique_ptr<Service>> open(Ports ports);
  virtual ~Service() = default;

  virtual std::shared_ptr<Application> new_application() = 0;

  /// The body of a response to the body of a request of a method from 161 on. `application` is null when the connection
  /// has none. Never throws; an empty body when there is no memory even for an error.
  virtual SecureBytes answer(Application* application, const Program& program, ByteView request,
                             UseRecord& record) noexcept = 0;

  /// Keys have come or gone by others than this service (an enrolment, sks delete): it looks again.
  virtual void store_changed() = 0;
  /// Others have set a property of the key.
  virtual void properties_changed(KeyHandle key) = 0;
  /// Others have changed the PIN of the key, with that of its group: nobody is logged in with it any more.
  virtual void pin_changed(KeyHandle key) = 0;

  /// Writes down what it knows, as far as that is not done: for the end, and when nobody waits. Fails as the key store
  /// does; then the next service has more to look at.
  virtual Result<void> write_notes() { return {}; }
};

}  // namespace sks::token
