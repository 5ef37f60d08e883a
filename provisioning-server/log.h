#pragma once

#include <string>

namespace sks::issuer {

/// One line per event on stderr. Callers never pass secrets; control characters of peers are replaced.
void log_info(const std::string& event);
void log_warning(const std::string& event);
void log_error(const std::string& event);

}  // namespace sks::issuer
