#include "key-user-api/token/application.h"
#include "key-user-api/token/call.h"

/// Where the methods of chapter 7 are not under test: one that fails, one that does not decode, and one that a
/// connection without application may call.
namespace sks::token {

class OperationSet {};
std::shared_ptr<OperationSet> make_operation_set(std::shared_ptr<MemoryPool>) {
  return std::make_shared<OperationSet>();
}

namespace {

Outcome<void> finish(Call& call) {
  if (!call.in.finish()) return Refusal{CKR_ARGUMENTS_BAD, "not decoded"};
  return Refusal{CKR_OPERATION_NOT_INITIALIZED, std::string(3000, 'x')};
}

Outcome<void> generate_random(Call& call) {
  const std::uint32_t count = call.in.u32();
  if (!call.in.finish()) return Refusal{CKR_ARGUMENTS_BAD, "not decoded"};
  call.out.blob(Bytes(count, 7));
  return {};
}

constexpr MethodRow kMethods[] = {{184, "finish", true, finish}, {190, "generateRandom", false, generate_random}};
constexpr MechanismInfo kMechanisms[] = {{CKM_ECDSA, 256, 521, CKF_SIGN}, {CKM_AES_KEY_GEN, 16, 32, CKF_GENERATE}};

}  // namespace

std::span<const MethodRow> operation_methods() { return kMethods; }
std::span<const MechanismInfo> all_mechanisms() { return kMechanisms; }

}  // namespace sks::token
