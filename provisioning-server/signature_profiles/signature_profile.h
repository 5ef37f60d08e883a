#pragma once

#include <string>
#include <string_view>

#include "sks-core/base/result.h"

namespace sks::issuer {

/// The extension of a key that holds the URI of its signature profile.
inline constexpr std::string_view kSignatureProfileType = "urn:sks:ext:signature-profile";

/// What the signatures of a key are for. Spec: signature-profiles.md
struct SignatureProfile {
  std::string service;
  std::string operation;
  std::string loa;   ///< level of assurance
  std::string sscd;  ///< signature creation device

  /// Out of "mss:<service>:<operation>:<loa>:<sscd>". Fails with option and a sentence.
  static Result<SignatureProfile> parse(std::string_view uri);
  std::string uri() const;

  bool operator==(const SignatureProfile&) const = default;
};

}  // namespace sks::issuer
