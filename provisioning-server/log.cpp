#include "provisioning-server/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace sks::issuer {
namespace {

void write(spdlog::level::level_enum level, std::string event) {
  static const auto logger = [] {
    auto made = spdlog::stderr_logger_mt("sks-issuer");
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    return made;
  }();
  std::ranges::replace_if(
      event, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  logger->log(level, spdlog::string_view_t(event));
}

}  // namespace

void log_info(const std::string& event) { write(spdlog::level::info, event); }
void log_warning(const std::string& event) { write(spdlog::level::warn, event); }
void log_error(const std::string& event) { write(spdlog::level::err, event); }

}  // namespace sks::issuer
