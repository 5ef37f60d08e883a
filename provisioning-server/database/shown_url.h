#pragma once

#include <string>

namespace sks::issuer {

/// The URL of a database without the password that somebody may have put there: for people, and for logs.
std::string shown_database_url(const std::string& url);

}  // namespace sks::issuer
