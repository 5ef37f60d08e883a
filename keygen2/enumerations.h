#pragma once

#include <array>
#include <cstdint>
#include <string_view>

/// Enumerations of KeyGen2: the position of a string is its byte in SKS calls and MAC data, for patternRestrictions the
/// number of its bit. The values of formats and patternRestrictions are in sks-core/base/pin_value.h. Spec: keygen2.md
/// 4.14.
namespace sks::keygen2 {

using Names2 = std::array<std::string_view, 2>;
using Names3 = std::array<std::string_view, 3>;
using Names4 = std::array<std::string_view, 4>;
using Names5 = std::array<std::string_view, 5>;
using Names9 = std::array<std::string_view, 9>;

inline constexpr Names2 kActions{"manage", "unlock"};
inline constexpr Names4 kFormats{"numeric", "alphanumeric", "string", "binary"};
inline constexpr Names4 kGroupings{"none", "shared", "signature+standard", "unique"};
inline constexpr Names5 kPatternRestrictions{"two-in-a-row", "three-in-a-row", "sequence", "repeated", "missing-group"};
inline constexpr Names3 kInputMethods{"any", "programmatic", "trusted-gui"};
inline constexpr Names4 kAppUsages{"signature", "authentication", "encryption", "universal"};
inline constexpr Names4 kBiometricProtections{"none", "alternative", "combined", "exclusive"};
inline constexpr Names4 kDeleteProtections{"none", "pin", "puk", "non-deletable"};
inline constexpr Names4 kExportProtections{"none", "pin", "puk", "non-exportable"};
inline constexpr Names5 kKeyContainers{"software", "embedded", "uicc", "sdcard", "external"};
/// The position is the number of the bit in the X.509 extension.
inline constexpr Names9 kKeyUsages{"digitalSignature", "nonRepudiation", "keyEncipherment",
                                   "dataEncipherment", "keyAgreement",   "keyCertSign",
                                   "cRLSign",          "encipherOnly",   "decipherOnly"};

/// Features that an issuer may ask for. Spec: keygen2.md 4.2.
inline constexpr std::string_view kDevicePinFeature = "https://webpki.github.io/keygen2/feature#device-pin-support";
inline constexpr std::string_view kBiometricFeature = "https://webpki.github.io/keygen2/feature#biometric-support";

/// The client can suspend keys. Spec: sks-extensions.md.
inline constexpr std::string_view kKeySuspension = "urn:sks:ext:key-suspension";

/// What the answer to a capability query looks like follows from its URI. Spec: 4.2.
enum class QueryKind : std::uint8_t { feature, values, image };

struct QueryRow {
  std::string_view uri;
  QueryKind kind;
};

inline constexpr std::string_view kImeiNumber = "https://webpki.github.io/keygen2/clientattr#imei-number";

/// All others are algorithms or unknown, and asked for as features.
inline constexpr auto kQueries = std::to_array<QueryRow>({
    {kDevicePinFeature, QueryKind::feature},
    {kBiometricFeature, QueryKind::feature},
    {kImeiNumber, QueryKind::values},
    {"https://webpki.github.io/keygen2/clientattr#ip-address", QueryKind::values},
    {"https://webpki.github.io/keygen2/clientattr#mac-address", QueryKind::values},
    {"https://webpki.github.io/keygen2/clientattr#os-vendor", QueryKind::values},
    {"https://webpki.github.io/keygen2/clientattr#os-version", QueryKind::values},
    {"https://webpki.github.io/keygen2/logotype#list", QueryKind::image},
    {"https://webpki.github.io/keygen2/logotype#card", QueryKind::image},
    {"https://webpki.github.io/keygen2/logotype#icon", QueryKind::image},
    {"https://webpki.github.io/keygen2/logotype#application", QueryKind::image},
});

constexpr QueryKind query_kind(std::string_view uri) {
  for (const QueryRow& row : kQueries)
    if (row.uri == uri) return row.kind;
  return QueryKind::feature;
}

/// The kinds of objects that a credential carries; the position is the subType of addExtension.
inline constexpr Names4 kExtensionKinds{"extensions", "encryptedExtensions", "propertyBags", "logotypes"};
inline constexpr std::uint8_t kEncryptedExtension = 1;
inline constexpr std::uint8_t kPropertyBag = 2;
inline constexpr std::uint8_t kLogotype = 3;

inline constexpr std::uint8_t kActionManage = 0;
inline constexpr std::uint8_t kActionUnlock = 1;

inline constexpr std::uint8_t kGroupingNone = 0;
inline constexpr std::uint8_t kGroupingShared = 1;
inline constexpr std::uint8_t kGroupingSignaturePlusStandard = 2;
inline constexpr std::uint8_t kGroupingUnique = 3;

inline constexpr std::uint8_t kInputMethodTrustedGui = 2;

inline constexpr std::uint8_t kAppUsageSignature = 0;
inline constexpr std::uint8_t kAppUsageEncryption = 2;

inline constexpr std::uint8_t kBiometricNone = 0;
inline constexpr std::uint8_t kBiometricCombined = 2;
inline constexpr std::uint8_t kBiometricExclusive = 3;

inline constexpr std::uint8_t kProtectionNone = 0;
inline constexpr std::uint8_t kProtectionPin = 1;
inline constexpr std::uint8_t kProtectionPuk = 2;
inline constexpr std::uint8_t kNonDeletable = 3;
inline constexpr std::uint8_t kNonExportable = 3;

}  // namespace sks::keygen2
