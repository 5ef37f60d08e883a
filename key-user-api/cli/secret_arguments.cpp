#include "key-user-api/cli/secret_arguments.h"

#include <array>
#include <cstring>
#include <span>
#include <string_view>

namespace sks::cli {
namespace {

constexpr char kHidden[] = "*";

/// Copies a C string and overwrites it in place.
SecureBytes take(char* secret) {
  const std::size_t size = std::strlen(secret);
  SecureBytes copy = SecureBytes::copy_of(as_bytes({secret, size}));
  cleanse({reinterpret_cast<std::uint8_t*>(secret), size});
  return copy;
}

}  // namespace

SecretArguments take_secrets(int argc, char** argv) {
  struct Option {
    std::string_view name;
    std::vector<SecureBytes> SecretArguments::*values;
  };
  constexpr std::array<Option, 3> kOptions{{{"--pin", &SecretArguments::pins},
                                            {"--puk", &SecretArguments::puks},
                                            {"--new-pin", &SecretArguments::new_pins}}};

  SecretArguments out;
  const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
  bool options_over = false;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view argument(arguments[i]);
    options_over = options_over || argument == "--";
    bool taken = false;
    for (const Option& option : kOptions) {
      if (options_over || taken || !argument.starts_with(option.name)) continue;
      if (argument.size() == option.name.size() && i + 1 < arguments.size()) {
        (out.*option.values).push_back(take(arguments[++i]));
        out.rest.insert(out.rest.end(), {std::string(option.name), kHidden});
        taken = true;
      } else if (argument.size() > option.name.size() && argument[option.name.size()] == '=') {
        (out.*option.values).push_back(take(arguments[i] + option.name.size() + 1));
        out.rest.insert(out.rest.end(), {std::string(option.name), kHidden});
        taken = true;
      }
    }
    if (!taken) out.rest.emplace_back(arguments[i]);
  }
  return out;
}

}  // namespace sks::cli
