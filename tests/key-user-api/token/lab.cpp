#include "tests/key-user-api/token/lab.h"

#include <doctest/doctest.h>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/encoding.h"

namespace sks::test {
namespace {

constexpr std::int64_t kNotBefore = 1577836800;  // 2020-01-01
constexpr std::int64_t kNotAfter = 4102444800;   // 2100-01-01
constexpr std::uint8_t kShared = 1;
constexpr std::uint8_t kRefused = 0x80;

crypto::Certificate self_signed(const crypto::PrivateKey& key) {
  return crypto::issue_certificate(
             {crypto::CertificateKind::ca, {{"CN", "Token test CA"}}, kNotBefore, kNotAfter, {}, {}, {}},
             key.public_key(), nullptr, key)
      .value();
}

Answer read_answer(const SecureBytes& body) {
  Answer answer;
  ByteReader in(body.view());
  answer.status = in.u8();
  if (answer.status == 0) {
    answer.body = to_bytes(in.rest());
    return answer;
  }
  if (answer.status == kRefused) answer.rv = in.u64();
  answer.sentence = in.text();
  REQUIRE(in.finish());
  return answer;
}

std::uint64_t rv_of(const Answer& answer) {
  REQUIRE((answer.status == 0 || answer.status == kRefused));
  return answer.rv;
}

void put(ByteWriter& out, const Attributes& attributes) { out.u16(attributes.count).raw(attributes.encoded.view()); }

}  // namespace

std::optional<SecureBytes> ScriptedDialog::ask(const Question& question) {
  questions.push_back(question);
  if (answers.empty()) return std::nullopt;
  SecureBytes answer = SecureBytes::copy_of(as_bytes(answers.front()));
  answers.pop_front();
  return answer;
}

Attributes& Attributes::bytes(CK_ATTRIBUTE_TYPE type, ByteView value) {
  ++count;
  encoded.u64(type).blob(value);
  return *this;
}
Attributes& Attributes::number(CK_ATTRIBUTE_TYPE type, std::uint64_t value) {
  ++count;
  encoded.u64(type).u32(8).u64(value);
  return *this;
}
Attributes& Attributes::boolean(CK_ATTRIBUTE_TYPE type, bool value) {
  ++count;
  encoded.u64(type).u32(1).u8(value ? 1 : 0);
  return *this;
}

ByteWriter request(std::uint8_t method) {
  ByteWriter out;
  out.u8(method);
  return out;
}

Answer Client::call(ByteView body) {
  record = {};
  const token::Program program{"/usr/bin/test", 4711};
  return read_answer(service_.answer(application_.get(), program, body, record));
}

Answer Client::call_without_application(ByteView body) {
  record = {};
  return read_answer(service_.answer(nullptr, {}, body, record));
}

std::uint64_t Client::login(std::uint32_t slot, std::string_view pin, std::uint8_t user, bool ask) {
  return rv_of(call(request(163).u32(slot).u8(user).boolean(ask).text(pin).view()));
}
std::uint64_t Client::logout(std::uint32_t slot) { return rv_of(call(request(165).u32(slot).view())); }
std::uint64_t Client::change_pin(std::uint32_t slot, std::string_view old, std::string_view fresh, bool ask) {
  return rv_of(call(request(166).u32(slot).boolean(ask).text(old).text(fresh).view()));
}
std::uint64_t Client::init_pin(std::uint32_t slot, std::string_view fresh, bool ask) {
  return rv_of(call(request(167).u32(slot).boolean(ask).text(fresh).view()));
}

std::vector<std::uint64_t> Client::find(std::uint32_t slot, const Attributes& wanted, std::uint16_t limit) {
  std::vector<std::uint64_t> found;
  bool more = true;
  while (more) {
    ByteWriter out = request(170);
    out.u32(slot);
    put(out, wanted);
    out.u64(found.empty() ? 0 : found.back()).u16(limit);
    const Answer answer = call(out.view());
    REQUIRE(answer.ok());
    ByteReader in(answer.body);
    const std::size_t count = in.u16();
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t object = in.u64();
      CHECK((found.empty() || found.back() < object));
      found.push_back(object);
    }
    more = in.boolean();
    REQUIRE(in.finish());
    CHECK(count <= limit);
    if (more) CHECK(count == limit);
  }
  return found;
}

std::uint64_t Client::find_one(std::uint32_t slot, const Attributes& wanted) {
  const std::vector<std::uint64_t> found = find(slot, wanted);
  REQUIRE(found.size() == 1);
  return found.front();
}

Client::Value Client::get(std::uint32_t slot, std::uint64_t object, CK_ATTRIBUTE_TYPE type) {
  const Answer answer = call(request(171).u32(slot).u64(object).u16(1).u64(type).view());
  REQUIRE(answer.ok());
  ByteReader in(answer.body);
  REQUIRE(in.u16() == 1);
  Value value;
  value.result = in.u8();
  value.bytes = to_bytes(in.blob());
  REQUIRE(in.finish());
  return value;
}

Bytes Client::value(std::uint32_t slot, std::uint64_t object, CK_ATTRIBUTE_TYPE type) {
  CAPTURE(type);
  const Value found = get(slot, object, type);
  REQUIRE(found.result == 0);
  return found.bytes;
}
std::uint64_t Client::number(std::uint32_t slot, std::uint64_t object, CK_ATTRIBUTE_TYPE type) {
  const Bytes bytes = value(slot, object, type);
  REQUIRE(bytes.size() == 8);
  return ByteReader(bytes).u64();
}
bool Client::yes(std::uint32_t slot, std::uint64_t object, CK_ATTRIBUTE_TYPE type) {
  const Bytes bytes = value(slot, object, type);
  REQUIRE(bytes.size() == 1);
  REQUIRE(bytes[0] <= 1);
  return bytes[0] == 1;
}

std::uint64_t Client::set(std::uint32_t slot, std::uint64_t object, const Attributes& attributes) {
  ByteWriter out = request(172);
  out.u32(slot).u64(object);
  put(out, attributes);
  return rv_of(call(out.view()));
}
std::uint64_t Client::destroy(std::uint32_t slot, std::uint64_t object) {
  return rv_of(call(request(177).u32(slot).u64(object).view()));
}

namespace {

Client::Made read_made(const Answer& answer, bool is_pair = false) {
  Client::Made made{rv_of(answer)};
  if (!answer.ok()) return made;
  ByteReader in(answer.body);
  made.object = in.u64();
  if (is_pair) made.second = in.u64();
  REQUIRE(in.finish());
  return made;
}

}  // namespace

Client::Made Client::create(std::uint32_t slot, const Attributes& attributes) {
  ByteWriter out = request(173);
  out.u32(slot);
  put(out, attributes);
  return read_made(call(out.view()));
}
Client::Made Client::copy(std::uint32_t slot, std::uint64_t object, const Attributes& attributes) {
  ByteWriter out = request(176);
  out.u32(slot).u64(object);
  put(out, attributes);
  return read_made(call(out.view()));
}
Client::Made Client::generate(std::uint32_t slot, CK_MECHANISM_TYPE mechanism, const Attributes& attributes) {
  ByteWriter out = request(174);
  out.u32(slot).u64(mechanism).u32(0);
  put(out, attributes);
  return read_made(call(out.view()));
}
Client::Made Client::generate_pair(std::uint32_t slot, CK_MECHANISM_TYPE mechanism, const Attributes& public_attributes,
                                   const Attributes& private_attributes) {
  ByteWriter out = request(175);
  out.u32(slot).u64(mechanism).u32(0);
  put(out, public_attributes);
  put(out, private_attributes);
  return read_made(call(out.view()), true);
}

std::vector<TokenInfo> list_tokens(Client& client) {
  const Answer answer = client.call(request(161).view());
  REQUIRE(answer.ok());
  ByteReader in(answer.body);
  std::vector<TokenInfo> tokens(in.u16());
  for (TokenInfo& token : tokens) {
    token.slot = in.u32();
    token.label = in.text();
    token.serial = in.text();
    token.issuer = in.text();
    token.has_pin = in.boolean();
    token.has_puk = in.boolean();
    token.format = in.u8();
    token.min_length = in.u16();
    token.max_length = in.u16();
    token.pin_state = in.u8();
    token.puk_state = in.u8();
    token.is_protected = in.boolean();
    token.is_modifiable = in.boolean();
    token.logged_in = in.u8();
  }
  REQUIRE(in.finish());
  return tokens;
}

TokenInfo token_of(Client& client, std::uint32_t slot) {
  for (TokenInfo& token : list_tokens(client))
    if (token.slot == slot) return token;
  FAIL("no such slot");
  return {};
}

Lab::Lab() : authority_key_(generate_key(kSks + "ec.nist.p256")), authority_(self_signed(authority_key_)) {}

void Lab::open_service(SecureKeyStore& store) {
  auto opened = token::Service::open({store, [this](KeyHandle key) { return device.real_engine->pin_group(key); },
                                      device.clock, system_random(), dialog});
  REQUIRE(opened);
  service = std::move(opened).value();
}

std::vector<KeyHandle> Lab::provision(const std::vector<WantedKey>& keys, const std::optional<WantedPin>& pin,
                                      const std::string& issuer) {
  TestIssuer session(*device.engine);
  session.request.issuer_uri = issuer;
  REQUIRE(session.open());
  PinPolicyHandle policy;
  if (pin) {
    PukPolicyHandle puk_policy;
    if (!pin->puk.empty()) {
      PukPolicyRequest puk;
      puk.id = "PUK";
      puk.encrypted_puk = session.encrypt(as_bytes(pin->puk));
      puk.retry_limit = pin->puk_retry_limit;
      puk_policy = session.create_puk_policy(puk).value();
    }
    PinPolicyRequest wanted;
    wanted.id = "PIN";
    wanted.puk_policy = puk_policy;
    wanted.user_defined = true;
    wanted.user_modifiable = pin->user_modifiable;
    wanted.format = pin->format;
    wanted.retry_limit = 3;
    wanted.grouping = kShared;
    wanted.min_length = 4;
    wanted.max_length = 8;
    wanted.input_method = pin->input_method;
    policy = session.create_pin_policy(wanted).value();
  }
  std::vector<KeyHandle> handles;
  for (const WantedKey& key : keys) {
    KeyEntryRequest wanted;
    wanted.id = "Key." + std::to_string(handles.size());
    wanted.key_entry_algorithm = kKeyEntryAlgorithm;
    wanted.pin_policy = policy;
    if (pin) wanted.pin_value = secret(pin->value);
    wanted.enable_pin_caching = key.enable_pin_caching;
    wanted.export_protection = key.export_protection;
    wanted.delete_protection = key.delete_protection;
    wanted.app_usage = 3;
    wanted.friendly_name = key.name;
    wanted.key_algorithm = kSks + key.algorithm;
    wanted.endorsed_algorithms = key.endorsed;
    const std::string id = wanted.id;
    const CreatedKey created = session.create_key_entry(std::move(wanted)).value();
    const crypto::CertificateTemplate what{
        crypto::CertificateKind::tls_client, {{"CN", key.name + " user"}}, kNotBefore, kNotAfter, {}, {}, {}};
    const crypto::Certificate certificate =
        crypto::issue_certificate(what, crypto::PublicKey::from_spki(created.public_key).value(), &authority_,
                                  authority_key_)
            .value();
    REQUIRE(session.set_certificate_path(created, id, {certificate.der(), authority_.der()}));
    if (!key.symmetric.empty()) REQUIRE(session.import_symmetric_key(created.handle, session.encrypt(key.symmetric)));
    handles.push_back(created.handle);
  }
  REQUIRE(session.close());
  return handles;
}

std::uint32_t Lab::slot_of(KeyHandle key) {
  const auto group = device.real_engine->pin_group(key);
  REQUIRE(group);
  return *group ? (*group)->value : 0;
}

crypto::Certificate Lab::certificate_of(KeyHandle key) {
  return crypto::Certificate::from_der(device.engine->get_key_attributes(key).value().certificate_path.front()).value();
}

}  // namespace sks::test
