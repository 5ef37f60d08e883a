#include "tests/key-user-api/token_operations/harness.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "key-user-api/token/operations/mechanisms.h"

namespace sks::token {

// What belongs to the logins of an application is not looked at here.
Application::Application(const std::shared_ptr<MemoryPool>& memory)
    : operations_(make_operation_set(memory)), object_memory_(memory) {}
Application::~Application() = default;

namespace test {
namespace {

constexpr std::uint16_t kAllUsages = 0x7F;

CK_KEY_TYPE type_of(KeyKind kind) {
  switch (kind) {
    case KeyKind::rsa:
      return CKK_RSA;
    case KeyKind::ec:
      return CKK_EC;
    case KeyKind::ed25519:
    case KeyKind::ed448:
      return CKK_EC_EDWARDS;
    case KeyKind::x25519:
    case KeyKind::x448:
      return CKK_EC_MONTGOMERY;
  }
  SKS_CHECK(false);
}

KeyInUse private_key(const crypto::PublicKey& key) {
  KeyInUse use;
  use.key_type = type_of(key.kind());
  use.usages = kAllUsages;
  use.public_key = key;
  return use;
}

}  // namespace

Outcome<std::shared_ptr<const KeyInUse>> TestKeys::find_key(Application&, std::uint32_t slot, CK_OBJECT_HANDLE object) {
  const std::lock_guard lock(mutex_);
  const auto found = keys.find(object);
  if (slot != kSlot || found == keys.end()) return Refusal{CKR_OBJECT_HANDLE_INVALID, "no such object"};
  return std::shared_ptr<const KeyInUse>(found->second);
}

Outcome<Authorization> TestKeys::authorize(Application&, const KeyInUse& key, std::uint32_t ticket) {
  const std::lock_guard lock(mutex_);
  SKS_CHECK(key.stored.has_value());
  ++authorizations;
  std::optional<std::string> pin = login;
  if (key.always_authenticate) {
    const auto node = tickets.extract(ticket);
    pin = node.empty() ? std::nullopt : std::optional(node.mapped());
  }
  if (!pin) return Refusal{CKR_USER_NOT_LOGGED_IN, "nobody is logged in"};
  return Authorization{SecureBytes::copy_of(as_bytes(*pin)), false};
}

void TestKeys::authorization_failed(const KeyInUse&, const SecureBytes& pin) {
  refused_pins.push_back(to_string(pin.view()));
}

Outcome<CK_OBJECT_HANDLE> TestKeys::make_key(Application&, std::uint32_t slot, SecureBytes value, Template attributes) {
  const std::lock_guard lock(mutex_);
  if (refuse_to_make != CKR_OK) return Refusal{refuse_to_make, "the template is wrong"};
  CHECK(slot == kSlot);
  Made one{to_bytes(value.view()), {}};
  for (const Attribute& each : attributes) one.attributes[each.type] = to_bytes(each.value.view());
  made.push_back(std::move(one));
  return CK_OBJECT_HANDLE{1'000'000 + made.size()};
}

CK_OBJECT_HANDLE TestKeys::add(KeyInUse key) {
  key.slot = kSlot;
  key.object = keys.size() + 1;
  std::ranges::sort(key.endorsed_algorithms);
  const CK_OBJECT_HANDLE object = key.object;
  keys.emplace(object, std::make_shared<KeyInUse>(std::move(key)));
  return object;
}

Bench::Bench() : application(std::make_shared<Application>()) {}

Answer Bench::send(std::uint8_t method, ByteView body, Application& from) {
  const auto rows = operation_methods();
  const auto row = std::ranges::find(rows, method, &MethodRow::id);
  REQUIRE(row != rows.end());
  const Program program;
  ByteReader in(body);
  wire::BodyWriter out(64);
  Answer answer;
  answer.record.is_use = row->is_use;
  Call call{*device.engine, keys, from, program, in, out, answer.record};
  const Outcome<void> served = row->serve(call);
  answer.decodable = static_cast<bool>(in.finish());
  REQUIRE((answer.decodable || !served));
  CHECK_FALSE(out.failed());
  if (!served) {
    answer.code = served.error().code;
    CHECK(served.error().sentence.size() <= 2000);
    return answer;
  }
  answer.out = to_bytes(out.take().view());
  return answer;
}

CK_OBJECT_HANDLE Bench::stored(const std::string& algorithm, std::vector<std::string> endorsed) {
  const KeyHandle handle = sks::test::provision_key(*device.engine, algorithm, endorsed);
  KeyInUse use = private_key(sks::test::public_key_of(*device.engine, handle));
  use.stored = handle;
  use.endorsed_algorithms = std::move(endorsed);
  return keys.add(std::move(use));
}

CK_OBJECT_HANDLE Bench::stored_known(ByteView pkcs8) {
  const KeyHandle handle = sks::test::provision_known_key(device, pkcs8);
  KeyInUse use = private_key(sks::test::public_key_of(*device.engine, handle));
  use.stored = handle;
  return keys.add(std::move(use));
}

CK_OBJECT_HANDLE Bench::stored_secret(ByteView value, CK_KEY_TYPE type, std::vector<std::string> endorsed) {
  std::ranges::sort(endorsed);
  KeyInUse use;
  use.stored = sks::test::provision_symmetric_key(*device.engine, value, endorsed);
  use.object_class = CKO_SECRET_KEY;
  use.key_type = type;
  use.usages = kAllUsages;
  use.endorsed_algorithms = std::move(endorsed);
  return keys.add(std::move(use));
}

CK_OBJECT_HANDLE Bench::session_private(ByteView pkcs8) {
  auto key = std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::from_pkcs8(pkcs8).value());
  KeyInUse use = private_key(key->public_key());
  use.private_key = std::move(key);
  use.extractable = true;
  return keys.add(std::move(use));
}

CK_OBJECT_HANDLE Bench::session_secret(ByteView value, CK_KEY_TYPE type) {
  KeyInUse use;
  use.object_class = CKO_SECRET_KEY;
  use.key_type = type;
  use.usages = kAllUsages;
  use.secret = std::make_shared<SecureBytes>(SecureBytes::copy_of(value));
  use.extractable = true;
  return keys.add(std::move(use));
}

CK_OBJECT_HANDLE Bench::public_of(CK_OBJECT_HANDLE private_key) { return public_key(public_value(private_key)); }

CK_OBJECT_HANDLE Bench::public_key(const crypto::PublicKey& key) {
  KeyInUse use = private_key(key);
  use.object_class = CKO_PUBLIC_KEY;
  return keys.add(std::move(use));
}

ByteWriter head(CK_OBJECT_HANDLE object, CK_MECHANISM_TYPE mechanism, ByteView parameter, std::uint32_t ticket) {
  ByteWriter out;
  out.u32(kSlot).u64(object).u64(mechanism).blob(parameter).u32(ticket);
  return out;
}

void put(ByteWriter& out, const Template& attributes) {
  out.u16(static_cast<std::uint16_t>(attributes.size()));
  for (const Attribute& each : attributes) out.u64(each.type).blob(each.value.view());
}

Answer Bench::operate(std::uint8_t kind, CK_OBJECT_HANDLE object, CK_MECHANISM_TYPE mechanism, ByteView parameter,
                      ByteView data, std::uint32_t ticket) {
  ByteWriter out;
  out.u8(kind).raw(head(object, mechanism, parameter, ticket).view()).blob(data);
  return send(180, out.view());
}

Answer Bench::verify(CK_OBJECT_HANDLE object, CK_MECHANISM_TYPE mechanism, ByteView parameter, ByteView data,
                     ByteView signature) {
  ByteWriter out;
  out.u32(kSlot).u64(object).u64(mechanism).blob(parameter).blob(data).blob(signature);
  return send(181, out.view());
}

Answer Bench::begin(std::uint8_t kind, CK_OBJECT_HANDLE object, CK_MECHANISM_TYPE mechanism, ByteView parameter,
                    std::uint32_t ticket) {
  ByteWriter out;
  out.u8(kind).raw(head(object, mechanism, parameter, ticket).view());
  return send(182, out.view());
}

Answer Bench::update(std::uint32_t operation, ByteView part) {
  return send(183, ByteWriter().u32(operation).blob(part).view());
}
Answer Bench::finish(std::uint32_t operation, ByteView last) {
  return send(184, ByteWriter().u32(operation).blob(last).view());
}
Answer Bench::finish_verify(std::uint32_t operation, ByteView signature) {
  return send(185, ByteWriter().u32(operation).blob(signature).view());
}
Answer Bench::abandon(std::uint32_t operation) { return send(186, ByteWriter().u32(operation).view()); }

Answer Bench::derive(CK_OBJECT_HANDLE object, CK_MECHANISM_TYPE mechanism, ByteView parameter,
                     const Template& attributes, std::uint32_t ticket) {
  ByteWriter out = head(object, mechanism, parameter, ticket);
  put(out, attributes);
  return send(187, out.view());
}

Answer Bench::wrap(CK_OBJECT_HANDLE with, CK_MECHANISM_TYPE mechanism, ByteView parameter, CK_OBJECT_HANDLE key,
                   std::uint32_t ticket) {
  return send(188, head(with, mechanism, parameter, ticket).u32(kSlot).u64(key).view());
}

Answer Bench::unwrap(CK_OBJECT_HANDLE with, CK_MECHANISM_TYPE mechanism, ByteView parameter, ByteView wrapped,
                     const Template& attributes, std::uint32_t ticket) {
  ByteWriter out = head(with, mechanism, parameter, ticket);
  out.blob(wrapped);
  put(out, attributes);
  return send(189, out.view());
}

Answer Bench::in_parts(std::uint8_t kind, CK_OBJECT_HANDLE object, CK_MECHANISM_TYPE mechanism, ByteView parameter,
                       ByteView data, std::size_t part_size) {
  const Answer begun = begin(kind, object, mechanism, parameter);
  if (begun.code != CKR_OK) return begun;
  const std::uint32_t operation = u32_of(begun);
  Bytes joined;
  const auto add = [&](const Answer& answer) {
    const Bytes out = blob_of(answer);
    joined.insert(joined.end(), out.begin(), out.end());
  };
  while (data.size() > part_size) {
    const Answer part = update(operation, data.first(part_size));
    if (part.code != CKR_OK) return part;
    add(part);
    data = data.subspan(part_size);
  }
  Answer last = finish(operation, data);
  if (last.code != CKR_OK) return last;
  add(last);
  last.out = ByteWriter().blob(joined).take();
  return last;
}

Bytes blob_of(const Answer& answer) {
  REQUIRE(answer.code == CKR_OK);
  ByteReader in(answer.out);
  const ByteView content = in.blob();
  REQUIRE(in.finish());
  return to_bytes(content);
}

std::uint32_t u32_of(const Answer& answer) {
  REQUIRE(answer.code == CKR_OK);
  ByteReader in(answer.out);
  const std::uint32_t value = in.u32();
  REQUIRE(in.finish());
  return value;
}

std::uint64_t u64_of(const Answer& answer) {
  REQUIRE(answer.code == CKR_OK);
  ByteReader in(answer.out);
  const std::uint64_t value = in.u64();
  REQUIRE(in.finish());
  return value;
}

Bytes ulongs(std::initializer_list<std::uint64_t> values) {
  ByteWriter out;
  for (const std::uint64_t value : values) out.u64(value);
  return out.take();
}
Bytes pss(CK_MECHANISM_TYPE hash, CK_ULONG mgf, std::uint64_t salt) { return ulongs({hash, mgf, salt}); }
Bytes oaep(CK_MECHANISM_TYPE hash, CK_ULONG mgf, ByteView label) {
  return ByteWriter().u64(hash).u64(mgf).blob(label).take();
}
Bytes ecdh(CK_ULONG kdf, ByteView shared, ByteView point) {
  return ByteWriter().u64(kdf).blob(shared).blob(point).take();
}
Bytes counter(std::uint64_t bits, ByteView block) { return ByteWriter().u64(bits).raw(block).take(); }
Bytes gcm(ByteView iv, ByteView aad, std::uint64_t tag_bits) {
  return ByteWriter().blob(iv).blob(aad).u64(tag_bits).take();
}

Attribute attribute(CK_ATTRIBUTE_TYPE type, std::uint64_t value) {
  return {type, SecureBytes::copy_of(ByteWriter().u64(value).view())};
}
Attribute attribute_of(CK_ATTRIBUTE_TYPE type, ByteView value) { return {type, SecureBytes::copy_of(value)}; }

Bytes some_bytes(std::size_t size) {
  Bytes out(size);
  std::uint32_t state = 12345;
  for (std::uint8_t& byte : out) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return out;
}

}  // namespace test
}  // namespace sks::token
