#pragma once

#include "keygen2/json_writer.h"
#include "keygen2/messages.h"

/// What the files of the single messages share. Spec: keygen2.md 4.1 and Appendix B.
namespace sks::keygen2 {

inline constexpr Range kMacSize{32, 32};
inline constexpr Range kFingerPrintSize{32, 32};
/// A signature of an RSA key of up to 16384 bits.
inline constexpr Range kSignatureSize{1, 2048};
inline constexpr std::uint16_t kMaxCertificate = 16384;
inline constexpr Range kCertificateSize{1, kMaxCertificate};
inline constexpr Range kAttestationSize{1, 2048};
inline constexpr Range kEncryptedPassphraseSize{32, 160};
inline constexpr std::size_t kMaxCertificatesPerPath = 10;
inline constexpr std::uint16_t kMaxRetryLimit = 10000;
inline constexpr Range kKeyParametersSize{1, 8};
inline constexpr std::size_t kMaxFriendlyName = 100;  ///< characters
inline constexpr std::size_t kMaxEndorsedAlgorithms = 255;
inline constexpr std::size_t kMaxPolicies = 20;  ///< PIN and PUK policies together
inline constexpr std::size_t kMaxLookups = 20;
inline constexpr std::size_t kMaxCapabilityQueries = 50;
inline constexpr std::size_t kMaxUpdatableKeyDepth = 8;
inline constexpr std::size_t kMaxUpdatableKeys = 16;  ///< of a whole tree

/// The legacy message signature that a request may carry: it must verify, and conveys no trust. Spec: 4.1.
void check_message_signature(JsonReader& in);

JsonWriter begin_message(MessageType type, std::string_view server_session_id);
JsonWriter begin_message(MessageType type, const SessionIds& ids);

SessionIds read_ids(JsonReader& in);

/// certificatePath: DER certificates that nobody has looked into yet.
std::vector<Bytes> read_certificate_path(JsonReader& in);
void write_certificate_path(JsonWriter& out, const std::vector<Bytes>& path);

/// A 16-bit number of a smaller range.
std::uint16_t read_u16(JsonReader& in, std::string_view name, Range range);

bool has_duplicates(std::vector<std::string> texts);

}  // namespace sks::keygen2
