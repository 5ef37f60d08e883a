#pragma once

#include <string_view>

/// The files beside this one that are part of the program.
namespace sks::issuer {

extern const std::string_view kEnglish;     ///< locales/en.json
extern const std::string_view kGerman;      ///< locales/de.json
extern const std::string_view kStyleSheet;  ///< style.css

}  // namespace sks::issuer
