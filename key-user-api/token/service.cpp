#include "key-user-api/token/service.h"

#include <algorithm>
#include <new>

#include "key-user-api/token/core.h"
#include "sks-core/wire/error_text.h"

namespace sks::token {
namespace {

constexpr std::uint8_t kSuccess = 0x00;
constexpr std::uint8_t kRefused = 0x80;
/// The one method that needs no application. Spec: spec/sksd.md 4.
constexpr std::uint8_t kGenerateRandom = 190;
/// Enough for any refusal, so that one can be written when memory has run out.
constexpr std::size_t kFirstRoom = 1 + 8 + 2 + wire::kMaxErrorText;

/// A request that reaches no method, or that its method cannot decode.
struct Undecodable {
  Status status;
  std::string_view sentence;
};

void refuse(wire::BodyWriter& out, const Undecodable& why) {
  out.clear();
  out.u8(static_cast<std::uint8_t>(why.status));
  out.array(as_bytes(why.sentence));
}

void refuse(wire::BodyWriter& out, UseRecord& record, CK_RV code, std::string_view sentence) {
  record.result = code;
  record.is_use = true;
  out.clear();
  out.u8(kRefused);
  out.u64(code);
  out.array(as_bytes(wire::error_text(sentence)));
}

template <class Row>
const Row* find_method(std::span<const Row> rows, std::uint8_t id) {
  const auto found = std::ranges::find(rows, id, &Row::id);
  return found == rows.end() ? nullptr : &*found;
}

class TokenService final : public Service {
 public:
  TokenService(Ports ports, Bytes device_certificate) : core_(std::move(ports), std::move(device_certificate)) {}

  Result<void> load() { return core_.keys.load(); }

  std::shared_ptr<Application> new_application() override { return core_.new_application(); }

  SecureBytes answer(Application* application, const Program& program, ByteView request,
                     UseRecord& record) noexcept override {
    try {
      wire::BodyWriter out(kFirstRoom);
      answer_or_refuse(application, program, request, record, out);
      return out.take();
    } catch (const std::bad_alloc&) {
      record.result = CKR_HOST_MEMORY;
      return {};
    }
  }

  // A store that cannot be read now is no reason to forget what was there; every use of a key finds out.
  void store_changed() override { static_cast<void>(core_.keys.refresh()); }
  void properties_changed(KeyHandle key) override { static_cast<void>(core_.keys.look_again(key)); }
  void pin_changed(KeyHandle key) override {
    if (const auto slot = core_.keys.token_of(key)) core_.end_other_logins(nobody_, *slot);
  }

  Result<void> write_notes() override { return core_.keys.write_notes(); }

 private:
  void answer_or_refuse(Application* application, const Program& program, ByteView request, UseRecord& record,
                        wire::BodyWriter& out) {
    try {
      serve(application, program, request, record, out);
    } catch (const std::bad_alloc&) {
      refuse(out, record, CKR_HOST_MEMORY, "out of memory");
    } catch (...) {
      refuse(out, record, CKR_GENERAL_ERROR, "unexpected fault");  // not what(): it may hold a secret
    }
  }

  void serve(Application* application, const Program& program, ByteView request, UseRecord& record,
             wire::BodyWriter& out) {
    ByteReader in(request);
    const std::uint8_t id = in.u8();
    const TokenMethod* mine = find_method(pin_methods(), id);
    if (mine == nullptr) mine = find_method(object_methods(), id);
    const MethodRow* const operation = mine == nullptr ? find_method(operation_methods(), id) : nullptr;
    if (in.failed() || (mine == nullptr && operation == nullptr)) {
      record.result = CKR_FUNCTION_NOT_SUPPORTED;
      return refuse(out, {Status::option, "Request decoding failed: unknown method"});
    }
    record.method = mine != nullptr ? mine->name : operation->name;
    record.is_use = mine != nullptr ? mine->is_use : operation->is_use;
    if (application == nullptr && id != kGenerateRandom) {
      record.result = CKR_FUNCTION_REJECTED;
      return refuse(out, {Status::not_allowed, "openApplication comes first"});
    }
    out.u8(kSuccess);
    Call call{core_.ports.store, core_, application != nullptr ? *application : nobody_, program, in, out, record};
    const Outcome<void> served = mine != nullptr ? mine->serve(core_, call) : operation->serve(call);
    finish(served, in, record, out);
  }

  static void finish(const Outcome<void>& served, const ByteReader& in, UseRecord& record, wire::BodyWriter& out) {
    // A method decodes everything before it does anything.
    if (!served && !in.finish()) {
      record.result = CKR_ARGUMENTS_BAD;
      return refuse(out, {Status::option, "Request decoding failed"});
    }
    if (!served) return refuse(out, record, served.error().code, served.error().sentence);
    if (out.failed()) refuse(out, record, CKR_DEVICE_MEMORY, "the answer does not fit into a frame");
  }

  Core core_;
  Application nobody_;
};

}  // namespace

Result<std::unique_ptr<Service>> Service::open(Ports ports) {
  SKS_LET(DeviceInfo device, ports.store.get_device_info());
  if (device.certificate_path.empty()) return Error{Status::internal, "the store has no device certificate"};
  auto service = std::make_unique<TokenService>(std::move(ports), std::move(device.certificate_path.front()));
  SKS_TRY(service->load());
  return std::unique_ptr<Service>(std::move(service));
}

}  // namespace sks::token
