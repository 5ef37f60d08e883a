#include "sks-core/engine/pin_rules.h"

namespace sks::engine {
namespace {

Error refused(const char* why) { return Error{Status::option, why}; }

bool must_equal(const PinGroup& other, std::uint8_t own_class) { return other.group_class == own_class; }

}  // namespace

Result<void> check_pin_value(const PinPolicy& policy, ByteView pin) {
  const pin::Rules rules{policy.format, policy.min_length, policy.max_length, policy.pattern_restrictions};
  const std::optional<pin::BrokenRule> broken = pin::find_broken_rule(rules, pin);
  if (broken) return Error{Status::option, std::string(to_string(*broken))};
  return {};
}

std::uint8_t group_class(Grouping grouping, AppUsage usage) {
  switch (grouping) {
    case Grouping::none:
    case Grouping::shared:
      return 0;
    case Grouping::signature_plus_standard:
      return usage == AppUsage::signature ? 0 : 1;
    case Grouping::unique:
      return static_cast<std::uint8_t>(usage);
  }
  SKS_CHECK(false);
}

Result<std::shared_ptr<const PinGroup>> find_group(const StoreState& state, const PinPolicy& policy, AppUsage usage,
                                                   ByteView pin) {
  std::shared_ptr<const PinGroup> own;
  if (policy.grouping == Grouping::none) return own;
  const std::uint8_t own_class = group_class(policy.grouping, usage);
  for (const PinGroupHandle handle : state.linked<GroupsOfPolicy>(policy.handle)) {
    SKS_LET(const std::shared_ptr<const PinGroup> group, state.get<PinGroup>(handle));
    const bool equal = equal_constant_time(pin, group->value->view());
    if (equal != must_equal(*group, own_class)) return refused("PIN violates grouping");
    if (equal) own = group;
  }
  return own;
}

Result<void> check_new_pin(const StoreState& state, const PinPolicy& policy, const PinGroup& group, ByteView pin) {
  SKS_TRY(check_pin_value(policy, pin));
  if (policy.grouping == Grouping::none) return {};
  for (const PinGroupHandle handle : state.linked<GroupsOfPolicy>(policy.handle)) {
    SKS_LET(const std::shared_ptr<const PinGroup> other, state.get<PinGroup>(handle));
    const bool equal = equal_constant_time(pin, other->value->view());
    if (equal && !must_equal(*other, group.group_class)) return refused("PIN violates grouping");
  }
  return {};
}

}  // namespace sks::engine
