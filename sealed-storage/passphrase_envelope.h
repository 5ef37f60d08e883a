#pragma once

#include <string>
#include <string_view>

#include "sealed-storage/secret_source.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/scrypt.h"

/// A content under a key from a passphrase, as a part of a file. Spec: spec/sealed-record.md chapter 2.2.
///
///     envelope = log2(N) || r || p || salt || nonce || AES-256-GCM cipher text of the content || tag
namespace sks::sealed {

inline constexpr std::size_t kMaxPassphrase = 1024;
inline constexpr std::size_t kMaxEnvelopeContent = std::size_t{64} << 20;

inline constexpr std::size_t kEnvelopeSalt = 16;
/// What stands before the cipher text, and is authenticated with it.
inline constexpr std::size_t kEnvelopeHeader = 3 + kEnvelopeSalt + crypto::kGcmNonce;
/// By how many bytes an envelope is longer than its content.
inline constexpr std::size_t kEnvelopeOverhead = kEnvelopeHeader + crypto::kGcmTag;

/// 128 MiB, and about half a second of 2020.
inline constexpr crypto::ScryptCosts kDefaultCosts{17, 8, 1};

/// Fails with option when a passphrase is empty, longer than kMaxPassphrase or has a zero byte in it.
Result<void> check_passphrase(ByteView passphrase);

struct EnvelopeContext {
  ByteView header;          ///< the bytes of the file before the envelope, authenticated with it
  const std::string& path;  ///< of the file, for messages
  std::string_view owner;   ///< whose passphrase it is, for messages, such as "the key store"
  const std::string& name;  ///< of what the source of secrets is asked about
  SecretSource& secrets;
};

/// The envelope around `content`, at most kMaxEnvelopeContent bytes, under a new passphrase. Fails as the source of
/// secrets or check_passphrase.
Result<SecureBytes> seal_envelope(ByteView content, const EnvelopeContext& context, const Random& random,
                                  crypto::ScryptCosts costs = kDefaultCosts);

/// The content of an envelope without accidental damage, but maybe made to harm. Fails with crypto (too short or too
/// long, costs out of bounds) before the passphrase is asked for; as the source of secrets; as check_passphrase; with
/// authorization when the passphrase is wrong or the envelope was altered.
Result<SecureBytes> open_envelope(ByteView envelope, const EnvelopeContext& context);

}  // namespace sks::sealed
