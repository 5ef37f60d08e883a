#include "tests/key-user-api/token/local_lab.h"

#include "key-user-api/local_issuer/local_keys.h"

namespace sks::test {

const Bytes kP256{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
const Bytes kX25519Oid{0x06, 0x03, 0x2b, 0x65, 0x6e};

Attributes ec_params() { return Attributes().bytes(CKA_EC_PARAMS, kP256); }
Attributes token_key() { return Attributes().boolean(CKA_TOKEN, true); }

LocalLab::LocalLab() {
  NewPin pin;
  pin.value = secret(kPin);
  pin.format = pin::Format::numeric;
  LocalKeySpec spec;
  spec.label = "first";
  key =
      create_key(*device.engine, {kSks + "ec.nist.p256"}, spec, LocalPin(std::move(pin)), device.clock).value().handle;
  open_service();
  slot = slot_of(key);
}

KeyHandle stored(std::uint64_t object) { return KeyHandle{static_cast<std::uint32_t>(object >> 8)}; }

bool signs(Lab& lab, KeyHandle key, const char* pin) {
  const auto signature = lab.device.engine->sign_data(key, kEcdsaSha256, {}, with_pin(pin), as_bytes("message"));
  if (!signature) return false;
  const crypto::PublicKey public_key = lab.certificate_of(key).public_key().value();
  return static_cast<bool>(crypto::verify_signature(public_key, as_bytes("message"), *signature));
}

}  // namespace sks::test
