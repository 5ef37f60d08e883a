#pragma once

#include <atomic>
#include <cstdint>

namespace sks::test {

/// What the fake PKCS#11 module does and has seen. The module exports one of these as `fake_token`.
struct FakeToken {
  /// Signs a digest; the test's key stays in the test.
  bool (*sign)(const std::uint8_t* digest, unsigned long size, std::uint8_t* out, unsigned long* out_size) = nullptr;
  std::atomic<unsigned long> next_sign{0};        ///< what the next C_Sign returns instead of signing
  std::atomic<unsigned long> every_sign{0};       ///< what every C_Sign returns instead of signing
  std::atomic<unsigned long> every_attribute{0};  ///< what C_GetAttributeValue returns instead of a value
  std::atomic<unsigned long> login{0};            ///< what C_Login returns
  std::atomic<bool> is_there{true};
  std::atomic<bool> hangs{false};  ///< C_Sign waits until this is false
  std::atomic<bool> asks_always{false};
  std::atomic<int> sessions{0};  ///< opened so far
  std::atomic<int> logins{0};
  std::atomic<int> pins_for_signatures{0};
  std::atomic<int> signatures{0};
};

}  // namespace sks::test
