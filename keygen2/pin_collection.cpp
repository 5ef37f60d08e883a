#include "keygen2/pin_collection.h"

#include <algorithm>

#include "keygen2/pin_grouping.h"
#include "sks-core/base/pin_value.h"

namespace sks::keygen2 {
namespace {

/// A dialog that answers the same wrong PIN for ever must not hang the session.
constexpr int kMaxTries = 100;

/// One PIN to be chosen.
struct Descriptor {
  const PinPolicySpecifier* policy;
  std::uint8_t app_usage;  // of the first key
  std::vector<const KeyEntrySpecifier*> keys;
};

/// Makes the descriptors by walking the keys in message order.
struct DescriptorFinder {
  std::vector<Descriptor> found;

  Outcome<void> puk(const PukPolicySpecifier&) { return {}; }
  Outcome<void> pin(const PinPolicySpecifier&, const PukPolicySpecifier*) { return {}; }
  Outcome<void> key(const KeyEntrySpecifier& key, const PinPolicySpecifier* policy) {
    if (policy == nullptr || !policy->user_defined()) return {};
    const auto shares = [&](const Descriptor& other) {
      return other.policy == policy && policy->grouping != kGroupingNone &&
             pin_class(policy->grouping, other.app_usage) == pin_class(policy->grouping, key.app_usage);
    };
    const auto same = std::ranges::find_if(found, shares);
    if (same != found.end())
      same->keys.push_back(&key);
    else
      found.push_back(Descriptor{policy, key.app_usage, {&key}});
    return {};
  }
};

/// Only where one policy asks for several kinds of PIN does the label have to tell them apart.
std::string label_of(const Descriptor& descriptor) {
  constexpr std::array<std::string_view, 4> labels{"signature PIN", "authentication PIN", "encryption PIN", "PIN"};
  const std::uint8_t grouping = descriptor.policy->grouping;
  if (grouping == kGroupingUnique) return std::string(labels.at(descriptor.app_usage));
  if (grouping == kGroupingSignaturePlusStandard && descriptor.app_usage == kAppUsageSignature)
    return std::string(labels.front());
  return "PIN";
}

PinRequest request_for(const Descriptor& descriptor) {
  const PinPolicySpecifier& policy = *descriptor.policy;
  std::vector<std::string> names;
  for (const KeyEntrySpecifier* const key : descriptor.keys)
    names.push_back(key->friendly_name.empty() ? key->id : key->friendly_name);
  return {label_of(descriptor),        std::move(names),  policy.format,
          policy.min_length,           policy.max_length, policy.retry_limit,
          policy.pattern_restrictions, policy.grouping};
}

void to_upper_case(SecureBytes& pin) {
  for (std::uint8_t& byte : pin.span())
    if (byte >= 'a' && byte <= 'z') byte = static_cast<std::uint8_t>(byte - 'a' + 'A');
}

/// `taken` are the PINs of the same policy that this one must differ from.
Outcome<SecureBytes> ask_one(const Descriptor& descriptor, const std::vector<const SecureBytes*>& taken,
                             UserDialog& dialog) {
  const PinPolicySpecifier& policy = *descriptor.policy;
  const PinRequest request = request_for(descriptor);
  const pin::Rules rules{static_cast<pin::Format>(policy.format), policy.min_length, policy.max_length,
                         policy.pattern_restrictions};
  std::string problem;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    std::optional<SecureBytes> chosen = dialog.choose_pin(request, problem);
    if (!chosen) return Failure{ErrorClass::user, "no PIN was chosen"};
    if (rules.format == pin::Format::alphanumeric) to_upper_case(*chosen);
    const auto equals = [&](const SecureBytes* other) { return equal_constant_time(other->view(), chosen->view()); };
    const std::optional<pin::BrokenRule> broken = pin::find_broken_rule(rules, chosen->view());
    const bool differs = std::ranges::none_of(taken, equals);
    if (!broken && differs) return std::move(*chosen);
    problem = broken ? to_string(*broken) : "the PIN equals another PIN that it must differ from";
  }
  return Failure{ErrorClass::user, "no acceptable PIN was chosen"};
}

}  // namespace

Outcome<CollectedPins> CollectedPins::ask(const KeyCreationRequest& request, UserDialog& dialog) {
  DescriptorFinder finder;
  SKS_TRY(walk(request, finder));
  CollectedPins result;
  for (std::size_t i = 0; i < finder.found.size(); ++i) {
    const Descriptor& descriptor = finder.found[i];
    std::vector<const SecureBytes*> taken;
    for (std::size_t j = 0; j < i && descriptor.policy->grouping != kGroupingNone; ++j)
      if (finder.found[j].policy == descriptor.policy) taken.push_back(&result.pins_[j]);
    SKS_LET(SecureBytes pin, ask_one(descriptor, taken, dialog));
    result.pins_.push_back(std::move(pin));
    for (const KeyEntrySpecifier* const key : descriptor.keys) result.pin_of_key_.emplace(key->id, i);
  }
  return result;
}

const SecureBytes* CollectedPins::find(const std::string& key_id) const {
  const auto found = pin_of_key_.find(key_id);
  return found == pin_of_key_.end() ? nullptr : &pins_[found->second];
}

}  // namespace sks::keygen2
