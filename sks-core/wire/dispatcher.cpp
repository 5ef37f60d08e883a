#include "sks-core/wire/dispatcher.h"

#include <new>

#include "sks-core/wire/error_text.h"
#include "sks-core/wire/methods.h"

namespace sks::wire {
namespace {

/// Enough for any error response, so that one can be written when memory has run out.
constexpr std::size_t kFirstRoom = 1 + 2 + kMaxErrorText;
constexpr std::uint8_t kSuccess = 0;

template <class Row>
Result<void> run(SecureKeyStore& store, ByteReader& in, BodyWriter& out) {
  using Signed = Signature<Row>;
  const typename Signed::Arguments arguments = Signed::read_arguments(in);
  SKS_TRY(in.finish());  // nothing has happened yet
  auto result = std::apply([&](const auto&... values) { return (store.*Row::kFunction)(values...); }, arguments);
  if (!result) return std::move(result).error();
  out.u8(kSuccess);
  if constexpr (!std::is_void_v<typename Signed::Value>) Signed::ResultCodec::write(out, *result);
  if (out.failed()) return Error{Status::internal, "The answer does not fit into a frame"};
  return {};
}

struct Handler {
  std::uint8_t id;
  Result<void> (*run)(SecureKeyStore&, ByteReader&, BodyWriter&);
};

constexpr auto kHandlers = std::apply(
    [](auto... methods) {
      return std::array{Handler{methods.id, run<decltype(methods)>}...};
    },
    kMethods);

Result<void> answer(SecureKeyStore& store, ByteView request, BodyWriter& out) {
  ByteReader in(request);
  const std::uint8_t id = in.u8();
  const auto* const handler = std::ranges::lower_bound(kHandlers, id, {}, &Handler::id);
  if (in.failed() || handler == kHandlers.end() || handler->id != id)
    return Error{Status::option, "Request decoding failed: unknown method"};
  return handler->run(store, in, out);
}

void refuse(BodyWriter& out, Status status, std::string_view text) {
  out.clear();
  out.u8(static_cast<std::uint8_t>(status));
  out.array(as_bytes(text));
}

SecureBytes answer_or_refuse(SecureKeyStore& store, ByteView request) {
  BodyWriter out(kFirstRoom);
  try {
    if (const Result<void> done = answer(store, request, out); !done)
      refuse(out, done.error().status, error_text(done.error().detail));
  } catch (const std::bad_alloc&) {
    refuse(out, Status::internal, "Out of memory");
  } catch (...) {
    refuse(out, Status::internal, "Unexpected fault");  // not what(): nobody has seen to it that it holds no secret
  }
  return out.take();
}

}  // namespace

bool works_on_session(ByteView request) {
  // The ids go with the parts of the API: 1 the device, 2 to 53 provisioning, from 70 on the user.
  constexpr std::uint8_t kFirst = 2;
  constexpr std::uint8_t kLast = 53;
  constexpr std::uint8_t kEnumerateSessions = 4;
  constexpr std::uint8_t kActivate = 24;
  constexpr std::uint8_t kDeactivate = 25;
  ByteReader in(request);
  const std::uint8_t id = in.u8();
  if (id == kEnumerateSessions) return false;
  if (id == kActivate || id == kDeactivate) return in.u32() != 0;  // 0: a call by the user
  return id >= kFirst && id <= kLast;
}

PendingAnswer begin_dispatch(SecureKeyStore& store, ByteView request) noexcept {
  PendingAnswer answer;
  try {
    answer.pending = store.begin_call([&] { answer.body = dispatch(store, request); });
  } catch (const std::bad_alloc&) {
    return {};
  }
  return answer;
}

SecureBytes finish(PendingAnswer answer) noexcept {
  try {
    const Result<void> done = answer.pending == nullptr ? Result<void>() : answer.pending->finish();
    if (done) return std::move(answer.body);
    BodyWriter out(kFirstRoom);
    refuse(out, done.error().status, error_text(done.error().detail));
    return out.take();
  } catch (const std::bad_alloc&) {
    return {};
  }
}

SecureBytes dispatch(SecureKeyStore& store, ByteView request) noexcept {
  try {
    return answer_or_refuse(store, request);
  } catch (const std::bad_alloc&) {
    return {};
  }
}

}  // namespace sks::wire
