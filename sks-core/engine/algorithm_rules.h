#pragma once

#include "sks-core/crypto/public_key.h"
#include "sks-core/engine/records.h"

/// Which algorithms go with which keys. Spec: sks-api.md chapter 6.
namespace sks::engine {

/// The row of a key generation algorithm, or null.
const Algorithm* find_key_generation(std::string_view uri);
/// The row that makes keys on `curve`, or null when the curve is not supported.
const Algorithm* find_key_generation(Curve curve);

/// The RSA and EC tests of chapter 6.5. Other kinds of keys fail like an unsupported curve. Fails with option.
Result<void> check_supported(const crypto::PublicKey& key, std::string_view argument);

/// The EC test alone: keys of any other kind fail like an unsupported curve. Fails with option.
Result<void> check_supported_curve(const crypto::PublicKey& key, std::string_view argument);

/// createKeyEntry step 15. Fails with option.
Result<void> check_endorsed(const std::vector<std::string>& uris);

/// closeProvisioningSession step 5e: every endorsed algorithm fits the key. Fails with option.
Result<void> check_endorsed_fit(const KeyEntry& key);

/// Whether a cipher works with symmetric keys of `length` bytes; other algorithms take any length.
bool takes_key_length(const Algorithm& algorithm, std::size_t length);

/// Chapter 6.4: the row of `uri` when `key` may be used with it in a method whose algorithms are `belongs`.
/// Fails with algorithm or option.
Result<const Algorithm*> check_usable(const KeyEntry& key, std::string_view uri, std::string_view method,
                                      bool (*belongs)(const Algorithm&));

}  // namespace sks::engine
