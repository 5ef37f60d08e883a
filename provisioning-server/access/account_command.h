#pragma once

#include <iosfwd>
#include <string>

#include "sks-core/base/result.h"

namespace sks::issuer {

/// What somebody has written behind `sks-issuer account`. Empty: not given.
struct AccountArguments {
  std::string action;  ///< "add", "list", "certificate", "disable", "enable" or "remove"
  std::string folder;
  std::string name;
  std::string roles;        ///< add: "operator,officer"
  std::string certificate;  ///< add, certificate: PEM file of a certificate that this issuer has issued
  std::string fingerprint;  ///< add, certificate: the same by its fingerprint
  std::string days;         ///< add, certificate: how long the account counts
  bool token = false;       ///< add: make a token
};

/// Fails with option, not_available (no such account or credential), not_allowed (in use) or storage.
Result<void> run_account_command(const AccountArguments& arguments, std::ostream& out);

}  // namespace sks::issuer
