#pragma once

#include <cstdint>
#include <string>

#include "provisioning-server/internal/toml_table.h"
#include "provisioning-server/log.h"

namespace sks::issuer {

/// The sections [server], [operations], [log] and [limits] of D/issuer.toml. A limit of 0 is none, where 0 is allowed.
struct OperationsConfig {
  std::string listen;             ///< "HOST", "HOST:PORT" or "[IPV6]:PORT"; empty: loopback
  std::string operations_listen;  ///< for /metrics, /livez and /readyz over plain HTTP; empty: nowhere
  LogConfig log;
  std::int64_t connections_per_address = 64;
  std::int64_t requests_per_second_per_address = 1000;
  std::int64_t tries_per_minute_per_ticket = 30;
  std::int64_t requests_per_connection = 1000;
  std::int64_t drain_seconds = 10;
};

/// `limits` is the table [limits], which others read as well. Failures stick to the file that the tables are of.
OperationsConfig read_operations(TomlTable& root, TomlTable& limits);

}  // namespace sks::issuer
