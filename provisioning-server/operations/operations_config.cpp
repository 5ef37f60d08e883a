#include "provisioning-server/operations/operations_config.h"

#include <array>

#include "provisioning-server/listener/listen_address.h"

namespace sks::issuer {
namespace {

constexpr auto kFormats = std::to_array<Choice>(
    {{"text", static_cast<std::uint8_t>(LogFormat::text)}, {"json", static_cast<std::uint8_t>(LogFormat::json)}});
constexpr auto kLevels = std::to_array<Choice>({{"debug", static_cast<std::uint8_t>(LogLevel::debug)},
                                                {"info", static_cast<std::uint8_t>(LogLevel::info)},
                                                {"warning", static_cast<std::uint8_t>(LogLevel::warning)},
                                                {"error", static_cast<std::uint8_t>(LogLevel::error)}});

}  // namespace

OperationsConfig read_operations(TomlTable& root, TomlTable& limits) {
  OperationsConfig config;
  TomlTable server = root.table("server");
  config.listen = listen_address_or_none(server, "server", "listen");
  config.drain_seconds = server.integer_or("drain_seconds", 1, 600, config.drain_seconds);
  TomlTable operations = root.table("operations");
  config.operations_listen = listen_address_or_none(operations, "operations", "listen");
  TomlTable log = root.table("log");
  config.log.format = static_cast<LogFormat>(log.choice_or("format", kFormats, 0));
  config.log.level = static_cast<LogLevel>(log.choice_or("level", kLevels, static_cast<std::uint8_t>(LogLevel::info)));
  config.connections_per_address =
      limits.integer_or("connections_per_address", 0, 20000, config.connections_per_address);
  config.requests_per_second_per_address =
      limits.integer_or("requests_per_second_per_address", 0, 1000000, config.requests_per_second_per_address);
  config.tries_per_minute_per_ticket =
      limits.integer_or("tries_per_minute_per_ticket", 0, 100000, config.tries_per_minute_per_ticket);
  config.requests_per_connection =
      limits.integer_or("requests_per_connection", 1, 1000000, config.requests_per_connection);
  return config;
}

}  // namespace sks::issuer
