#include "key-user-api/token/operations/key_methods.h"

#include <algorithm>
#include <array>

#include "key-user-api/token/template.h"
#include "sks-core/base/byte_writer.h"

namespace sks::token {
namespace {

/// CKA_VALUE_LEN, which says how long a new key shall be and is no attribute to set. Takes it out of the template.
Outcome<std::optional<std::size_t>> take_value_length(Template& attributes) {
  SKS_LET(const std::optional<std::uint64_t> length, optional_ulong(attributes, CKA_VALUE_LEN));
  if (!length) return std::optional<std::size_t>();
  if (*length == 0 || *length > kMaxAttributeValue)
    return Refusal{CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE_LEN is no length of a key"};
  std::erase_if(attributes, [](const Attribute& each) { return each.type == CKA_VALUE_LEN; });
  return std::optional<std::size_t>(*length);
}

/// Derived keys are secret keys, whether the template says so or nothing.
Outcome<void> make_secret_key(Template& attributes) {
  SKS_LET(const std::optional<std::uint64_t> kind, optional_ulong(attributes, CKA_CLASS));
  if (!kind) attributes.push_back({CKA_CLASS, ulong_value(CKO_SECRET_KEY)});
  if (kind && *kind != CKO_SECRET_KEY)
    return Refusal{CKR_TEMPLATE_INCONSISTENT, "the mechanism makes no key of this class"};
  return {};
}

/// A point without the header of a DER OCTET STRING, if it has one. Spec: PKCS#11, CK_ECDH1_DERIVE_PARAMS.
ByteView without_octet_string(ByteView point, std::size_t size) {
  constexpr std::uint8_t kOctetString = 0x04, kLongForm = 0x81;
  if (point.size() == size + 2 && point[0] == kOctetString && point[1] == size && size < 0x80) return point.subspan(2);
  if (point.size() == size + 3 && point[0] == kOctetString && point[1] == kLongForm && point[2] == size)
    return point.subspan(3);
  return point;
}

/// The peer's public key in the form that keyAgreement takes, or nothing. Whether its point is on the curve is seen
/// there.
Bytes peer_spki(const crypto::PublicKey& own, ByteView public_data) {
  constexpr std::uint8_t kUncompressed = 0x04;
  // All but the point of a key is the same for its peers.
  const std::size_t point_size =
      own.kind() == KeyKind::ec ? 1 + 2 * std::size_t{curve_info(own.curve()).field_bytes} : own.raw().size();
  const ByteView point = without_octet_string(public_data, point_size);
  if (point.size() != point_size || (own.kind() == KeyKind::ec && point.front() != kUncompressed)) return {};
  return concat({ByteView(own.spki()).first(own.spki().size() - point_size), point});
}

/// ANSI X9.63: hash(Z || counter || sharedData) for counter = 1, 2, ...
SecureBytes x963(const Hash& hash, ByteView z, ByteView shared_data, std::size_t size) {
  SecureBytes out(size);
  std::size_t done = 0;
  for (std::uint32_t counter = 1; done < size; ++counter) {
    RunningHash running(hash);
    running.add(z);
    running.add(ByteWriter().u32(counter).view());
    running.add(shared_data);
    Digest block = running.finish();
    const std::size_t part = std::min(block.size, size - done);
    std::copy_n(block.bytes.data(), part, out.data() + done);
    cleanse(block.bytes);
    done += part;
  }
  return out;
}

/// The value of the new key.
Outcome<SecureBytes> derived_value(const AgreementParameter& parameter, SecureBytes z,
                                   std::optional<std::size_t> length) {
  if (parameter.kdf != nullptr) {
    if (!length) return Refusal{CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN has to say how long the key shall be"};
    return x963(*parameter.kdf, z.view(), parameter.shared_data, *length);
  }
  if (!length || *length == z.size()) return z;
  if (*length > z.size())
    return Refusal{CKR_ATTRIBUTE_VALUE_INVALID, "the shared secret is shorter than CKA_VALUE_LEN"};
  return SecureBytes::copy_of(z.view().last(*length));  // the standard cuts off the beginning
}

/// A stored key whose exportProtection is none, or an extractable session key.
Outcome<SecureBytes> exported_value(Call& call, const KeyInUse& key, const FunctionRow& function) {
  const Refusal unextractable{CKR_KEY_UNEXTRACTABLE, "the key cannot be taken out"};
  if (!key.stored) {
    if (!key.extractable) return unextractable;
    if (key.secret != nullptr) return SecureBytes::copy_of(key.secret->view());
    return outcome_of(key.private_key->to_pkcs8(), function);
  }
  // Asking with no authorization would cost an attempt where a PIN or PUK is wanted.
  SKS_LET(const KeyProtectionInfo info, outcome_of(call.store.get_key_protection_info(*key.stored), function));
  if (info.export_protection != 0) return unextractable;
  return outcome_of(call.store.export_key(*key.stored, {}), function);
}

/// Whatever is wrong with what was unwrapped is one refusal: whether the padding was right would help those who ask a
/// key to unwrap what others wrapped for it.
Refusal no_wrapped_key() { return {CKR_WRAPPED_KEY_INVALID, "the wrapped key is none for this template"}; }

/// Whether a key of the template can be so long.
Outcome<bool> has_length(const Template& attributes, std::optional<std::size_t> length, std::size_t size) {
  SKS_LET(const std::optional<std::uint64_t> type, optional_ulong(attributes, CKA_KEY_TYPE));
  if (type == CKK_AES && size != 16 && size != 24 && size != 32) return false;
  return size > 0 && size == length.value_or(size);
}

Outcome<std::shared_ptr<const KeyInUse>> find_wrapped(Call& call, const Mechanism& mechanism, std::uint32_t slot,
                                                      CK_OBJECT_HANDLE object) {
  Outcome<std::shared_ptr<const KeyInUse>> found = call.keys.find_key(call.application, slot, object);
  if (!found && found.error().code == CKR_OBJECT_HANDLE_INVALID) return Refusal{CKR_KEY_HANDLE_INVALID, "no such key"};
  if (!found) return found;
  const CK_OBJECT_CLASS kind = (*found)->object_class;
  const bool fits = kind == CKO_SECRET_KEY || (kind == CKO_PRIVATE_KEY && mechanism.wraps == Wraps::all_keys);
  if (!fits) return Refusal{CKR_KEY_NOT_WRAPPABLE, "the mechanism wraps no key of this kind"};
  return found;
}

}  // namespace

Outcome<void> derive_key(Call& call) {
  const Wanted wanted = read_wanted(call, Function::derive);
  Template attributes = read_template(call.in);
  SKS_TRY(check_decoded(call.in));
  SKS_TRY(check_no_duplicates(attributes));
  const FunctionRow& function = row_of(Function::derive);
  SKS_LET(const Mechanism* const mechanism, mechanism_for(wanted.mechanism, function));
  SKS_LET(const AgreementParameter parameter, read_agreement_parameter(wanted.parameter));
  SKS_LET(KeyUse key, KeyUse::find(call, function, *mechanism, wanted.slot, wanted.object, wanted.ticket));
  const Bytes peer = peer_spki(key.public_key(), parameter.public_data);
  if (peer.empty()) return Refusal{CKR_MECHANISM_PARAM_INVALID, "no public key for this private key"};
  SKS_TRY(make_secret_key(attributes));
  SKS_LET(const std::optional<std::size_t> length, take_value_length(attributes));
  SKS_TRY(key.spend_ticket(call));
  SKS_LET(SecureBytes z, key.agree(call, mechanism->algorithms.front().uri, peer));
  SKS_LET(SecureBytes value, derived_value(parameter, std::move(z), length));
  SKS_LET(const CK_OBJECT_HANDLE made,
          call.keys.make_key(call.application, wanted.slot, std::move(value), std::move(attributes)));
  call.out.u64(made);
  return {};
}

Outcome<void> wrap_key(Call& call) {
  const Wanted wanted = read_wanted(call, Function::wrap);
  const std::uint32_t slot = call.in.u32();
  const CK_OBJECT_HANDLE object = call.in.u64();
  SKS_TRY(check_decoded(call.in));
  const FunctionRow& function = row_of(Function::wrap);
  SKS_LET(const Mechanism* const mechanism, mechanism_for(wanted.mechanism, function));
  SKS_LET(const std::shared_ptr<const KeyInUse> wrapped, find_wrapped(call, *mechanism, slot, object));
  SKS_LET(const std::unique_ptr<Operation> operation, start_operation(call, wanted));
  SKS_LET(const SecureBytes value, exported_value(call, *wrapped, function));
  SKS_LET(const SecureBytes result, operation->finish(call, value.view()));
  call.out.blob(result.view());
  return {};
}

Outcome<void> unwrap_key(Call& call) {
  const Wanted wanted = read_wanted(call, Function::unwrap);
  const ByteView wrapped = call.in.blob();
  Template attributes = read_template(call.in);
  SKS_TRY(check_decoded(call.in));
  SKS_TRY(check_room(0, wrapped.size(), row_of(Function::unwrap)));
  SKS_TRY(check_no_duplicates(attributes));
  SKS_LET(const std::optional<std::size_t> length, take_value_length(attributes));
  SKS_LET(const std::unique_ptr<Operation> operation, start_operation(call, wanted));
  Outcome<SecureBytes> unwrapped = operation->finish(call, wrapped);
  if (!unwrapped && unwrapped.error().code == CKR_WRAPPED_KEY_INVALID) return no_wrapped_key();
  SKS_LET(SecureBytes value, std::move(unwrapped));
  SKS_LET(const bool fits, has_length(attributes, length, value.size()));
  if (!fits) return no_wrapped_key();
  SKS_LET(const CK_OBJECT_HANDLE made,
          call.keys.make_key(call.application, wanted.slot, std::move(value), std::move(attributes)));
  call.out.u64(made);
  return {};
}

}  // namespace sks::token
