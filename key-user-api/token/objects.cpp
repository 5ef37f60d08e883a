#include <algorithm>
#include <array>

#include "key-user-api/token/attestation_text.h"
#include "key-user-api/token/core.h"
#include "key-user-api/token/creation.h"

/// Objects: methods 170 to 177. Spec: spec/sksd.md 6.
namespace sks::token {
namespace {

/// Handles that one answer holds: the frame has room for more, but nobody can use them at once.
constexpr std::size_t kMaxFound = 16384;

enum class Found : std::uint8_t { value = 0, absent = 1, sensitive = 2 };

bool matches(const SessionObject& object, const Template& wanted) {
  const Contents contents = object.contents();
  for (const Attribute& attribute : wanted) {
    const AttributeRow* const row = find_row(object.facts.kind, attribute.type);
    if (row == nullptr || row->needs == Needs::attestation || !is_readable(*row, object.facts)) return false;
    if (!equal_constant_time(compute(*row, object.facts, contents).view(), attribute.value.view())) return false;
  }
  return true;
}

Outcome<void> find_objects(Core& core, Call& call) {
  const std::uint32_t slot = call.in.u32();
  const Template wanted = read_template(call.in);
  const CK_OBJECT_HANDLE after = call.in.u64();
  const std::size_t limit = std::min<std::size_t>(call.in.u16(), kMaxFound);
  SKS_TRY(check_decoded(call.in));
  call.record.subject = slot;
  if (limit == 0) return Refusal{CKR_ARGUMENTS_BAD, "a search for nothing"};
  SKS_LET(std::vector<CK_OBJECT_HANDLE> found,
          core.keys.find({slot, wanted, core.sees(call.application, slot), after, limit}));
  for (const auto& object : call.application.objects(slot, after)) {
    if (found.size() > limit) break;
    if (matches(*object, wanted)) found.push_back(object->facts.handle);
  }
  const bool more = found.size() > limit;
  if (more) found.resize(limit);
  call.out.count(found.size());
  for (const CK_OBJECT_HANDLE object : found) call.out.u64(object);
  call.out.u8(more ? 1 : 0);
  return {};
}

void write(wire::BodyWriter& out, Found result, ByteView value = {}) {
  out.u8(static_cast<std::uint8_t>(result));
  out.blob(value);
}

Outcome<void> write_attestation(Core& core, const Facts& facts, wire::BodyWriter& out) {
  const std::optional<KeyHandle> key = key_of(facts.handle);
  if (!facts.has(flag::kToken) || !key) {
    write(out, Found::absent);
    return {};
  }
  const auto text = attestation_text(core.ports.store, *key);
  if (!text) return refusal_of(text.error());
  write(out, Found::value, as_bytes(*text));
  return {};
}

Outcome<void> get_attributes(Core& core, Call& call) {
  const std::uint32_t slot = call.in.u32();
  const CK_OBJECT_HANDLE handle = call.in.u64();
  const std::vector<CK_ATTRIBUTE_TYPE> types = read_types(call.in);
  SKS_TRY(check_decoded(call.in));
  call.record.subject = handle;
  SKS_LET(const FoundObject object, core.find_object(call.application, slot, handle));
  const auto answer = [&](const Contents& contents) -> Outcome<void> {
    call.out.count(types.size());
    for (const CK_ATTRIBUTE_TYPE type : types) {
      const AttributeRow* const row = find_row(object.facts.kind, type);
      if (row == nullptr) {
        write(call.out, Found::absent);
      } else if (row->needs == Needs::attestation) {
        SKS_TRY(write_attestation(core, object.facts, call.out));
      } else if (!is_readable(*row, object.facts)) {
        write(call.out, Found::sensitive);
      } else {
        write(call.out, Found::value, compute(*row, object.facts, contents).view());
      }
    }
    return {};
  };
  const bool is_known = std::none_of(types.begin(), types.end(), needs_contents);
  return is_known ? answer(Contents()) : core.with_contents(object, answer);
}

Outcome<void> set_attributes_of(Core& core, Call& call) {
  const std::uint32_t slot = call.in.u32();
  const CK_OBJECT_HANDLE object = call.in.u64();
  const Template attributes = read_template(call.in);
  SKS_TRY(check_decoded(call.in));
  call.record.subject = object;
  return set_attributes(core, call.application, slot, object, attributes);
}

Outcome<void> create(Core& core, Call& call) {
  const std::uint32_t slot = call.in.u32();
  const Template attributes = read_template(call.in);
  SKS_TRY(check_decoded(call.in));
  call.record.subject = slot;
  SKS_LET(const CK_OBJECT_HANDLE made, make_object(core, call.application, slot, attributes));
  call.record.subject = made;
  call.out.u64(made);
  return {};
}

/// The mechanism of a generation, which takes no parameter.
struct Mechanism {
  CK_MECHANISM_TYPE type;
  ByteView parameter;
};
Mechanism read_mechanism(Call& call) {
  const CK_MECHANISM_TYPE type = call.in.u64();
  const ByteView parameter = call.in.blob();
  if (parameter.size() > kMaxAttributeValue) fail(call.in);
  call.record.mechanism = type;
  return {type, parameter};
}
Outcome<void> check_no_parameter(const Mechanism& mechanism) {
  if (mechanism.parameter.empty()) return {};
  return Refusal{CKR_MECHANISM_PARAM_INVALID, "the mechanism takes no parameter"};
}

Outcome<void> generate(Core& core, Call& call) {
  const std::uint32_t slot = call.in.u32();
  const Mechanism mechanism = read_mechanism(call);
  const Template attributes = read_template(call.in);
  SKS_TRY(check_decoded(call.in));
  call.record.subject = slot;
  SKS_TRY(check_no_parameter(mechanism));
  SKS_LET(const CK_OBJECT_HANDLE made, generate_key(core, call.application, slot, mechanism.type, attributes));
  call.record.subject = made;
  call.out.u64(made);
  return {};
}

Outcome<void> generate_pair(Core& core, Call& call) {
  const std::uint32_t slot = call.in.u32();
  const Mechanism mechanism = read_mechanism(call);
  const Template public_attributes = read_template(call.in);
  const Template private_attributes = read_template(call.in);
  SKS_TRY(check_decoded(call.in));
  call.record.subject = slot;
  SKS_TRY(check_no_parameter(mechanism));
  SKS_LET(const Pair made,
          generate_key_pair(core, call.application, slot, mechanism.type, public_attributes, private_attributes));
  call.record.subject = made.private_key;
  call.out.u64(made.public_key);
  call.out.u64(made.private_key);
  return {};
}

Outcome<void> copy(Core& core, Call& call) {
  const std::uint32_t slot = call.in.u32();
  const CK_OBJECT_HANDLE object = call.in.u64();
  const Template attributes = read_template(call.in);
  SKS_TRY(check_decoded(call.in));
  call.record.subject = object;
  SKS_LET(const CK_OBJECT_HANDLE made, copy_object(core, call.application, slot, object, attributes));
  call.out.u64(made);
  return {};
}

Outcome<void> destroy(Core& core, Call& call) {
  const std::uint32_t slot = call.in.u32();
  const CK_OBJECT_HANDLE object = call.in.u64();
  SKS_TRY(check_decoded(call.in));
  call.record.subject = object;
  return destroy_object(core, call.application, slot, object);
}

constexpr auto kMethods = std::to_array<TokenMethod>({
    {170, "findObjects", false, find_objects},
    {171, "getAttributes", false, get_attributes},
    {172, "setAttributes", true, set_attributes_of},
    {173, "createObject", true, create},
    {174, "generateKey", true, generate},
    {175, "generateKeyPair", true, generate_pair},
    {176, "copyObject", true, copy},
    {177, "destroyObject", true, destroy},
});

}  // namespace

std::span<const TokenMethod> object_methods() { return kMethods; }

}  // namespace sks::token
