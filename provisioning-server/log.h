#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sks::issuer {

enum class LogFormat : std::uint8_t { text, json };
enum class LogLevel : std::uint8_t { debug, info, warning, error };

struct LogConfig {
  LogFormat format = LogFormat::text;
  LogLevel level = LogLevel::info;
};

/// Takes effect for the lines that follow.
void configure_log(const LogConfig& config);

/// Names and values behind the event of a line. Names are words of the program.
using LogFields = std::vector<std::pair<std::string_view, std::string>>;

/// One line per event on stderr: time, level, event, fields; as JSON an object with these members. Callers never pass
/// secrets. Control characters and bytes that are not UTF-8, which come from peers, are escaped, so that a line stays
/// a line.
void log_debug(std::string_view event, const LogFields& fields = {});
void log_info(std::string_view event, const LogFields& fields = {});
void log_warning(std::string_view event, const LogFields& fields = {});
void log_error(std::string_view event, const LogFields& fields = {});

/// The line without a logger: for tests.
std::string log_line(LogFormat format, LogLevel level, std::string_view event, const LogFields& fields);

/// As long as one lives, every line of its thread carries the field "request"; afterwards that of the one before.
class LogRequest {
 public:
  explicit LogRequest(std::string id);
  ~LogRequest();
  /// For what goes on in another thread; empty outside of requests.
  static std::string current();
  LogRequest(const LogRequest&) = delete;
  LogRequest& operator=(const LogRequest&) = delete;

 private:
  std::string before_;
};

}  // namespace sks::issuer
