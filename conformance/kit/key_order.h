#pragma once

#include <span>

#include "conformance/finding.h"
#include "conformance/kit/device.h"

/// What an issuer is told to do to a key that it has issued: how the device is before and afterwards.
namespace sks::conformance {

/// Spec: keygen2.md 7.11.
struct KeyOrder {
  std::string_view word;  ///< in scenarios, and in commands that order it
  bool stays = true;      ///< the key, under its certificate
  std::size_t made = 0;   ///< keys that come
  bool unlocks = false;
};

std::span<const KeyOrder> key_orders();
/// Null: there is no such order.
const KeyOrder* find_key_order(std::string_view word);

/// An order for the first key of a device.
class OrderedKey {
 public:
  /// Makes the key one that the order is of use for. Fails with not_available: the device has no such key. Both must
  /// outlive it.
  static Result<OrderedKey> choose(const KeyOrder& order, Device& device);

  /// SHA-256 of its certificate in hexadecimal.
  const std::string& fingerprint() const { return fingerprint_; }
  /// After the session, which was closed.
  void check(Findings& findings);

 private:
  OrderedKey(const KeyOrder& order, Device& device) : order_(&order), device_(&device) {}

  const KeyOrder* order_;
  Device* device_;
  std::string fingerprint_;
  std::size_t keys_before_ = 0;
};

}  // namespace sks::conformance
