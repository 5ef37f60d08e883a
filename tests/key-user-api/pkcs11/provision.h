#pragma once

#include <string>
#include <string_view>

/// A key store folder with known keys, for tests that look at it through PKCS#11.
namespace sks::test {

inline constexpr std::string_view kMainPin = "1234";
inline constexpr std::string_view kSecondPin = "567890";
inline constexpr unsigned kRetryLimit = 3;
inline constexpr unsigned kMainMinPin = 4;
inline constexpr unsigned kMainMaxPin = 8;

/// Makes the store. First PIN group (kMainPin, issuer main.example.com): "ec" P-256 and "rsa" RSA-2048, both
/// unrestricted, and "rsa" may be exported. Second group (kSecondPin, second.example.com): "sha256 only" P-256 endorsed
/// for ECDSA with SHA-256, "p384" P-384, "rsa sha256 only" RSA-2048 endorsed for PKCS#1 with SHA-256, "no crypto" P-256
/// endorsed for nothing. Without PIN: "open" P-256 and "ed25519" Ed25519. Certificates: CN=<name> user, under one
/// authority, which is part of each path. Returns the authority as PEM. Ends the test when anything fails.
std::string provision_store(const std::string& folder);

/// Makes a store with PINs that are not numeric. First PIN group (letters.example.com, alphanumeric PIN AB12CD):
/// "letters" P-256. Second group (binary.example.com, binary PIN 00ff10fe): "binary" P-256.
void provision_pin_formats(const std::string& folder);

/// Makes a store with "own" P-256, a key of the local issuer under kMainPin and kPuk, which further keys can join, and,
/// of dialog.example.com, "each time" P-256 under kMainPin, which goes through trusted dialogs only and is not kept.
inline constexpr std::string_view kPuk = "98765";
void provision_policies(const std::string& folder);

/// A store that was just made: no keys.
void provision_empty_store(const std::string& folder);

}  // namespace sks::test
