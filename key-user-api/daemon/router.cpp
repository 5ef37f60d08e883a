#include "key-user-api/daemon/router.h"

#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <array>
#include <new>

#include "sks-core/base/byte_reader.h"
#include "sks-core/wire/body_writer.h"
#include "sks-core/wire/dispatcher.h"
#include "sks-core/wire/error_text.h"
#include "sks-core/wire/methods.h"

namespace sks::daemon {
namespace {

constexpr std::uint8_t kSuccess = 0x00;
constexpr std::uint8_t kCryptokiError = 0x80;  // spec/sksd.md 3
constexpr std::uint8_t kApiVersion = 1;
constexpr std::uint32_t kMaximumData = 1'000'000;
constexpr std::uint8_t kFirstOwnMethod = 150;
constexpr std::uint8_t kFirstTokenMethod = 161;
constexpr std::size_t kRoom = 1 + 8 + 2 + wire::kMaxErrorText;  // any error fits

SecureBytes refusal(Status status, std::string_view text) {
  wire::BodyWriter out(kRoom);
  out.u8(static_cast<std::uint8_t>(status));
  out.array(as_bytes(wire::error_text(text)));
  return out.take();
}

SecureBytes refusal(CK_RV code, std::string_view text) {
  wire::BodyWriter out(kRoom);
  out.u8(kCryptokiError);
  out.u64(code);
  out.array(as_bytes(wire::error_text(text)));
  return out.take();
}

/// What a method of the SKS API is to us, besides a method.
struct StoreMethod {
  std::uint8_t id;
  bool is_use;          ///< the log tells of it
  bool changes_tokens;  ///< what the token service has seen of the store may be over
  bool names_key;       ///< its first argument is a key handle, or a session's
  /// What the token service is told at once of a success, with the key.
  void (token::Service::*tell)(KeyHandle key) = nullptr;
};

/// All that are more than a look or a step within a session.
constexpr auto kStoreMethods = std::to_array<StoreMethod>({
    {2, true, false, false},                                       // createProvisioningSession
    {3, true, true, true},                                         // closeProvisioningSession
    {5, true, true, true},                                         // abortProvisioningSession
    {24, true, true, false},                                       // activate
    {25, true, true, false},                                       // deactivate
    {74, true, false, true, &token::Service::properties_changed},  // setProperty
    {80, true, true, true},                                        // deleteKey
    {81, true, false, true},                                       // exportKey
    {82, true, true, true},                                        // unlockKey
    {83, true, true, true, &token::Service::pin_changed},          // changePin
    {84, true, true, true, &token::Service::pin_changed},          // setPin
    {90, true, false, false},                                      // updateFirmware
    {100, true, false, true},                                      // signHashedData
    {101, true, false, true},                                      // asymmetricKeyDecrypt
    {102, true, false, true},                                      // keyAgreement
    {103, true, false, true},                                      // performHmac
    {104, true, false, true},                                      // symmetricKeyEncrypt
    {105, true, false, true},                                      // signData
    {106, true, false, true},                                      // verifyPin
});

std::string_view name_of(std::uint8_t id) {
  const auto* const row = std::ranges::lower_bound(wire::kMethodNames, id, {}, &wire::MethodName::id);
  return row != wire::kMethodNames.end() && row->id == id ? row->name : std::string_view();
}

}  // namespace

/// Rows of spec/sksd.md 4 and 10.
struct OwnMethods {
  using Serve = SecureBytes (*)(Router&, Caller&, ByteReader&);
  struct Row {
    std::uint8_t id;
    std::string_view name;
    bool is_use;
    Serve serve;
  };

  static SecureBytes pin_group(Router& router, Caller&, ByteReader& in) {
    const KeyHandle key{in.u32()};
    if (const auto read = in.finish(); !read) return refusal(read.error().status, read.error().detail);
    const auto group = router.ports_.pin_group_of(key);
    if (!group) return refusal(group.error().status, group.error().detail);
    wire::BodyWriter out(kRoom);
    out.u8(kSuccess);
    out.u32(*group ? (*group)->value : 0);
    return out.take();
  }

  static SecureBytes key_count(Router& router, Caller&, ByteReader& in) {
    const ProvisioningHandle session{in.u32()};
    if (const auto read = in.finish(); !read) return refusal(read.error().status, read.error().detail);
    wire::BodyWriter out(kRoom);
    out.u8(kSuccess);
    out.u32(static_cast<std::uint32_t>(router.ports_.key_count_of(session)));
    return out.take();
  }

  static SecureBytes release(Router& router, Caller&, ByteReader& in) {
    if (const auto read = in.finish(); !read) return refusal(read.error().status, read.error().detail);
    SecureBytes done(1);  // made first: a release that cannot be told of must not happen
    if (const auto released = router.ports_.release(); !released)
      return refusal(released.error().status, released.error().detail);
    return done;
  }

  static SecureBytes open_application(Router& router, Caller& caller, ByteReader& in) {
    const ByteView secret = in.array();
    const std::uint8_t version = in.u8();
    if (const auto read = in.finish(); !read) return refusal(read.error().status, read.error().detail);
    if (!secret.empty() && secret.size() != kApplicationSecretSize)
      return refusal(Status::option, "The secret of an application has 32 bytes");
    if (version != kApiVersion) return refusal(CKR_FUNCTION_NOT_SUPPORTED, "This sksd speaks version 1 of its API");
    if (caller.seat) return refusal(Status::not_allowed, "This connection has an application");
    auto seat = router.applications_.take_seat(secret);
    if (!seat) return refuse_seat(seat.error());
    wire::BodyWriter out(kRoom);
    out.u8(kSuccess);
    out.array(seat->secret());
    out.u32(kMaximumData);
    caller.seat = std::move(*seat);
    return out.take();
  }

  static SecureBytes refuse_seat(Applications::Problem problem) {
    switch (problem) {
      case Applications::Problem::unknown_secret:
        return refusal(CKR_DEVICE_REMOVED, "This sksd does not know the application, for it was started since");
      case Applications::Problem::too_many_applications:
        return refusal(CKR_HOST_MEMORY, "sksd serves as many applications as it can");
      case Applications::Problem::too_many_connections:
        return {};
    }
    SKS_CHECK(false);
  }

  static constexpr std::array kRows{
      Row{150, "pinGroup", false, pin_group},
      Row{151, "keyCount", false, key_count},
      Row{152, "release", true, release},
      Row{160, "openApplication", false, open_application},
  };
};

SecureBytes Router::answer_store(ByteView request, token::UseRecord& record) {
  const std::uint8_t id = request[0];
  const auto* const row = std::ranges::lower_bound(kStoreMethods, id, {}, &StoreMethod::id);
  if (row == kStoreMethods.end() || row->id != id) return wire::dispatch(ports_.store, request);
  record.method = name_of(id);
  record.is_use = row->is_use;
  ByteReader in(request.subspan(1));
  if (row->names_key) record.subject = in.u32();
  SecureBytes response = wire::dispatch(ports_.store, request);
  record.result = response.empty() ? static_cast<std::uint64_t>(Status::internal) : response.view()[0];
  // Also after a failure: a session that fails is gone, and a wrong PIN counts.
  if (row->changes_tokens) ++changes_;
  if (row->tell != nullptr && record.result == kSuccess)
    (ports_.service.*row->tell)(KeyHandle{static_cast<std::uint32_t>(record.subject)});
  return response;
}

SecureBytes Router::answer_own(Caller& caller, std::uint8_t id, ByteView request, token::UseRecord& record) {
  const auto* const row = std::ranges::find(OwnMethods::kRows, id, &OwnMethods::Row::id);
  if (row == OwnMethods::kRows.end()) return refusal(Status::option, "Request decoding failed: unknown method");
  ByteReader in(request.subspan(1));
  SecureBytes response = row->serve(*this, caller, in);
  record.method = row->name;
  record.is_use = row->is_use || response.empty() || response.view()[0] != kSuccess;
  record.result = response.empty() ? CKR_HOST_MEMORY : response.view()[0];
  return response;
}

SecureBytes Router::answer_token(Caller& caller, ByteView request, token::UseRecord& record) {
  let_service_look_again();
  return ports_.service.answer(caller.seat.application(), caller.peer->program, request, record);
}

/// Several changes in a row cost one look, and an answer never tells of an earlier state than an answer before it.
void Router::let_service_look_again() {
  if (seen_changes_ == changes_) return;
  const std::lock_guard lock(looking_);
  const std::uint64_t now = changes_;
  if (seen_changes_ == now) return;
  ports_.service.store_changed();
  seen_changes_ = now;
}

Router::Answer Router::answer(Caller& caller, ByteView request) noexcept {
  Answer answer;
  try {
    const WorkingFor worker(caller.socket);
    const auto begun = std::chrono::steady_clock::now();
    const std::uint8_t id = request[0];
    token::UseRecord& record = answer.use.record;
    if (id < kFirstOwnMethod)
      answer.body = answer_store(request, record);
    else if (id < kFirstTokenMethod)
      answer.body = answer_own(caller, id, request, record);
    else
      answer.body = answer_token(caller, request, record);
    if (!record.is_use) return answer;
    answer.use.time = std::chrono::system_clock::now();
    answer.use.duration =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begun);
    answer.use.peer = caller.peer;
    answer.use.application = caller.seat.number();
  } catch (const std::exception&) {
    answer.body = {};  // out of memory, even for an error
  }
  return answer;
}

}  // namespace sks::daemon
