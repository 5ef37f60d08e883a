#include "conformance/kit/key_order.h"

#include <algorithm>
#include <array>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"

namespace sks::conformance {
namespace {

constexpr auto kOrders = std::to_array<KeyOrder>({
    {"unlock", true, 0, true},
    {"delete", false, 0},
    {"update", false, 1},
    {"clone", true, 1},
});

/// More than a PIN policy allows.
constexpr int kWrongPins = 200;

struct Held {
  KeyHandle handle;
  std::string fingerprint;
};

std::vector<Held> keys_of(SecureKeyStore& store) {
  std::vector<Held> keys;
  KeyHandle at;
  for (auto next = store.enumerate_keys(at); next && *next; next = store.enumerate_keys(at)) {
    at = (*next)->handle;
    const auto attributes = store.get_key_attributes(at);
    if (attributes) keys.push_back({at, to_hex(crypto::sha256(attributes->certificate_path.front()))});
  }
  return keys;
}

std::uint8_t protection_of(SecureKeyStore& store, KeyHandle key) {
  const auto info = store.get_key_protection_info(key);
  return info ? info->protection_status : std::uint8_t{0};
}

bool is_locked(SecureKeyStore& store, KeyHandle key) { return (protection_of(store, key) & kPinBlocked) != 0; }

/// As a user does who has forgotten the PIN.
Result<void> lock(SecureKeyStore& store, KeyHandle key) {
  if ((protection_of(store, key) & kPinProtected) == 0)
    return Error{Status::not_available, "the key has no PIN that could be locked"};
  for (int i = 0; i < kWrongPins && !is_locked(store, key); ++i)
    static_cast<void>(store.verify_pin(key, SecureBytes::copy_of(as_bytes("wrong"))));
  if (is_locked(store, key)) return {};
  return Error{Status::not_available, "the PIN of the key cannot be locked"};
}

}  // namespace

std::span<const KeyOrder> key_orders() { return kOrders; }

const KeyOrder* find_key_order(std::string_view word) {
  const auto* const found = std::ranges::find(kOrders, word, &KeyOrder::word);
  return found == kOrders.end() ? nullptr : &*found;
}

Result<OrderedKey> OrderedKey::choose(const KeyOrder& order, Device& device) {
  const std::vector<Held> keys = keys_of(device.store());
  if (keys.empty()) return Error{Status::not_available, "the issuer made no key"};
  if (order.unlocks) SKS_TRY(lock(device.store(), keys.front().handle));
  OrderedKey ordered(order, device);
  ordered.fingerprint_ = keys.front().fingerprint;
  ordered.keys_before_ = keys.size();
  return ordered;
}

void OrderedKey::check(Findings& findings) {
  const std::vector<Held> keys = keys_of(device_->store());
  const auto key = std::ranges::find(keys, fingerprint_, &Held::fingerprint);
  const bool is_there = key != keys.end();
  const std::size_t expected = keys_before_ + order_->made - (order_->stays ? 0U : 1U);
  const auto fail = [&](const std::string& sentence) { findings.add({"device", "", ""}, sentence); };
  findings.count();
  const std::string named = "the key of " + fingerprint_;
  if (is_there != order_->stays) fail(named + (is_there ? " is there still" : " is gone"));
  if (keys.size() != expected)
    fail("has " + std::to_string(keys.size()) + " keys where " + std::to_string(expected) + " were expected");
  if (is_there && order_->unlocks && is_locked(device_->store(), key->handle)) fail(named + " is locked still");
}

}  // namespace sks::conformance
