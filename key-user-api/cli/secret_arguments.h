#pragma once

#include <string>
#include <vector>

#include "sks-core/base/bytes.h"

namespace sks::cli {

/// The command line with the PINs and PUKs taken out: they are copied to memory that is cleansed and overwritten where
/// they stood, so that other users' process lists show them no longer than necessary.
struct SecretArguments {
  std::vector<std::string> rest;      ///< without the program's name; "*" where a secret stood
  std::vector<SecureBytes> pins;      ///< values of --pin, in order
  std::vector<SecureBytes> puks;      ///< values of --puk, in order
  std::vector<SecureBytes> new_pins;  ///< values of --new-pin, in order
};

/// Takes "--pin P" and "--pin=P", --puk and --new-pin likewise, up to "--".
SecretArguments take_secrets(int argc, char** argv);

}  // namespace sks::cli
