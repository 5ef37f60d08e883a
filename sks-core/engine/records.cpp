#include "sks-core/engine/records.h"

#include <algorithm>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"

namespace sks::engine {
namespace {

// Version 1 had no extensions, post operations and activation states.
constexpr std::uint8_t kVersion = 2;
constexpr std::uint8_t kLastKeyKind = static_cast<std::uint8_t>(KeyKind::x448);
constexpr std::uint8_t kNoKeyKind = 0xFF;
constexpr std::uint8_t kLastInputMethod = 2;
constexpr std::uint8_t kLastKeyBackup = 3;
constexpr std::uint8_t kLastPatternRestrictions = 0x1F;

template <class Enum>
std::uint8_t byte_of(Enum value) {
  return static_cast<std::uint8_t>(value);
}

ByteWriter begin_record() {
  ByteWriter out;
  out.u8(kVersion);
  return out;
}

// The secret is joined to the fields in memory that is cleansed; it never passes through the writer's buffer.
SecureBytes end_record(const ByteWriter& fields, ByteView secret) {
  const ByteView head = fields.view();
  SecureBytes record(head.size() + secret.size());
  std::ranges::copy(head, record.span().begin());
  std::ranges::copy(secret, record.span().begin() + static_cast<std::ptrdiff_t>(head.size()));
  return record;
}

ByteView secret_of(const SharedSecret& secret) { return secret == nullptr ? ByteView() : secret->view(); }

// Reads one record; a value out of its range fails like a truncated one.
class RecordReader : public ByteReader {
 public:
  explicit RecordReader(ByteView record) : ByteReader(record), version_(u8()) {
    require(version_ >= 1 && version_ <= kVersion);
  }

  std::uint8_t version() const { return version_; }

  void require(bool condition) { sound_ = sound_ && condition; }

  std::uint8_t at_most(std::uint8_t highest) {
    const std::uint8_t value = u8();
    require(value <= highest);
    return value;
  }

  template <class Enum>
  Enum one_of_four() {
    return static_cast<Enum>(at_most(kLastOfFour));
  }

  // The value of a PIN or PUK. None is empty, or an empty authorization would match it.
  SharedSecret pin() {
    const ByteView value = array();
    require(!value.empty() && value.size() <= kMaxPinLength);
    return share(SecureBytes::copy_of(value));
  }

  Result<void> end(const char* what) const {
    if (!sound_ || !finish()) return Error{Status::internal, std::string("malformed record of a ") + what};
    return {};
  }

 private:
  std::uint8_t version_;
  bool sound_ = true;
};

constexpr std::uint8_t kLastPostAction = static_cast<std::uint8_t>(PostAction::deactivate);
constexpr std::uint8_t kLastActivationState = kSuspendedByUser | kSuspendedByIssuer;

}  // namespace

SharedSecret share(SecureBytes secret) { return std::make_shared<const SecureBytes>(std::move(secret)); }

SecureBytes Counters::encode() const {
  ByteWriter out = begin_record();
  out.u32(session).u32(key).u32(pin_policy).u32(puk_policy).u32(pin_group).u32(extension);
  return end_record(out, {});
}

Result<Counters> Counters::decode(ByteView record) {
  RecordReader in(record);
  Counters counters;
  for (std::uint32_t* const next :
       {&counters.session, &counters.key, &counters.pin_policy, &counters.puk_policy, &counters.pin_group}) {
    *next = in.u32();
    in.require(*next != 0);
  }
  if (in.version() >= 2) counters.extension = in.u32();
  in.require(counters.extension != 0);
  counters.with_directory = in.version() >= 2;
  SKS_TRY(in.end("counter"));
  return counters;
}

Session::Session() = default;
Session::Session(const Session& other) = default;
Session::Session(Session&& other) noexcept = default;
Session& Session::operator=(const Session& other) = default;
Session& Session::operator=(Session&& other) noexcept = default;
Session::~Session() = default;

SecureBytes Session::encode() const {
  ByteWriter out = begin_record();
  out.boolean(is_open()).boolean(privacy_enabled);
  out.text(server_session_id).text(client_session_id).text(issuer_uri).array(key_management_key);
  out.u32(client_time).u16(session_life_time).u16(mac_sequence_counter).u16(remaining_ops);
  out.u32(static_cast<std::uint32_t>(name_space.size()));
  for (const auto& [id, referenced] : name_space) out.text(id).boolean(referenced);
  out.u32(static_cast<std::uint32_t>(post_operations.size()));
  for (const PostOperation& operation : post_operations)
    out.u8(byte_of(operation.action))
        .u32(operation.target.value)
        .u32(operation.new_key.value)
        .array(operation.target_identity);
  const ByteView secret = secret_of(session_key);
  out.u16(static_cast<std::uint16_t>(secret.size()));
  return end_record(out, secret);
}

Result<Session> Session::decode(Handle handle, ByteView record) {
  RecordReader in(record);
  Session session;
  session.handle = handle;
  session.state = in.boolean() ? SessionState::open : SessionState::closed;
  session.privacy_enabled = in.boolean();
  session.server_session_id = in.text();
  session.client_session_id = in.text();
  session.issuer_uri = in.text();
  session.key_management_key = to_bytes(in.array());
  session.client_time = in.u32();
  session.session_life_time = in.u16();
  session.mac_sequence_counter = in.u16();
  session.remaining_ops = in.u16();
  const std::uint32_t names = in.u32();
  for (std::uint32_t i = 0; i < names && !in.failed(); ++i) {
    std::string id = in.text();
    const bool referenced = in.boolean();
    in.require(session.name_space.emplace(std::move(id), referenced).second);
  }
  const std::uint32_t operations = in.version() >= 2 ? in.u32() : 0;
  for (std::uint32_t i = 0; i < operations && !in.failed(); ++i) {
    const auto action = static_cast<PostAction>(in.at_most(kLastPostAction));
    PostOperation operation{action, KeyHandle{in.u32()}, {}, {}};
    operation.new_key = KeyHandle{in.u32()};
    const ByteView identity = in.array();
    in.require(identity.size() == operation.target_identity.size());
    if (identity.size() == operation.target_identity.size())
      std::ranges::copy(identity, operation.target_identity.begin());
    session.post_operations.push_back(operation);
  }
  const ByteView secret = in.array();
  if (!secret.empty()) session.session_key = share(SecureBytes::copy_of(secret));
  in.require(secret.size() == (session.is_open() ? crypto::kSha256Size : 0));
  in.require(session.is_open() || (session.name_space.empty() && session.post_operations.empty()));
  SKS_TRY(in.end("session"));
  return session;
}

KeyEntry::Row KeyEntry::row() const {
  Row row{session, pin_policy, pin_group, 0};
  if (!has_certificate()) return row;
  const crypto::Sha256Digest digest = fingerprint();
  for (std::size_t i = 0; i < sizeof(row.certificate); ++i) row.certificate = row.certificate << 8 | digest.at(i);
  // 0 says that there is no certificate.
  if (row.certificate == 0) row.certificate = 1;
  return row;
}

crypto::Sha256Digest KeyEntry::fingerprint() const { return crypto::sha256(certificate_path.front()); }

SecureBytes KeyEntry::encode() const {
  ByteWriter out = begin_record();
  out.u32(session.value).text(id).u8(byte_of(kind)).array(public_key);
  out.u16(static_cast<std::uint16_t>(certificate_path.size()));
  for (const Bytes& certificate : certificate_path) out.array(certificate);
  out.u8(certificate_kind ? byte_of(*certificate_kind) : kNoKeyKind).array(certificate_public_key);
  out.boolean(symmetric_key_length.has_value()).u16(symmetric_key_length.value_or(0));
  out.u8(byte_of(app_usage)).text(friendly_name);
  out.u16(static_cast<std::uint16_t>(endorsed_algorithms.size()));
  for (const std::string& algorithm : endorsed_algorithms) out.text(algorithm);
  out.boolean(device_pin_protection).u32(pin_policy.value).u32(pin_group.value).boolean(enable_pin_caching);
  out.u8(byte_of(biometric_protection)).u8(byte_of(export_protection)).u8(byte_of(delete_protection)).u8(key_backup);
  out.u8(activation_state).u16(static_cast<std::uint16_t>(extensions.size()));
  for (const ExtensionReference& extension : extensions) out.text(extension.type).u32(extension.handle.value);
  return end_record(out, {});
}

Result<KeyEntry> KeyEntry::decode(Handle handle, ByteView record) {
  RecordReader in(record);
  KeyEntry key;
  key.handle = handle;
  key.session = ProvisioningHandle{in.u32()};
  key.id = in.text();
  key.kind = static_cast<KeyKind>(in.at_most(kLastKeyKind));
  key.public_key = to_bytes(in.array());
  const unsigned certificates = in.u16();
  for (unsigned i = 0; i < certificates && !in.failed(); ++i) key.certificate_path.push_back(to_bytes(in.array()));
  const std::uint8_t certificate_kind = in.u8();
  in.require(certificate_kind <= kLastKeyKind || certificate_kind == kNoKeyKind);
  if (certificate_kind != kNoKeyKind) key.certificate_kind = static_cast<KeyKind>(certificate_kind);
  key.certificate_public_key = to_bytes(in.array());
  const bool symmetric = in.boolean();
  const std::uint16_t length = in.u16();
  if (symmetric) key.symmetric_key_length = length;
  in.require(symmetric || length == 0);
  key.app_usage = in.one_of_four<AppUsage>();
  key.friendly_name = in.text();
  const unsigned algorithms = in.u16();
  for (unsigned i = 0; i < algorithms && !in.failed(); ++i) key.endorsed_algorithms.push_back(in.text());
  key.device_pin_protection = in.boolean();
  key.pin_policy = PinPolicyHandle{in.u32()};
  key.pin_group = PinGroupHandle{in.u32()};
  key.enable_pin_caching = in.boolean();
  key.biometric_protection = in.one_of_four<Biometrics>();
  key.export_protection = in.one_of_four<Protection>();
  key.delete_protection = in.one_of_four<Protection>();
  key.key_backup = in.at_most(kLastKeyBackup);
  if (in.version() >= 2) key.activation_state = in.at_most(kLastActivationState);
  const unsigned extensions = in.version() >= 2 ? in.u16() : 0;
  for (unsigned i = 0; i < extensions && !in.failed(); ++i) {
    std::string type = in.text();
    key.extensions.push_back({std::move(type), ExtensionHandle{in.u32()}});
  }
  in.require(key.certificate_kind.has_value() == !key.certificate_public_key.empty());
  in.require(!key.device_pin_protection || !key.pin_policy);
  SKS_TRY(in.end("key"));
  return key;
}

SecureBytes PinPolicy::encode() const {
  ByteWriter out = begin_record();
  out.u32(session.value).text(id).u32(puk_policy.value).boolean(user_defined).boolean(user_modifiable);
  out.u8(byte_of(format)).u16(retry_limit).u8(byte_of(grouping)).u8(pattern_restrictions);
  out.u16(min_length).u16(max_length).u8(input_method);
  return end_record(out, {});
}

Result<PinPolicy> PinPolicy::decode(Handle handle, ByteView record) {
  RecordReader in(record);
  PinPolicy policy;
  policy.handle = handle;
  policy.session = ProvisioningHandle{in.u32()};
  policy.id = in.text();
  policy.puk_policy = PukPolicyHandle{in.u32()};
  policy.user_defined = in.boolean();
  policy.user_modifiable = in.boolean();
  policy.format = in.one_of_four<Format>();
  policy.retry_limit = in.u16();
  policy.grouping = in.one_of_four<Grouping>();
  policy.pattern_restrictions = in.at_most(kLastPatternRestrictions);
  policy.min_length = in.u16();
  policy.max_length = in.u16();
  policy.input_method = in.at_most(kLastInputMethod);
  in.require(policy.retry_limit >= 1 && policy.retry_limit <= kMaxRetryLimit);
  in.require(policy.min_length >= 1 && policy.min_length <= policy.max_length && policy.max_length <= kMaxPinLength);
  SKS_TRY(in.end("PIN policy"));
  return policy;
}

SecureBytes PukPolicy::encode() const {
  ByteWriter out = begin_record();
  const ByteView secret = secret_of(value);
  out.u32(session.value).text(id).u8(byte_of(format)).u16(retry_limit).u16(error_count);
  out.u16(static_cast<std::uint16_t>(secret.size()));
  return end_record(out, secret);
}

Result<PukPolicy> PukPolicy::decode(Handle handle, ByteView record) {
  RecordReader in(record);
  PukPolicy policy;
  policy.handle = handle;
  policy.session = ProvisioningHandle{in.u32()};
  policy.id = in.text();
  policy.format = in.one_of_four<Format>();
  policy.retry_limit = in.u16();
  policy.error_count = in.u16();
  in.require(policy.retry_limit <= kMaxRetryLimit && policy.error_count <= policy.retry_limit);
  policy.value = in.pin();
  SKS_TRY(in.end("PUK policy"));
  return policy;
}

SecureBytes PinGroup::encode() const {
  ByteWriter out = begin_record();
  const ByteView secret = secret_of(value);
  out.u32(policy.value).u8(group_class).u16(error_count).u16(static_cast<std::uint16_t>(secret.size()));
  return end_record(out, secret);
}

Result<PinGroup> PinGroup::decode(Handle handle, ByteView record) {
  RecordReader in(record);
  PinGroup group;
  group.handle = handle;
  group.policy = PinPolicyHandle{in.u32()};
  group.group_class = in.at_most(kLastOfFour);
  group.error_count = in.u16();
  group.value = in.pin();
  SKS_TRY(in.end("PIN group"));
  return group;
}

SecureBytes Extension::encode() const {
  ByteWriter out = begin_record();
  out.u32(key.value).u8(sub_type).text(qualifier);
  out.u32(static_cast<std::uint32_t>(data->size()));
  return end_record(out, data->view());
}

Result<Extension> Extension::decode(Handle handle, ByteView record) {
  RecordReader in(record);
  Extension extension;
  extension.handle = handle;
  extension.key = KeyHandle{in.u32()};
  extension.sub_type = in.at_most(kLastOfFour);
  extension.qualifier = in.text();
  extension.data = share(SecureBytes::copy_of(in.blob()));
  SKS_TRY(in.end("extension"));
  return extension;
}

}  // namespace sks::engine
