#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "provisioning-server/database/database.h"

namespace sks::issuer {

/// How long a thread waits before it gives up, so that a database that is away costs requests and not the server.
struct PostgresqlLimits {
  std::chrono::seconds connect{5};                   ///< unless the URL has a connect_timeout
  std::chrono::milliseconds free_connection{5000};   ///< all connections in use
  std::chrono::milliseconds answer{10'000};          ///< silence of the server
  std::chrono::milliseconds schema_answer{600'000};  ///< the same for CREATE, ALTER and DROP
  int repetitions = 100;                             ///< of a transaction that collides
};

/// open_postgresql() with other limits, for tests.
Result<std::unique_ptr<Database>> open_postgresql(const std::string& url, std::size_t connections,
                                                  const PostgresqlLimits& limits);

}  // namespace sks::issuer
