#include "tests/key-user-api/daemon/short_lived_sksd.h"

#include <array>
#include <cstdlib>

#include "tests/key-user-api/daemon/servers.h"

namespace sks::test {
namespace {

constexpr auto kVariables = std::to_array({"SKS_SKSD", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "SKS_PINENTRY"});

}  // namespace

ShortLivedSksd::ShortLivedSksd() {
  const auto values =
      std::to_array({std::string(SKSD_PROGRAM), folder_.path(), folder_.path(), folder_.file("no-pinentry")});
  for (std::size_t i = 0; i < kVariables.size(); ++i) ::setenv(kVariables[i], values[i].c_str(), 1);
}

ShortLivedSksd::~ShortLivedSksd() {
  end_servers_in(folder_.file("sks"));
  for (const char* const name : kVariables) ::unsetenv(name);
}

}  // namespace sks::test
