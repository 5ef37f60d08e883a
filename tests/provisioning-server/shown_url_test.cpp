#include "provisioning-server/database/shown_url.h"

#include <doctest/doctest.h>

#include <array>

namespace sks::issuer {

TEST_CASE("shown_database_url: a password is not shown, wherever libpq would find it") {
  struct Case {
    const char* url;
    const char* shown;
  };
  constexpr auto kCases = std::to_array<Case>({
      {"sqlite:issuer.db", "sqlite:issuer.db"},
      {"sqlite:/a:b@c/d?e=password=x", "sqlite:/a:b@c/d?e=password=x"},
      {"postgresql://sks@db.example:5432/issuer", "postgresql://sks@db.example:5432/issuer"},
      {"postgresql://sks:hunter2@db.example:5432/issuer", "postgresql://sks:...@db.example:5432/issuer"},
      {"postgres://sks:hunter2@/issuer?host=/run", "postgres://sks:...@/issuer?host=/run"},
      {"postgresql://:hunter2@[::1]/issuer", "postgresql://:...@[::1]/issuer"},
      {"postgresql://sks:hunter2:a@b@host/issuer", "postgresql://sks:...@host/issuer"},
      {"postgresql://sks:hun/ter2@host/issuer", "postgresql://sks:...@host/issuer"},
      {"postgresql://sks:hunt?er2@host/issuer", "postgresql://sks:...@host/issuer"},
      {"postgresql://a:1,b:2/issuer", "postgresql://a:1,b:2/issuer"},
      {"postgresql:///issuer?user=sks&password=hunter2&sslmode=verify-full",
       "postgresql:///issuer?user=sks&password=...&sslmode=verify-full"},
      {"postgresql:///issuer?p%61ssword=hunter2", "postgresql:///issuer?password=..."},
      {"postgresql:///issuer?p%zzassword=hunter2", "postgresql:///issuer?password=..."},
      {"postgresql:///issuer?sslpassword=hunter2", "postgresql:///issuer?sslpassword=..."},
      {"postgresql://s:hunter2@h/i?password=hunter2", "postgresql://s:...@h/i?password=..."},
  });
  for (const Case& c : kCases) {
    CAPTURE(c.url);
    const std::string shown = shown_database_url(c.url);
    CHECK(shown == c.shown);
    CHECK(shown.find("hunter2") == std::string::npos);
  }
}

}  // namespace sks::issuer
