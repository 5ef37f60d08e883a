#include "provisioning-server/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

namespace sks::issuer {
namespace {

constexpr auto kLevels = std::to_array<std::string_view>({"debug", "info", "warning", "error"});

std::atomic<LogFormat> current_format{LogFormat::text};
std::atomic<LogLevel> current_level{LogLevel::info};
thread_local std::string request_id;

std::string time_now() {
  std::timespec now{};
  std::timespec_get(&now, TIME_UTC);
  std::tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  std::array<char, 32> text{};
  std::string line(text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts));
  const std::string millis = std::to_string(now.tv_nsec / 1'000'000);
  return line + '.' + std::string(3 - millis.size(), '0') + millis + 'Z';
}

/// A JSON text: escapes what could end a line or reach a terminal, and replaces what is not UTF-8.
std::string quoted(std::string_view value) {
  std::string text = nlohmann::json(std::string(value)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  // JSON leaves DEL and the controls of U+0080 to U+009F (C2 80 to C2 9F) as they are.
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string safe;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
    const bool is_high_control = byte == 0xc2 && next >= 0x80 && next < 0xa0;
    if (byte != 0x7f && !is_high_control) {
      safe += text[i];
      continue;
    }
    const unsigned code = is_high_control ? next : byte;
    safe.append("\\u00").append(1, kDigits[code >> 4]).append(1, kDigits[code & 15]);
    if (is_high_control) ++i;
  }
  return safe;
}

bool is_plain(std::string_view value) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:,/+@%*[](){}<>~#&;!?|^$`'";
  return !value.empty() && value.find_first_not_of(kPlain) == std::string_view::npos;
}

void write(LogLevel level, std::string_view event, const LogFields& fields) {
  if (level < current_level.load(std::memory_order_relaxed)) return;
  static const auto logger = [] {
    auto made = spdlog::stderr_logger_mt("sks-issuer");
    made->set_pattern("%v");
    return made;
  }();
  logger->log(spdlog::level::info,
              spdlog::string_view_t(log_line(current_format.load(std::memory_order_relaxed), level, event, fields)));
}

}  // namespace

void configure_log(const LogConfig& config) {
  current_format = config.format;
  current_level = config.level;
}

std::string log_line(LogFormat format, LogLevel level, std::string_view event, const LogFields& fields) {
  const std::string_view level_name = kLevels.at(static_cast<std::size_t>(level));
  const bool is_json = format == LogFormat::json;
  std::string line = is_json ? "{\"time\":\"" + time_now() + "\",\"level\":\"" + std::string(level_name) +
                                   "\",\"event\":" + quoted(event)
                             : time_now() + ' ' + std::string(level_name) + ' ';
  if (!is_json) {
    // Without its quotes: an event may be several words.
    const std::string text = is_plain(event) ? std::string() : quoted(event);
    line += text.empty() ? event : std::string_view(text).substr(1, text.size() - 2);
  }
  const auto add = [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    line.append(is_json ? ",\"" : " ").append(name).append(is_json ? "\":" : "=");
    line += !is_json && is_plain(value) ? std::string(value) : quoted(value);
  };
  add("request", request_id);
  for (const auto& [name, value] : fields) add(name, value);
  if (is_json) line += '}';
  return line;
}

void log_debug(std::string_view event, const LogFields& fields) { write(LogLevel::debug, event, fields); }
void log_info(std::string_view event, const LogFields& fields) { write(LogLevel::info, event, fields); }
void log_warning(std::string_view event, const LogFields& fields) { write(LogLevel::warning, event, fields); }
void log_error(std::string_view event, const LogFields& fields) { write(LogLevel::error, event, fields); }

LogRequest::LogRequest(std::string id) : before_(std::exchange(request_id, std::move(id))) {}
LogRequest::~LogRequest() { request_id = std::move(before_); }
std::string LogRequest::current() { return request_id; }

}  // namespace sks::issuer
