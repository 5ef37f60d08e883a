#include <array>
#include <utility>

#include "key-user-api/token/call.h"
#include "key-user-api/token/operations/key_methods.h"
#include "key-user-api/token/operations/operation_set.h"
#include "key-user-api/token/template.h"
#include "sks-core/base/random.h"

namespace sks::token {
namespace {

/// `kind` of a request. Fails with CKR_ARGUMENTS_BAD.
Outcome<Function> function_of(std::uint8_t kind) {
  if (kind < static_cast<std::uint8_t>(Function::encrypt) || kind > static_cast<std::uint8_t>(Function::digest))
    return Refusal{CKR_ARGUMENTS_BAD, "no such kind of operation"};
  return Function{kind};
}

Outcome<void> check_size(ByteView data, const FunctionRow& function) { return check_room(0, data.size(), function); }

/// A digest uses no key, and so is nothing for the log.
void note_digest(CK_MECHANISM_TYPE type, Call& call) {
  const Mechanism* const mechanism = find_mechanism(type);
  if (mechanism != nullptr && mechanism->scheme == Scheme::digest) call.record.is_use = false;
}

Outcome<void> operate(Call& call) {
  const std::uint8_t kind = call.in.u8();
  Wanted wanted = read_wanted(call, Function::sign);
  const ByteView data = call.in.blob();
  SKS_TRY(check_decoded(call.in));
  SKS_LET(wanted.function, function_of(kind));
  if (wanted.function == Function::verify) return Refusal{CKR_ARGUMENTS_BAD, "a verification needs a signature"};
  note_digest(wanted.mechanism, call);
  SKS_TRY(check_size(data, row_of(wanted.function)));
  SKS_LET(const std::unique_ptr<Operation> operation, start_operation(call, wanted));
  SKS_LET(const SecureBytes result, operation->finish(call, data));
  call.out.blob(result.view());
  return {};
}

Outcome<void> verify(Call& call) {
  Wanted wanted{.function = Function::verify};
  wanted.slot = call.in.u32();
  wanted.object = call.in.u64();
  wanted.mechanism = call.in.u64();
  wanted.parameter = call.in.blob();
  const ByteView data = call.in.blob();
  const ByteView signature = call.in.blob();
  call.record.subject = wanted.object;
  call.record.mechanism = wanted.mechanism;
  SKS_TRY(check_decoded(call.in));
  SKS_TRY(check_size(data, row_of(wanted.function)));
  SKS_LET(const std::unique_ptr<Operation> operation, start_operation(call, wanted));
  return operation->finish_verify(call, data, signature);
}

Outcome<void> begin(Call& call) {
  const std::uint8_t kind = call.in.u8();
  Wanted wanted = read_wanted(call, Function::sign);
  SKS_TRY(check_decoded(call.in));
  SKS_LET(wanted.function, function_of(kind));
  SKS_LET(std::unique_ptr<Operation> operation, start_operation(call, wanted));
  SKS_LET(const std::uint32_t number,
          call.application.operations().add(std::move(operation), wanted.object, wanted.mechanism));
  call.out.u32(number);
  return {};
}

void note(const RunningOperation& running, Call& call) {
  call.record.subject = running.subject;
  call.record.mechanism = running.mechanism;
  note_digest(running.mechanism, call);
}

Outcome<SecureBytes> update_within_limits(RunningOperation& running, Call& call, ByteView part) {
  SKS_TRY(running.hold(part.size()));
  SKS_LET(SecureBytes out, running.operation->update(call, part));
  SKS_TRY(running.hold(0));  // less as a rule: most parts are not kept
  return out;
}

Outcome<SecureBytes> take_part(RunningOperation& running, Call& call, ByteView part) {
  const std::lock_guard lock(running.mutex);
  if (running.operation == nullptr) return Refusal{CKR_OPERATION_NOT_INITIALIZED, "the operation has ended"};
  Outcome<SecureBytes> out = update_within_limits(running, call, part);
  if (!out) running.operation.reset();
  // Whoever has something of a key has used it, whether the operation is finished or not.
  if (out && !out->empty() && !std::exchange(running.is_logged, true)) call.record.is_use = true;
  return out;
}

Outcome<void> update(Call& call) {
  const std::uint32_t number = call.in.u32();
  const ByteView part = call.in.blob();
  SKS_TRY(check_decoded(call.in));
  OperationSet& operations = call.application.operations();
  SKS_LET(const std::shared_ptr<RunningOperation> running, operations.find(number));
  note(*running, call);
  Outcome<SecureBytes> out = take_part(*running, call, part);
  if (!out) {
    static_cast<void>(operations.take(number));
    return std::move(out).error();
  }
  call.out.blob(out->view());
  return {};
}

/// Takes the operation out of the application, and waits for a part that another connection is giving it.
Outcome<std::unique_ptr<Operation>> end_operation(Call& call, std::uint32_t number) {
  SKS_LET(const std::shared_ptr<RunningOperation> running, call.application.operations().take(number));
  note(*running, call);
  const std::lock_guard lock(running->mutex);
  if (running->operation == nullptr) return Refusal{CKR_OPERATION_NOT_INITIALIZED, "the operation has ended"};
  if (running->is_logged) call.record.is_use = false;
  return std::move(running->operation);
}

Outcome<void> finish(Call& call) {
  const std::uint32_t number = call.in.u32();
  const ByteView last = call.in.blob();
  SKS_TRY(check_decoded(call.in));
  SKS_LET(const std::unique_ptr<Operation> operation, end_operation(call, number));
  SKS_LET(const SecureBytes result, operation->finish(call, last));
  call.out.blob(result.view());
  return {};
}

Outcome<void> finish_verify(Call& call) {
  const std::uint32_t number = call.in.u32();
  const ByteView signature = call.in.blob();
  SKS_TRY(check_decoded(call.in));
  SKS_LET(const std::unique_ptr<Operation> operation, end_operation(call, number));
  return operation->finish_verify(call, {}, signature);
}

Outcome<void> abandon(Call& call) {
  const std::uint32_t number = call.in.u32();
  SKS_TRY(check_decoded(call.in));
  SKS_TRY(end_operation(call, number));
  return {};
}

Outcome<void> generate_random(Call& call) {
  const std::uint32_t count = call.in.u32();
  SKS_TRY(check_decoded(call.in));
  if (count < 1 || count > kMaxData) return Refusal{CKR_ARGUMENTS_BAD, "1 to 1,000,000 bytes at once"};
  SecureBytes random(count);
  system_random().fill(random.span());
  call.out.blob(random.view());
  return {};
}

constexpr bool kUse = true, kNoUse = false;

constexpr auto kMethods = std::to_array<MethodRow>({
    {180, "operate", kUse, operate},
    {181, "verify", kUse, verify},
    {182, "begin", kNoUse, begin},
    {183, "update", kNoUse, update},
    {184, "finish", kUse, finish},
    {185, "finishVerify", kUse, finish_verify},
    {186, "abandon", kNoUse, abandon},
    {187, "deriveKey", kUse, derive_key},
    {188, "wrapKey", kUse, wrap_key},
    {189, "unwrapKey", kUse, unwrap_key},
    {190, "generateRandom", kNoUse, generate_random},
});

}  // namespace

Wanted read_wanted(Call& call, Function function) {
  Wanted wanted{.function = function};
  wanted.slot = call.in.u32();
  wanted.object = call.in.u64();
  wanted.mechanism = call.in.u64();
  wanted.parameter = call.in.blob();
  wanted.ticket = call.in.u32();
  call.record.subject = wanted.object;
  call.record.mechanism = wanted.mechanism;
  return wanted;
}

std::span<const MethodRow> operation_methods() { return kMethods; }

std::span<const MechanismInfo> all_mechanisms() {
  static const std::vector<MechanismInfo> all = [] {
    std::vector<MechanismInfo> infos;
    for (const Mechanism& row : mechanism_table())
      infos.push_back({row.type, row.min_key_size, row.max_key_size, row.functions});
    return infos;
  }();
  return all;
}

}  // namespace sks::token
