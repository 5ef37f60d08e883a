#pragma once

#include "key-user-api/cli/command.h"

namespace sks::cli {

/// What the command line asks for.
struct Chosen {
  Run run = nullptr;
  Store store = Store::none;
};

inline constexpr const char* kDescription = "Key store of this device: get keys from issuers, make and use them.";

/// Declares the program with every row of the table; parsing then fills `arguments` and `chosen`.
void declare_program(CLI::App& app, Arguments& arguments, Chosen& chosen);

}  // namespace sks::cli
