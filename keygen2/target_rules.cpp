#include "keygen2/target_rules.h"

#include <algorithm>
#include <array>

namespace sks::keygen2 {
namespace {

using enum TargetOperation;

struct Pair {
  TargetOperation one;
  TargetOperation other;
};

/// All other pairs exclude each other. Update and clone of one target are left out on purpose: key stores allow them,
/// other issuers do not.
constexpr auto kCompatible = std::to_array<Pair>({
    {clone, clone},
    {clone, unlock},
    {clone, activate},
    {clone, deactivate},
    {update, unlock},
    {update, activate},
    {update, deactivate},
    {unlock, activate},
    {unlock, deactivate},
});

bool compatible(TargetOperation a, TargetOperation b) {
  return std::ranges::any_of(kCompatible, [&](const Pair& pair) {
    return (pair.one == a && pair.other == b) || (pair.one == b && pair.other == a);
  });
}

}  // namespace

Outcome<void> TargetRules::add(ByteView target_certificate, TargetOperation operation) {
  const crypto::Sha256Digest target = crypto::sha256(target_certificate);
  for (const Planned& before : planned_)
    if (before.target == target && !compatible(before.operation, operation))
      return Failure{ErrorClass::value, "two operations on one key exclude each other"};
  planned_.push_back({target, operation});
  return {};
}

}  // namespace sks::keygen2
