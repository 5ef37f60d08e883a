#include <array>

#include "provisioning-server/database/watched_database.h"

namespace sks::issuer {
namespace {

constexpr std::size_t kPostgresqlConnections = 16;

struct Kind {
  std::string_view prefix;
  Result<std::unique_ptr<Database>> (*open)(const std::string& url, const std::string& folder);
};

Result<std::unique_ptr<Database>> open_file(const std::string& url, const std::string& folder) {
  const std::string file = url.substr(url.find(':') + 1);
  if (file.empty()) return Error{Status::option, "database: the name of a file must follow \"sqlite:\""};
  return open_sqlite(file.front() == '/' ? file : folder + '/' + file, false);
}

Result<std::unique_ptr<Database>> open_server(const std::string& url, const std::string&) {
  return open_postgresql(url, kPostgresqlConnections);
}

constexpr auto kKinds = std::to_array<Kind>({
    {"sqlite:", open_file},
    {"postgresql://", open_server},
    {"postgres://", open_server},
});

}  // namespace

Result<std::unique_ptr<Database>> open_database(const std::string& url, const std::string& folder) {
  for (const Kind& kind : kKinds)
    if (url.starts_with(kind.prefix)) {
      SKS_LET(std::unique_ptr<Database> database, kind.open(url, folder));
      return watch_database(std::move(database));
    }
  return Error{Status::option, "database must be \"sqlite:FILE\" or \"postgresql://USER@HOST:PORT/NAME\""};
}

}  // namespace sks::issuer
