#pragma once

#include <string>

/// The server that tests/provisioning-server/postgresql/server.py has started around this program.
namespace sks::test {

/// What server.py says in an environment variable; ends the test when it does not run around this program.
std::string postgresql_variable(const char* name);

/// stop, kill, start, restart, freeze, thaw or drop_connections; returns when it is done.
void control_postgresql(const std::string& command);

/// With options of libpq behind it: "connect_timeout=2".
std::string with_option(const std::string& url, const std::string& option);

}  // namespace sks::test
