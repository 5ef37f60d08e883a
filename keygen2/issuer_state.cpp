#include "keygen2/issuer_state.h"

#include <algorithm>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"

namespace sks::keygen2 {
namespace {

constexpr std::uint8_t kVersion = 1;

/// Layout: version, blob of the public fields, then the secrets as arrays. Secrets stand apart so that they go straight
/// into memory that is cleansed, past the growing buffer of a ByteWriter.
struct StateWriter {
  ByteWriter open;
  std::vector<ByteView> secrets;

  void secret(const SecureBytes& value) { secrets.push_back(value.view()); }

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

  bool finish() const {
    return version_ok_ && static_cast<bool>(open_.finish()) && static_cast<bool>(secrets_.finish());
  }

 private:
  ByteView skip_version(ByteReader& in) {
    version_ok_ = in.u8() == kVersion;
    return in.blob();
  }

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

void write_plan(StateWriter& out, const IssuancePlan& plan) {
  out.open.text(plan.issuer_uri).boolean(plan.privacy_enabled).u16(plan.session_life_time);
  out.open.array(plan.key_management_key);
  write_list(out, plan.puk_policies, write_puk_policy);
  write_list(out, plan.pin_policies, write_pin_policy);
  write_list(out, plan.keys, write_key);
}

IssuancePlan read_plan(StateReader& in) {
  IssuancePlan plan;
  plan.issuer_uri = in.open().text();
  plan.privacy_enabled = in.open().boolean();
  plan.session_life_time = in.open().u16();
  plan.key_management_key = in.array();
  plan.puk_policies = in.list<PukPolicySpec>(read_puk_policy);
  plan.pin_policies = in.list<PinPolicySpec>(read_pin_policy);
  plan.keys = in.list<KeySpec>(read_key);
  return plan;
}

void write_pending_key(StateWriter& out, const PendingKey& key) {
  out.open.text(key.id).text(key.algorithm).array(key.parameters).array(key.mac).u16(key.attestation_counter);
}

PendingKey read_pending_key(StateReader& in) {
  PendingKey key;
  key.id = in.open().text();
  key.algorithm = in.open().text();
  key.parameters = in.array();
  key.mac = in.array();
  key.attestation_counter = in.open().u16();
  return key;
}

struct DataWriter {
  StateWriter& out;

  void operator()(const Invoking& data) const { write_plan(out, data.plan); }
  void operator()(const Initializing& data) const {
    write_plan(out, data.plan);
    out.open.text(data.server_time).u16(data.session_key_limit);
    out.secret(data.ephemeral_key);
  }
  void operator()(const CreatingKeys& data) const {
    out.secret(data.session_key);
    out.open.u16(data.mac_counter);
    write_list(out, data.keys, write_pending_key);
  }
  void operator()(const Finalizing& data) const {
    out.secret(data.session_key);
    out.open.u16(data.attestation_counter).array(data.close_nonce);
  }
  void operator()(const Over&) const {}
};

/// Reads what was written for the alternative with this index.
using Data = decltype(IssuerState::data);
Data read_data(StateReader& in, std::size_t index) {
  if (index == 0) return Invoking{read_plan(in)};
  if (index == 1) {
    Initializing data;
    data.plan = read_plan(in);
    data.server_time = in.open().text();
    data.session_key_limit = in.open().u16();
    data.ephemeral_key = in.secret();
    return data;
  }
  if (index == 2) {
    CreatingKeys data;
    data.session_key = in.secret();
    data.mac_counter = in.open().u16();
    data.keys = in.list<PendingKey>(read_pending_key);
    return data;
  }
  if (index == 3) {
    Finalizing data;
    data.session_key = in.secret();
    data.attestation_counter = in.open().u16();
    data.close_nonce = in.array();
    return data;
  }
  return Over{};
}

}  // namespace

SecureBytes encode(const IssuerState& state) {
  StateWriter out;
  out.open.u8(static_cast<std::uint8_t>(state.phase)).u8(static_cast<std::uint8_t>(state.data.index()));
  out.open.text(state.ids.server).text(state.ids.client).text(state.issuer_uri).boolean(state.privacy_enabled);
  write_list(out, state.capability_queries, write_text);
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
  state.capability_queries = in.list<std::string>(read_text);
  state.device_path = in.list<Bytes>(read_bytes);
  state.data = read_data(in, index);
  // A run that goes on has the data of its phase; one that is over may have stopped in any phase.
  const bool fits = phase <= static_cast<std::uint8_t>(IssuerPhase::done) && index < std::variant_size_v<Data> &&
                    (index == phase || std::holds_alternative<Over>(state.data));
  if (!in.finish() || !fits) return Failure{ErrorClass::value, "the saved session is malformed"};
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
