#include "provisioning-server/log.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace sks::issuer;

TEST_CASE("log_line: a JSON line holds what was given, whatever bytes it is of") {
  const std::string nasty = "a\n\"b\"\\\x1b[2J\x7f\xff \xc2\x9bx";
  const std::string line = log_line(LogFormat::json, LogLevel::warning, "session-refused",
                                    {{"peer", "::1"}, {"reason", nasty}, {"empty", ""}});
  CHECK(line.find('\n') == std::string::npos);
  CHECK(line.find('\x1b') == std::string::npos);
  CHECK(line.find('\x7f') == std::string::npos);
  CHECK(line.find("\xc2\x9b") == std::string::npos);
  const auto object = nlohmann::json::parse(line);
  CHECK(object["level"] == "warning");
  CHECK(object["event"] == "session-refused");
  CHECK(object["peer"] == "::1");
  CHECK(object["reason"] == "a\n\"b\"\\\x1b[2J\x7f\xef\xbf\xbd \xc2\x9bx");
  CHECK_FALSE(object.contains("empty"));
  CHECK_FALSE(object.contains("request"));
  CHECK(object["time"].get<std::string>().size() == std::string("2026-01-01T00:00:00.000Z").size());
}

TEST_CASE("log_line: a line of text quotes what is not one plain word") {
  const std::string line = log_line(LogFormat::text, LogLevel::info, "request",
                                    {{"route", "/api/{id}"}, {"agent", "a b"}, {"x", "1\n2"}, {"y", "a=b"}});
  CHECK(line.substr(line.find(' ')) == R"( info request route=/api/{id} agent="a b" x="1\n2" y="a=b")");
}

TEST_CASE("log_line: the lines of a request carry its name, and the next ones do not") {
  {
    const LogRequest scope("r-1");
    const auto object = nlohmann::json::parse(log_line(LogFormat::json, LogLevel::info, "e", {}));
    CHECK(object["request"] == "r-1");
  }
  CHECK(log_line(LogFormat::text, LogLevel::info, "e", {}).find("r-1") == std::string::npos);
}
