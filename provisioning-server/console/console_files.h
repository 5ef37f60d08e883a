#pragma once

#include <span>
#include <string_view>

namespace sks::issuer {

/// A file of web/ or locales/, which are part of the program.
struct ConsoleFile {
  std::string_view name;  ///< "web/main.js", "locales/en.json"
  std::string_view content;
};

std::span<const ConsoleFile> console_files();

}  // namespace sks::issuer
