#include "keygen2/issuer_state.h"

#include <algorithm>
#include <array>

#include "keygen2/issuer_plan.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"

namespace sks::keygen2 {
namespace {

constexpr std::uint8_t kVersion = 2;

/// Layout: version, blob of the public fields, then the secrets as arrays. Secrets stand apart so that they go straight
/// into memory that is cleansed, past the growing buffer of a ByteWriter.
struct StateWriter {
  ByteWriter open;
  std::vector<ByteView> secrets;
  std::vector<SecureBytes>
      owned;  ///< those of `secrets` that belong to nobody else; moving one keeps its bytes in place

  void secret(const SecureBytes& value) { secrets.push_back(value.view()); }
  void secret(SecureBytes&& value) {
    secrets.push_back(value.view());
    owned.push_back(std::move(value));
  }

  SecureBytes finish() {
    const Bytes head = ByteWriter().u8(kVersion).blob(open.view()).take();
    std::size_t size = head.size();
    for (const ByteView secret : secrets) size += 2 + secret.size();
    SecureBytes result(size);
    auto at = std::ranges::copy(head, result.data()).out;
    for (const ByteView secret : secrets) {
      SKS_CHECK(secret.size() <= 0xFFFF);
      *at++ = static_cast<std::uint8_t>(secret.size() >> 8U);
      *at++ = static_cast<std::uint8_t>(secret.size());
      at = std::ranges::copy(secret, at).out;
    }
    return result;
  }
};

class StateReader {
 public:
  explicit StateReader(ByteView saved) : secrets_(saved), open_(skip_version(secrets_)) {}

  ByteReader& open() { return open_; }
  SecureBytes secret() { return SecureBytes::copy_of(secrets_.array()); }
  Bytes array() { return to_bytes(open_.array()); }

  /// One element after the other, as many as the saved count says; stops where the bytes end.
  template <class T, class Read>
  std::vector<T> list(const Read& read) {
    std::vector<T> result;
    const std::uint16_t count = open_.u16();
    for (std::uint16_t i = 0; i < count && !open_.failed(); ++i) result.push_back(read(*this));
    return result;
  }

  /// What was read is nothing that was ever written.
  void fail() { sound_ = false; }

  /// One level down in a nested structure: false when that is deeper than anything that was written.
  bool enter() {
    if (++depth_ > kMaxDepth) fail();
    return depth_ <= kMaxDepth;
  }
  void leave() { --depth_; }

  bool finish() const {
    return sound_ && version_ok_ && static_cast<bool>(open_.finish()) && static_cast<bool>(secrets_.finish());
  }

 private:
  ByteView skip_version(ByteReader& in) {
    version_ok_ = in.u8() == kVersion;
    return in.blob();
  }

  static constexpr int kMaxDepth = 8;

  bool sound_ = true;
  int depth_ = 0;
  bool version_ok_ = false;
  ByteReader secrets_;
  ByteReader open_;
};

template <class T, class Write>
void write_list(StateWriter& out, const std::vector<T>& values, const Write& write) {
  SKS_CHECK(values.size() <= 0xFFFF);
  out.open.u16(static_cast<std::uint16_t>(values.size()));
  for (const T& value : values) write(out, value);
}

void write_text(StateWriter& out, const std::string& text) { out.open.text(text); }
void write_bytes(StateWriter& out, const Bytes& bytes) { out.open.array(bytes); }
std::string read_text(StateReader& in) { return in.open().text(); }
Bytes read_bytes(StateReader& in) { return in.array(); }

void write_key(StateWriter& out, const KeySpec& key) {
  out.open.u8(key.app_usage).text(key.key_algorithm).array(key.key_parameters).text(key.friendly_name);
  write_list(out, key.endorsed_algorithms, write_text);
  out.open.u8(key.export_protection)
      .u8(key.delete_protection)
      .u8(key.biometric_protection)
      .boolean(key.enable_pin_caching)
      .boolean(key.device_pin_protection)
      .array(key.server_seed)
      .boolean(key.preset_pin.has_value());
  if (key.preset_pin) out.secret(*key.preset_pin);
}

KeySpec read_key(StateReader& in) {
  KeySpec key;
  key.app_usage = in.open().u8();
  key.key_algorithm = in.open().text();
  key.key_parameters = in.array();
  key.friendly_name = in.open().text();
  key.endorsed_algorithms = in.list<std::string>(read_text);
  key.export_protection = in.open().u8();
  key.delete_protection = in.open().u8();
  key.biometric_protection = in.open().u8();
  key.enable_pin_caching = in.open().boolean();
  key.device_pin_protection = in.open().boolean();
  key.server_seed = in.array();
  if (in.open().boolean()) key.preset_pin = in.secret();
  return key;
}

void write_pin_policy(StateWriter& out, const PinPolicySpec& policy) {
  out.open.u16(policy.min_length)
      .u16(policy.max_length)
      .u16(policy.retry_limit)
      .u8(policy.format)
      .boolean(policy.user_modifiable)
      .u8(policy.grouping)
      .u8(policy.input_method)
      .u8(policy.pattern_restrictions);
  write_list(out, policy.keys, write_key);
}

PinPolicySpec read_pin_policy(StateReader& in) {
  PinPolicySpec policy;
  policy.min_length = in.open().u16();
  policy.max_length = in.open().u16();
  policy.retry_limit = in.open().u16();
  policy.format = in.open().u8();
  policy.user_modifiable = in.open().boolean();
  policy.grouping = in.open().u8();
  policy.input_method = in.open().u8();
  policy.pattern_restrictions = in.open().u8();
  policy.keys = in.list<KeySpec>(read_key);
  return policy;
}

void write_puk_policy(StateWriter& out, const PukPolicySpec& puk) {
  out.open.u16(puk.retry_limit).u8(puk.format);
  out.secret(puk.puk);
  write_list(out, puk.pin_policies, write_pin_policy);
}

PukPolicySpec read_puk_policy(StateReader& in) {
  PukPolicySpec puk;
  puk.retry_limit = in.open().u16();
  puk.format = in.open().u8();
  puk.puk = in.secret();
  puk.pin_policies = in.list<PinPolicySpec>(read_pin_policy);
  return puk;
}

void write_key_plan(StateWriter& out, const KeyPlan& plan) {
  write_list(out, plan.puk_policies, write_puk_policy);
  write_list(out, plan.pin_policies, write_pin_policy);
  write_list(out, plan.keys, write_key);
}

void read_key_plan(StateReader& in, KeyPlan& plan) {
  plan.puk_policies = in.list<PukPolicySpec>(read_puk_policy);
  plan.pin_policies = in.list<PinPolicySpec>(read_pin_policy);
  plan.keys = in.list<KeySpec>(read_key);
}

void write_roll_over(StateWriter& out, const RollOver& key) {
  out.open.array(key.key_management_key).array(key.authorization);
  write_list(out, key.older, write_roll_over);
}

RollOver read_roll_over(StateReader& in) {
  RollOver key;
  key.key_management_key = in.array();
  key.authorization = in.array();
  if (in.enter()) key.older = in.list<RollOver>(read_roll_over);
  in.leave();
  return key;
}

/// A filter is kept as its JSON, which is checked again when it is read.
void write_lookup(StateWriter& out, const LookupSpec& lookup) {
  out.open.array(lookup.key_management_key);
  out.open.text(lookup.filter ? filter_text(*lookup.filter) : std::string());
}

LookupSpec read_lookup(StateReader& in) {
  LookupSpec lookup;
  lookup.key_management_key = in.array();
  const std::string text = in.open().text();
  if (text.empty()) return lookup;
  Outcome<SearchFilter> filter = parse_filter(text);
  if (!filter)
    in.fail();
  else
    lookup.filter = std::move(filter).value();
  return lookup;
}

void write_plan(StateWriter& out, const IssuancePlan& plan) {
  write_key_plan(out, plan);
  out.open.text(plan.issuer_uri).u8(plan.action).boolean(plan.privacy_enabled);
  write_list(out, plan.preferred_languages, write_text);
  out.open.array(plan.target_key_containers);
  write_list(out, plan.capability_queries, write_text);
  out.open.u16(plan.session_life_time).array(plan.key_management_key);
  write_list(out, plan.roll_overs, write_roll_over);
  write_list(out, plan.lookups, write_lookup);
  out.open.boolean(plan.deferred_issuance)
      .u16(plan.reserve.imported_keys)
      .u16(plan.reserve.extensions)
      .u16(plan.reserve.encrypted_extensions)
      .u16(plan.reserve.target_operations);
}

IssuancePlan read_plan(StateReader& in) {
  IssuancePlan plan;
  read_key_plan(in, plan);
  plan.issuer_uri = in.open().text();
  plan.action = in.open().u8();
  plan.privacy_enabled = in.open().boolean();
  plan.preferred_languages = in.list<std::string>(read_text);
  plan.target_key_containers = in.array();
  plan.capability_queries = in.list<std::string>(read_text);
  plan.session_life_time = in.open().u16();
  plan.key_management_key = in.array();
  plan.roll_overs = in.list<RollOver>(read_roll_over);
  plan.lookups = in.list<LookupSpec>(read_lookup);
  plan.deferred_issuance = in.open().boolean();
  plan.reserve.imported_keys = in.open().u16();
  plan.reserve.extensions = in.open().u16();
  plan.reserve.encrypted_extensions = in.open().u16();
  plan.reserve.target_operations = in.open().u16();
  return plan;
}

void write_session_key(StateWriter& out, const SessionKey& key) {
  out.secret(key.value);
  out.open.u16(key.mac_counter).u16(key.remaining);
}

SessionKey read_session_key(StateReader& in) {
  SessionKey key;
  key.value = in.secret();
  key.mac_counter = in.open().u16();
  key.remaining = in.open().u16();
  return key;
}

void write_target(StateWriter& out, const TargetKey& key) {
  out.open.array(key.certificate).text(key.owner.server).text(key.owner.client).array(key.key_management_key);
  out.open.boolean(key.app_usage.has_value()).u8(key.app_usage.value_or(0));
}

TargetKey read_target(StateReader& in) {
  TargetKey key;
  key.certificate = in.array();
  key.owner.server = in.open().text();
  key.owner.client = in.open().text();
  key.key_management_key = in.array();
  const bool has_usage = in.open().boolean();
  const std::uint8_t usage = in.open().u8();
  if (has_usage) key.app_usage = usage;
  if (!has_usage && usage != 0) in.fail();
  return key;
}

void write_operations(StateWriter& out, const TargetOperations& operations) {
  write_list(out, operations.unlock, write_target);
  write_list(out, operations.remove, write_target);
  write_list(out, operations.activate, write_target);
  write_list(out, operations.deactivate, write_target);
}

TargetOperations read_operations(StateReader& in) {
  TargetOperations operations;
  operations.unlock = in.list<TargetKey>(read_target);
  operations.remove = in.list<TargetKey>(read_target);
  operations.activate = in.list<TargetKey>(read_target);
  operations.deactivate = in.list<TargetKey>(read_target);
  return operations;
}

void write_capability(StateWriter& out, const ClientCapability& capability) {
  out.open.text(capability.type).u8(static_cast<std::uint8_t>(capability.form)).boolean(capability.supported);
  write_list(out, capability.values, write_text);
  out.open.text(capability.image.mime_type)
      .u32(static_cast<std::uint32_t>(capability.image.width))
      .u32(static_cast<std::uint32_t>(capability.image.height));
}

ClientCapability read_capability(StateReader& in) {
  ClientCapability capability;
  capability.type = in.open().text();
  const std::uint8_t form = in.open().u8();
  if (form > static_cast<std::uint8_t>(CapabilityForm::image_attributes))
    in.fail();
  else
    capability.form = static_cast<CapabilityForm>(form);
  capability.supported = in.open().boolean();
  capability.values = in.list<std::string>(read_text);
  capability.image.mime_type = in.open().text();
  capability.image.width = static_cast<std::int32_t>(in.open().u32());
  capability.image.height = static_cast<std::int32_t>(in.open().u32());
  return capability;
}

void write_pending_key(StateWriter& out, const PendingKey& key) {
  out.open.text(key.id).text(key.algorithm).array(key.parameters).array(key.mac).u16(key.attestation_counter);
  out.open.u8(key.app_usage).boolean(key.has_pin);
}

PendingKey read_pending_key(StateReader& in) {
  PendingKey key;
  key.id = in.open().text();
  key.algorithm = in.open().text();
  key.parameters = in.array();
  key.mac = in.array();
  key.attestation_counter = in.open().u16();
  key.app_usage = in.open().u8();
  key.has_pin = in.open().boolean();
  return key;
}

struct DataWriter {
  StateWriter& out;

  void operator()(const Invoking& data) const { write_plan(out, data.plan); }
  void operator()(const Initializing& data) const {
    write_plan(out, data.plan);
    out.open.text(data.server_time).u16(data.session_key_limit);
    Result<SecureBytes> pkcs8 = data.ephemeral_key->to_pkcs8();
    SKS_CHECK(static_cast<bool>(pkcs8));
    out.secret(std::move(pkcs8).value());
  }
  void operator()(const Discovering& data) const {
    write_session_key(out, data.session_key);
    write_plan(out, data.plan);
  }
  void operator()(const CreatingKeys& data) const {
    write_session_key(out, data.session_key);
    write_list(out, data.keys, write_pending_key);
    write_operations(out, data.operations);
    out.open.boolean(data.deferred);
  }
  void operator()(const Suspended& data) const {
    write_session_key(out, data.session_key);
    write_list(out, data.keys, write_pending_key);
    write_list(out, data.public_keys, write_bytes);
    write_operations(out, data.operations);
  }
  void operator()(const Finalizing& data) const {
    out.secret(data.session_key);
    out.open.u16(data.attestation_counter).array(data.close_nonce);
  }
  void operator()(const Over&) const {}
};

using Data = decltype(IssuerState::data);

Data read_invoking(StateReader& in) { return Invoking{read_plan(in)}; }

Data read_initializing(StateReader& in) {
  Initializing data;
  data.plan = read_plan(in);
  data.server_time = in.open().text();
  data.session_key_limit = in.open().u16();
  const SecureBytes saved = in.secret();
  Result<crypto::PrivateKey> key = crypto::PrivateKey::from_pkcs8(saved.view());
  const Result<SecureBytes> as_written = key ? key->to_pkcs8() : key.error();
  const bool is_ours = as_written && equal(as_written->view(), saved.view()) && key->public_key().kind() == KeyKind::ec;
  if (!is_ours)
    in.fail();
  else
    data.ephemeral_key = std::move(key).value();
  return data;
}

Data read_discovering(StateReader& in) {
  Discovering data;
  data.session_key = read_session_key(in);
  data.plan = read_plan(in);
  return data;
}

Data read_creating_keys(StateReader& in) {
  CreatingKeys data;
  data.session_key = read_session_key(in);
  data.keys = in.list<PendingKey>(read_pending_key);
  data.operations = read_operations(in);
  data.deferred = in.open().boolean();
  return data;
}

Data read_suspended(StateReader& in) {
  Suspended data;
  data.session_key = read_session_key(in);
  data.keys = in.list<PendingKey>(read_pending_key);
  data.public_keys = in.list<Bytes>(read_bytes);
  data.operations = read_operations(in);
  if (data.public_keys.size() != data.keys.size()) in.fail();
  return data;
}

Data read_finalizing(StateReader& in) {
  Finalizing data;
  data.session_key = in.secret();
  data.attestation_counter = in.open().u16();
  data.close_nonce = in.array();
  return data;
}

Data read_over(StateReader&) { return Over{}; }

/// By the index of the alternative.
constexpr std::array<Data (*)(StateReader&), std::variant_size_v<Data>> kReaders{
    read_invoking, read_initializing, read_discovering, read_creating_keys, read_suspended, read_finalizing, read_over};

/// What is required was asked for before everything else: its answers are looked up without asking whether they exist.
bool asks_for_required(const IssuerState& state) {
  const std::vector<std::string>& required = state.required_capabilities;
  const std::vector<std::string>& queries = state.capability_queries;
  return required.size() <= queries.size() && std::equal(required.begin(), required.end(), queries.begin());
}

}  // namespace

SecureBytes encode(const IssuerState& state) {
  StateWriter out;
  out.open.u8(static_cast<std::uint8_t>(state.phase)).u8(static_cast<std::uint8_t>(state.data.index()));
  out.open.text(state.ids.server).text(state.ids.client).text(state.issuer_uri).boolean(state.privacy_enabled);
  out.open.boolean(state.manageable);
  out.open.u64(static_cast<std::uint64_t>(state.expires));
  write_list(out, state.required_capabilities, write_text);
  write_list(out, state.capability_queries, write_text);
  write_list(out, state.capabilities, write_capability);
  write_list(out, state.device_path, write_bytes);
  std::visit(DataWriter{out}, state.data);
  return out.finish();
}

Outcome<IssuerState> decode_issuer_state(ByteView saved) {
  StateReader in(saved);
  IssuerState state;
  const std::uint8_t phase = in.open().u8();
  const std::uint8_t index = in.open().u8();
  state.phase = static_cast<IssuerPhase>(phase);
  state.ids.server = in.open().text();
  state.ids.client = in.open().text();
  state.issuer_uri = in.open().text();
  state.privacy_enabled = in.open().boolean();
  state.manageable = in.open().boolean();
  state.expires = static_cast<std::int64_t>(in.open().u64());
  state.required_capabilities = in.list<std::string>(read_text);
  state.capability_queries = in.list<std::string>(read_text);
  state.capabilities = in.list<ClientCapability>(read_capability);
  state.device_path = in.list<Bytes>(read_bytes);
  // A run that goes on has the data of its phase; one that is over may have stopped in any phase.
  const bool fits = phase <= static_cast<std::uint8_t>(IssuerPhase::done) && index < kReaders.size() &&
                    (index == phase || index == kReaders.size() - 1);
  if (fits) state.data = kReaders.at(index)(in);
  if (!fits || !in.finish() || !asks_for_required(state))
    return Failure{ErrorClass::value, "the saved session is malformed"};
  return state;
}

IssuancePlan copy_of(const IssuancePlan& plan) {
  StateWriter out;
  write_plan(out, plan);
  const SecureBytes bytes = out.finish();
  StateReader in(bytes.view());
  IssuancePlan copy = read_plan(in);
  SKS_CHECK(in.finish());
  return copy;
}

}  // namespace sks::keygen2
